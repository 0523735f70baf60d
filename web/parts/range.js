// How far somebody may be: a number, usual ones, and a slider on which each step is the same share farther; and up to where
// the server may look farther while nobody is found.

import { $, recall, remember, showFieldError, tell } from "./dom.js";
import { onRender, state } from "./state.js";
import { km, text } from "./words.js";

const STORAGE_KEY = "whisperchat.range";
const USUAL_KM = 50;
/** Farther than the slider's first step nobody can be found who has a range below it. */
const SLIDER_MIN_KM = 1;
const SLIDER_MAX_KM = 20_040;
/** By default it may be looked so much farther. */
const WIDEN_FACTOR = 5;

let changed = () => {};

function bounds() {
  return { min: state.limits?.min_range_km ?? null, max: state.limits?.max_range_km ?? null };
}

function sliderEnds() {
  const { min, max } = bounds();
  return [Math.log(Math.max(SLIDER_MIN_KM, min ?? 0)), Math.log(max ?? SLIDER_MAX_KM)];
}

/** A number that people would say: two digits count. */
function rounded(number) {
  const step = 10 ** (Math.floor(Math.log10(number)) - 1);
  return Number((Math.round(number / step) * step).toFixed(3));
}

function kmAtSlider(at) {
  const [from, to] = sliderEnds();
  const { min, max } = bounds();
  // The ends are the limits themselves.
  const range = at >= 100 ? max ?? SLIDER_MAX_KM : rounded(Math.exp(from + (to - from) * (at / 100)));
  return Math.min(max ?? Infinity, Math.max(min ?? 0, range));
}

function sliderAt(range) {
  const [from, to] = sliderEnds();
  return Math.round(((Math.log(range) - from) / (to - from)) * 100);
}

/** What is wrong with a range, as a text's name and what is filled in; nothing if nothing is. */
function problem(typed) {
  const range = Number(typed);
  const { min, max } = bounds();
  const isNumber = typed.trim() !== "" && Number.isFinite(range) && range > 0;
  if (isNumber && (min === null || range >= min) && (max === null || range <= max)) return [];
  return min === null || max === null ? ["rangeWrongUnbounded"] : ["rangeWrong", { min, max }];
}

/** The range in the field, or null if it is none. */
export function rangeNow() {
  return problem($("range").value).length === 0 ? Number($("range").value) : null;
}

/**
 * The fields of `join` that say how far, or null after saying what is wrong. Without leave to widen the largest range is the
 * range: an update has to take an earlier leave back.
 */
export function readRange() {
  const wrong = problem($("range").value);
  showFieldError("range", ...wrong);
  const range_km = Number($("range").value);
  const isWiden = $("widen").checked;
  const farthest = isWiden ? Number($("widen-to").value) : range_km;
  const isFarthestWrong = isWiden && wrong.length === 0
    && (problem($("widen-to").value).length > 0 || farthest < range_km);
  if (isFarthestWrong) showFieldError("widen-to", "widenWrong", { min: range_km, max: bounds().max ?? SLIDER_MAX_KM });
  else showFieldError("widen-to");
  if (wrong.length > 0 || isFarthestWrong) return null;
  saveRange();
  return { range_km, max_range_km: farthest };
}

function saveRange() {
  remember(STORAGE_KEY, { range: $("range").value, isWiden: $("widen").checked, widenTo: $("widen-to").value });
}

/** Puts a range into the fields. */
export function setRange(range) {
  $("range").value = range;
  rangeChanged();
}

function rangeChanged() {
  showFieldError("range");
  showRange();
  changed();
}

/** Whoever allows widening without saying how far means a good deal farther. */
function proposeWidening() {
  const isWiden = $("widen").checked;
  $("widen-more").hidden = !isWiden;
  showFieldError("widen-to");
  const range = rangeNow();
  if (isWiden && range !== null && !(Number($("widen-to").value) > range)) {
    $("widen-to").value = Math.min(bounds().max ?? SLIDER_MAX_KM, rounded(range * WIDEN_FACTOR));
  }
}

function showRange() {
  const range = rangeNow();
  for (const choice of document.querySelectorAll("[data-km]")) {
    choice.setAttribute("aria-pressed", String(Number(choice.dataset.km) === range));
  }
  if (range === null) return;
  const slider = $("range-slider");
  // Who drags it may be between two steps that are rounded to the same.
  if (kmAtSlider(Number(slider.value)) !== range) slider.value = sliderAt(range);
  slider.setAttribute("aria-valuetext", text("kilometres", { number: range }));
}

function renderLimits() {
  const { min, max } = bounds();
  for (const choice of document.querySelectorAll("[data-km]")) {
    const range = Number(choice.dataset.km);
    choice.hidden = (min !== null && range < min) || (max !== null && range > max);
  }
  if (min === null || max === null) return;
  tell("range-hint", "rangeHint", { min: km(min), max: km(max) });
  for (const id of ["range", "widen-to"]) Object.assign($(id), { min, max });
  const grid = Number(state.limits.position_grid_km);
  tell("grid-hint", grid > 0 ? "gridHint" : "", { grid: km(grid) });
  showRange();
}

/** `onChange` is called when the range may be another. */
export function startRange(onChange) {
  changed = onChange;
  const { range = USUAL_KM, isWiden = false, widenTo = "" } = recall(STORAGE_KEY) ?? {};
  Object.assign($("range"), { value: range });
  Object.assign($("widen"), { checked: isWiden === true });
  Object.assign($("widen-to"), { value: widenTo });
  for (const choice of document.querySelectorAll("[data-km]")) {
    choice.addEventListener("click", () => setRange(choice.dataset.km));
  }
  $("range").addEventListener("input", rangeChanged);
  $("range-slider").addEventListener("input", () => setRange(kmAtSlider(Number($("range-slider").value))));
  $("widen").addEventListener("change", proposeWidening);
  $("widen-to").addEventListener("input", () => showFieldError("widen-to"));
  onRender(renderLimits);
  proposeWidening();
  showRange();
}
