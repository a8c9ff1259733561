/** What the service accepts, as it is configured. */

import { Problem, getLimits } from "./api.js";

let asked = null;

/** What GET /limits answers. Asked for once, by whoever needs it first; again only if that failed. */
export function askLimits() {
  asked ??= getLimits().catch((problem) => {
    asked = null;
    throw problem;
  });
  return asked;
}

/** Lets no more characters into an input than the limit of this name. */
export async function limitLength(input, name) {
  try {
    input.maxLength = (await askLimits())[name];
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem; // else the service says no to what is too long
  }
}
