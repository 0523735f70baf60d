// The map on the page: loaded when everything else works, turned and tapped, and an extra to the fields, never the only way.

import { $, onClick, tell } from "./dom.js";
import { Globe, wrapped } from "./globe.js";
import { loadTowns } from "./towns.js";
import { km as kilometres, writeLabel } from "./words.js";

/** A pointer that moved less than this has tapped. */
const TAP_MAX_PX = 6;
const FLIGHT_MS = 500;
const ZOOM = 1.8;
/** A circle whose radius is below this is a dot. */
const SEEN_MIN_PX = 14;

/** @type {Globe | null} */
let globe = null;
let picked = () => {};
/** What is to be shown, also before there is a map. */
let circles = [];
let isDrawPlanned = false;
/** Where the view goes to: from, to, and when that began. */
let flight = null;

/** Draws in the next frame, however often it is asked for. */
function draw() {
  if (!globe || isDrawPlanned) return;
  isDrawPlanned = true;
  requestAnimationFrame((now) => {
    isDrawPlanned = false;
    if (flight) fly(now);
    globe.draw();
  });
}

function flyTo(to) {
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  flight = { from: { ...globe.view }, to, began: performance.now(), lastsMs: isCalm ? 0 : FLIGHT_MS };
  draw();
}

function fly(now) {
  const { from, to, began, lastsMs } = flight;
  const part = lastsMs === 0 ? 1 : Math.min(1, Math.max(0, (now - began) / lastsMs));
  const eased = part * part * (3 - 2 * part);
  globe.view = {
    lat: from.lat + (to.lat - from.lat) * eased,
    lon: wrapped(from.lon + wrapped(to.lon - from.lon) * eased),
    scale: from.scale * (to.scale / from.scale) ** eased,
  };
  if (part === 1) flight = null;
  else draw();
}

/** Whether a circle can be seen as one, all of it. */
function isWellSeen({ km }, scale) {
  const radius = globe.radiusPx(km, scale);
  const most = Math.min(...globe.size) / 2;
  const isAsLargeAsCan = scale >= globe.scaleMax || scale <= globe.scaleMin;
  return radius <= most && (radius >= SEEN_MIN_PX || isAsLargeAsCan);
}

function lookAt(circle) {
  const { lat, lon } = circle.position;
  const scale = flight?.to.scale ?? globe.view.scale;
  flyTo({ lat, lon, scale: isWellSeen(circle, scale) && scale > globe.scaleMin ? scale : globe.scaleFor(circle.km) });
}

/**
 * Shows circles around places, the last of them in the middle.
 * @param {{ position: { lat: number, lon: number }, km: number, isPlanned?: boolean }[]} wanted
 * @param {unknown} place what the last one's place is called
 */
export function showOnMap(wanted, place) {
  const isSame = JSON.stringify(wanted) === JSON.stringify(circles);
  circles = wanted;
  const last = wanted.at(-1);
  if (last) writeLabel($("globe"), "mapOf", { range: kilometres(last.km), place });
  else writeLabel($("globe"), "mapLabel");
  if (!globe || isSame) return;
  globe.circles = circles;
  if (last) lookAt(last);
  draw();
}

function zoom(factor) {
  if (!globe) return;
  const from = flight?.to ?? globe.view;
  flyTo({ ...from, scale: globe.bounded(from.scale * factor) });
}

/** A tap chooses, a drag turns. Fingers that move up and down still move the page. */
function followPointers() {
  const canvas = $("globe");
  let pointer = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    pointer = { x: event.clientX, y: event.clientY, hasMoved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!pointer || !event.isPrimary) return;
    const [dx, dy] = [event.clientX - pointer.x, event.clientY - pointer.y];
    if (!pointer.hasMoved && Math.hypot(dx, dy) < TAP_MAX_PX) return;
    pointer = { x: event.clientX, y: event.clientY, hasMoved: true };
    flight = null;
    globe.turn(dx, dy);
    draw();
  });
  canvas.addEventListener("pointercancel", () => { pointer = null; });
  canvas.addEventListener("pointerup", (event) => {
    if (!pointer || !event.isPrimary) return;
    const { hasMoved } = pointer;
    pointer = null;
    if (hasMoved) return;
    const { left, top } = canvas.getBoundingClientRect();
    const place = globe.placeAt(event.clientX - left, event.clientY - top);
    if (place) picked(place);
  });
}

async function load() {
  const [library, world] = await Promise.all([
    import("/vendor/map-library.js"),
    fetch("/vendor/countries-110m.json").then((answer) => answer.json()),
  ]);
  globe = new Globe($("globe"), library, world);
  globe.circles = circles;
  followPointers();
  onClick("zoom-in", () => zoom(ZOOM));
  onClick("zoom-out", () => zoom(1 / ZOOM));
  new ResizeObserver(() => {
    const wasEmpty = globe.size[0] === 0;
    if (!globe.resize()) return;
    if (wasEmpty && circles.length > 0) jumpTo(circles.at(-1));
    draw();
  }).observe($("globe"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    globe.readColours();
    draw();
  });
  $("map").classList.add("is-there");
  const towns = await loadTowns();
  globe.towns = towns.all;
  draw();
}

function jumpTo({ position: { lat, lon }, km }) {
  globe.view = { lat, lon, scale: globe.scaleFor(km) };
}

/** Loads the map once the page has nothing better to do. `onPick` gets the places that are tapped. */
export function startMap(onPick) {
  picked = onPick;
  const begin = () => load().catch(() => {
    if (globe) return;
    $("map-caption").dataset.text = "mapMissing";
    tell("map-caption", "mapMissing");
  });
  if ("requestIdleCallback" in window) requestIdleCallback(begin, { timeout: 1_000 });
  else setTimeout(begin, 200);
}
