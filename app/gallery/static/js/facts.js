/** What is known about an image, to read. */

import { el, icon } from "./element.js";
import { asBytes, asDay, asMoment, asPixels, asType, nameOf } from "./format.js";

/** `edit()` is called to change it, `find(tag)` to search for what has the same tag. */
export function factsOf(image, { edit, find }) {
  const rows = [
    ["Taken", image.captured_at && asMoment(image.captured_at)],
    ["Added", asMoment(image.created_at)],
    ["Edited", image.version > 1 && asMoment(image.updated_at)],
    ["Size", image.width && asPixels(image.width, image.height)],
    [
      "File",
      `${asType(image.content_type)} · ${asBytes(image.file_size)}${image.frames > 1 ? ` · ${image.frames} frames` : ""}`,
    ],
    ["Name", image.filename],
    ["SHA-256", image.sha256 && el("code", { title: image.sha256 }, `${image.sha256.slice(0, 16)}…`)],
  ].filter(([, value]) => value);
  return el(
    "div",
    { class: "facts-inner" },
    el(
      "div",
      { class: "facts-head" },
      el(
        "div",
        {},
        el("h2", {}, nameOf(image)),
        el("p", { class: "facts-when" }, asDay(image.captured_at ?? image.created_at)),
      ),
      el("button", { class: "button small", type: "button", onclick: edit, title: "Edit (E)" }, icon("pencil"), "Edit"),
    ),
    image.description && el("p", { class: "facts-description" }, image.description),
    image.location && el("p", { class: "facts-place" }, icon("pin"), image.location),
    image.tags.length > 0 &&
      el(
        "ul",
        { class: "facts-tags", role: "list", "aria-label": "Tags" },
        ...image.tags.map((tag) =>
          el(
            "li",
            {},
            el(
              "button",
              { class: "chip", type: "button", title: `Show all with #${tag}`, onclick: () => find(tag) },
              `#${tag}`,
            ),
          ),
        ),
      ),
    el(
      "dl",
      { class: "facts-list" },
      ...rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
    ),
  );
}
