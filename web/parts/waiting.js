// Waiting: that somebody is looked for, how far and how long, and the change of place or range without a new place in the
// queue.

import { client, keepPass } from "./client.js";
import { $, onClick, onSubmit, setText, tell } from "./dom.js";
import { placeName, restorePlace } from "./place.js";
import { setRange } from "./range.js";
import { onRender, render, showView, state } from "./state.js";
import { readWhere } from "./where.js";
import { duration, km } from "./words.js";

const NEARBY = new Map([
  ["none", "nearbyNone"], ["few", "nearbyFew"], ["some", "nearbySome"], ["many", "nearbyMany"],
]);

export function newWait(rangeKm) {
  return {
    isAnswered: false,
    isCancelling: false,
    /** Whether place or range were changed, and the server has not said anything else since. */
    isChanged: false,
    since: performance.now(),
    rangeKm,
    nearby: "",
    /** How long half of those there wait, and nine of ten, in seconds; 0 if that is not known. */
    typicalS: 0,
    longS: 0,
    isRequeued: false,
  };
}

/** From now on the person wants to be waiting; whether the server knows already is `isAnswered`. */
export function startWaiting() {
  const { criteria } = state;
  state.chat = null;
  state.wait = newWait(criteria.range_km);
  restorePlace(state.placeName, criteria.position);
  setRange(criteria.range_km);
  showView("waiting");
  $("waiting-title").focus();
}

/** What the server says of the wait. */
export function waitingTold({ range_km, waited_ms, nearby, estimate_s, requeued, pass }) {
  if (pass) keepPass(pass);
  if (!state.wait) startWaiting();
  Object.assign(state.wait, {
    isAnswered: true,
    since: performance.now() - (Number(waited_ms) || 0),
    rangeKm: Number(range_km),
    nearby: NEARBY.get(nearby) ?? "",
    typicalS: Number(estimate_s?.p50) || 0,
    longS: Number(estimate_s?.p90) || 0,
    isRequeued: requeued === true,
  });
}

function cancel() {
  client.cancel();
  // Without a connection nobody was told anything that had to be taken back, and that was all.
  if (state.wait) state.wait.isCancelling = true;
  render();
}

async function changeWhere() {
  const where = await readWhere();
  if (!where || !state.wait || state.wait.isCancelling) return;
  state.error = [""];
  state.criteria = { ...state.criteria, ...where };
  state.placeName = placeName();
  state.wait.isChanged = true;
  client.update(where);
  if (client.connection !== "open") state.wait.rangeKm = where.range_km;
  render();
}

function statusText({ isCancelling, isAnswered, isRequeued, rangeKm }) {
  if (isCancelling) return ["stopping"];
  if (!isAnswered) return ["connecting"];
  return [isRequeued ? "lookingAgain" : "looking", { range: km(rangeKm) }];
}

function widening({ rangeKm }) {
  const { range_km, max_range_km } = state.criteria;
  if (rangeKm > range_km) return ["widened", { from: km(range_km), range: km(rangeKm), max: km(max_range_km) }];
  return max_range_km > range_km ? ["willWiden", { max: km(max_range_km) }] : [""];
}

function estimate({ typicalS, longS }) {
  const [typical, long] = [duration(typicalS), duration(longS)];
  if (typicalS <= 0) return [""];
  return longS > typicalS ? ["estimateLong", { typical, long }] : ["estimate", { typical }];
}

function renderWaiting() {
  const { wait } = state;
  if (!wait) return;
  tell("status", ...statusText(wait));
  tell("widened", ...widening(wait));
  tell("nearby", wait.nearby);
  tell("estimate", ...estimate(wait));
  tell("cool-off", client.knows(state.lastChatId) ? "coolOff" : "");
  tell("change-note", wait.isChanged ? "changed" : "changeNote");
  renderClock(wait);
}

function renderClock({ since }) {
  const seconds = Math.max(0, Math.floor((performance.now() - since) / 1000));
  const twoDigits = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const start = hours > 0 ? `${hours}:${twoDigits(minutes)}` : `${minutes}`;
  setText("waited", `${start}:${twoDigits(seconds % 60)}`);
}

export function listenWaiting() {
  onSubmit("wider", changeWhere);
  onClick("cancel", cancel);
  onRender(renderWaiting);
  setInterval(() => { if (state.wait) renderClock(state.wait); }, 1000);
}
