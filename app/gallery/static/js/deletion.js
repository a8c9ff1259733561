/** Deleting, with some seconds to think again: gone from sight at once, and for good a little later. */

import { Problem, deleteImages } from "./api.js";
import { counted, nameOf } from "./format.js";
import { notify } from "./notices.js";
import { identifyingHeaders } from "./session.js";

const SECONDS = 7;
const IMAGES_OF_A_REQUEST = 100;
// What outlives the page may be 64 KiB in all (https://fetch.spec.whatwg.org/#http-network-or-cache-fetch); 100 ids take 4.
const REQUESTS_AT_ONCE = 10;

export class Deletions {
  #library;
  #waiting = null;

  constructor(library) {
    this.#library = library;
    // The last event that pages on phones are sure to see
    // (https://developer.chrome.com/docs/web-platform/page-lifecycle-api).
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") this.carryOut();
    });
    document.addEventListener("keydown", (event) => {
      const writes = event.target.matches?.("input, textarea");
      if ((event.ctrlKey || event.metaKey) && event.key === "z" && !writes && this.#waiting) this.#undo();
    });
  }

  /** Delete these images, unless it is undone in time. Those that wait from before are deleted now. */
  remove(images) {
    this.carryOut();
    if (!images.length) return;
    const list = this.#library.hide(images.map((image) => image.image_id));
    const what = images.length === 1 ? `“${nameOf(images[0])}”` : counted(images.length, "image");
    const notice = notify(`${what} deleted`, {
      action: { label: "Undo", run: () => this.#undo() },
      seconds: SECONDS,
      gone: () => this.carryOut(),
    });
    this.#waiting = { images, list, notice, headers: identifyingHeaders() };
  }

  #undo() {
    const { images, list, notice } = this.#waiting;
    this.#waiting = null;
    notice.withdraw();
    if (!this.#library.restore(images, list)) this.#library.reload();
  }

  /** Delete what waits now, as whoever asked for it. The requests for the first 1,000 images are made at once. */
  async carryOut() {
    if (!this.#waiting) return;
    const { images, list, notice, headers } = this.#waiting;
    this.#waiting = null;
    notice.withdraw();
    const batches = [];
    for (let at = 0; at < images.length; at += IMAGES_OF_A_REQUEST)
      batches.push(images.slice(at, at + IMAGES_OF_A_REQUEST));
    while (batches.length)
      await Promise.all(batches.splice(0, REQUESTS_AT_ONCE).map((batch) => this.#send(batch, list, headers)));
  }

  async #send(images, list, headers) {
    const left = new Map(images.map((image) => [image.image_id, image]));
    let reason = "";
    try {
      const { results } = await deleteImages([...left.keys()], headers);
      for (const { image_id, status } of results)
        if (status === "deleted" || status === "not_found") left.delete(image_id);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      reason = problem.message;
    }
    if (!left.size) return;
    this.#library.restore([...left.values()], list);
    notify(`${counted(left.size, "image")} could not be deleted. ${reason}`, { kind: "bad", seconds: 10 });
  }
}
