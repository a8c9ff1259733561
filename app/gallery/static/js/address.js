/** What is shown, as the page's address and back, so that a link shows the same. */

const EMPTY = { q: "", tags: [], match: "all", type: "", from: "", until: "", order: "", image: null };

/** The view that the address bar names. What it does not name, or names wrongly, is as at first. */
export function viewOf(search) {
  const query = new URLSearchParams(search);
  const date = (name) => (isDay(query.get(name)) ? query.get(name) : "");
  return {
    ...EMPTY,
    q: query.get("q") ?? "",
    tags: query.getAll("tag").filter(Boolean),
    match: query.get("match") === "any" ? "any" : "all",
    type: /^image\/(jpeg|png|gif|webp)$/.test(query.get("type")) ? query.get("type") : "",
    from: date("from"),
    until: date("until"),
    order: query.get("order") === "asc" ? "asc" : "",
    image: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(query.get("image")) ? query.get("image") : null,
  };
}

/** The query string that names the view; the shortest one. */
export function addressOf(view) {
  const query = new URLSearchParams();
  if (view.q.trim()) query.set("q", view.q.trim());
  for (const tag of view.tags) query.append("tag", tag);
  if (view.tags.length > 1 && view.match === "any") query.set("match", "any");
  for (const name of ["type", "from", "until", "order", "image"]) if (view[name]) query.set(name, view[name]);
  const text = query.toString();
  return text ? `?${text}` : location.pathname;
}

/** The view as parameters of `GET /images`. Days are those of the person who looks, so they are sent as moments. */
export function filterOf(view) {
  const filter = [];
  if (/[\p{L}\p{N}]/u.test(view.q)) filter.push(["q", view.q.trim()]); // a search of no word at all is refused
  for (const tag of view.tags) filter.push(["tags", JSON.stringify([tag])]); // as it is, whatever commas it has
  if (view.tags.length > 1) filter.push(["tag_match", view.match]);
  if (view.type) filter.push(["content_type", view.type]);
  if (view.from) filter.push(["created_after", startOf(view.from, 0)]);
  if (view.until) filter.push(["created_before", startOf(view.until, 1)]);
  if (view.order) filter.push(["order", view.order]);
  return filter;
}

export const isFiltered = (view) => filterOf({ ...view, order: "" }).length > 0;

export const withoutFilters = (view) => ({ ...EMPTY, order: view.order, image: view.image });

/** Whether the text names a day that there is, in the years that the service knows. */
function isDay(text) {
  const moment = new Date(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00Z` : NaN);
  return moment < Date.UTC(9999, 11, 31) && moment.toISOString().startsWith(text);
}

function startOf(day, daysLater) {
  const [year, month, date] = day.split("-").map(Number);
  return new Date(year, month - 1, date + daysLater).toISOString();
}
