// The page at `/`: finds somebody within range and lets the two talk.
//
// It speaks the dialect `whisperchat.v1.json`. What the server says changes `state`, and `render` shows
// `state`; only the messages of a chat are appended as they come. Whatever comes from the network is put
// into the page as text, never as markup.

const SUBPROTOCOL = "whisperchat.v1.json";
const STORAGE_KEY = "whisperchat.form";
const EXAMPLE_PLACE = "48.8566, 2.3522";
const NAME_MAX_CHARS = 32;

// Of the server's first answer and of every later one. A connection that died without a word is noticed
// only like this: a page can't send pings.
const ANSWER_MAX_MS = 15_000;
const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 30_000;
// A connection that lasted this long was a good one: the next loss starts again with the shortest delay.
const STABLE_AFTER_MS = 10_000;

// `typing` is repeated while somebody goes on typing, so that the partner's page may forget it by itself.
const TYPING_REPEAT_MS = 5_000;
const TYPING_PAUSE_MS = 4_000;
const TYPING_FORGET_MS = 12_000;

// Older messages leave the page, or a chat of days would fill the memory.
const LOG_MAX_ENTRIES = 1_000;

const CLOSE_NO_FIRST_MESSAGE = 4101;
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
const MARKS = new Map([
  ["sending", "sending…"],
  ["sent", "sent"],
  ["delivered", "delivered"],
  ["failed", "not sent"],
]);

// Requests that the server may rightly refuse with `wrong_state` because the partner left, or was found,
// while they were on their way. What happened instead is told to the person; the refusal is no news.
const OVERTAKEN = new Set(["ack", "typing", "say", "leave", "update", "cancel"]);
const ANSWERED = new Set(["join", "update", "cancel", "say", "leave", "next", "resume"]);

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
  hasChatted: false,
  stoppedBecause: "",
};

const link = {
  socket: null,
  /** Whether the server's welcome has come; nothing is sent before. */
  isWelcomed: false,
  welcomedAt: 0,
  failures: 0,
  problem: "",
  retryAt: null,
  retryTimer: 0,
  answerTimer: 0,
  /** When a server that goes away asked to be called again. */
  comeBackAt: null,
  requests: 0,
  /** What resumes the session of this page; null where the server resumes nothing. */
  resumeToken: null,
  /** The token of this connection's own session, while an earlier one is asked for. */
  freshToken: null,
  resumeWindowMs: 0,
  /** Since when there is no connection; null while there is one. */
  lostAt: null,
};

// ---- The connection -------------------------------------------------------------------------------------

