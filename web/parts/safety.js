// Block and report: two taps each, in a chat and after it.

import { client } from "./client.js";
import { $, onClick, tell } from "./dom.js";
import { partnerName, remark } from "./log.js";
import { onRender, render, state } from "./state.js";

const UNKNOWN = { block: "blockUnknown", report: "reportUnknown" };

/** Opens the question, or closes it again. */
function ask(what) {
  const { chat } = state;
  chat.asking = chat.asking === what ? null : what;
  render();
  // On the question, so that it is read out; its buttons come next.
  if (chat.asking) $(`${what}-question`).focus();
}

function neverMind() {
  const what = state.chat.asking;
  if (!what) return;
  state.chat.asking = null;
  render();
  $(what).focus();
}

function block() {
  const { chat } = state;
  chat.asking = null;
  chat.isBlocked = true;
  state.error = [""];
  finish(client.block(chat.id), "block");
}

function report(reason) {
  const { chat } = state;
  chat.asking = null;
  chat.isReported = true;
  state.error = [""];
  finish(client.report(reason, chat.id, undefined, $("evidence").checked), "report");
}

function finish(answer, what) {
  answer.catch(({ code }) => {
    // What the server refuses is told like everything that it refuses.
    if (code !== "lost") return;
    state.error = [UNKNOWN[what]];
    render();
  });
  render();
  // The button that was pressed is gone.
  $(state.chat.isOver ? "over" : "text").focus();
}

/** In a chat that goes on, its end says so. */
export function blockedTold({ chat: id }) {
  const { chat } = state;
  if (chat?.id === id && chat.isOver && chat.overText[0] !== "blocked") remark("blocked", { who: partnerName() });
}

export function reportedTold({ chat: id }) {
  if (state.chat?.id === id) remark("reported", { who: partnerName() });
}

function renderSafety() {
  const { chat } = state;
  if (!chat) return;
  const isKnown = client.knows(chat.id);
  const isDone = { block: chat.isBlocked, report: chat.isReported };
  $("safety").hidden = !isKnown || (isDone.block && isDone.report);
  tell("block-title", "blockTitle", { who: partnerName() });
  for (const what of ["block", "report"]) {
    const isAsked = isKnown && chat.asking === what;
    $(what).hidden = isDone[what];
    $(what).setAttribute("aria-expanded", String(isAsked));
    $(`${what}-question`).hidden = !isAsked;
  }
}

export function listenSafety() {
  onClick("block", () => ask("block"));
  onClick("report", () => ask("report"));
  onClick("block-confirm", block);
  for (const choice of document.querySelectorAll("[data-reason]")) {
    choice.addEventListener("click", () => report(choice.dataset.reason));
  }
  for (const button of document.querySelectorAll(".never-mind")) button.addEventListener("click", neverMind);
  $("view-chat").addEventListener("keydown", ({ key }) => { if (key === "Escape") neverMind(); });
  onRender(renderSafety);
}
