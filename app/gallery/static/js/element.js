/**
 * Makes an element. Properties are attributes, but for functions, which are listeners (`{onclick: …}`);
 * what is null, undefined or false is left out. Never HTML from text, so nothing can be smuggled in.
 */
export function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(key.replace(/^on/, ""), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** One of the drawings in templates/icons.svg; decoration, so it has no name. */
export function icon(name, className = "icon") {
  const SVG = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", className);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A button that shows only a drawing; `label` is what it is called. */
export function iconButton(name, label, onclick) {
  return el(
    "button",
    { class: "icon-button", type: "button", "aria-label": label, title: label, onclick },
    icon(name),
  );
}

export const byId = (id) => document.getElementById(id);
