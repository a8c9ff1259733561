/** Light, dark, or as the system has it. */

import { byId } from "./element.js";

const KEY = "gallery.theme";

export function showTheme() {
  const apply = (theme) => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  };
  const chosen = ["light", "dark"].includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "auto";
  apply(chosen);
  const group = byId("theme");
  group.querySelector(`[value=${chosen}]`).checked = true;
  group.addEventListener("change", ({ target }) => {
    localStorage.setItem(KEY, target.value);
    apply(target.value);
  });
}
