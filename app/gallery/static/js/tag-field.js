/** A field for tags, with those in use offered while one is typed (the combobox pattern of the ARIA Practices Guide). */

import { Problem, listTags } from "./api.js";
import { el, iconButton } from "./element.js";
import { limitLength } from "./limits.js";

let fields = 0;

/** The tag as the service keeps it, near enough to see that two are the same. */
const cleaned = (text) => text.trim().normalize("NFC").toLowerCase();

export class TagField extends EventTarget {
  tags = [];
  #chips = el("span", { class: "tag-chips", role: "list" });
  #input;
  #options;
  #request = null;
  #active = -1;

  /** `label` names the field. Where `showsTags` is false, the tags are shown elsewhere. */
  constructor({ label, placeholder = "Add a tag", showsTags = true }) {
    super();
    const id = `tag-options-${++fields}`;
    this.#options = el("ul", { class: "options", role: "listbox", id, "aria-label": "Tags in use", hidden: true });
    this.#input = el("input", {
      type: "text",
      role: "combobox",
      "aria-label": label,
      "aria-controls": id,
      "aria-expanded": "false",
      "aria-autocomplete": "list",
      autocomplete: "off",
      autocapitalize: "none",
      placeholder,
      oninput: () => this.#suggest(),
      onfocus: () => this.#suggest(),
      onblur: () => this.#leave(),
      onkeydown: (event) => this.#key(event),
    });
    limitLength(this.#input, "max_tag_length");
    this.element = el("div", { class: "tag-field" }, showsTags && this.#chips, this.#input, this.#options);
    this.element.addEventListener("click", () => this.#input.focus());
  }

  set(tags) {
    this.tags = [...tags];
    this.#chips.replaceChildren(
      ...this.tags.map((tag) =>
        el(
          "span",
          { class: "chip", role: "listitem" },
          tag,
          iconButton("close", `Remove ${tag}`, () => this.#change(this.tags.filter((other) => other !== tag))),
        ),
      ),
    );
  }

  /** What is typed counts too, also without Enter. */
  finish() {
    this.#add(this.#input.value);
  }

  /** What is typed, a tag or several with commas between them. */
  #add(text) {
    this.#choose(...text.split(",").map(cleaned));
  }

  #choose(...tags) {
    this.#input.value = "";
    this.#close();
    const fresh = tags.filter((tag) => tag && !this.tags.includes(tag));
    if (fresh.length) this.#change([...this.tags, ...new Set(fresh)]);
  }

  #change(tags) {
    this.set(tags);
    this.dispatchEvent(new Event("change"));
  }

  async #suggest() {
    this.#request?.abort();
    const request = (this.#request = new AbortController());
    let found = [];
    try {
      found = await listTags(cleaned(this.#input.value), { signal: request.signal });
    } catch (problem) {
      if (problem.name === "AbortError") return;
      if (!(problem instanceof Problem)) throw problem; // else a field without suggestions is still a field
    }
    if (this.#request !== request || document.activeElement !== this.#input) return;
    const offered = found.filter((tag) => !this.tags.includes(tag));
    this.#options.replaceChildren(
      ...offered.map((tag, at) =>
        el(
          "li",
          {
            role: "option",
            id: `${this.#options.id}-${at}`,
            "aria-selected": "false",
            // Before the field loses the focus to the click.
            onpointerdown: (event) => {
              event.preventDefault();
              this.#choose(tag);
            },
          },
          tag,
        ),
      ),
    );
    this.#options.hidden = !offered.length;
    this.#input.setAttribute("aria-expanded", String(offered.length > 0));
    this.#point(-1);
  }

  #point(at) {
    const options = [...this.#options.children];
    this.#active = at;
    options.forEach((option, place) => option.setAttribute("aria-selected", String(place === at)));
    if (options[at]) this.#input.setAttribute("aria-activedescendant", options[at].id);
    else this.#input.removeAttribute("aria-activedescendant");
  }

  #key(event) {
    const count = this.#options.hidden ? 0 : this.#options.children.length;
    if (event.key === "ArrowDown" && count) this.#point((this.#active + 1) % count);
    else if (event.key === "ArrowUp" && count) this.#point((this.#active - 1 + count) % count);
    else if (event.key === "Escape" && count) this.#close();
    else if ([",", "Enter"].includes(event.key) && this.#active >= 0)
      this.#choose(this.#options.children[this.#active].textContent);
    else if (event.key === "," || (event.key === "Enter" && this.#input.value.trim())) this.#add(this.#input.value);
    else if (event.key === "Backspace" && !this.#input.value && this.tags.length) this.#change(this.tags.slice(0, -1));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #leave() {
    this.#request?.abort();
    this.#request = null;
    this.#close();
  }

  #close() {
    this.#options.hidden = true;
    this.#input.setAttribute("aria-expanded", "false");
    this.#point(-1);
  }
}
