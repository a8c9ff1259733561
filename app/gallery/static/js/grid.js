/** The grid of thumbnails: rows of one height, filled to the edge by CSS from each image's shape. */

import { resolved } from "./api.js";
import { el, icon } from "./element.js";
import { nameOf } from "./format.js";
import { blurred } from "./thumbhash.js";

/** Flatter or taller than this is cut off at the sides: one panorama should not be a row of 20 pixels. */
const SHAPES = { min: 0.56, max: 2.6 };

const HOLD_MILLISECONDS = 450; // less than browsers take for a link's own menu

export class Grid {
  #list;
  #library;
  #selection;
  #tiles = new Map();
  #wasHeld = false;

  /** `open` is called with an image that is to be shown large, `remove` with those that are to be deleted. */
  constructor(list, library, selection, { open, remove }) {
    this.#list = list;
    this.#library = library;
    this.#selection = selection;
    library.addEventListener("reset", () => this.#clear());
    library.addEventListener("added", ({ detail }) => this.#add(detail));
    library.addEventListener("replaced", ({ detail }) => this.#replace(detail));
    library.addEventListener("removed", ({ detail }) => this.#remove(detail));
    library.addEventListener("state", () => this.#hideUnfinishedRow());
    addEventListener("resize", () => this.#hideUnfinishedRow());
    selection.addEventListener("change", () => this.#showSelection());
    list.addEventListener("click", (event) => this.#click(event, open));
    list.addEventListener("pointerdown", (event) => this.#hold(event));
    list.addEventListener("contextmenu", (event) => this.#wasHeld && event.preventDefault());
    list.addEventListener("keydown", (event) => this.#key(event, remove));
    list.addEventListener("focusin", (event) => this.#makeCurrent(event.target.closest(".tile")));
  }

  focus(id) {
    this.#tiles.get(id)?.querySelector("a").focus();
  }

  /** While more is to come the last row is not shown: its tiles will move as it fills. */
  #hideUnfinishedRow() {
    const tiles = [...this.#list.children];
    const isWhole = ["end", "failed"].includes(this.#library.state);
    this.#list.classList.toggle("goes-on", !isWhole);
    for (const tile of tiles) tile.hidden = false;
    const { offsetTop: top } = tiles.at(-1) ?? this.#list;
    const last = tiles.slice(tiles.findIndex((tile) => tile.offsetTop === top));
    if (!isWhole && last.length < tiles.length) for (const tile of last) tile.hidden = true;
  }

  #clear() {
    this.#list.replaceChildren();
    this.#tiles.clear();
  }

  #add({ images, at }) {
    const tiles = images.map((image) => this.#tile(image));
    const next = this.#list.children[at];
    if (next) next.before(...tiles);
    else this.#list.append(...tiles);
    if (!this.#list.querySelector("a[tabindex='0']")) this.#makeCurrent(this.#list.firstElementChild);
  }

  #replace(image) {
    const old = this.#tiles.get(image.image_id);
    old.querySelector(".tile-caption").textContent = nameOf(image);
    old.querySelector("img").alt = nameOf(image);
    old.querySelector("input").setAttribute("aria-label", `Select ${nameOf(image)}`);
  }

  #remove(ids) {
    for (const id of ids) {
      const tile = this.#tiles.get(id);
      if (!tile) continue;
      if (tile.contains(document.activeElement))
        (tile.nextElementSibling ?? tile.previousElementSibling)?.querySelector("a").focus();
      tile.remove();
      this.#tiles.delete(id);
    }
    if (!this.#list.querySelector("a[tabindex='0']")) this.#makeCurrent(this.#list.firstElementChild);
  }

  #tile(image) {
    const picture = el("img", {
      alt: nameOf(image),
      width: image.width,
      height: image.height,
      loading: "lazy",
      decoding: "async",
      // "auto" is what the layout gives it, where the browser knows that; else a guess.
      sizes: "auto, (max-width: 40rem) 50vw, 25vw",
      srcset: image.srcset?.split(", ").map(resolved).join(", "),
      src: resolved(image.thumbnail_url),
    });
    const blur = image.placeholder && blurred(image.placeholder);
    const tile = el(
      "li",
      { class: "tile", "data-id": image.image_id },
      el(
        "a",
        { class: "tile-link", href: `?image=${image.image_id}`, tabindex: "-1" },
        blur,
        picture,
        el("span", { class: "tile-caption", "aria-hidden": "true" }, nameOf(image)),
        image.frames > 1 && el("span", { class: "tile-mark", "aria-hidden": "true" }, "Animated"),
      ),
      el(
        "label",
        { class: "tile-check" },
        el("input", { type: "checkbox", tabindex: "-1", "aria-label": `Select ${nameOf(image)}` }),
        icon("check"),
      ),
    );
    blur?.setAttribute("aria-hidden", "true");
    tile.style.setProperty("--ratio", Math.min(SHAPES.max, Math.max(SHAPES.min, image.width / image.height)));
    tile.style.setProperty("--color", image.dominant_color ?? "transparent");
    picture.addEventListener("load", () => tile.classList.add("loaded"));
    picture.addEventListener("error", () => tile.classList.add("broken"));
    this.#tiles.set(image.image_id, tile);
    return tile;
  }

  /** A finger cannot hover, so it selects by holding. */
  #hold(event) {
    this.#wasHeld = false;
    const tile = event.target.closest(".tile");
    if (event.pointerType !== "touch" || !tile || event.target.closest(".tile-check")) return;
    const timer = setTimeout(() => {
      this.#wasHeld = true;
      this.#selection.toggle(tile.dataset.id);
    }, HOLD_MILLISECONDS);
    for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => clearTimeout(timer), { once: true });
  }

  #click(event, open) {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    if (this.#wasHeld) {
      event.preventDefault(); // lifting the finger is not a click
      return;
    }
    const id = tile.dataset.id;
    if (event.target.closest(".tile-check")) {
      if (event.target.matches("input")) this.#selection.toggle(id, { through: event.shiftKey });
      return;
    }
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // as with any link: another tab or window
    event.preventDefault();
    if (this.#selection.size) this.#selection.toggle(id);
    else open(id);
  }

  #key(event, remove) {
    const tile = event.target.closest(".tile");
    if (!tile || event.altKey || event.ctrlKey || event.metaKey) return;
    const goal = {
      ArrowRight: () => tile.nextElementSibling,
      ArrowLeft: () => tile.previousElementSibling,
      ArrowDown: () => this.#inNextRow(tile, 1),
      ArrowUp: () => this.#inNextRow(tile, -1),
      Home: () => this.#list.firstElementChild,
      End: () => [...this.#list.children].findLast((other) => !other.hidden),
    }[event.key]?.();
    if (goal) goal.querySelector("a").focus();
    else if (event.key === " " || event.key === "x")
      this.#selection.toggle(tile.dataset.id, { through: event.shiftKey });
    else if (event.key === "Delete") remove(this.#selection.size ? this.#selection.ids : [tile.dataset.id]);
    else return;
    event.preventDefault();
  }

  /** The tile above or below: of the nearest row, the one whose middle is nearest. */
  #inNextRow(tile, direction) {
    const here = tile.getBoundingClientRect();
    const middle = here.left + here.width / 2;
    let best = null;
    for (let other = tile; (other = direction > 0 ? other.nextElementSibling : other.previousElementSibling);) {
      if (other.hidden) break;
      const box = other.getBoundingClientRect();
      if (Math.abs(box.top - here.top) < 1) continue;
      if (best && Math.abs(box.top - best.top) > 1) break;
      const distance = Math.abs(box.left + box.width / 2 - middle);
      if (!best || distance < best.distance) best = { other, distance, top: box.top };
    }
    return best?.other;
  }

  /** One tile is in the order of Tab, so that the whole grid is one stop. */
  #makeCurrent(tile) {
    if (!tile) return;
    for (const part of this.#list.querySelectorAll("[tabindex='0']")) part.tabIndex = -1;
    tile.querySelector("a").tabIndex = 0;
    tile.querySelector("input").tabIndex = 0;
  }

  #showSelection() {
    this.#list.classList.toggle("selecting", this.#selection.size > 0);
    for (const [id, tile] of this.#tiles) {
      const selected = this.#selection.has(id);
      tile.classList.toggle("selected", selected);
      tile.querySelector("input").checked = selected;
    }
  }
}
