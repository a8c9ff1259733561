/** The service over HTTP: one function for each request that the gallery makes. */

import { identifyingHeaders } from "./session.js";

const { root: ROOT, pageSize: PAGE_SIZE } = document.documentElement.dataset;
const BASE = `${ROOT}api/v1`;
const PASSING = new Set(["upload_expired", "request_in_progress", "incomplete_body"]);

/** Any request that did not go well, in words for people. `status` is 0 where there was no answer. */
export class Problem extends Error {
  constructor({ status, code, detail, errors = [] }) {
    const fields = errors.map(({ field, message }) => `${field} ${message}`).join("; ");
    super(fields && !detail.includes(fields) ? `${detail} (${fields})` : detail);
    this.status = status;
    this.code = code;
  }

  /** Whether it may go well if it is tried again, perhaps after signing in. */
  get passes() {
    return [0, 401, 429].includes(this.status) || this.status >= 500 || PASSING.has(this.code);
  }
}

export const unreachable = () =>
  new Problem({ status: 0, code: "unreachable", detail: "The service could not be reached. Are you online?" });

/** The failure that an answer tells (RFC 9457), whatever stands in front of the service. */
export function problemOf(status, text) {
  try {
    const { detail, code, errors } = JSON.parse(text);
    return new Problem({ status, code, detail, errors });
  } catch {
    return new Problem({ status, code: "unknown", detail: `The service answered with status ${status}.` });
  }
}

/** The URL of an API route, from the root of the service. */
export const apiUrl = (path) => `${BASE}${path}`;

/** A path from the service's root, as thumbnail_url is, from where this page sees it. */
export const resolved = (url) => (url.startsWith("/") ? ROOT + url.slice(1) : url);

async function send(path, { method = "GET", body, headers = {}, as, ...options } = {}) {
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  let response;
  try {
    response = await fetch(apiUrl(path), {
      method,
      headers: { ...identifyingHeaders(as), ...json, ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      ...options,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
  if (!response.ok) {
    const problem = problemOf(response.status, await response.text());
    if (response.status === 401) document.dispatchEvent(new CustomEvent("signed-out", { detail: problem }));
    throw problem;
  }
  return response;
}

const sendForJson = async (path, options) => (await send(path, options)).json();

/** A page of the caller's images. `filter` has the API's own parameters; `srcset` asks for links to all sizes. */
export function listImages(filter, { cursor, limit = PAGE_SIZE, srcset = true, signal } = {}) {
  const query = new URLSearchParams(filter);
  if (srcset) query.set("srcset", "true");
  query.set("limit", limit);
  if (cursor) query.set("cursor", cursor);
  return sendForJson(`/images?${query}`, { signal });
}

/** Whether somebody may sign in with this name or token. */
export const tryIdentity = (as) => send("/images?limit=1", { as });

export const getImage = (id) => sendForJson(`/images/${id}/metadata?srcset=true`);

/** Changes what is known of the image, unless it is no longer at the version that the caller saw: then Problem 412. */
export const editImage = (id, version, changes) =>
  sendForJson(`/images/${id}`, { method: "PATCH", body: changes, headers: { "If-Match": `"${version}"` } });

/** Deletes up to 100 images, also when the page is being left; `headers` say for whom. */
export const deleteImages = (ids, headers) =>
  sendForJson("/images/batch-delete", { method: "POST", body: { image_ids: ids }, headers, keepalive: true });

export const getImageFile = async (id) => (await send(`/images/${id}?download=true`)).blob();

export const listTags = async (prefix, options) =>
  (await sendForJson(`/tags?${new URLSearchParams({ prefix, limit: 8 })}`, options)).tags;

export const getLimits = (options) => sendForJson("/limits", options);

export const announceUpload = (announcement, key) =>
  sendForJson("/uploads", { method: "POST", body: announcement, headers: { "Idempotency-Key": key } });

export const completeUpload = (id, signal) => sendForJson(`/uploads/${id}/complete`, { method: "POST", signal });

export const abandonUpload = (id) => send(`/uploads/${id}`, { method: "DELETE", keepalive: true });
