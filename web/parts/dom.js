// Short ways to what every part does with the page.

import { write } from "./words.js";

export const $ = (id) => document.getElementById(id);

export function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** For what comes from people, and is the same in every language. */
export function setText(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

/** For what the page says, by its name; nothing without one. */
export function tell(id, key, values) {
  write($(id), key, values);
}

export function onClick(id, action) {
  $(id).addEventListener("click", action);
}

export function onSubmit(id, action) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    action();
  });
}

/** Says what is wrong with a field, or that nothing is. */
export function showFieldError(id, key = "", values = {}) {
  tell(`${id}-error`, key, values);
  if (key) $(id).setAttribute("aria-invalid", "true");
  else $(id).removeAttribute("aria-invalid");
}

// The server counts Unicode characters; `length` counts UTF-16 units, two for an emoji.
export function countChars(text) {
  return [...text].length;
}

/** Something remembered on this device, or null. */
export function recall(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

/** Storage may be switched off or full; the page works without. */
export function remember(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch { /* Nothing is remembered then. */ }
}
