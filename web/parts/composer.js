// What the person writes. Without a connection it is queued and shown as being sent.

import { client } from "./client.js";
import { $, countChars, onSubmit, tell } from "./dom.js";
import { appendOwn, scrollToEnd } from "./log.js";
import { render, state } from "./state.js";

const TEXT_MAX_CHARS = 2000;
/** From this part of the allowed length on it is shown how much is used. */
const COUNT_FROM = 0.9;

const SAY_FAILURES = new Map([["too_large", "tooLarge"], ["too_many", "tooMany"]]);

function textMaxChars() {
  return state.limits?.max_text_chars ?? TEXT_MAX_CHARS;
}

/** How much of the allowed length is used, as soon as it is of interest. */
function showCount() {
  const count = countChars($("text").value);
  const max = textMaxChars();
  const isOver = count > max;
  $("text").setAttribute("aria-invalid", String(isOver));
  $("count").classList.toggle("is-over", isOver);
  tell("count", count < max * COUNT_FROM ? "" : isOver ? "countOver" : "count", { count, max });
}

/** A draft was meant for somebody else. */
export function clearDraft() {
  $("text").value = "";
  showCount();
}

function say() {
  const text = $("text").value;
  const { chat } = state;
  if (chat.isOver || chat.isLeaving || text.trim() === "") return;
  if (countChars(text) > textMaxChars()) {
    showCount();
    return;
  }
  try {
    appendOwn(client.say(text));
  } catch ({ code }) {
    // What can't be sent stays where it can be changed.
    state.error = [SAY_FAILURES.get(code) ?? "refusedFastUnknown"];
    render();
    return;
  }
  state.error = [""];
  clearDraft();
  scrollToEnd();
  $("text").focus();
  render();
}

function enterSends(event) {
  // While a character is being composed, Enter belongs to the input method.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  say();
}

export function listenComposer() {
  onSubmit("composer", say);
  $("text").addEventListener("keydown", enterSends);
  $("text").addEventListener("input", () => {
    showCount();
    client.typing($("text").value.trim() !== "");
  });
}
