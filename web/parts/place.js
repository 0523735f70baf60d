// Where the person is: a town by its name (a combobox, https://www.w3.org/WAI/ARIA/apg/patterns/combobox/), two numbers, a
// point of the map, or where the browser says. All of it ends up as text in one field.

import { $, element, onClick, recall, remember, showFieldError, tell } from "./dom.js";
import { loadTowns } from "./towns.js";
import { countryName } from "./words.js";

const STORAGE_KEY = "whisperchat.place";
const EXAMPLE_PLACE = "48.8566, 2.3522";
const SUGGESTIONS_MAX = 8;

/** What was chosen by name: the field's text then, and the place it is. @type {{ label: string, position: object } | null} */
let chosen = null;
/** What the list shows, and which of it is marked. */
let suggestions = [];
let marked = -1;
let changed = () => {};

/** `lat, lon` in degrees as typed, or null. */
export function parsePosition(typed) {
  const text = typed.trim().replaceAll("−", "-").replaceAll("°", "");
  const number = "[+-]?(?:\\d+\\.?\\d*|\\.\\d+)";
  const withPoints = new RegExp(`^(${number})(?:\\s*[,;]\\s*|\\s+)(${number})$`).exec(text);
  if (withPoints) return { lat: Number(withPoints[1]), lon: Number(withPoints[2]) };
  // As most of Europe writes numbers. Two decimal commas leave no doubt what they are.
  const withCommas = /^([+-]?\d+,\d+)(?:\s*[,;]\s*|\s+)([+-]?\d+,\d+)$/.exec(text);
  if (!withCommas) return null;
  const [lat, lon] = withCommas.slice(1).map((part) => Number(part.replace(",", ".")));
  return { lat, lon };
}

function isOnEarth({ lat, lon }) {
  return Math.abs(lat) <= 90 && Math.abs(lon) <= 180;
}

/** The place in the field, as far as it is known without looking it up; or null. */
export function placeNow() {
  const typed = $("place").value;
  if (chosen?.label === typed) return chosen.position;
  const position = parsePosition(typed);
  return position && isOnEarth(position) ? position : null;
}

/** What the place is called: for texts. */
export function placeName() {
  return $("place").value;
}

/** What is wrong with what is typed, if it is no town; the name of a text. */
function problem(typed) {
  if (typed.trim() === "") return "placeEmpty";
  const position = parsePosition(typed);
  if (!position) return /^[\d\s.,;°+−-]+$/.test(typed) ? "placeNumbers" : "townNone";
  if (Math.abs(position.lat) > 90) return "placeLatitude";
  return Math.abs(position.lon) > 180 ? "placeLongitude" : "";
}

/** The place that is meant, or null after saying what is wrong. Who typed a name means the largest town of that name. */
export async function readPlace() {
  closeList();
  const typed = $("place").value;
  let position = placeNow();
  let wrong = position ? "" : problem(typed);
  if (wrong === "townNone") {
    try {
      const [town] = (await loadTowns()).search(typed, 1);
      if (town && $("place").value === typed) {
        choose(town);
        [position, wrong] = [placeNow(), ""];
      }
    } catch {
      wrong = "townsMissing";
    }
  }
  showFieldError("place", wrong);
  // Once is enough.
  if (wrong) tell("place-note", "");
  if (!position) return null;
  remember(STORAGE_KEY, { label: $("place").value, position });
  return position;
}

/** Puts a place into the field, as if it had been typed. */
function setPlace(text, position = null) {
  $("place").value = text;
  chosen = position && { label: text, position };
  showFieldError("place");
  closeList();
  changed();
}

/** A place from elsewhere, as text with four decimals: some 10 m, more than enough for a range in km. */
function setPosition({ lat, lon }, ...note) {
  setPlace(`${lat.toFixed(4)}, ${lon.toFixed(4)}`);
  tell("place-note", ...note);
}

/** A point of the map was tapped. */
export function pickPlace(position) {
  setPosition(position, "");
  const written = $("place").value;
  loadTowns().then((towns) => {
    const town = towns.near(position);
    if (town && $("place").value === written) {
      tell("place-note", "townNear", { town: `${town.name}, ${countryName(town.country)}` });
    }
  }).catch(() => {});
}

// ---- The list of towns ----------------------------------------------------------------------------------

function choose({ name, country: code, lat, lon }) {
  setPlace(`${name}, ${countryName(code)}`, { lat, lon });
  tell("place-note", "");
}

