/** Asks who is calling, where the page is to know, and shows it. */

import { Problem, tryIdentity } from "./api.js";
import { byId, el, icon } from "./element.js";
import { displayName, identity, isSignedIn, signIn, signOut } from "./session.js";

const WORDS = {
  name: {
    label: "Your name",
    hint: "Letters, digits and . _ - @, such as alice or alice@example.com",
    missing: "Type a name.",
    allowed: /^[A-Za-z0-9._@:+=|-]{1,128}$/, // of the header that carries it
    unusable: "A name may contain letters from A to Z, digits and . _ - @, but no spaces.",
  },
  token: {
    label: "Access token",
    hint: "A bearer token (JWT) from your sign-in service. It is forgotten when you close this tab.",
    missing: "Paste a token.",
    allowed: /^[!-~]+$/,
    unusable: "That is not a token: it contains spaces or characters other than ASCII.",
  },
};

/** Calls `start` once it is known who is there, and `leaving` before they sign out, which it may refuse. */
export function askWhoIsThere({ start, leaving }) {
  const dialog = byId("sign-in");
  const begin = () => {
    const name = displayName();
    byId("account-button").textContent = (name ?? "•").slice(0, 1).toUpperCase();
    byId("account-name").textContent = name ? `Signed in as ${name}` : "Signed in";
    byId("sign-out").hidden = identity === "gateway";
    start();
  };
  const ask = (reason = "") => {
    if (dialog.open) return;
    for (const open of document.querySelectorAll("dialog[open]")) open.close();
    dialog.replaceChildren(
      form(reason, () => {
        dialog.close();
        begin();
      }),
    );
    dialog.showModal();
  };

  dialog.addEventListener("cancel", (event) => event.preventDefault()); // there is nothing behind it to go back to
  byId("sign-out").addEventListener("click", async () => {
    if (!(await leaving())) return;
    signOut();
    location.assign(document.documentElement.dataset.root);
  });
  document.addEventListener("signed-out", ({ detail: problem }) => {
    if (identity !== "gateway" && !dialog.open) ask(isSignedIn() ? problem.message : "");
  });
  if (isSignedIn()) begin();
  else ask();
}

function form(reason, done) {
  const words = WORDS[identity];
  const input = el("input", {
    id: "identity",
    type: identity === "token" ? "password" : "text",
    autofocus: true,
    required: true,
    spellcheck: "false",
    autocomplete: identity === "token" ? "off" : "username",
    autocapitalize: "none",
    "aria-describedby": "identity-hint identity-problem",
    ...(identity === "name" && { maxlength: 128 }),
  });
  const problem = el("p", { class: "form-problem", id: "identity-problem", role: "alert" }, reason);
  const button = el("button", { class: "button primary wide", type: "submit" }, "Continue");
  const submit = async (event) => {
    event.preventDefault();
    const value = input.value.trim();
    problem.textContent = !value ? words.missing : words.allowed.test(value) ? "" : words.unusable;
    if (problem.textContent) return input.focus();
    button.disabled = true;
    try {
      await tryIdentity(value);
      signIn(value);
      done();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problem.textContent = error.message;
      input.focus();
    } finally {
      button.disabled = false;
    }
  };
  return el(
    "form",
    { onsubmit: submit, novalidate: true },
    icon("brand", "brand-mark sign-in-mark"),
    el("h2", { id: "sign-in-title" }, "Welcome to your gallery"),
    el("p", { class: "sheet-text" }, "Your images are stored under your name and shown to nobody else."),
    el("label", { class: "field" }, el("span", {}, words.label), input),
    el("p", { class: "hint", id: "identity-hint" }, words.hint),
    problem,
    button,
  );
}
