// What the page knows. Parts change it and call `render`; each shows what is its own.

import { $, tell } from "./dom.js";

/** A text by its name, and what is filled into it. @typedef {[string, object?]} Said */

export const state = {
  /** `form`, `waiting`, `chat` or `stopped`. */
  view: "form",
  /** The `limits` of the welcome; null until there was one. */
  limits: null,
  /** @type {Said} */
  error: [""],
  /** Over the form: what has happened before. @type {Said} */
  status: [""],
  /** The fields of `join`, to look again after the connection was lost. */
  criteria: null,
  /** While waiting: what the server last said, and since when (`performance.now()`). */
  wait: null,
  chat: null,
  /** The last chat, also when the page shows it no more. */
  lastChatId: "",
  /** @type {Said} */
  stoppedBecause: [""],
};

const renderers = [];

/** Calls a part whenever something has changed. */
export function onRender(renderer) {
  renderers.push(renderer);
}

export function render() {
  document.body.dataset.view = state.view;
  for (const view of ["form", "waiting", "chat", "stopped"]) $(`view-${view}`).hidden = view !== state.view;
  tell("error", ...state.error);
  tell("stopped-text", ...state.stoppedBecause);
  for (const renderer of renderers) renderer();
}

export function showView(view) {
  if (state.view === view) return;
  state.view = view;
  state.error = [""];
  render();
  window.scrollTo(0, 0);
}

/** Back to the form, saying what has happened. */
export function showForm(...status) {
  state.wait = null;
  state.chat = null;
  state.status = status;
  showView("form");
  $("form-title").focus();
}
