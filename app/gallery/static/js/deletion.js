/** Deleting, with some seconds to think again: gone from sight at once, and for good a little later. */

import { Problem, deleteImages } from "./api.js";
import { counted, nameOf } from "./format.js";
import { notify } from "./notices.js";

const SECONDS = 7;
const MOST_AT_ONCE = 100; // of one request

export class Deletions {
  #library;
  #waiting = null;

  constructor(library) {
    this.#library = library;
    // The last event that pages on phones are sure to see
    // (https://developer.chrome.com/docs/web-platform/page-lifecycle-api).
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") this.#carryOut();
    });
    document.addEventListener("keydown", (event) => {
      const writes = event.target.matches?.("input, textarea");
      if ((event.ctrlKey || event.metaKey) && event.key === "z" && !writes && this.#waiting) this.#undo();
    });
  }

  /** Delete these images, unless it is undone in time. Those that wait from before are deleted now. */
  remove(images) {
    this.#carryOut();
    if (!images.length) return;
    this.#library.hide(images.map((image) => image.image_id));
    const what = images.length === 1 ? `“${nameOf(images[0])}”` : counted(images.length, "image");
    const notice = notify(`${what} deleted`, {
      action: { label: "Undo", run: () => this.#undo() },
      seconds: SECONDS,
      gone: () => this.#carryOut(),
    });
    this.#waiting = { images, notice };
  }

  #undo() {
    const { images, notice } = this.#waiting;
    this.#waiting = null;
    notice.withdraw();
    for (const image of images) this.#library.add(image);
  }

  async #carryOut() {
    if (!this.#waiting) return;
    const { images, notice } = this.#waiting;
    this.#waiting = null;
    notice.withdraw();
    for (let at = 0; at < images.length; at += MOST_AT_ONCE) await this.#send(images.slice(at, at + MOST_AT_ONCE));
  }

  async #send(images) {
    const left = new Map(images.map((image) => [image.image_id, image]));
    let reason = "";
    try {
      const { results } = await deleteImages([...left.keys()]);
      for (const { image_id, status } of results)
        if (status === "deleted" || status === "not_found") left.delete(image_id);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      reason = problem.message;
    }
    if (!left.size) return;
    for (const image of left.values()) this.#library.add(image);
    notify(`${counted(left.size, "image")} could not be deleted. ${reason}`, { kind: "bad", seconds: 10 });
  }
}
