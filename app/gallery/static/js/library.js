/** The images that match the view, as far as they are loaded. Tells of changes by events. */

import { Problem, listImages } from "./api.js";

/**
 * Events: `reset`, `added` (detail: `{images, at}`), `replaced` (image), `removed` (ids), `state`.
 * `state` is "loading", "ready" (there is more), "end" or "failed" (then `problem` says why).
 */
export class Library extends EventTarget {
  images = [];
  state = "loading";
  problem = null;
  #filter = [];
  #cursor = null;
  #request = null;
  #hidden = new Set();

  /** Start again with another filter, or the same one. */
  show(filter) {
    this.#request?.abort();
    this.#request = null;
    this.#filter = filter;
    this.#cursor = null;
    this.images = [];
    this.#tell("reset");
    return this.more();
  }

  /** Load the next page, unless that is under way. */
  async more() {
    if (this.#request || (this.state === "end" && this.images.length)) return;
    const request = (this.#request = new AbortController());
    this.#turn("loading");
    try {
      const page = await listImages(this.#filter, { cursor: this.#cursor, signal: request.signal });
      if (this.#request !== request) return;
      this.#cursor = page.next_cursor;
      const known = new Set(this.images.map((image) => image.image_id));
      const fresh = page.images.filter((image) => !known.has(image.image_id) && !this.#hidden.has(image.image_id));
      this.#request = null;
      this.#insert(fresh, this.images.length);
      this.#turn(this.#cursor ? "ready" : "end");
    } catch (problem) {
      if (this.#request !== request) return;
      this.#request = null;
      if (!(problem instanceof Problem)) throw problem;
      this.problem = problem;
      this.#turn("failed");
    }
  }

  find(id) {
    return this.images.find((image) => image.image_id === id);
  }

  /** The newest image with exactly these bytes, of all and whatever the view; undefined if none, or out of sight. */
  async findCopy(sha256, signal) {
    const { images } = await listImages({ sha256 }, { srcset: false, signal });
    return images.find((image) => !this.#hidden.has(image.image_id));
  }

  /** The image so many places further on, or undefined. */
  beside(id, step) {
    return this.images[this.images.findIndex((image) => image.image_id === id) + step];
  }

  /** Put an image where it belongs by its time. */
  add(image) {
    this.#hidden.delete(image.image_id);
    if (this.find(image.image_id)) return;
    const ascending = this.#filter.some(([name, value]) => name === "order" && value === "asc");
    const comesBefore = (other) =>
      ascending ? other.created_at > image.created_at : other.created_at < image.created_at;
    const at = this.images.findIndex(comesBefore);
    if (at === -1 && this.#cursor) return; // further on than what is loaded
    this.#insert([image], at === -1 ? this.images.length : at);
    this.#turn(this.state);
  }

  replace(image) {
    const at = this.images.findIndex((other) => other.image_id === image.image_id);
    if (at === -1) return;
    this.images[at] = { ...this.images[at], ...image };
    this.#tell("replaced", this.images[at]);
  }

  /** Take images out of sight, until they are restored. Returns the list that they were in. */
  hide(ids) {
    for (const id of ids) this.#hidden.add(id);
    this.images = this.images.filter((image) => !this.#hidden.has(image.image_id));
    this.#tell("removed", ids);
    this.#turn(this.state);
    return this.#filter;
  }

  /** Bring hidden images back to the list that they were in; false if another is shown, with whose next load they come. */
  restore(images, list) {
    for (const image of images) this.#hidden.delete(image.image_id);
    if (list !== this.#filter) return false;
    for (const image of images) this.add(image);
    return true;
  }

  /** Load what is shown once more, from its beginning. */
  reload() {
    return this.show(this.#filter);
  }

  #insert(images, at) {
    this.images.splice(at, 0, ...images);
    this.#tell("added", { images, at });
  }

  #turn(state) {
    this.state = state;
    this.#tell("state");
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
