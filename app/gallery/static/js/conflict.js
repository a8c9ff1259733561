/** Shows that somebody else has edited the image meanwhile, and lets the person choose. */

import { byId, el } from "./element.js";
import { FIELDS, sameValue } from "./fields.js";
import { asMoment } from "./format.js";

/**
 * `seen` is the image that was edited, `changes` what the person wants of it, `theirs` the image as it is now.
 * Resolves to what is to be changed of `theirs` (nothing, if all of theirs is taken), or to null: back to editing.
 */
export function chooseBetween({ seen, changes, theirs }) {
  const dialog = byId("conflict");
  const mine = { ...seen, ...changes };
  const names = Object.keys(FIELDS).filter((name) => !sameValue(mine[name], theirs[name]));
  return new Promise((resolve) => {
    const done = (result) => {
      dialog.close();
      resolve(result);
    };
    const submit = (event) => {
      event.preventDefault();
      const chosen = new FormData(event.target);
      done(Object.fromEntries(names.filter((name) => chosen.get(name) === "mine").map((name) => [name, mine[name]])));
    };
    // What only one of the two has changed is theirs to keep; only where both did, mine is proposed, as it is newer.
    const groups = names.map((name) => choice(name, mine, theirs, name in changes ? "mine" : "theirs"));
    const form = el(
      "form",
      { onsubmit: submit },
      el("h2", { id: "conflict-title" }, "Edited in the meantime"),
      el(
        "p",
        { class: "sheet-text" },
        `Somebody else saved this image on ${asMoment(theirs.updated_at)} while you were editing. ` +
          "Nothing is lost: choose what to keep.",
      ),
      ...groups,
      el(
        "div",
        { class: "form-buttons" },
        el("button", { class: "button", type: "button", onclick: () => done(null) }, "Back to editing"),
        el("button", { class: "button primary", type: "submit", autofocus: true }, "Save choices"),
      ),
    );
    dialog.replaceChildren(form);
    dialog.oncancel = (event) => {
      event.preventDefault();
      done(null);
    };
    dialog.showModal();
  });
}

function choice(name, mine, theirs, preferred) {
  const option = (whose, title, value) =>
    el(
      "label",
      { class: "choice" },
      el("input", { type: "radio", name, value: whose, checked: whose === preferred }),
      el("span", { class: "choice-body" }, el("span", { class: "choice-title" }, title), shown(value)),
    );
  return el(
    "fieldset",
    { class: "choices" },
    el("legend", {}, FIELDS[name].label),
    option("theirs", "Theirs", theirs[name]),
    option("mine", "Yours", mine[name]),
  );
}

function shown(value) {
  if (Array.isArray(value) && value.length)
    return el("span", { class: "choice-tags" }, ...value.map((tag) => el("span", { class: "chip" }, `#${tag}`)));
  return value?.length
    ? el("span", { class: "choice-text" }, value)
    : el("span", { class: "choice-text none" }, "empty");
}
