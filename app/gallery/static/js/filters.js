/** The search box, the filters below it, and the chips that say what is shown. */

import { isFiltered, withoutFilters } from "./address.js";
import { byId, el, iconButton } from "./element.js";
import { asDay, asType } from "./format.js";
import { TagField } from "./tag-field.js";

const TYPING_MILLISECONDS = 250;

/** `change(view, {typing})` is called with what the person wants to see; `typing` while it is still being typed. */
export class Filters {
  #view;
  #change;
  #tags = new TagField({ label: "Tags", placeholder: "Any tag", showsTags: false });
  #timer = 0;

  constructor(change) {
    this.#change = change;
    byId("filter-tags").append(el("span", { "aria-hidden": "true" }, "Tagged"), this.#tags.element);
    this.#tags.addEventListener("change", () => this.#set({ tags: this.#tags.tags }));
    for (const [id, name] of Object.entries({
      "filter-match": "match",
      "filter-type": "type",
      "filter-from": "from",
      "filter-until": "until",
      "filter-order": "order",
    }))
      byId(id).addEventListener("change", ({ target }) => this.#set({ [name]: target.value }));
    byId("words").addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#set({ q: byId("words").value }, { typing: true }), TYPING_MILLISECONDS);
    });
    byId("search").addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(this.#timer);
      this.#set({ q: byId("words").value });
    });
    byId("filters-button").addEventListener("click", () => this.#open(byId("filters").hidden));
    document.addEventListener("keydown", (event) => {
      if (
        event.key !== "/" ||
        event.target.matches?.("input, textarea, select") ||
        document.querySelector("dialog[open]")
      )
        return;
      event.preventDefault();
      byId("words").focus();
    });
  }

  show(view) {
    this.#view = view;
    if (document.activeElement !== byId("words")) byId("words").value = view.q;
    this.#tags.set(view.tags);
    byId("filter-match").value = view.match;
    byId("filter-match").disabled = view.tags.length < 2;
    byId("filter-type").value = view.type;
    byId("filter-from").value = view.from;
    byId("filter-until").value = view.until;
    byId("filter-order").value = view.order;
    this.#showChips();
  }

  clear() {
    byId("words").value = "";
    this.#change(withoutFilters(this.#view), {});
  }

  #set(part, options = {}) {
    this.#change({ ...this.#view, ...part }, options);
  }

  #open(isOpen) {
    byId("filters").hidden = !isOpen;
    byId("filters-button").setAttribute("aria-expanded", String(isOpen));
  }

  #showChips() {
    const view = this.#view;
    const chip = (text, without) =>
      el(
        "span",
        { class: "chip" },
        text,
        iconButton("close", `Without ${text}`, () => this.#set(without)),
      );
    const chips = [
      ...view.tags.map((tag) => chip(`#${tag}`, { tags: view.tags.filter((other) => other !== tag) })),
      view.type && chip(asType(view.type), { type: "" }),
      view.from && chip(`from ${asDay(`${view.from}T00:00`)}`, { from: "" }),
      view.until && chip(`until ${asDay(`${view.until}T00:00`)}`, { until: "" }),
    ].filter(Boolean);
    if (chips.length)
      chips.push(el("button", { class: "button quiet", type: "button", onclick: () => this.clear() }, "Clear all"));
    byId("chips").replaceChildren(...chips);
    byId("chips").hidden = !chips.length;
    byId("filters-button").classList.toggle("active", isFiltered({ ...view, q: "" }));
  }
}
