// What the page says, in the person's language. Every text goes by its name through `write`, so that another language
// can be chosen at any time: whatever stands on the page is then said anew.

import english from "/words/en.js";

/** The languages, each by its own name. A new one is a file in `words/` and a line here. */
export const LANGUAGES = new Map([["en", "English"], ["de", "Deutsch"], ["fr", "Français"]]);

const STORAGE_KEY = "whisperchat.language";

let language = "en";
let words = english;
let numbers = numbersOf(language);

function numbersOf(tag) {
  return new Intl.NumberFormat(tag, { maximumFractionDigits: 3 });
}

/** What each element says: its text's name, and what is filled in. @type {WeakMap<Element, unknown[]>} */
const written = new WeakMap();

/** A number with its unit, to be filled into a text. Browsers know units too, but take long to make ready for them. */
export const km = (number) => word("kilometres", { number });

/** So long that people say it: to the second below 90, then to the minute. */
export function duration(seconds) {
  if (seconds < 90) return word("seconds", { number: Math.ceil(seconds) });
  return word("minutes", { number: Math.round(seconds / 60) });
}

/** Another text, to be filled into a text. */
export function word(key, values = {}) {
  return { key, values };
}

/** How the person writes the time of day: by the browser's own words for the language, such as `en-GB`. */
export function currentLocale() {
  return navigator.languages.find((tag) => tag.split("-")[0] === language) ?? language;
}

/** The text of this name. */
export function text(key, values = {}) {
  const pattern = words[key] ?? english[key] ?? key;
  return pattern.replaceAll(/\{(\w+)\}/g, (_, name) => inWords(values[name]));
}

function inWords(value) {
  if (typeof value === "number") return numbers.format(value);
  return value?.key === undefined ? String(value ?? "") : text(value.key, value.values);
}

export function countryName(code) {
  return new Intl.DisplayNames(language, { type: "region", fallback: "code" }).of(code) ?? code;
}

/** Has an element say something, or nothing if there is no name. Leaves alone what says so already: a live region
 * would be read out again. */
export function write(element, key, values = {}) {
  written.set(element, [key, values]);
  const said = key ? text(key, values) : "";
  if (element.textContent !== said) element.textContent = said;
}

/** The same for what is only read out. */
export function writeLabel(element, key, values = {}) {
  const said = text(key, values);
  if (element.getAttribute("aria-label") !== said) element.setAttribute("aria-label", said);
}

function rewrite() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) write(element, element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) writeLabel(element, element.dataset.label);
  for (const element of document.querySelectorAll("[data-hint]")) element.placeholder = text(element.dataset.hint);
  // What was said in the chat so far.
  for (const element of document.querySelectorAll("#log *, .field-error, .note")) {
    if (written.has(element)) write(element, ...written.get(element));
  }
}

/** The first of the browser's languages that there is, unless another was chosen before. */
function preferred() {
  const wishes = navigator.languages.map((tag) => tag.split("-")[0]);
  try {
    wishes.unshift(localStorage.getItem(STORAGE_KEY));
  } catch { /* Nothing was remembered. */ }
  return wishes.find((wish) => LANGUAGES.has(wish)) ?? "en";
}

/** Says everything in this language from now on; in the one before if the server does not answer. */
async function speak(wanted) {
  try {
    const { default: loaded } = wanted === "en" ? { default: english } : await import(`/words/${wanted}.js`);
    [words, language, numbers] = [loaded, wanted, numbersOf(wanted)];
  } catch { /* The menu shows which one it is. */ }
  rewrite();
}

/** Fills the menu, and says everything in the person's language. `changed` is called after each change. */
export async function chooseLanguage(menu, changed) {
  for (const [tag, name] of LANGUAGES) {
    const option = new Option(name, tag);
    option.lang = tag;
    menu.append(option);
  }
  menu.addEventListener("change", async () => {
    await speak(menu.value);
    menu.value = language;
    try {
      localStorage.setItem(STORAGE_KEY, language);
    } catch { /* It is not remembered then. */ }
    changed();
  });
  await speak(preferred());
  menu.value = language;
}