function socketUrl() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${location.host}/v1/ws`;
}

function connect() {
  clearTimeout(link.retryTimer);
  link.retryAt = null;
  link.comeBackAt = null;
  if (link.socket || state.view === "stopped") return;
  const socket = new WebSocket(socketUrl(), SUBPROTOCOL);
  link.socket = socket;
  // A socket that was given up may still speak; it is not listened to any more.
  const isCurrent = () => socket === link.socket;
  socket.addEventListener("message", (event) => isCurrent() && receive(event.data));
  socket.addEventListener("close", (event) => isCurrent() && connectionLost(event.code));
  expectAnswer();
  render();
}

function expectAnswer() {
  if (link.answerTimer) return;
  link.answerTimer = setTimeout(() => {
    link.socket?.close();
    connectionLost(null);
  }, ANSWER_MAX_MS);
}

function answerCame() {
  clearTimeout(link.answerTimer);
  link.answerTimer = 0;
}

/** Sends a message, or returns null if there is nobody to send it to. Its `id` begins with its type. */
function send(type, fields = {}) {
  if (!link.isWelcomed || link.socket.readyState !== WebSocket.OPEN) return null;
  const id = `${type}-${++link.requests}`;
  link.socket.send(JSON.stringify({ type, id, ...fields }));
  if (ANSWERED.has(type)) expectAnswer();
  return id;
}

function receive(frame) {
  answerCame();
  let message;
  try {
    message = JSON.parse(frame);
  } catch {
    return;
  }
  // Types that are new since this page was written are not for it.
  handlers.get(message?.type)?.(message);
  render();
}

/** `code` is null if the server just fell silent. */
function connectionLost(code) {
  answerCame();
  const wasWelcomed = link.isWelcomed;
  link.socket = null;
  link.isWelcomed = false;
  if (CLOSE_FOR_GOOD.has(code)) {
    stop(CLOSE_FOR_GOOD.get(code));
    return;
  }
  link.lostAt ??= performance.now();
  const comesBackLater = link.comeBackAt !== null;
  if (comesBackLater) link.resumeToken = null;
  if (wasWelcomed && performance.now() - link.welcomedAt > STABLE_AFTER_MS) link.failures = 0;
  endWhatNeededTheConnection(comesBackLater);
  if (code === CLOSE_NO_FIRST_MESSAGE && state.view !== "waiting") {
    // The form was being filled in. The connection comes back when there is something to say.
    link.problem = "";
  } else {
    link.problem ||= wasWelcomed
      ? "The connection was lost. Trying to get it back…"
      : "The server can’t be reached. Trying again…";
    scheduleRetry();
  }
  render();
}

/** Whether the server would still know this page's session. */
function canResume() {
  if (link.resumeToken === null || link.lostAt === null) return false;
  return performance.now() - link.lostAt < link.resumeWindowMs;
}

function endWhatNeededTheConnection(serverGoesAway) {
  const { wait, chat } = state;
  if (wait) {
    if (wait.isCancelling) showForm(IDLE.get("cancelled"));
    else state.wait = { ...newWait(wait.rangeKm), since: wait.since };
  }
  if (chat && !chat.isOver) {
    if (chat.isLeaving === "leave") showForm(IDLE.get("left"));
    else if (chat.isLeaving === "next") startWaiting();
    else if (serverGoesAway) endChat("The server went away, so this chat is over.");
    else if (!canResume()) endChat("The connection was lost, so this chat is over.");
  }
  if (chat?.isOver) chat.isResumable = false;
}

/** The earlier session is gone: what it was doing begins anew, or is over. */
function beginAnew() {
  link.lostAt = null;
  state.hasChatted = false;
  if (state.chat && !state.chat.isOver) endChat("The connection was lost for too long, so this chat is over.");
  if (state.chat) state.chat.isResumable = false;
  if (state.wait) send("join", state.criteria);
}

function scheduleRetry() {
  const backOff = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(link.failures, 10));
  // Jitter: those who lost the same server should not all come back in the same moment.
  const asked = link.comeBackAt === null ? null : Math.max(0, link.comeBackAt - performance.now());
  const delay = asked ?? backOff * (0.5 + Math.random() / 2);
  link.failures += 1;
  link.retryAt = performance.now() + delay;
  clearTimeout(link.retryTimer);
  link.retryTimer = setTimeout(connect, delay);
}

/** Something suggests that it would work now. A delay that the server asked for is kept all the same. */
function retryEarly() {
  if (link.retryAt !== null && link.comeBackAt === null) connect();
}

function stop(reason) {
  clearTimeout(link.retryTimer);
  link.retryAt = null;
  link.problem = "";
  state.stoppedBecause = reason;
  state.wait = null;
  if (state.chat && !state.chat.isOver) endChat(reason);
  state.status = "";
  state.error = "";
  showView("stopped");
  $("stopped-title").focus();
}

// ---- What the server says -------------------------------------------------------------------------------

const handlers = new Map(Object.entries({
  welcome({ limits, resume_token, resume_window_s }) {
    link.isWelcomed = true;
    link.welcomedAt = performance.now();
    link.problem = "";
    state.limits = limits ?? {};
    const isWorthIt = state.wait || (state.chat && !state.chat.isOver);
    if (isWorthIt && canResume()) {
      link.freshToken = resume_token;
      send("resume", {
        token: link.resumeToken,
        last_seq: state.chat?.seenSeq ?? 0,
        ...(state.chat && { chat: state.chat.id }),
      });
      return;
    }
    link.resumeToken = resume_token || null;
    link.resumeWindowMs = (Number(resume_window_s) || 0) * 1000;
    beginAnew();
  },

  resumed({ state: doing, recovered, resume_token, chat: id, partner, distance }) {
    link.resumeToken = resume_token;
    link.lostAt = null;
    // Somebody was found in the moment in which the connection was lost.
    if (doing === "chatting" && state.chat?.id !== id) handlers.get("matched")({ chat: id, partner, distance });
    const { wait, chat } = state;
    if (wait) {
      wait.isAnswered = true;
      // Nobody is looked for any more, or somebody was found: what follows says so.
      if (doing === "idle" && !chat) send("join", state.criteria);
      else if (wait.rangeKm !== state.criteria.range_km) send("update", { range_km: state.criteria.range_km });
    }
    if (!chat || chat.isOver) return;
    if (!recovered) remark("Some messages were lost while the connection was gone.");
    for (const message of chat.sent.values()) {
      // Should it have arrived after all, the same id shows it once.
      if (message.seq === null) send("say", { id: message.id, text: message.text });
    }
  },

  waiting({ range_km, waited_ms, nearby, estimate_s, requeued }) {
    // A `next` that was overtaken by the partner's leaving still begins a new wait.
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

  matched({ chat, partner, distance }) {
    const overtookCancel = state.wait?.isCancelling;
    startChat(chat, partner?.name || null, DISTANCES.get(distance) ?? "somewhere");
    if (overtookCancel) leave();
  },

  said({ seq, text, at }) {
    const { chat } = state;
    // Below what has been seen: a repetition.
    if (!chat || chat.isOver || !(seq > chat.seenSeq)) return;
    chat.seenSeq = seq;
    setPartnerTyping(false);
    appendMessage({ isOwn: false, text: String(text), at });
    acknowledge();
    if (document.hidden) chat.unreadHidden += 1;
  },

  accepted({ id, seq }) {
    const message = state.chat?.sent.get(id);
    if (!message) return;
    message.seq = seq;
    mark(message, "sent");
  },

  delivered({ seq }) {
    for (const [id, message] of state.chat?.sent ?? []) {
      if (message.seq === null || message.seq > seq) continue;
      mark(message, "delivered");
      // Nothing more can happen to it.
      state.chat.sent.delete(id);
    }
  },

  typing({ on }) {
    setPartnerTyping(on === true);
  },

  partner_away() {
    remark(`${partnerName()} lost the connection and may come back.`);
  },

  partner_back() {
    remark(`${partnerName()} is back.`);
  },

  partner_left({ reason }) {
    const { chat } = state;
    if (!chat) return;
    if (chat.isLeaving === "leave") {
      showForm(IDLE.get("left"));
      return;
    }
    const inWords = PARTNER_LEFT.get(reason) ?? PARTNER_LEFT.get("left");
    endChat(inWords(partnerName()));
  },

  idle({ reason }) {
    showForm(IDLE.get(reason) ?? "");
  },

  going_away({ reconnect_after_ms }) {
    const after = Math.max(0, Number(reconnect_after_ms) || 0);
    link.comeBackAt = performance.now() + after;
    link.problem = "The server is going away for a while. This page will connect again by itself.";
  },

  error(refusal) {
    const request = typeof refusal.id === "string" ? refusal.id.split("-")[0] : "";
    if (request === "resume") {
      link.resumeToken = link.freshToken;
      beginAnew();
      return;
    }
    if (request === "say") markFailed(refusal.id);
    if (refusal.code === "wrong_state" && OVERTAKEN.has(request)) return;
    if (request === "join") showForm("");
    if (state.wait) state.wait.isCancelling = false;
    if (state.chat) state.chat.isLeaving = null;
    state.error = errorText(refusal);
  },
}));

function errorText({ message, retry_after_ms }) {
  const text = typeof message === "string" && message ? message : "The server refused that.";
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
  state.hasChatted = true;
  state.chat = {
    id,
    name,
    distance,
    isOver: false,
    overText: "",
    /** `leave` or `next` once that was sent. */
    isLeaving: null,
    /** Whether this connection can still say `next`. */
    isResumable: true,
    /** Own messages that something can still happen to, by the `id` they were sent with. */
    sent: new Map(),
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
  forgetOwnTyping();
  setPartnerTyping(false);
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
  for (const message of chat.sent.values()) {
    if (message.seq === null) mark(message, "failed");
  }
  for (const button of $("log").querySelectorAll(".again")) button.remove();
  setPartnerTyping(false);
  forgetOwnTyping();
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
  lookAgain();
}

/** Says `join`, now or as soon as there is a connection: the welcome says it then. */
function lookAgain() {
  if (!send("join", state.criteria)) connect();
  render();
}

function cancel() {
  if (state.wait.isCancelling) return;
  // Without a connection nobody was told anything that had to be taken back.
  if (send("cancel")) state.wait.isCancelling = true;
  else showForm(IDLE.get("cancelled"));
  render();
}

function changeRange() {
  const rangeKm = readRange($("wait-range"));
  if (rangeKm === null || state.wait.isCancelling) return;
  state.error = "";
  state.criteria = { ...state.criteria, range_km: rangeKm };
  $("range").value = rangeKm;
  saveForm();
  // Without a connection it is part of the next `join`.
  if (!send("update", { range_km: rangeKm })) state.wait.rangeKm = rangeKm;
  showPressed();
  render();
}

function next() {
  const { chat } = state;
  if (chat.isLeaving) return;
  state.error = "";
  if (!chat.isOver || chat.isResumable) {
    if (!send("next")) return;
    chat.isLeaving = "next";
  } else {
    startWaiting();
    lookAgain();
  }
}

function leave() {
  const { chat } = state;
  if (chat.isLeaving) return;
  if (send("leave")) chat.isLeaving = "leave";
}

function say() {
  const text = $("text").value.toWellFormed?.() ?? $("text").value;
  const { chat } = state;
  if (chat.isOver || chat.isLeaving || link.lostAt !== null || text.trim() === "") return;
  if (countChars(text) > textMaxChars()) {
    showCount();
    return;
  }
  if (byteLength(text) > bytesMax()) {
    state.error = "This message is too large to be sent.";
    render();
    return;
  }
  const id = send("say", { text });
  if (!id) return;
  state.error = "";
  const message = appendMessage({ isOwn: true, text, at: Date.now() });
  chat.sent.set(id, { ...message, id, text, seq: null });
  mark(chat.sent.get(id), "sending");
  $("text").value = "";
  showCount();
  stopOwnTyping();
  scrollToEnd();
  $("text").focus();
  render();
}

/** The same message with the same `id`: should it have arrived after all, it is still shown once. */
function sayAgain(id) {
  const { chat } = state;
  const message = chat?.sent.get(id);
  if (!message || chat.isOver || !send("say", { id, text: message.text })) return;
  state.error = "";
  mark(message, "sending");
  $("text").focus();
  render();
}

// ---- Own and partner's typing ---------------------------------------------------------------------------

const typing = { saidAt: null, pauseTimer: 0, partnerTimer: 0 };

function ownTyping() {
  if (!state.chat || state.chat.isOver) return;
  if ($("text").value.trim() === "") {
    stopOwnTyping();
    return;
  }
  const now = performance.now();
  if (typing.saidAt === null || now - typing.saidAt > TYPING_REPEAT_MS) {
    if (send("typing", { on: true })) typing.saidAt = now;
  }
  clearTimeout(typing.pauseTimer);
  typing.pauseTimer = setTimeout(stopOwnTyping, TYPING_PAUSE_MS);
}

function stopOwnTyping() {
  const wasTyping = typing.saidAt !== null;
  forgetOwnTyping();
  if (wasTyping && state.chat && !state.chat.isOver) send("typing", { on: false });
}

function forgetOwnTyping() {
  clearTimeout(typing.pauseTimer);
  typing.saidAt = null;
}

function setPartnerTyping(on) {
  clearTimeout(typing.partnerTimer);
  if (!state.chat) return;
  state.chat.isPartnerTyping = on && !state.chat.isOver;
  if (on) typing.partnerTimer = setTimeout(() => { setPartnerTyping(false); render(); }, TYPING_FORGET_MS);
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

function markFailed(id) {
  const message = state.chat?.sent.get(id);
  if (!message) return;
  mark(message, "failed");
  if (state.chat.isOver) return;
  const again = element("button", "again", "Send again");
  again.type = "button";
  again.addEventListener("click", () => sayAgain(id));
  message.foot.append(again);
}

/** Tells the server what has been shown: in a page that is visible, at the end of the log. */
function acknowledge() {
  const { chat } = state;
  if (!chat || chat.isOver || document.hidden || !chat.isAtEnd) return;
  if (chat.seenSeq > chat.acknowledgedSeq && send("ack", { seq: chat.seenSeq })) {
    chat.acknowledgedSeq = chat.seenSeq;
  }
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

function byteLength(text) {
  // With room for the rest of the message.
  return new TextEncoder().encode(JSON.stringify(text)).length + 64;
}

function textMaxChars() {
  return state.limits?.max_text_chars ?? 2000;
}

function bytesMax() {
  return state.limits?.max_message_bytes ?? 8192;
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
  const isShown = link.problem !== "" && state.view !== "stopped";
  $("connection-bar").classList.toggle("is-shown", isShown);
  setText("connection", isShown ? link.problem : "");
  $("retry").hidden = !isShown || link.retryAt === null;
  const seconds = link.retryAt === null ? 0 : Math.ceil((link.retryAt - performance.now()) / 1000);
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
  setText("cool-off", state.hasChatted ? "You will not be paired with the same person again right away." : "");
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
  renderChatActions(chat);
}

/** After the chat, Next is what most want: the same button is then down where the thumb is. */
function renderChatActions(chat) {
  $("chat-actions").hidden = chat.isOver;
  const place = $(chat.isOver ? "over-actions" : "chat-actions");
  // Moving it takes the focus from it, so only when it is elsewhere.
  if ($("next").parentElement !== place) place.prepend($("next"));
  $("next").classList.toggle("primary", chat.isOver);
  setText("next", !chat.isOver ? "Next" : chat.isResumable ? "Next person" : "Start again");
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
    retryEarly();
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
  onClick("change", () => showForm(""));
  onClick("retry", connect);
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
  $("text").addEventListener("input", () => { showCount(); ownTyping(); });
  $("log").addEventListener("scroll", logScrolled);
  new ResizeObserver(logResized).observe($("log"));
  document.addEventListener("visibilitychange", visibilityChanged);
  window.addEventListener("online", retryEarly);
  setInterval(() => {
    if (state.wait) renderClock();
    if (link.retryAt !== null) renderConnection();
  }, 1000);
}

loadForm();
listen();
showPressed();
connect();
