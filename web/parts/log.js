// The messages of a chat, appended as they come. Whatever people say is put into the page as text, never as markup.

import { client } from "./client.js";
import { $, element, onClick } from "./dom.js";
import { onRender, render, state } from "./state.js";
import { currentLocale, word, write } from "./words.js";

/** Older messages leave the page, or a chat of days would fill the memory. */
const LOG_MAX_ENTRIES = 1_000;

const MARKS = new Map([
  ["sending", "markSending"], ["sent", "markSent"], ["delivered", "markDelivered"], ["failed", "markFailed"],
]);

/** What is shown of own messages. */
const shown = new WeakMap();

/** For texts that name the partner. */
export function partnerName() {
  return state.chat?.name ?? word("stranger");
}

export function clearLog() {
  $("log").replaceChildren();
}

/** @returns {{ root: Element, foot: Element, markOf: Element }} */
function appendMessage({ isOwn, text, at }) {
  const root = element("div", isOwn ? "message own" : "message partner");
  const speaker = element("span", "visually-hidden");
  write(speaker, isOwn ? "you" : "them", { who: partnerName() });
  const words = element("div", "message-text", text);
  words.dir = "auto";
  const foot = element("div", "message-foot");
  const markOf = element("span", "mark");
  foot.append(element("time", "", clockTime(at)), markOf);
  root.append(speaker, " ", words, foot);
  appendToLog(root);
  return { root, foot, markOf };
}

export function appendSaid({ seq, text, at }) {
  const { chat } = state;
  chat.seenSeq = seq;
  appendMessage({ isOwn: false, text, at });
  acknowledge();
}

export function appendOwn(message) {
  shown.set(message, appendMessage({ isOwn: true, text: message.text, at: message.at }));
  showMark(message);
}

/** A line of the page's own between the messages. */
export function remark(key, values) {
  if (!state.chat) return;
  const line = element("p", "remark");
  write(line, key, values);
  appendToLog(line);
}

function appendToLog(entry) {
  const log = $("log");
  log.append(entry);
  while (log.childElementCount > LOG_MAX_ENTRIES) log.firstElementChild.remove();
  if (state.chat.isAtEnd) scrollToEnd();
}

/** How far an own message has come; one that failed can be said again. */
export function showMark(message) {
  const parts = shown.get(message);
  if (!parts) return;
  parts.root.dataset.mark = message.state;
  write(parts.markOf, MARKS.get(message.state));
  parts.foot.querySelector(".again")?.remove();
  if (message.state === "failed" && message.error.code !== "chat_over") offerAgain(parts, message);
}

function offerAgain({ foot }, message) {
  const again = element("button", "again");
  again.type = "button";
  write(again, "sendAgain");
  again.addEventListener("click", () => sayAgain(message));
  foot.append(again);
}

export function offerNothingAgain() {
  for (const button of $("log").querySelectorAll(".again")) button.remove();
}

/** The same message: should it have arrived after all, it is still shown once. */
function sayAgain(message) {
  if (!state.chat || state.chat.isOver) return;
  state.error = [""];
  client.sayAgain(message);
  $("text").focus();
  render();
}

/** Tells the server what has been seen: in a page that is visible, at the end of the log. */
export function acknowledge() {
  const { chat } = state;
  if (!chat || chat.isOver || document.hidden || !chat.isAtEnd) return;
  chat.acknowledgedSeq = chat.seenSeq;
  client.acknowledge(chat.seenSeq);
}

/** A log of another size than the last one seen was moved by that, not by the person. */
function logSize() {
  return `${$("log").clientWidth}×${$("log").clientHeight}`;
}

function logResized() {
  if (!state.chat) return;
  state.chat.logSize = logSize();
  // A keyboard that opens makes the log lower; its end stays in sight.
  if (state.chat.isAtEnd) scrollToEnd();
}

export function scrollToEnd() {
  const log = $("log");
  log.scrollTop = log.scrollHeight;
  if (state.chat) state.chat.isAtEnd = true;
}

function logScrolled() {
  const log = $("log");
  if (!state.chat || state.chat.logSize !== logSize()) return;
  // Half a line of tolerance: zoomed pages scroll by fractions.
  state.chat.isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 12;
  acknowledge();
  render();
}

function clockTime(at) {
  const date = new Date(Number(at));
  if (Number.isNaN(date.getTime())) return "";
  return date.toLocaleTimeString(currentLocale(), { hour: "2-digit", minute: "2-digit" });
}

export function listenLog() {
  $("log").addEventListener("scroll", logScrolled);
  new ResizeObserver(logResized).observe($("log"));
  onClick("latest", () => {
    scrollToEnd();
    acknowledge();
    render();
  });
  onRender(() => {
    const { chat } = state;
    if (chat) $("latest").hidden = chat.isAtEnd || chat.seenSeq <= chat.acknowledgedSeq;
  });
}
