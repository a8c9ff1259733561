/** Which images are selected, and the bar that says so. */

import { byId } from "./element.js";
import { counted } from "./format.js";

export class Selection extends EventTarget {
  #chosen = new Set();
  #library;
  #last = null;

  constructor(library) {
    super();
    this.#library = library;
    library.addEventListener("reset", () => this.clear());
    library.addEventListener("removed", ({ detail }) => this.#drop(detail));
  }

  get size() {
    return this.#chosen.size;
  }

  get ids() {
    return [...this.#chosen];
  }

  has(id) {
    return this.#chosen.has(id);
  }

  /** Select or not; with `through`, all from the one before as well. */
  toggle(id, { through = false } = {}) {
    const order = this.#library.images.map((image) => image.image_id);
    const from = order.indexOf(this.#last);
    if (through && from !== -1) {
      const to = order.indexOf(id);
      for (const between of order.slice(Math.min(from, to), Math.max(from, to) + 1)) this.#chosen.add(between);
    } else if (!this.#chosen.delete(id)) this.#chosen.add(id);
    this.#last = id;
    this.#changed();
  }

  clear() {
    this.#chosen.clear();
    this.#last = null;
    this.#changed();
  }

  #drop(ids) {
    for (const id of ids) this.#chosen.delete(id);
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** The bar at the bottom: how many, delete, clear. */
export function showSelectionBar(selection, { remove }) {
  const bar = byId("selection");
  selection.addEventListener("change", () => {
    bar.hidden = selection.size === 0;
    byId("selection-count").textContent = selection.size ? `${counted(selection.size, "image")} selected` : "";
  });
  byId("selection-clear").addEventListener("click", () => selection.clear());
  byId("selection-delete").addEventListener("click", () => remove(selection.ids));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && selection.size && !document.querySelector("dialog[open], :popover-open"))
      selection.clear();
  });
}
