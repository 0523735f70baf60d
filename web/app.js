// The page at `/`: finds somebody within range and lets the two talk.
//
// The client library talks with the server and comes back after a loss. What it tells changes `state`, and
// `render` shows `state`; only the messages of a chat are appended as they come. Whatever comes from the
// network is put into the page as text, never as markup.

import { WhisperChat } from "/whisperchat.js";

const STORAGE_KEY = "whisperchat.form";
const EXAMPLE_PLACE = "48.8566, 2.3522";
const NAME_MAX_CHARS = 32;

// Older messages leave the page, or a chat of days would fill the memory.
const LOG_MAX_ENTRIES = 1_000;

const CLOSE_FOR_GOOD = new Map([
  [4000, "This server does not let you chat any more."],
  [4001, "The server ended the connection because this page made too many mistakes. Reload the page to start again."],
  [4002, "This chat was continued in another window, so it has ended here. Reload the page to start again."],
]);

const DISTANCES = new Map([
  ["near", "less than 10 km away"],
  ["region", "less than 100 km away"],
  ["far", "100 km away or more"],
]);
const NEARBY = new Map([
  ["none", "Nobody else is waiting around there yet."],
  ["few", "A few others are waiting around there."],
  ["some", "Some others are waiting around there."],
  ["many", "Many others are waiting around there."],
]);
const PARTNER_LEFT = new Map([
  ["left", (who) => `${who} left the chat.`],
  ["lost", (who) => `The connection to ${who} was lost.`],
  ["blocked", (who) => `${who} ended the chat for good. You will not meet again.`],
  ["removed", (who) => `${who} was removed by the server.`],
]);
const IDLE = new Map([
  ["cancelled", "You stopped looking."],
  ["left", "You left the chat."],
  ["gave_up", "Nobody was found in the time you had set."],
  ["expired", "You have waited as long as this server allows. Start again to go on looking."],
]);
const blockedForGood = (who) => `You blocked ${who}. You will not meet again.`;
const MARKS = new Map([
  ["sending", "sending…"],
  ["sent", "sent"],
  ["delivered", "delivered"],
  ["failed", "not sent"],
]);

const CHAT_LOST = new Map([
  ["connection", "The connection was lost for too long, so this chat is over."],
  ["server", "The server went away, so this chat is over."],
]);

const $ = (id) => document.getElementById(id);

const state = {
  /** `form`, `waiting`, `chat` or `stopped`. */
  view: "form",
  /** The `limits` of the welcome; null until there was one. */
  limits: null,
  status: "",
  error: "",
  /** The fields of `join`, to look again after the connection was lost. */
  criteria: null,
  /** While waiting: what the server last said, and since when (`performance.now()`). */
  wait: null,
  chat: null,
  /** The last chat, also when the page shows it no more. */
  lastChatId: "",
  stoppedBecause: "",
};

/** What is wrong with the connection, in words; empty if nothing is. */
let problem = "";

// ---- The connection -------------------------------------------------------------------------------------

