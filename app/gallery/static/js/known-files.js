/** Which files the caller has stored already, by their SHA-256. */

import { Problem, listImages } from "./api.js";

const PAGES = 20; // of 100: a library may be too large to look through before an upload

export class KnownFiles {
  #images = new Map();
  #loading = null;

  /** The stored image with exactly these bytes, or undefined. Looks at the newest 2,000 images, once. */
  async find(sha256) {
    if (!this.#images.has(sha256)) await (this.#loading ??= this.#load());
    return this.#images.get(sha256);
  }

  add(image) {
    if (image.sha256) this.#images.set(image.sha256, image);
  }

  remove(ids) {
    for (const [sha256, image] of this.#images) if (ids.includes(image.image_id)) this.#images.delete(sha256);
  }

  async #load() {
    try {
      let cursor = null;
      for (let page = 0; page < PAGES; page++) {
        const { images, next_cursor } = await listImages([], { cursor, limit: 100, srcset: false });
        for (const image of images) this.add(image);
        if (!(cursor = next_cursor)) break;
      }
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem; // else it is only that a duplicate goes unnoticed
    }
  }
}

/** The file's SHA-256 in hexadecimal, or null where the browser has none: it has over HTTPS and on localhost. */
export async function sha256Of(file) {
  if (!crypto.subtle) return null;
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
