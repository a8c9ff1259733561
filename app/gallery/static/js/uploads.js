/** The queue of uploads: three at a time, each with its state. Tells of changes by events; knows no elements. */

import { Problem } from "./api.js";
import { asBytes } from "./format.js";
import { askLimits } from "./limits.js";
import { largestFile, transfer } from "./transfer.js";

const AT_ONCE = 3;
const FORGETTING_MILLISECONDS = 3000;

/**
 * One file on its way. `state` is one of
 *   waiting, reading, sending, checking: under way
 *   asking: it is stored already (`twin`), and the person is to choose
 *   failed: may go well if tried again; refused: never will; `detail` says why
 *   done (`image` is what came of it), cancelled
 */
class Upload {
  state = "waiting";
  sent = 0;
  detail = "";
  image = null;
  twin = null;
  isWantedTwice = false;
  key = newKey();
  controller = new AbortController();
  /** Resolves when the latest try is over, however that came; null before the first. */
  carried = null;

  constructor(file) {
    this.file = file;
  }

  get isActive() {
    return ["reading", "sending", "checking"].includes(this.state);
  }

  get isOver() {
    return !this.isActive && this.state !== "waiting";
  }
}

/** Events: `change` (an upload, or undefined for all) and `done` (an upload). */
export class UploadQueue extends EventTarget {
  uploads = [];
  #library;

  constructor(library) {
    super();
    this.#library = library;
    addEventListener("beforeunload", (event) => {
      if (this.totals.running) event.preventDefault(); // the browser asks whether to leave
    });
    addEventListener("online", () => {
      for (const upload of this.uploads) if (upload.state === "failed") this.retry(upload);
    });
  }

  add(files) {
    this.uploads.push(...[...files].map((file) => new Upload(file)));
    this.#tell("change");
    this.#pump();
  }

  cancel(upload) {
    if (upload.isOver && upload.state !== "asking" && upload.state !== "failed") return;
    this.#turn(upload, "cancelled");
    upload.controller.abort(new DOMException("cancelled", "AbortError"));
    this.#pump();
  }

  /** Cancel all that is not over; resolves once each has asked the service to forget it, or after a few seconds. */
  async cancelAll() {
    const left = this.uploads.filter((upload) => !upload.isOver).reverse(); // what waits first, so that it never begins
    for (const upload of left) this.cancel(upload);
    const patience = new Promise((resolve) => setTimeout(resolve, FORGETTING_MILLISECONDS));
    await Promise.race([Promise.all(left.map((upload) => upload.carried)), patience]);
  }

  /** Try again what failed or was cancelled; also what asked, which is then wanted twice. */
  retry(upload) {
    if (upload.state === "asking") upload.isWantedTwice = true;
    if (upload.state === "cancelled") upload.key = newKey(); // the old one belongs to what was abandoned
    upload.controller = new AbortController();
    upload.sent = 0;
    this.#turn(upload, "waiting");
    this.#pump();
  }

  /** Forget what is over. */
  clear() {
    this.uploads = this.uploads.filter((upload) => !upload.isOver);
    this.#tell("change");
  }

  /** How far all are: files and bytes, of those that were not given up. */
  get totals() {
    const counted = this.uploads.filter((upload) => !["cancelled", "refused", "asking"].includes(upload.state));
    return {
      files: counted.length,
      done: counted.filter((upload) => upload.state === "done").length,
      bytes: counted.reduce((sum, upload) => sum + upload.file.size, 0),
      sent: counted.reduce((sum, upload) => sum + (upload.state === "done" ? upload.file.size : upload.sent), 0),
      running: this.uploads.filter((upload) => !upload.isOver).length,
    };
  }

  #pump() {
    const free = AT_ONCE - this.uploads.filter((upload) => upload.isActive).length;
    const next = this.uploads.filter((upload) => upload.state === "waiting").slice(0, Math.max(0, free));
    for (const upload of next) upload.carried = this.#carry(upload);
  }

  async #carry(upload) {
    this.#turn(upload, "reading");
    const { signal } = upload.controller;
    try {
      const limits = await askLimits();
      refuseWhatIsHopeless(upload.file, limits);
      const sha256 = await sha256Of(upload.file);
      if (sha256 && !upload.isWantedTwice) upload.twin = await this.#twin(upload, sha256);
      signal.throwIfAborted();
      if (upload.twin && !upload.isWantedTwice) return this.#turn(upload, "asking");
      this.#turn(upload, "sending");
      const { key } = upload;
      upload.image = await transfer(upload.file, {
        limits,
        key,
        sha256,
        signal,
        progress: (far) => this.#progress(upload, far),
      });
      this.#turn(upload, "done");
      this.#tell("done", upload);
    } catch (error) {
      if (signal.aborted) return; // and perhaps tried again since then
      upload.detail = error instanceof Problem ? error.message : "The file could not be read.";
      if (error.code === "upload_expired") upload.key = newKey(); // the old one would lead to the same again
      this.#turn(upload, error.passes ? "failed" : "refused");
    } finally {
      this.#pump();
    }
  }

  /** What is stored already with the same bytes, or `{filename}` of another file here that has them. */
  async #twin(upload, sha256) {
    upload.sha256 = sha256;
    const here = this.uploads.find(
      (other) => other !== upload && other.sha256 === sha256 && (other.isActive || other.state === "waiting"),
    );
    if (here) return { filename: here.file.name };
    return (await this.#library.findCopy(sha256, upload.controller.signal)) ?? null;
  }

  #progress(upload, far) {
    if (upload.state === "cancelled") return;
    if (far === "checking") {
      upload.sent = upload.file.size;
      this.#turn(upload, "checking");
    } else {
      upload.sent = far;
      this.#tell("change", upload);
    }
  }

  #turn(upload, state) {
    upload.state = state;
    this.#tell("change", upload);
  }

  #tell(name, upload) {
    this.dispatchEvent(new CustomEvent(name, { detail: upload }));
  }
}

/** Says no before anything is sent, where it is sure that the service would. */
function refuseWhatIsHopeless(file, limits) {
  if (file.type && !limits.content_types.includes(file.type))
    throw new Problem({
      status: 415,
      code: "unsupported_image_type",
      detail: "Only JPEG, PNG, GIF and WebP images can be uploaded.",
    });
  if (file.size === 0) throw new Problem({ status: 400, code: "invalid_request", detail: "The file is empty." });
  if (file.size > largestFile(limits))
    throw new Problem({
      status: 413,
      code: "image_too_large",
      detail: `The file is larger than ${asBytes(largestFile(limits))}.`,
    });
}

/** The file's SHA-256 in hexadecimal, or null where the browser has none: it has over HTTPS and on localhost. */
async function sha256Of(file) {
  if (!crypto.subtle) return null;
  return asHex(new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer())));
}

/** For Idempotency-Key; crypto.randomUUID exists over HTTPS and on localhost only. */
function newKey() {
  return asHex(crypto.getRandomValues(new Uint8Array(16)));
}

const asHex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
