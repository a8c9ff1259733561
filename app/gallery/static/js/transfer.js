/** Carries one file to the service: straight to the bucket where that is possible, else through the API. */

import {
  Problem,
  abandonUpload,
  announceUpload,
  apiUrl,
  completeUpload,
  deleteImages,
  getLimits,
  problemOf,
  unreachable,
} from "./api.js";
import { asBytes } from "./format.js";
import { identifyingHeaders } from "./session.js";

/** Whether the bucket takes requests from this page; not known before one was tried. */
let bucketAnswers = null;

/**
 * Keys of files that have been sent through the service because the bucket did not answer. They stay on that way: their
 * announcements are abandoned, and what is sent again the same way is stored once.
 */
const turnedAway = new Set();

/** The largest file that can be taken on either way. */
export const largestFile = (limits) =>
  Math.max(limits.max_upload_bytes, takesDirect(limits) ? limits.max_direct_upload_bytes : 0);

/**
 * Resolves to the image; rejects with Problem, or with AbortError when the signal says so. `key` makes it safe to
 * repeat. `progress` is called with the bytes that are on their way, then with "checking".
 */
export async function transfer(file, { limits, key, sha256, signal, progress }) {
  const mayGoDirect = takesDirect(limits) && !turnedAway.has(key) && limits.content_types.includes(file.type);
  if (mayGoDirect) {
    try {
      return await straightToBucket(file, { key, sha256, signal, progress });
    } catch (problem) {
      if (problem.code !== "bucket_closed") throw problem;
      turnedAway.add(key);
      if (file.size > limits.max_upload_bytes) throw tooLargeForApi(limits);
    }
  }
  return throughApi(file, { key, sha256, signal, progress });
}

const takesDirect = (limits) => bucketAnswers !== false && limits.upload_routes.includes("presigned-put");

const tooLargeForApi = (limits) =>
  new Problem({
    status: 413,
    code: "image_too_large",
    detail:
      "The storage accepts no uploads from this page, and the service itself " +
      `accepts at most ${asBytes(limits.max_upload_bytes)}.`,
  });

const expired = () =>
  new Problem({ status: 410, code: "upload_expired", detail: "The storage no longer accepts this upload." });

async function straightToBucket(file, { key, sha256, signal, progress }) {
  const announcement = {
    filename: file.name,
    content_type: file.type,
    file_size: file.size,
    ...(sha256 && { sha256 }),
  };
  signal.throwIfAborted();
  // Not cut off by the signal: only what is known to be announced can be abandoned.
  const announced = announceUpload(announcement, `${key}-direct`);
  try {
    const { image, upload } = await unlessAborted(announced, signal);
    const { status } = await send(upload.method, upload.url, upload.headers, file, signal, progress);
    if (status === 0) throw await whyUnanswered(signal);
    bucketAnswers = true;
    if (status === 403) throw expired(); // what was announced by an earlier try; clocks of clients do not tell
    // 412: it has arrived already, and only the answer was lost.
    if (status !== 200 && status !== 412) throw problemOf(status, "");
    progress("checking");
    return await completeUpload(image.image_id, signal);
  } catch (error) {
    if (error.name === "AbortError" || error.code === "bucket_closed") {
      const forgotten = announced.then(({ image }) => forget(image.image_id)).catch(() => {}); // else it expires
      if (error.name === "AbortError") await forgotten;
    }
    throw error;
  }
}

/** Takes back what was announced, also if it was finished before its answer came. */
async function forget(id) {
  try {
    await abandonUpload(id);
  } catch (problem) {
    if (problem.code !== "upload_not_pending") throw problem;
    await deleteImages([id]);
  }
}

/**
 * Browsers do not tell a lost connection from a bucket whose CORS rules keep the page out. It is taken for the latter
 * only if the bucket has never answered, and the service still does. After the former the announcement holds good.
 */
async function whyUnanswered(signal) {
  if (!bucketAnswers) await getLimits({ signal });
  if (bucketAnswers) return unreachable();
  bucketAnswers = false;
  return new Problem({ status: 0, code: "bucket_closed", detail: "The storage takes no uploads from this page." });
}

async function throughApi(file, { key, sha256, signal, progress }) {
  const headers = {
    ...identifyingHeaders(),
    "Content-Type": file.type.startsWith("image/") ? file.type : "application/octet-stream",
    "Idempotency-Key": `${key}-api`,
    ...(sha256 && { "X-Amz-Checksum-Sha256": base64Of(sha256) }),
  };
  const url = apiUrl(`/images?${new URLSearchParams({ filename: file.name })}`);
  signal.throwIfAborted();
  // What has been sent whole may be stored already, so its answer is awaited, and tells what to delete.
  const sending = new AbortController();
  let isWhole = false;
  signal.addEventListener("abort", () => isWhole || sending.abort(signal.reason));
  const { status, text } = await send("POST", url, headers, file, sending.signal, (far) => {
    isWhole ||= far === "checking";
    progress(far);
  });
  if (signal.aborted) {
    if (status === 201) await deleteImages([JSON.parse(text).image_id]);
    throw signal.reason;
  }
  if (status === 0) throw unreachable();
  if (status !== 201) throw problemOf(status, text);
  return JSON.parse(text);
}

/** XMLHttpRequest, because fetch does not tell how far an upload is. Status 0: there was no answer. */
function send(method, url, headers, body, signal, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", ({ loaded }) => progress(Math.min(loaded, body.size)));
    request.upload.addEventListener("load", () => progress("checking"));
    request.addEventListener("loadend", () => resolve({ status: request.status, text: request.responseText }));
    signal.addEventListener("abort", () => {
      reject(signal.reason);
      request.abort();
    });
    request.send(body);
  });
}

/** What the promise comes to, or what the signal says if that is sooner. */
const unlessAborted = (promise, signal) =>
  Promise.race([
    promise,
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true })),
  ]);

const base64Of = (hex) => btoa(String.fromCharCode(...hex.match(/../g).map((pair) => parseInt(pair, 16))));
