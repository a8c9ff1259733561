/** Puts the parts of the gallery together, and keeps the address bar and what is shown the same. */

import { addressOf, filterOf, isFiltered, viewOf } from "./address.js";
import { getImage } from "./api.js";
import { Deletions } from "./deletion.js";
import { byId } from "./element.js";
import { Filters } from "./filters.js";
import { counted } from "./format.js";
import { Grid } from "./grid.js";
import { LargeView } from "./large-view.js";
import { Library } from "./library.js";
import { Selection, showSelectionBar } from "./selection.js";
import { askWhoIsThere } from "./sign-in.js";
import { showStates } from "./states.js";
import { showTheme } from "./theme.js";
import { UploadPanel } from "./upload-panel.js";
import { UploadQueue } from "./uploads.js";

const TITLE = document.title;

let view = viewOf(location.search);
const library = new Library();
const selection = new Selection(library);
const deletions = new Deletions(library);
const remove = (ids) => deletions.remove(ids.map((id) => library.find(id)).filter(Boolean));
const queue = new UploadQueue(library);
const filters = new Filters((next, { typing = false } = {}) => go({ ...next, image: null }, { replace: typing }));
const open = (id) => go({ ...view, image: id }, { opened: true });
const grid = new Grid(byId("grid"), library, selection, { open, remove });
const large = new LargeView(library, {
  remove: (images) => deletions.remove(images),
  moved: (id) => go({ ...view, image: id }, { replace: true }),
  closed: (id) => {
    // What opened it is one step back in the history, unless the page was opened with it.
    if (history.state?.opened) history.back();
    else go({ ...view, image: null }, { replace: true });
    if (id) grid.focus(id);
  },
  find: (tag) => go({ ...viewOf(""), tags: [tag] }),
});

/** Show another view, and say so in the address bar. */
function go(next, { replace = false, opened = history.state?.opened && replace } = {}) {
  const address = addressOf(next);
  if (address !== addressOf(view)) history[replace ? "replaceState" : "pushState"]({ opened }, "", address);
  show(next);
}

function show(next) {
  const isOtherList = JSON.stringify(filterOf(next)) !== JSON.stringify(filterOf(view));
  view = next;
  filters.show(view);
  if (isOtherList) library.show(filterOf(view));
  if (view.image) {
    if (large.image?.image_id !== view.image) large.show(view.image);
  } else {
    large.close();
    document.title = TITLE;
  }
}

addEventListener("popstate", () => {
  if (!large.mayLeave()) return history.pushState({ opened: true }, "", addressOf(view));
  const last = view.image;
  show(viewOf(location.search));
  if (last && !view.image) grid.focus(last);
});

showTheme();
showSelectionBar(selection, { remove });
showStates(library, {
  isFiltered: () => isFiltered(view),
  clear: () => filters.clear(),
  upload: () => byId("upload-button").click(),
  again: () => library.more(),
});
new UploadPanel(queue, { open: (image) => open(image.image_id) });
queue.addEventListener("done", async ({ detail: { image } }) => {
  // Uploads are answered without the links to all sizes; if those cannot be had, one size has to do.
  const complete = await getImage(image.image_id).catch(() => image);
  if (!isFiltered(view)) library.add(complete);
});

// The end of the grid is watched anew after each page: if it is still in sight, the next one is due.
const endInSight = new IntersectionObserver(
  ([entry]) => entry.isIntersecting && library.state === "ready" && library.more(),
  { rootMargin: "1200px" },
);
library.addEventListener("state", () => {
  endInSight.unobserve(byId("grid-end"));
  if (library.state === "ready") endInSight.observe(byId("grid-end"));
});

const showConnection = () => (byId("offline").hidden = navigator.onLine);
addEventListener("offline", showConnection);
addEventListener("online", () => {
  showConnection();
  if (library.state === "failed") library.more();
});
showConnection();

askWhoIsThere({
  start: () => {
    filters.show(view);
    library.show(filterOf(view));
    if (view.image) large.show(view.image);
  },
  leaving: async () => {
    const { running } = queue.totals;
    if (running && !confirm(`${counted(running, "upload")} will be cancelled. Sign out?`)) return false;
    await queue.cancelAll();
    deletions.carryOut();
    return true;
  },
});
