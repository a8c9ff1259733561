/** What the page says where there is no image to show: loading, empty, nothing found, failed. */

import { byId, el, icon } from "./element.js";

const SKELETONS = [1.5, 0.75, 1.33, 1.78, 1, 1.5, 0.67, 1.33, 1.5, 1, 1.78, 0.75];

/** `isFiltered()` tells whether the view leaves something out; `clear`, `upload` and `again` are what may be done. */
export function showStates(library, { isFiltered, clear, upload, again }) {
  const place = byId("state");
  const button = (label, run) => el("button", { class: "button primary", type: "button", onclick: run }, label);
  const message = (drawing, title, text, ...actions) =>
    el("div", { class: "message" }, drawing, el("h2", {}, title), el("p", {}, text), ...actions);

  library.addEventListener("state", () => {
    const isEmpty = library.images.length === 0;
    place.setAttribute("aria-busy", String(library.state === "loading"));
    place.replaceChildren();
    if (library.state === "loading")
      place.append(
        isEmpty ? skeletons() : el("p", { class: "more" }, el("span", { class: "spinner" }), "Loading more"),
      );
    else if (library.state === "failed")
      place.append(
        message(
          icon("alert", "message-icon"),
          isEmpty ? "Your images could not be loaded" : "No more images could be loaded",
          library.problem.message,
          button("Try again", again),
        ),
      );
    else if (library.state === "end" && isEmpty && isFiltered())
      place.append(
        message(
          icon("search", "message-icon"),
          "Nothing found",
          "No image matches all your criteria.",
          button("Clear search and filters", clear),
        ),
      );
    else if (library.state === "end" && isEmpty)
      place.append(
        message(
          icon("stack", "stack"),
          "Your gallery starts here",
          "Drop photos anywhere on this page, paste them, or choose them.",
          button("Choose photos", upload),
        ),
      );
  });
}

function skeletons() {
  const tiles = SKELETONS.map((ratio) => {
    const tile = el("li", { class: "tile skeleton" });
    tile.style.setProperty("--ratio", ratio);
    return tile;
  });
  return el(
    "div",
    {},
    el("p", { class: "unseen" }, "Loading your images"),
    el("ul", { class: "grid", "aria-hidden": "true" }, ...tiles),
  );
}