function socketUrl() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${location.host}/v1/ws`;
}

// What has come was not seen yet: that is so in a page that is visible, at the end of the log.
const client = new WhisperChat(socketUrl(), { acknowledge: "manual" });

/** What is shown of own messages. */
const shown = new WeakMap();

function connectionChanged({ state: connection, code, was_open }) {
  if (connection === "stopped") {
    stop(CLOSE_FOR_GOOD.get(code) ?? "The server ended the connection for good.");
    return;
  }
  if (connection === "open" || connection === "resting") problem = "";
  if (connection !== "lost") return;
  problem ||= was_open
    ? "The connection was lost. Trying to get it back…"
    : "The server can’t be reached. Trying again…";
  const { wait, chat } = state;
  if (wait) state.wait = { ...newWait(wait.rangeKm), since: wait.since };
  // Who had pressed Next waits already, though the server may not know.
  else if (chat && client.state === "waiting") startWaiting();
}

function stop(reason) {
  problem = "";
  state.stoppedBecause = reason;
  state.wait = null;
  if (state.chat && !state.chat.isOver) endChat(reason);
  state.status = "";
  state.error = "";
  showView("stopped");
  $("stopped-title").focus();
}

// ---- What the client tells ------------------------------------------------------------------------------

const handlers = {
  connection: connectionChanged,

  welcome({ limits }) {
    state.limits = limits ?? {};
  },

  waiting({ range_km, waited_ms, nearby, estimate_s, requeued }) {
    if (!state.wait) startWaiting();
    const { isCancelling } = state.wait;
    state.wait = {
      isAnswered: true,
      isCancelling,
      since: performance.now() - (Number(waited_ms) || 0),
      rangeKm: Number(range_km),
      nearby: NEARBY.get(nearby) ?? "",
      typicalS: Number(estimate_s?.p50) || 0,
      isRequeued: requeued === true,
    };
  },

  matched({ id, partner, distance }) {
    startChat(id, partner.name || null, DISTANCES.get(distance) ?? "somewhere");
  },

  said({ seq, text, at }) {
    const { chat } = state;
    chat.seenSeq = seq;
    appendMessage({ isOwn: false, text, at });
    acknowledge();
    if (document.hidden) chat.unreadHidden += 1;
  },

  message(message) {
    const parts = shown.get(message);
    if (!parts) return;
    mark(parts, message.state);
    if (message.state === "failed" && message.error.code !== "chat_over") offerAgain(parts, message);
  },

  typing({ on }) {
    if (state.chat) state.chat.isPartnerTyping = on;
  },

  partner_away() {
    remark(`${partnerName()} lost the connection and may come back.`);
  },

  partner_back() {
    remark(`${partnerName()} is back.`);
  },

  gap() {
    remark("Some messages were lost while the connection was gone.");
  },

  partner_left({ reason }) {
    const inWords = PARTNER_LEFT.get(reason) ?? PARTNER_LEFT.get("left");
    endChat(inWords(partnerName()));
  },

  chat_lost({ reason }) {
    if (CHAT_LOST.has(reason)) endChat(CHAT_LOST.get(reason));
  },

  idle({ reason }) {
    // Who has blocked somebody may still report what is to be read there.
    if (state.chat?.isBlocked) endChat(blockedForGood(partnerName()));
    else showForm(IDLE.get(reason) ?? "");
  },

  blocked({ chat: id }) {
    const { chat } = state;
    if (chat?.id === id && chat.isOver && chat.overText !== blockedForGood(partnerName())) {
      remark(blockedForGood(partnerName()));
    }
  },

  reported({ chat: id }) {
    if (state.chat?.id === id) remark(`You reported ${partnerName()}. Thank you.`);
  },

  going_away() {
    problem = "The server is going away for a while. This page will connect again by itself.";
  },

  refused(refusal) {
    if (["join", "next"].includes(refusal.request) && client.state === "idle") showForm("");
    if (state.wait) state.wait.isCancelling = false;
    if (state.chat) {
      state.chat.isLeaving = null;
      if (refusal.request === "block") state.chat.isBlocked = false;
      if (refusal.request === "report") state.chat.isReported = false;
    }
    state.error = errorText(refusal);
  },
};

for (const [type, handler] of Object.entries(handlers)) {
  client.on(type, (detail) => {
    handler(detail);
    render();
  });
}

function errorText({ message, retry_after_ms }) {
  const text = message || "The server refused that.";
  const seconds = Math.ceil(Number(retry_after_ms) / 1000);
  return seconds > 0 ? `${text} (Try again in ${seconds} s.)` : text;
}

// ---- Moving between views -------------------------------------------------------------------------------

function showView(view) {
  if (state.view === view) return;
  state.view = view;
  state.error = "";
  render();
  window.scrollTo(0, 0);
}

function showForm(status) {
  state.wait = null;
  state.chat = null;
  state.status = status;
  showView("form");
  $("form-title").focus();
}

function newWait(rangeKm) {
  return {
    isAnswered: false,
    isCancelling: false,
    since: performance.now(),
    rangeKm,
    nearby: "",
    typicalS: 0,
    isRequeued: false,
  };
}

/** From now on the person wants to be waiting; whether the server knows already is `isAnswered`. */
function startWaiting() {
  state.chat = null;
  state.wait = newWait(state.criteria.range_km);
  setRange($("wait-range"), state.criteria.range_km);
  showFieldError("wait-range", "");
  showView("waiting");
  $("waiting-title").focus();
}

function startChat(id, name, distance) {
  state.wait = null;
  state.lastChatId = id;
  state.chat = {
    id,
    name,
    distance,
    isOver: false,
    overText: "",
    /** `leave` or `next` once that was sent. */
    isLeaving: null,
    /** `block` or `report` while that is to be confirmed. */
    asking: null,
    isBlocked: false,
    isReported: false,
    seenSeq: 0,
    acknowledgedSeq: 0,
    unreadHidden: 0,
    hasNews: document.hidden,
    isAtEnd: true,
    logSize: "",
    isPartnerTyping: false,
  };
  $("log").replaceChildren();
  // A draft was meant for somebody else.
  $("text").value = "";
  showCount();
  showView("chat");
  $("text").focus();
}

/** The chat can be read on, but nothing more can be said in it. */
function endChat(text) {
  const { chat } = state;
  if (!chat || chat.isOver) return;
  chat.isOver = true;
  chat.overText = text;
  chat.hasNews ||= document.hidden;
  for (const button of $("log").querySelectorAll(".again")) button.remove();
  chat.isPartnerTyping = false;
  render();
  // Not on a button: whoever was about to press Enter would otherwise start something unread.
  $("over").focus();
  scrollToEnd();
}

// ---- What the person does -------------------------------------------------------------------------------

function join() {
  const criteria = readForm();
  if (!criteria) return;
  saveForm();
  state.criteria = criteria;
  startWaiting();
  client.join(criteria);
  render();
}

function cancel() {
  client.cancel();
  // Without a connection nobody was told anything that had to be taken back, and that was all.
  if (state.wait) state.wait.isCancelling = true;
  render();
}

function changeRange() {
  const rangeKm = readRange($("wait-range"));
  if (rangeKm === null || state.wait.isCancelling) return;
  state.error = "";
  state.criteria = { ...state.criteria, range_km: rangeKm };
  $("range").value = rangeKm;
  saveForm();
  client.update({ range_km: rangeKm });
  if (client.connection !== "open") state.wait.rangeKm = rangeKm;
  showPressed();
  render();
}

function next() {
  if (state.chat.isLeaving) return;
  state.error = "";
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

function say() {
  const text = $("text").value;
  const { chat } = state;
  // What can't be sent now stays where it can be changed.
  if (chat.isOver || chat.isLeaving || client.connection !== "open" || text.trim() === "") return;
  if (countChars(text) > textMaxChars()) {
    showCount();
    return;
  }
  try {
    const message = client.say(text);
    shown.set(message, appendMessage({ isOwn: true, text: message.text, at: message.at }));
    mark(shown.get(message), message.state);
  } catch ({ code }) {
    state.error = code === "too_large" ? "This message is too large to be sent." : "This can’t be sent now. Try again.";
    render();
    return;
  }
  state.error = "";
  $("text").value = "";
  showCount();
  scrollToEnd();
  $("text").focus();
  render();
}

/** The same message: should it have arrived after all, it is still shown once. */
function sayAgain(message) {
  if (!state.chat || state.chat.isOver || client.connection !== "open") return;
  state.error = "";
  client.sayAgain(message);
  $("text").focus();
  render();
}

// ---- Block and report ---------------------------------------------------------------------------------------

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
  state.error = "";
  finish(client.block(chat.id), "block");
}

function report(reason) {
  const { chat } = state;
  chat.asking = null;
  chat.isReported = true;
  state.error = "";
  finish(client.report(reason, chat.id), "report");
}

function finish(answer, what) {
  answer.catch(({ code }) => {
    // What the server refuses is told like everything that it refuses.
    if (code !== "lost") return;
    state.error = `The connection was lost for too long: the server does not know of your ${what}.`;
    render();
  });
  render();
  // The button that was pressed is gone.
  $(state.chat.isOver ? "over" : "text").focus();
}

// ---- The messages ---------------------------------------------------------------------------------------

function partnerName() {
  return state.chat?.name ?? "Stranger";
}

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function appendMessage({ isOwn, text, at }) {
  const root = element("div", isOwn ? "message own" : "message partner");
  const words = element("div", "message-text", text);
  words.dir = "auto";
  const foot = element("div", "message-foot");
  const markOf = element("span", "mark");
  foot.append(element("time", "", clockTime(at)), markOf);
  root.append(element("span", "visually-hidden", isOwn ? "You: " : `${partnerName()}: `), words, foot);
  appendToLog(root);
  return { root, foot, markOf };
}

function remark(text) {
  if (state.chat) appendToLog(element("p", "remark", text));
}

function appendToLog(entry) {
  const log = $("log");
  log.append(entry);
  while (log.childElementCount > LOG_MAX_ENTRIES) log.firstElementChild.remove();
  if (state.chat.isAtEnd) scrollToEnd();
}

function mark(message, to) {
  message.root.dataset.mark = to;
  message.markOf.textContent = MARKS.get(to);
  message.foot.querySelector(".again")?.remove();
}

function offerAgain(parts, message) {
  const again = element("button", "again", "Send again");
  again.type = "button";
  again.addEventListener("click", () => sayAgain(message));
  parts.foot.append(again);
}

/** Tells the server what has been seen: in a page that is visible, at the end of the log. */
function acknowledge() {
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

function scrollToEnd() {
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
  return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

// The server counts Unicode characters; `length` counts UTF-16 units, two for an emoji.
function countChars(text) {
  return [...text].length;
}

function textMaxChars() {
  return state.limits?.max_text_chars ?? 2000;
}

/** How much of the allowed length is used, as soon as it is of interest. */
function showCount() {
  const count = countChars($("text").value);
  const max = textMaxChars();
  const isOver = count > max;
  $("text").setAttribute("aria-invalid", String(isOver));
  $("count").classList.toggle("is-over", isOver);
  const used = `${inEnglish(count)} of ${inEnglish(max)} characters`;
  setText("count", count < max * 0.9 ? "" : isOver ? `${used}: too long to send` : used);
}

// ---- The form -------------------------------------------------------------------------------------------

/** `lat, lon` in degrees as typed, or null. */
function parsePlace(typed) {
  const text = typed.trim().replaceAll("−", "-").replaceAll("°", "");
  const number = "[+-]?(?:\\d+\\.?\\d*|\\.\\d+)";
  const withPoints = new RegExp(`^(${number})(?:\\s*[,;]\\s*|\\s+)(${number})$`).exec(text);
  if (withPoints) return { lat: Number(withPoints[1]), lon: Number(withPoints[2]) };
  // As most of Europe writes numbers. Two decimal commas leave no doubt what they are.
  const withCommas = /^([+-]?\d+,\d+)(?:\s*[,;]\s*|\s+)([+-]?\d+,\d+)$/.exec(text);
  if (!withCommas) return null;
  const [lat, lon] = withCommas.slice(1).map((part) => Number(part.replace(",", ".")));
  return { lat, lon };
}

function placeProblem(typed) {
  if (typed.trim() === "") return "Say where you are: use your position, or type two numbers such as 48.8566, 2.3522.";
  const position = parsePlace(typed);
  if (!position) return "Two numbers are needed: latitude, longitude, such as 48.8566, 2.3522.";
  if (Math.abs(position.lat) > 90) return "The latitude, which comes first, must be from -90 to 90.";
  if (Math.abs(position.lon) > 180) return "The longitude, which comes second, must be from -180 to 180.";
  return "";
}

function rangeBounds() {
  return { min: state.limits?.min_range_km ?? null, max: state.limits?.max_range_km ?? null };
}

function rangeProblem(typed) {
  const km = Number(typed);
  const { min, max } = rangeBounds();
  const isNumber = typed.trim() !== "" && Number.isFinite(km) && km > 0;
  if (isNumber && (min === null || km >= min) && (max === null || km <= max)) return "";
  if (min === null || max === null) return "The range must be a number above 0.";
  return `The range must be a number from ${inEnglish(min)} to ${inEnglish(max)}.`;
}

function nameProblem(typed) {
  const name = typed.trim();
  if (countChars(name) > NAME_MAX_CHARS) return `At most ${NAME_MAX_CHARS} characters.`;
  // The server refuses them: they could disturb the text around the name.
  if (/[\p{Cc}\u202A-\u202E\u2066-\u2069]/u.test(name)) return "Control characters are not allowed here.";
  return "";
}

/** Returns the field's content, or null after saying what is wrong with it. */
function checked(field, problem) {
  const text = problem(field.value);
  showFieldError(field.id, text);
  return text === "" ? field.value : null;
}

function showFieldError(id, text) {
  setText(`${id}-error`, text);
  if (text) $(id).setAttribute("aria-invalid", "true");
  else $(id).removeAttribute("aria-invalid");
}

function readRange(field) {
  const typed = checked(field, rangeProblem);
  if (typed === null) field.focus();
  return typed === null ? null : Number(typed);
}

/** The fields of `join`, or null after saying what is wrong and going there. */
function readForm() {
  const place = checked($("place"), placeProblem);
  const range = checked($("range"), rangeProblem);
  const name = checked($("name"), nameProblem);
  if (place === null || range === null || name === null) {
    $("start").querySelector("[aria-invalid]").focus();
    return null;
  }
  const criteria = { position: parsePlace(place), range_km: Number(range) };
  return name.trim() === "" ? criteria : { ...criteria, name: name.trim() };
}

// Storage may be switched off or full; the page works without.
function saveForm() {
  const values = { place: $("place").value, range: $("range").value, name: $("name").value };
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(values));
  } catch { /* Nothing is remembered then. */ }
}

function loadForm() {
  try {
    const values = JSON.parse(localStorage.getItem(STORAGE_KEY)) ?? {};
    for (const id of ["place", "range", "name"]) {
      if (typeof values[id] === "string" && values[id]) $(id).value = values[id];
    }
  } catch { /* Nothing was remembered. */ }
}

function setPlace(text, note) {
  $("place").value = text;
  showFieldError("place", "");
  setText("place-note", note);
}

function useExample() {
  setPlace(EXAMPLE_PLACE, "This is the middle of Paris. Open a second window and do the same to meet yourself.");
  $("join").focus();
}

function setRange(field, km) {
  field.value = km;
  showFieldError(field.id, "");
  showPressed();
}

const POSITION_FAILURES = new Map([
  [1, "The browser was not allowed to say where you are. Allow it in the settings of this site, or type the place."],
  [2, "The browser could not find out where you are. Type the place instead."],
  [3, "Finding out where you are took too long. Try again, or type the place."],
]);

function locate() {
  if (!window.isSecureContext) {
    const reason = "Browsers say where you are only to pages with a secure address (https).";
    setText("place-note", `${reason} Type the place instead.`);
    return;
  }
  if (!navigator.geolocation) {
    setText("place-note", POSITION_FAILURES.get(2));
    return;
  }
  const typedBefore = $("place").value;
  setText("place-note", "Asking the browser where you are…");
  navigator.geolocation.getCurrentPosition(
    ({ coords }) => {
      // Whoever typed something meanwhile meant that.
      if ($("place").value !== typedBefore) return;
      // Four decimals are some 10 m: more than enough for a range in km.
      setPlace(`${coords.latitude.toFixed(4)}, ${coords.longitude.toFixed(4)}`, "Your position has been filled in.");
    },
    ({ code }) => setText("place-note", POSITION_FAILURES.get(code) ?? POSITION_FAILURES.get(2)),
    { maximumAge: 600_000, timeout: 20_000 },
  );
}

// ---- Showing the state ----------------------------------------------------------------------------------

function inEnglish(number) {
  return new Intl.NumberFormat("en", { maximumFractionDigits: 3 }).format(number);
}

/** Leaves an element that says so already alone: a live region would be read out again. */
function setText(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

function render() {
  document.body.dataset.view = state.view;
  for (const view of ["form", "waiting", "chat", "stopped"]) $(`view-${view}`).hidden = view !== state.view;
  setText("status", statusText());
  setText("error", state.error);
  setText("stopped-text", state.stoppedBecause);
  renderConnection();
  renderLimits();
  if (state.wait) renderWaiting();
  if (state.chat) renderChat();
  renderTitle();
}

function statusText() {
  const { wait, chat } = state;
  if (chat) return chat.isOver ? chat.overText : `You are talking with ${partnerName()}, ${chat.distance}.`;
  if (!wait) return state.status;
  if (wait.isCancelling) return "Stopping…";
  if (!wait.isAnswered) return "Connecting…";
  const looking = `Looking for someone within ${inEnglish(wait.rangeKm)} km.`;
  return wait.isRequeued ? `Someone was found but left before the chat began. ${looking}` : looking;
}

function renderConnection() {
  const isShown = problem !== "" && state.view !== "stopped";
  const retryInMs = client.retryInMs;
  $("connection-bar").classList.toggle("is-shown", isShown);
  setText("connection", isShown ? problem : "");
  $("retry").hidden = !isShown || retryInMs === null;
  const seconds = retryInMs === null ? 0 : Math.ceil(retryInMs / 1000);
  setText("countdown", isShown && seconds > 0 ? `in ${seconds} s` : "");
}

function renderLimits() {
  const { min, max } = rangeBounds();
  if (min === null || max === null) return;
  setText("range-hint", `From ${inEnglish(min)} to ${inEnglish(max)} km.`);
  for (const id of ["range", "wait-range"]) {
    $(id).min = min;
    $(id).max = max;
  }
  for (const choice of document.querySelectorAll("[data-km]")) {
    choice.hidden = Number(choice.dataset.km) < min || Number(choice.dataset.km) > max;
  }
  const grid = Number(state.limits.position_grid_km);
  setText("grid-hint", grid > 0 ? `The server rounds your position to about ${inEnglish(grid)} km.` : "");
}

function renderWaiting() {
  const { wait } = state;
  setText("nearby", wait.nearby);
  setText("estimate", wait.typicalS > 0 ? `It usually takes about ${duration(wait.typicalS)}.` : "");
  setText("cool-off", client.knows(state.lastChatId) ? "You will not be paired with the same person again right away." : "");
  renderClock();
}

function renderClock() {
  const seconds = Math.max(0, Math.floor((performance.now() - state.wait.since) / 1000));
  const twoDigits = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const start = hours > 0 ? `${hours}:${twoDigits(minutes)}` : `${minutes}`;
  setText("waited", `${start}:${twoDigits(seconds % 60)}`);
}

function duration(seconds) {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} minutes`;
}

