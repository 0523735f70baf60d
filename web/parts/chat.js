// A chat, from the match to its end; what is said in it is in `log.js`.

import { client } from "./client.js";
import { clearDraft } from "./composer.js";
import { $, onClick, setText, tell } from "./dom.js";
import { clearLog, offerNothingAgain, partnerName, scrollToEnd } from "./log.js";
import { onRender, render, showForm, showView, state } from "./state.js";
import { startWaiting } from "./waiting.js";
import { word } from "./words.js";

const DISTANCES = new Map([["near", "distanceNear"], ["region", "distanceRegion"], ["far", "distanceFar"]]);
const PARTNER_LEFT = new Map([
  ["left", "partnerLeft"], ["lost", "partnerLost"], ["blocked", "partnerBlocked"], ["removed", "partnerRemoved"],
]);
const CHAT_LOST = new Map([["connection", "chatLostConnection"], ["server", "chatLostServer"]]);
const IDLE = new Map([
  ["cancelled", "idleCancelled"], ["left", "idleLeft"], ["gave_up", "idleGaveUp"], ["expired", "idleExpired"],
]);

export function startChat({ id, partner, distance }) {
  state.wait = null;
  state.lastChatId = id;
  state.chat = {
    id,
    name: partner.name || null,
    interests: partner.shared_interests,
    distance: DISTANCES.get(distance) ?? "distanceUnknown",
    isOver: false,
    /** Why it is over. @type {import("./state.js").Said} */
    overText: [""],
    /** `leave` or `next` once that was sent. */
    isLeaving: null,
    /** `block` or `report` while that is to be confirmed. */
    asking: null,
    isBlocked: false,
    isReported: false,
    seenSeq: 0,
    acknowledgedSeq: 0,
    /** How many came while the page was hidden. */
    unreadHidden: 0,
    /** Whether it began or ended while the page was hidden. */
    hasNews: document.hidden,
    isAtEnd: true,
    logSize: "",
    isPartnerTyping: false,
  };
  clearLog();
  clearDraft();
  showView("chat");
  $("text").focus();
}

/** The chat can be read on, but nothing more can be said in it. */
export function endChat(...overText) {
  const { chat } = state;
  if (!chat || chat.isOver) return;
  Object.assign(chat, { isOver: true, overText, isPartnerTyping: false });
  chat.hasNews ||= document.hidden;
  offerNothingAgain();
  render();
  // Not on a button: whoever was about to press Enter would otherwise start something unread.
  $("over").focus();
  scrollToEnd();
}

export function partnerLeft({ reason }) {
  endChat(PARTNER_LEFT.get(reason) ?? "partnerLeft", { who: partnerName() });
}

export function chatLost({ reason }) {
  if (CHAT_LOST.has(reason)) endChat(CHAT_LOST.get(reason));
}

export function becameIdle({ reason }) {
  // Who has blocked somebody may still report what is to be read there.
  if (state.chat?.isBlocked) endChat("blocked", { who: partnerName() });
  else showForm(IDLE.get(reason) ?? "");
}

function next() {
  if (state.chat.isLeaving) return;
  state.error = [""];
  client.next();
  // In a chat the server is asked first, if it is there.
  if (client.state === "waiting") startWaiting();
  else state.chat.isLeaving = "next";
}

function leave() {
  if (state.chat.isLeaving) return;
  client.leave();
  if (state.chat) state.chat.isLeaving = "leave";
}

function renderChat() {
  const { chat } = state;
  if (!chat) return;
  const who = partnerName();
  tell("status", ...(chat.isOver ? chat.overText : ["talking", { who, distance: word(chat.distance) }]));
  if (chat.name) setText("partner", chat.name);
  else tell("partner", "stranger");
  tell("distance", chat.isOver ? "chatIsOver" : chat.distance);
  tell("shared", chat.interests.length > 0 ? "shared" : "", { interests: chat.interests.join(", ") });
  tell("typing", chat.isPartnerTyping ? "typing" : "", { who });
  $("composer").hidden = chat.isOver;
  $("over").hidden = !chat.isOver;
  tell("over-text", ...chat.overText);
  renderActions(chat);
}

/** After the chat, Next is what most want: the same button is then down where the thumb is. */
function renderActions(chat) {
  $("chat-actions").hidden = chat.isOver;
  const place = $(chat.isOver ? "over-actions" : "chat-actions");
  // Moving it takes the focus from it, so only when it is elsewhere.
  if ($("next").parentElement !== place) place.prepend($("next"));
  $("next").classList.toggle("primary", chat.isOver);
  tell("next", !chat.isOver ? "next" : client.knows(chat.id) ? "nextPerson" : "startAgain");
}

export function listenChat() {
  onClick("next", next);
  onClick("leave", leave);
  onRender(renderChat);
}
