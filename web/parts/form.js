// The form: who the person is, and where and how far they look.

import { client, keptPass } from "./client.js";
import { $, countChars, onClick, onSubmit, recall, remember, showFieldError, tell } from "./dom.js";
import { placeName } from "./place.js";
import { onRender, render, showForm, state } from "./state.js";
import { startWaiting } from "./waiting.js";
import { readWhere, startWhere } from "./where.js";

const STORAGE_KEY = "whisperchat.person";
const NAME_MAX_CHARS = 32;
const INTERESTS_MAX = 8;
const INTEREST_MAX_CHARS = 24;

/** The server refuses them: they could disturb the text around a name. */
const CONTROL = /[\p{Cc}\u202A-\u202E\u2066-\u2069]/u;

/** While a town is looked up. */
let isJoining = false;

function readName() {
  const name = $("name").value.trim();
  if (countChars(name) > NAME_MAX_CHARS) return wrong("name", "tooLong", { max: NAME_MAX_CHARS });
  if (CONTROL.test(name)) return wrong("name", "controlCharacters");
  showFieldError("name");
  return name;
}

function readInterests() {
  const all = $("interests").value.split(",").map((interest) => interest.trim());
  const interests = [...new Set(all.filter((interest) => interest !== ""))];
  if (interests.length > INTERESTS_MAX) return wrong("interests", "interestsMany", { max: INTERESTS_MAX });
  if (interests.some((interest) => countChars(interest) > INTEREST_MAX_CHARS)) {
    return wrong("interests", "interestsLong", { max: INTEREST_MAX_CHARS });
  }
  if (interests.some((interest) => CONTROL.test(interest))) return wrong("interests", "controlCharacters");
  showFieldError("interests");
  return interests;
}

function wrong(id, key, values) {
  showFieldError(id, key, values);
  return null;
}

async function join() {
  if (isJoining) return;
  isJoining = true;
  const [name, interests] = [readName(), readInterests()];
  const where = await readWhere();
  isJoining = false;
  if (!where) return;
  if (name === null || interests === null) {
    $("start").querySelector("[aria-invalid]").focus();
    return;
  }
  remember(STORAGE_KEY, { name: $("name").value, interests: $("interests").value });
  state.criteria = { ...where, ...(name && { name }), ...(interests.length > 0 && { interests }) };
  state.placeName = placeName();
  startWaiting();
  client.join({ ...state.criteria, ...keptPass() });
  render();
}

export function startForm() {
  const { name = "", interests = "" } = recall(STORAGE_KEY) ?? {};
  Object.assign($("name"), { value: name });
  Object.assign($("interests"), { value: interests });
  startWhere();
  for (const id of ["name", "interests"]) $(id).addEventListener("input", () => showFieldError(id));
  onSubmit("start", join);
  onClick("change", () => showForm(""));
  onRender(() => {
    if (!state.wait && !state.chat) tell("status", ...state.status);
  });
}
