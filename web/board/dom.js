// Small ways to the document. Text is always set as text.

/** @param {string} id */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`there is no #${id}`);
  return element;
}

/** A new element with attributes, and texts and elements in it. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** The same for drawings. */
export function shape(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/** Sets an element's text if it is another one: what has not changed is not read out again. */
export function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

export function show(target, isShown) {
  target.hidden = !isShown;
}

/** Fills a list of facts: names and their values. */
export function tell(list, facts) {
  list.replaceChildren(...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}
