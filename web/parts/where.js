// Where and how far: the map, the place and the range, which can be seen and changed in the form and while waiting.

import { $ } from "./dom.js";
import { showOnMap, startMap } from "./map.js";
import { pickPlace, placeName, placeNow, readPlace, startPlace } from "./place.js";
import { rangeNow, readRange, startRange } from "./range.js";
import { onRender, state } from "./state.js";

/** The fields that say where and how far, or null after saying what is wrong and going there. */
export async function readWhere() {
  const range = readRange();
  const position = await readPlace();
  if (position && range) return { position, ...range };
  $("where").querySelector("[aria-invalid]").focus();
  return null;
}

/** The circle that is chosen, and while waiting the one in force. */
function showWhere() {
  const position = placeNow();
  const range = rangeNow();
  const { wait, criteria } = state;
  const circles = [];
  if (wait) circles.push({ position: criteria.position, km: wait.rangeKm });
  const isPlanned = wait !== null;
  const isOther = !wait || isDifferent(position, range);
  if (position && range !== null && isOther) circles.push({ position, km: range, isPlanned });
  showOnMap(circles, isOther ? placeName() : state.placeName);
}

/** Whether what is chosen is not what the server was asked for. */
function isDifferent(position, range) {
  const { position: { lat, lon }, range_km } = state.criteria;
  return position?.lat !== lat || position?.lon !== lon || range !== range_km;
}

function renderWhere() {
  const { view } = state;
  const home = view === "waiting" ? $("where-waiting") : $("start");
  if ($("where").parentElement !== home) home.prepend($("where"));
  if (view === "form" || view === "waiting") showWhere();
}

export function startWhere() {
  startPlace(showWhere);
  startRange(showWhere);
  startMap(pickPlace);
  onRender(renderWhere);
}