function renderChat() {
  const { chat } = state;
  setText("partner", partnerName());
  setText("distance", chat.isOver ? "The chat is over" : chat.distance);
  setText("typing", chat.isPartnerTyping ? `${partnerName()} is typing…` : "");
  $("latest").hidden = chat.isAtEnd || chat.seenSeq <= chat.acknowledgedSeq;
  $("composer").hidden = chat.isOver;
  $("over").hidden = !chat.isOver;
  setText("over-text", chat.overText);
  renderSafety(chat);
  renderChatActions(chat);
}

function renderSafety(chat) {
  const isKnown = client.knows(chat.id);
  const isDone = { block: chat.isBlocked, report: chat.isReported };
  $("safety").hidden = !isKnown || (isDone.block && isDone.report);
  setText("block-title", `Block ${partnerName()}? The chat ends, and you will never meet again.`);
  for (const what of ["block", "report"]) {
    const isAsked = isKnown && chat.asking === what;
    $(what).hidden = isDone[what];
    $(what).setAttribute("aria-expanded", String(isAsked));
    $(`${what}-question`).hidden = !isAsked;
  }
}

/** After the chat, Next is what most want: the same button is then down where the thumb is. */
function renderChatActions(chat) {
  $("chat-actions").hidden = chat.isOver;
  const place = $(chat.isOver ? "over-actions" : "chat-actions");
  // Moving it takes the focus from it, so only when it is elsewhere.
  if ($("next").parentElement !== place) place.prepend($("next"));
  $("next").classList.toggle("primary", chat.isOver);
  setText("next", !chat.isOver ? "Next" : client.knows(chat.id) ? "Next person" : "Start again");
}

