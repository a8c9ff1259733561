/** Short messages at the bottom of the page, with at most one thing to do. */

import { byId, el, iconButton } from "./element.js";

const SECONDS = 5;

/**
 * Shows a message. With `action` `{label, run}` it has a button. `gone` is called once when its time is over or it is
 * closed, but not when the action was taken. Its time stands still while the pointer or the focus is on it.
 */
export function notify(text, { action = null, seconds = SECONDS, kind = "plain", gone = () => {} } = {}) {
  const end = (callback) => {
    if (!notice.isConnected) return;
    notice.remove();
    callback();
  };
  const notice = el(
    "div",
    { class: `notice ${kind}` },
    el("span", { class: "notice-text" }, text),
    action && el("button", { class: "notice-action", type: "button", onclick: () => end(action.run) }, action.label),
    iconButton("close", "Dismiss", () => end(gone)),
    el("span", { class: "notice-time", "aria-hidden": "true", onanimationend: () => end(gone) }),
  );
  notice.style.setProperty("--seconds", `${seconds}s`);
  settle();
  byId("notices").append(notice);
  return { withdraw: () => end(() => {}) };
}

/** While a dialog is open nothing outside of it can be used, so the messages move into it. */
function settle() {
  const open = [...document.querySelectorAll("dialog[open]")].at(-1);
  (open ?? document.body).append(byId("notices"));
}

document.addEventListener("close", settle, { capture: true }); // of dialogs; it does not bubble
