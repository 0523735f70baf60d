// What tells a person who looks elsewhere that something has happened here: the title of the window, and a tone.

import { $, onClick, recall, remember } from "./dom.js";
import { onRender, render, state } from "./state.js";
import { text } from "./words.js";

const STORAGE_KEY = "whisperchat.sound";
const TONE_S = 0.18;
const VOLUME = 0.08;
/** Two steps up for somebody who was found, one note for a message; in Hz. */
const TONES = { message: [660], found: [523, 784] };
/** Messages that come faster than this share a tone. */
const TONE_PACE_MS = 1_000;

let isOn = true;
/** Browsers allow sound only after the person has done something on the page. @type {AudioContext | null} */
let audio = null;
let messageAt = -TONE_PACE_MS;

function play(frequencies) {
  if (!isOn || !audio || audio.state !== "running") return;
  for (const [index, frequency] of frequencies.entries()) {
    const start = audio.currentTime + index * TONE_S;
    const tone = new OscillatorNode(audio, { frequency });
    const volume = new GainNode(audio, { gain: 0 });
    // Without the slopes it would click.
    volume.gain.setValueAtTime(0, start);
    volume.gain.linearRampToValueAtTime(VOLUME, start + 0.02);
    volume.gain.linearRampToValueAtTime(0, start + TONE_S);
    tone.connect(volume).connect(audio.destination);
    tone.start(start);
    tone.stop(start + TONE_S);
  }
}

/** Something was said. Who sees it come needs no tone. */
export function messageCame() {
  const { chat } = state;
  if (document.hidden) chat.unreadHidden += 1;
  const now = performance.now();
  const isSeen = !document.hidden && document.hasFocus() && chat.isAtEnd;
  if (isSeen || now - messageAt < TONE_PACE_MS) return;
  messageAt = now;
  play(TONES.message);
}

/** Somebody was found, perhaps after a long time. */
export function somebodyCame() {
  play(TONES.found);
}

export function newsSeen() {
  if (state.chat) Object.assign(state.chat, { unreadHidden: 0, hasNews: false });
}

function titleNews() {
  const { chat } = state;
  if (!document.hidden || !chat) return "";
  if (chat.unreadHidden > 0) return text("titleUnread", { count: chat.unreadHidden });
  if (!chat.hasNews) return "";
  return text(chat.isOver ? "chatIsOver" : "titleFound");
}

function renderNews() {
  const news = titleNews();
  document.title = news ? `${news} – WhisperChat` : "WhisperChat";
  $("sound").setAttribute("aria-pressed", String(isOn));
}

/** The first tap or key opens the way for sounds; to open it takes a moment, for which nothing else should wait. */
function allowSound() {
  if (!isOn || audio?.state === "running" || !("AudioContext" in window)) return;
  const open = () => {
    audio ??= new AudioContext();
    if (audio.state === "suspended") audio.resume().catch(() => {});
  };
  if ("requestIdleCallback" in window) requestIdleCallback(open, { timeout: 1_000 });
  else setTimeout(open);
}

export function startNews() {
  isOn = recall(STORAGE_KEY) !== false;
  onClick("sound", () => {
    isOn = !isOn;
    remember(STORAGE_KEY, isOn);
    allowSound();
    play(TONES.message);
    render();
  });
  for (const type of ["pointerdown", "keydown"]) document.addEventListener(type, allowSound);
  onRender(renderNews);
}