/** The title tells a person in another tab what has happened here. */
function renderTitle() {
  document.title = titleNews() + "WhisperChat";
}

function titleNews() {
  const { chat } = state;
  if (!document.hidden || !chat) return "";
  if (chat.unreadHidden > 0) return `(${chat.unreadHidden}) New message – `;
  if (!chat.hasNews) return "";
  return chat.isOver ? "The chat is over – " : "Someone is here – ";
}

// ---- The start ------------------------------------------------------------------------------------------

function showPressed() {
  for (const choice of document.querySelectorAll("[data-km]")) {
    const isChosen = Number(choice.dataset.km) === Number($(choice.dataset.rangeFor).value);
    choice.setAttribute("aria-pressed", String(isChosen));
  }
}

function visibilityChanged() {
  if (!document.hidden) {
    if (state.chat) Object.assign(state.chat, { unreadHidden: 0, hasNews: false });
    acknowledge();
    client.hurry();
  }
  render();
}

function enterSends(event) {
  // While a character is being composed, Enter belongs to the input method.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  say();
}

function onClick(id, action) {
  $(id).addEventListener("click", action);
}

function onSubmit(id, action) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    action();
  });
}

function listen() {
  onSubmit("start", join);
  onSubmit("wider", changeRange);
  onSubmit("composer", say);
  onClick("locate", locate);
  onClick("example", useExample);
  onClick("cancel", cancel);
  onClick("next", next);
  onClick("leave", leave);
  onClick("block", () => ask("block"));
  onClick("report", () => ask("report"));
  onClick("block-confirm", block);
  for (const choice of document.querySelectorAll("[data-reason]")) {
    choice.addEventListener("click", () => report(choice.dataset.reason));
  }
  for (const button of document.querySelectorAll(".never-mind")) button.addEventListener("click", neverMind);
  $("view-chat").addEventListener("keydown", ({ key }) => { if (key === "Escape") neverMind(); });
  onClick("change", () => showForm(""));
  onClick("retry", () => client.connect());
  onClick("latest", () => {
    scrollToEnd();
    acknowledge();
    render();
  });
  for (const choice of document.querySelectorAll("[data-km]")) {
    choice.addEventListener("click", () => setRange($(choice.dataset.rangeFor), choice.dataset.km));
  }
  for (const id of ["range", "wait-range"]) $(id).addEventListener("input", showPressed);
  $("place").addEventListener("input", () => setText("place-note", ""));
  for (const id of ["place", "range", "name", "wait-range"]) {
    $(id).addEventListener("input", () => showFieldError(id, ""));
  }
  $("text").addEventListener("keydown", enterSends);
  $("text").addEventListener("input", () => {
    showCount();
    client.typing($("text").value.trim() !== "");
  });
  $("log").addEventListener("scroll", logScrolled);
  new ResizeObserver(logResized).observe($("log"));
  document.addEventListener("visibilitychange", visibilityChanged);
  window.addEventListener("online", () => client.hurry());
  setInterval(() => {
    if (state.wait) renderClock();
    if (client.retryInMs !== null) renderConnection();
  }, 1000);
}

loadForm();
listen();
showPressed();
client.connect();
