/** What is known about an image, to change in its place. Nobody's edit is overwritten unseen. */

import { Problem, editImage, getImage } from "./api.js";
import { chooseBetween } from "./conflict.js";
import { el } from "./element.js";
import { FIELDS, sameValue } from "./fields.js";
import { limitLength } from "./limits.js";
import { TagField } from "./tag-field.js";

export class Editor {
  #image;
  #saved;
  #inputs = {};
  #tags = new TagField({ label: FIELDS.tags.label });
  #problem = el("p", { class: "form-problem", role: "alert" });
  #button = el("button", { class: "button primary", type: "submit" }, "Save");

  /** `saved(image)` is called with the image as it is then, `cancelled()` when nothing is to be changed. */
  constructor(image, { saved, cancelled }) {
    this.#image = image;
    this.#saved = saved;
    this.#tags.set(image.tags);
    const fields = Object.entries(FIELDS).map(([name, { label, element, limit }]) => {
      if (name === "tags")
        return el("div", { class: "field" }, el("span", { "aria-hidden": "true" }, label), this.#tags.element);
      this.#inputs[name] = el(element, {
        name,
        autocomplete: "off",
        ...(element === "textarea" && { rows: 4 }),
      });
      limitLength(this.#inputs[name], limit);
      this.#inputs[name].value = image[name] ?? "";
      return el("label", { class: "field" }, el("span", {}, label), this.#inputs[name]);
    });
    this.element = el(
      "form",
      { class: "facts-inner editor", "aria-label": "Edit", onsubmit: (event) => this.#submit(event) },
      ...fields,
      this.#problem,
      el(
        "div",
        { class: "form-buttons" },
        el("button", { class: "button", type: "button", onclick: cancelled }, "Cancel"),
        this.#button,
      ),
    );
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.element.requestSubmit();
    });
  }

  focus() {
    this.#inputs.title.focus();
    this.#inputs.title.select();
  }

  get isChanged() {
    return Object.keys(this.#changes()).length > 0;
  }

  /** Only what differs from what was shown; nothing but blanks is nothing. */
  #changes() {
    const values = { tags: this.#tags.tags };
    for (const [name, input] of Object.entries(this.#inputs)) values[name] = input.value.trim() || null;
    return Object.fromEntries(Object.entries(values).filter(([name, value]) => !sameValue(value, this.#image[name])));
  }

  async #submit(event) {
    event.preventDefault();
    this.#tags.finish();
    this.#problem.textContent = "";
    this.#button.disabled = true;
    try {
      const image = await this.#save(this.#image, this.#changes());
      if (image) this.#saved(image);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#problem.textContent = problem.message;
    } finally {
      this.#button.disabled = false;
    }
  }

  /** Until it is saved onto exactly the version that the person has seen; null where they think again. */
  async #save(seen, changes) {
    while (Object.keys(changes).length) {
      try {
        return await editImage(seen.image_id, seen.version, changes);
      } catch (problem) {
        if (problem.code !== "precondition_failed") throw problem;
      }
      const theirs = await getImage(seen.image_id);
      const chosen = await chooseBetween({ seen, changes, theirs });
      if (!chosen) return null;
      changes = chosen;
      seen = theirs;
    }
    return seen;
  }
}
