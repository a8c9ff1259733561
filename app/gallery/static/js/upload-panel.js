/** Shows the queue of uploads, and takes files by drop, from the picker, and from the clipboard. */

import { byId, el, icon, iconButton } from "./element.js";
import { asBytes, counted, nameOf } from "./format.js";

export class UploadPanel {
  #queue;
  #panel = byId("uploads");
  #rows = new Map();
  #title = el("h2", { class: "uploads-title", "aria-live": "polite" });
  #bar = el("progress", { max: 1, value: 0, "aria-label": "All uploads" });
  #list = el("ul", { class: "uploads-list", role: "list" });
  #close = iconButton("close", "Close", () => this.#queue.clear());
  #fold = iconButton("down", "Show less", () => this.#toggle());

  /** `open` is called with an image that is to be shown large. */
  constructor(queue, { open }) {
    this.#queue = queue;
    this.open = open;
    this.#panel.append(
      el("header", { class: "uploads-head" }, this.#title, this.#fold, this.#close),
      this.#bar,
      this.#list,
    );
    queue.addEventListener("change", ({ detail }) => this.#show(detail));
    takeFiles((files) => queue.add(files));
  }

  #toggle() {
    const folded = this.#panel.classList.toggle("folded");
    this.#fold.setAttribute("aria-label", folded ? "Show more" : "Show less");
  }

  #show(upload) {
    if (!upload) this.#showAll();
    else this.#showOne(upload);
    const { files, done, bytes, sent, running } = this.#queue.totals;
    this.#panel.hidden = !this.#queue.uploads.length;
    this.#close.hidden = running > 0;
    this.#bar.value = bytes ? sent / bytes : 1;
    this.#bar.hidden = running === 0;
    const text = running ? `Uploading ${Math.min(done + 1, files)} of ${files}` : this.#result();
    if (this.#title.textContent !== text) this.#title.textContent = text; // said aloud once, not at each progress
  }

  /** What became of all, such as "2 images added · 1 already here". */
  #result() {
    const inState = (...states) => this.#queue.uploads.filter(({ state }) => states.includes(state)).length;
    const [added, here, not] = [inState("done"), inState("asking"), inState("failed", "refused")];
    const parts = [
      added && `${counted(added, "image")} added`,
      here && `${here} already here`,
      not && `${not} not added`,
    ];
    return parts.filter(Boolean).join(" · ") || "Nothing added";
  }

  #showAll() {
    for (const [upload, row] of this.#rows)
      if (!this.#queue.uploads.includes(upload)) {
        URL.revokeObjectURL(row.preview.src);
        row.element.remove();
        this.#rows.delete(upload);
      }
    for (const upload of this.#queue.uploads) if (!this.#rows.has(upload)) this.#showOne(upload);
  }

  #showOne(upload) {
    if (!this.#queue.uploads.includes(upload)) return;
    const row = this.#rows.get(upload) ?? this.#newRow(upload);
    row.element.dataset.state = upload.state;
    row.bar.hidden = !upload.isActive && upload.state !== "waiting";
    row.bar.value = upload.sent / upload.file.size || 0;
    if (row.shown === upload.state) return;
    row.shown = upload.state;
    row.text.textContent = this.#words(upload);
    row.actions.replaceChildren(...this.#actions(upload));
  }

  #newRow(upload) {
    const preview = el("img", {
      class: "upload-preview",
      alt: "",
      decoding: "async",
      src: URL.createObjectURL(upload.file),
    });
    preview.addEventListener("error", () => preview.classList.add("none"), { once: true });
    const row = {
      preview,
      bar: el("progress", { max: 1, value: 0, "aria-label": `Upload of ${upload.file.name}` }),
      text: el("span", { class: "upload-text" }),
      actions: el("span", { class: "upload-actions" }),
    };
    row.element = el(
      "li",
      { class: "upload" },
      preview,
      el("span", { class: "upload-body" }, el("span", { class: "upload-name" }, upload.file.name), row.text, row.bar),
      row.actions,
    );
    this.#rows.set(upload, row);
    this.#list.append(row.element);
    return row;
  }

  #words(upload) {
    const size = asBytes(upload.file.size);
    switch (upload.state) {
      case "waiting":
        return `${size} · waiting`;
      case "reading":
        return `${size} · reading`;
      case "sending":
        return `${size} · uploading`;
      case "checking":
        return `${size} · being checked`;
      case "asking":
        return `You already have this image: “${nameOf(upload.twin)}”`;
      case "cancelled":
        return "Cancelled";
      case "done":
        return `${size} · added`;
      default:
        return upload.detail;
    }
  }

  #actions(upload) {
    const button = (label, run) => el("button", { class: "button small", type: "button", onclick: run }, label);
    const name = upload.file.name;
    switch (upload.state) {
      case "asking":
        return [button("Skip", () => this.#queue.cancel(upload)), button("Keep both", () => this.#queue.retry(upload))];
      case "failed":
        return [
          iconButton("again", `Try ${name} again`, () => this.#queue.retry(upload)),
          iconButton("close", `Cancel ${name}`, () => this.#queue.cancel(upload)),
        ];
      case "cancelled":
        return [iconButton("again", `Try ${name} again`, () => this.#queue.retry(upload))];
      case "refused":
        return [icon("alert", "icon upload-sign")];
      case "done":
        return [
          el(
            "button",
            {
              class: "icon-button upload-sign",
              type: "button",
              "aria-label": `Show ${name}`,
              title: "Show",
              onclick: () => this.open(upload.image),
            },
            icon("check"),
          ),
        ];
      default:
        return [iconButton("close", `Cancel ${name}`, () => this.#queue.cancel(upload))];
    }
  }
}

/** Calls `take` with the files that somebody drops, picks or pastes. */
function takeFiles(take) {
  const picker = byId("file-picker");
  picker.accept = "image/jpeg,image/png,image/gif,image/webp";
  byId("upload-button").addEventListener("click", () => picker.click());
  picker.addEventListener("change", () => {
    take(picker.files);
    picker.value = "";
  });
  document.addEventListener("paste", ({ clipboardData }) => {
    if (clipboardData.files.length && !document.querySelector("dialog[open]")) take(clipboardData.files);
  });

  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files") && !document.querySelector("dialog[open]");
  const show = (isShown) => (byId("drop").hidden = !isShown);
  document.addEventListener("dragenter", (event) => holdsFiles(event) && show(true));
  document.addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget === null && show(false)); // out of the window
  document.addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    show(false);
    take(event.dataTransfer.files);
  });
}
