/** One image, as large as the window, with what is known of it beside it. */

import { Problem, getImage, getImageFile, resolved } from "./api.js";
import { Editor } from "./editor.js";
import { byId, el, icon } from "./element.js";
import { factsOf } from "./facts.js";
import { asHour, nameOf } from "./format.js";
import { notify } from "./notices.js";
import { blurred } from "./thumbhash.js";
import { Zoom } from "./zoom.js";

const LINK_MARGIN_MILLISECONDS = 60_000;

export class LargeView {
  #dialog = byId("large");
  #stage = byId("stage");
  #picture = byId("picture");
  #facts = byId("facts");
  #library;
  #hooks;
  #zoom;
  #editor = null;
  #image = null;
  /** The id of what is to be shown; `#image` follows when it is loaded. */
  #wanted = null;

  /** `hooks`: `moved(id)` and `closed(id)` tell where the person went, `remove(images)` deletes, `find(tag)` searches. */
  constructor(library, hooks) {
    this.#library = library;
    this.#hooks = hooks;
    this.#zoom = new Zoom(this.#picture, { swipe: (direction) => this.#step(direction) });
    this.#zoom.addEventListener("change", () => this.#zoomed());
    this.#dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.#back();
    });
    this.#dialog.addEventListener("keydown", (event) => this.#key(event));
    this.#dialog.addEventListener("click", (event) =>
      this.#actions()[event.target.closest("[data-do]")?.dataset.do]?.(),
    );
    this.#dialog.classList.toggle("with-facts", matchMedia("(min-width: 60rem)").matches);
    library.addEventListener("added", () => this.#showSteps());
    library.addEventListener("removed", () => this.#showSteps());
  }

  get image() {
    return this.#image;
  }

  /** Show the image of this id, from what is loaded if it is there. */
  async show(id) {
    const isEdited = this.#editor && this.#image?.image_id === id; // who had to sign in meanwhile goes on
    if (!isEdited && !this.mayLeave()) return;
    this.#wanted = id;
    const known = isEdited ? this.#image : this.#library.find(id);
    if (!known && !this.#dialog.open) this.#picture.replaceChildren();
    else if (known && !isEdited) this.#present(known);
    if (!this.#dialog.open) {
      this.#dialog.showModal();
      this.#stage.focus();
    }
    try {
      const image = await getImage(id);
      if (this.#wanted !== id) return; // the person has gone on meanwhile
      this.#library.replace(image);
      if (known) this.#refresh(image);
      else this.#present(image);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (this.#wanted !== id) return;
      if (this.#editor && ![403, 404].includes(problem.status)) notify(problem.message, { kind: "bad" });
      else this.#fail(problem);
    }
  }

  close() {
    this.#editor = this.#image = this.#wanted = null;
    this.#dialog.close(); // who has to sign in sees it closed already
    this.#picture.replaceChildren();
  }

  #present(image) {
    this.#image = image;
    const blur = image.placeholder && blurred(image.placeholder);
    blur?.setAttribute("aria-hidden", "true");
    const photo = el("div", { class: "photo" }, blur);
    photo.style.setProperty("--ratio", image.width / image.height);
    photo.style.setProperty("--width", `${image.width}px`);
    photo.style.setProperty("--color", image.dominant_color ?? "transparent");
    this.#picture.replaceChildren(photo);
    this.#zoom.take(photo);
    this.#zoomed();
    if (image.srcset) this.#load(image, photo);
    this.#showFacts();
    this.#showSteps();
    this.#dialog.setAttribute("aria-label", nameOf(image));
    document.title = `${nameOf(image)} · Gallery`;
  }

  #load(image, photo) {
    const img = el("img", {
      class: "photo-image",
      alt: image.description || nameOf(image),
      draggable: "false",
      sizes: `${photo.offsetWidth || Math.min(innerWidth, image.width)}px`,
      srcset: image.srcset.split(", ").map(resolved).join(", "),
    });
    img.addEventListener("load", () => photo.classList.add("loaded"));
    img.addEventListener("error", () => photo.classList.add("broken"));
    photo.append(img);
  }

  /** The same image, as the service knows it by now. */
  #refresh(image) {
    const photo = this.#picture.querySelector(".photo");
    const hadPicture = photo.querySelector("img");
    const isOther = image.version !== this.#image.version;
    this.#image = image;
    if (!hadPicture && image.srcset) this.#load(image, photo);
    if (isOther && !this.#editor) this.#showFacts();
  }

  #fail(problem) {
    const text = problem.status === 404 ? "This image does not exist, or was deleted." : problem.message;
    this.#picture.replaceChildren(
      el("div", { class: "stage-problem", role: "alert" }, icon("alert"), el("p", {}, text)),
    );
    this.#facts.replaceChildren();
    this.#editor = this.#image = null;
  }

  #actions() {
    const image = this.#image;
    return {
      close: () => this.#back(),
      back: () => this.#step(-1),
      on: () => this.#step(1),
      zoom: () => this.#zoom.toggle(),
      facts: () => this.#dialog.classList.toggle("with-facts"),
      ...(image && {
        link: () => this.#copyLink(image),
        download: () => this.#download(image),
        delete: () => this.#delete(image),
        edit: () => this.#edit(),
      }),
    };
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      event.preventDefault();
      this.#back();
      return;
    }
    if (event.target.matches("input, textarea, select")) return;
    const name = {
      ArrowLeft: "back",
      ArrowRight: "on",
      Delete: "delete",
      e: "edit",
      i: "facts",
      z: "zoom",
      c: "link",
      d: "download",
    }[event.key];
    const action = name
      ? this.#actions()[name]
      : { "+": () => this.#zoom.by(1.5), "-": () => this.#zoom.by(1 / 1.5), 0: () => this.#zoom.reset() }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  /** Escape leaves what was entered last: the editing, the zoom, the view. */
  #back() {
    if (this.#editor) this.#endEditing();
    else if (this.#zoom.isZoomed) this.#zoom.reset();
    else this.#hooks.closed(this.#image?.image_id);
  }

  #step(direction) {
    const next = this.#image && this.#library.beside(this.#image.image_id, direction);
    if (!next || !this.mayLeave()) return;
    this.#hooks.moved(next.image_id);
    if (!this.#library.beside(next.image_id, 3)) this.#library.more();
  }

  #showSteps() {
    const beside = (step) => this.#image && this.#library.beside(this.#image.image_id, step);
    this.#dialog.querySelector(".step-back").hidden = !beside(-1);
    this.#dialog.querySelector(".step-on").hidden = !beside(1);
  }

  /** Zoomed, the image itself is shown in place of its variants, which end at 2048 pixels. */
  #zoomed() {
    const photo = this.#picture.querySelector(".photo");
    this.#dialog.querySelector("[data-do=zoom]").setAttribute("aria-pressed", String(this.#zoom.isZoomed));
    this.#dialog.classList.toggle("zoomed", this.#zoom.isZoomed);
    const isFresh = Date.parse(this.#image?.url_expires_at) > Date.now() + LINK_MARGIN_MILLISECONDS;
    if (!this.#zoom.isZoomed || !isFresh || !photo || photo.querySelector(".photo-full")) return;
    photo.append(el("img", { class: "photo-full", alt: "", draggable: "false", src: this.#image.download_url }));
  }

  async #copyLink(image) {
    const fresh = await getImage(image.image_id).catch(() => image);
    try {
      await navigator.clipboard.writeText(fresh.download_url);
      notify(`Link copied. Anyone who has it can see this image until ${asHour(fresh.url_expires_at)}.`);
    } catch {
      notify("The browser does not allow this page to copy.", { kind: "bad" });
    }
  }

  async #download(image) {
    try {
      const url = URL.createObjectURL(await getImageFile(image.image_id));
      el("a", { href: url, download: image.filename }).click();
      setTimeout(() => URL.revokeObjectURL(url), LINK_MARGIN_MILLISECONDS); // the browser reads it after this task
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      notify(problem.message, { kind: "bad" });
    }
  }

  #delete(image) {
    this.#editor = null;
    const next = this.#library.beside(image.image_id, 1) ?? this.#library.beside(image.image_id, -1);
    if (next) this.#hooks.moved(next.image_id);
    else this.#hooks.closed();
    this.#hooks.remove([image]);
  }

  #showFacts() {
    this.#facts.replaceChildren(factsOf(this.#image, { edit: () => this.#edit(), find: this.#hooks.find }));
  }

  #edit() {
    if (this.#editor) return;
    this.#dialog.classList.add("with-facts");
    const editor = new Editor(this.#image, {
      saved: (image) => {
        if (this.#editor === editor) this.#editor = null; // else another image is being edited by now
        this.#library.replace(image);
        if (this.#image?.image_id !== image.image_id) return;
        this.#image = { ...this.#image, ...image };
        this.#showFacts();
        notify("Saved", { seconds: 2 });
        this.#facts.querySelector("button")?.focus();
      },
      cancelled: () => this.#endEditing(),
    });
    this.#editor = editor;
    this.#facts.replaceChildren(editor.element);
    editor.focus();
  }

  /** Whether what is being edited may be forgotten; asks the person if there is anything. */
  mayLeave() {
    if (this.#editor?.isChanged && !confirm("Leave without saving your changes?")) return false;
    this.#editor = null;
    return true;
  }

  #endEditing() {
    if (!this.#editor || !this.mayLeave()) return;
    this.#showFacts();
    this.#stage.focus();
  }
}