/** Shows the towns that begin with what is typed. */
async function suggest() {
  const typed = $("place").value;
  if (/^[\s\d.,;°+−-]*$/.test(typed)) {
    closeList();
    tell("place-note", "");
    return;
  }
  let towns;
  try {
    towns = await loadTowns();
  } catch {
    tell("place-note", "townsMissing");
    return;
  }
  // Typing went on while they were loaded.
  if ($("place").value !== typed || document.activeElement !== $("place")) return;
  suggestions = towns.search(typed, SUGGESTIONS_MAX);
  showList();
  if (suggestions.length > 0) tell("place-note", "townsFound", { count: suggestions.length });
  else tell("place-note", "townNone");
}

function showList() {
  marked = -1;
  const options = suggestions.map((town, index) => {
    const option = element("li", "", town.name);
    option.id = `town-${index}`;
    option.role = "option";
    option.ariaSelected = "false";
    option.append(element("span", "country", countryName(town.country)));
    // Before the field loses the focus.
    option.addEventListener("pointerdown", (event) => event.preventDefault());
    option.addEventListener("click", () => choose(town));
    return option;
  });
  $("towns").replaceChildren(...options);
  $("towns").hidden = options.length === 0;
  $("place").setAttribute("aria-expanded", String(options.length > 0));
  $("place").removeAttribute("aria-activedescendant");
}

function closeList() {
  if ($("towns").hidden) return;
  suggestions = [];
  showList();
}

function markOption(index) {
  marked = index;
  for (const [at, option] of [...$("towns").children].entries()) {
    option.ariaSelected = String(at === marked);
    if (at === marked) option.scrollIntoView({ block: "nearest" });
  }
  if (marked < 0) $("place").removeAttribute("aria-activedescendant");
  else $("place").setAttribute("aria-activedescendant", `town-${marked}`);
}

function followKeys(event) {
  const count = suggestions.length;
  if (event.isComposing) return;
  if (event.key === "Escape" && count > 0) closeList();
  else if (event.key === "ArrowDown" && count === 0) suggest();
  else if (event.key === "ArrowDown") markOption((marked + 1) % count);
  else if (event.key === "ArrowUp" && count > 0) markOption((marked <= 0 ? count : marked) - 1);
  else if (event.key === "Enter" && marked >= 0) choose(suggestions[marked]);
  else return;
  event.preventDefault();
}

// ---- Where the browser says -----------------------------------------------------------------------------

/** By the codes of https://www.w3.org/TR/geolocation/#position_error_interface. */
const POSITION_FAILURES = new Map([[1, "locateDenied"], [2, "locateUnknown"], [3, "locateSlow"]]);

function locate() {
  const failure = !window.isSecureContext ? "locateInsecure" : !navigator.geolocation ? "locateUnknown" : "";
  tell("place-note", failure || "locating");
  if (failure) return;
  const typedBefore = $("place").value;
  navigator.geolocation.getCurrentPosition(
    ({ coords: { latitude, longitude } }) => {
      // Whoever typed something meanwhile meant that.
      if ($("place").value === typedBefore) setPosition({ lat: latitude, lon: longitude }, "located");
    },
    ({ code }) => tell("place-note", POSITION_FAILURES.get(code) ?? "locateUnknown"),
    { maximumAge: 600_000, timeout: 20_000 },
  );
}

function useExample() {
  setPlace(EXAMPLE_PLACE);
  tell("place-note", "exampleNote");
  $("join").focus();
}

/** `onChange` is called when the place may be another. */
export function startPlace(onChange) {
  changed = onChange;
  const remembered = recall(STORAGE_KEY);
  if (typeof remembered?.label === "string") {
    $("place").value = remembered.label;
    const { lat, lon } = remembered.position ?? {};
    if (Number.isFinite(lat) && Number.isFinite(lon)) chosen = { label: remembered.label, position: { lat, lon } };
  }
  $("place").addEventListener("input", () => {
    showFieldError("place");
    suggest();
    changed();
  });
  $("place").addEventListener("keydown", followKeys);
  $("place").addEventListener("blur", closeList);
  onClick("locate", locate);
  onClick("example", useExample);
}

/** Back to what the server knows: what was typed since and not asked for is forgotten. */
export function restorePlace(label, position) {
  setPlace(label, position);
  tell("place-note", "");
}
