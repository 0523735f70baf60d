// What is wrong with the connection, in words, and what the server refuses.

import { endChat } from "./chat.js";
import { client, hasToken } from "./client.js";
import { $, onClick, setText, tell } from "./dom.js";
import { onRender, render, showForm, showView, state } from "./state.js";
import { newWait, startWaiting } from "./waiting.js";
import { duration } from "./words.js";

const CLOSE_FOR_GOOD = new Map([[4000, "banned"], [4001, "abuse"], [4002, "replaced"]]);
/** The close code of who has shown no good token. */
const CLOSE_NO_TOKEN = 4101;

/** What is wrong with the connection; nothing if nothing is. @type {import("./state.js").Said} */
let problem = [""];

export function connectionChanged({ state: connection, code, reason, was_open }) {
  if (connection === "stopped") {
    // Of who is banned the server says more than the page can.
    setText("stopped-words", code === 4000 ? reason : "");
    stop(code === CLOSE_NO_TOKEN ? (hasToken ? "tokenExpired" : "tokenNeeded") : CLOSE_FOR_GOOD.get(code) ?? "ended");
    return;
  }
  if (connection === "open" || connection === "resting") problem = [""];
  if (connection !== "lost") return;
  if (was_open) problem = problem[0] === "goingAway" ? problem : ["lost"];
  else askWhy();
  const { wait, chat } = state;
  if (wait) state.wait = { ...newWait(wait.rangeKm), since: wait.since };
  // Who had pressed Next waits already, though the server may not know.
  else if (chat && client.state === "waiting") startWaiting();
}

/**
 * A page is never told why no WebSocket came about. A plain request of the same page is told: the server answers it as it
 * would the other, but for the limits of how many may come in a while.
 */
async function askWhy() {
  problem[0] ||= "unreachable";
  const found = await whyNot();
  if (client.connection !== "lost" && client.connection !== "connecting") return;
  problem = found;
  render();
}

/** @returns {Promise<import("./state.js").Said>} */
async function whyNot() {
  if (navigator.onLine === false) return ["offline"];
  try {
    // Unlike GET, this says which page asks.
    const { status } = await fetch("/v1/ws", { method: "POST", cache: "no-store", signal: AbortSignal.timeout(5_000) });
    if (status === 403) return ["originRefused", { origin: location.origin }];
    if (status === 429) return ["tooManyHere"];
    return [status === 503 ? "full" : "socketRefused"];
  } catch {
    return ["unreachable"];
  }
}

function stop(reason) {
  problem = [""];
  state.stoppedBecause = [reason];
  state.wait = null;
  if (state.chat && !state.chat.isOver) endChat(reason);
  state.status = [""];
  state.error = [""];
  showView("stopped");
  $("stopped-title").focus();
}

export function goesAway() {
  problem = ["goingAway"];
}

export function refused(refusal) {
  // Who has no good token is told so when the client stops.
  if (refusal.request === "auth") return;
  if (["join", "next"].includes(refusal.request) && client.state === "idle") showForm("");
  if (state.wait) state.wait.isCancelling = false;
  if (state.chat) {
    state.chat.isLeaving = null;
    if (refusal.request === "block") state.chat.isBlocked = false;
    if (refusal.request === "report") state.chat.isReported = false;
  }
  state.error = refusalText(refusal);
}

function refusalText({ code, message, retry_after_ms }) {
  const seconds = Number(retry_after_ms) / 1000;
  if (code !== "rate_limited") return ["refused", { message }];
  return seconds > 0 ? ["refusedFast", { wait: duration(seconds) }] : ["refusedFastUnknown"];
}

function renderTrouble() {
  const isShown = problem[0] !== "" && state.view !== "stopped";
  const retryInMs = client.retryInMs;
  $("connection-bar").classList.toggle("is-shown", isShown);
  tell("connection", ...(isShown ? problem : [""]));
  $("retry").hidden = !isShown || retryInMs === null;
  const seconds = retryInMs === null ? 0 : Math.ceil(retryInMs / 1000);
  tell("countdown", isShown && seconds > 0 ? "inSeconds" : "", { wait: duration(seconds) });
}

export function listenTrouble() {
  onClick("retry", () => client.connect());
  onClick("reload", () => location.reload());
  window.addEventListener("online", () => client.hurry());
  onRender(renderTrouble);
  setInterval(() => { if (client.retryInMs !== null) renderTrouble(); }, 1000);
}
