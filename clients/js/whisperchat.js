// A client of WhisperChat: connects, waits for a partner, talks, and comes back by itself when the connection
// is lost. It speaks the dialect `whisperchat.v1.json`, runs in browsers and in Node, and needs nothing else.
//
// What the person wants (`state`) and what the server knows of it are two things: without a connection only
// the first changes, and `#reconcile` brings them together when the session is resumed.

/**
 * @typedef {{ lat: number, lon: number }} Position degrees on the WGS-84 ellipsoid
 *
 * @typedef {object} Criteria the fields of `join`, named as on the wire
 * @property {Position} position
 * @property {number} range_km how far one would go, within the server's limits
 * @property {number} [max_range_km] up to where the range may be widened
 * @property {string} [name] at most 32 characters
 * @property {string[]} [interests] at most 8, of at most 24 characters each
 * @property {number} [give_up_s] after how long to stop waiting, 1 to 3600
 * @property {string} [pass] a guest pass kept from before
 *
 * @typedef {object} Limits what the server accepts
 * @property {number} max_message_bytes
 * @property {number} max_text_chars
 * @property {number} min_range_km
 * @property {number} max_range_km
 * @property {number} position_grid_km
 *
 * @typedef {object} Welcome
 * @property {number} protocol
 * @property {string} server
 * @property {string} session
 * @property {string} resume_token
 * @property {number} resume_window_s
 * @property {number} ping_s
 * @property {"required" | "given"} [auth]
 * @property {Limits} limits
 *
 * @typedef {object} Waiting
 * @property {number} range_km the range in force
 * @property {number} waited_ms
 * @property {"none" | "few" | "some" | "many"} nearby
 * @property {{ p50: number, p90: number } | null} estimate_s
 * @property {boolean} [requeued] somebody was found, and lost before the chat began
 * @property {string} [pass] a guest pass to keep from now on
 *
 * @typedef {object} Chat
 * @property {string} id
 * @property {{ name: string | null, shared_interests: string[] }} partner
 * @property {"near" | "region" | "far"} distance
 *
 * @typedef {"spam" | "abuse" | "sexual" | "minor" | "threat" | "other"} Reason
 * @typedef {"idle" | "waiting" | "chatting"} State
 * @typedef {"closed" | "connecting" | "open" | "lost" | "resting" | "stopped"} Connection
 *
 * @typedef {object} ConnectionChange
 * @property {Connection} state
 * @property {number | null} code the close code, where there is one
 * @property {string} reason why a server that closed it for good did so, in its words
 * @property {number | null} retry_in_ms when it is tried again
 * @property {boolean} was_open whether there was a connection before
 * @property {boolean} was_asked whether the server named that delay
 *
 * @typedef {object} Refusal
 * @property {string} request the type of what was refused
 * @property {string} code
 * @property {string} message a sentence for developers
 * @property {number | null} retry_after_ms
 *
 * @typedef {object} Options
 * @property {string | (() => string | Promise<string>)} [token] a JSON Web Token; a function is asked for one
 *   before each connection
 * @property {"message" | "subprotocol"} [tokenBy] how the token is shown; refusals of the first say why
 * @property {"auto" | "manual"} [acknowledge] whether `said` counts as shown as soon as its listeners ran, or
 *   only when `acknowledge` is called
 * @property {typeof WebSocket} [WebSocket] where there is no global one
 * @property {number} [answerMaxMs] how long the server may leave an answer out; 15 s
 * @property {number} [quietMaxMs] after how much silence the server is asked whether it is there; 45 s
 * @property {number} [retryFirstMs] the first delay before another attempt; 0.5 s
 * @property {number} [retryMaxMs] the longest; 30 s
 * @property {number} [unsentMax] how many messages may wait to be accepted; 1000
 *
 * @typedef {object} Events what `on` can listen to, each with what its listeners get
 * @property {ConnectionChange} connection the connection has changed
 * @property {Welcome} welcome the server's first words on each connection
 * @property {{ state: State, recovered: boolean }} resumed the earlier session goes on
 * @property {Waiting} waiting the server looks for a partner
 * @property {Chat} matched a chat begins
 * @property {{ chat: string, seq: number, text: string, at: number }} said the partner said something; each once
 * @property {OwnMessage} message an own message has changed its `state`
 * @property {{ on: boolean }} typing the partner types, or has stopped
 * @property {{ chat: string }} partner_away
 * @property {{ chat: string }} partner_back
 * @property {{ chat: string }} gap some of what the partner said is lost
 * @property {{ chat: string, reason: "left" | "lost" | "blocked" | "removed" }} partner_left the chat is over
 * @property {{ chat: string, reason: "connection" | "server" | "stopped" }} chat_lost the chat is over, for the
 *   connection was lost for too long, the server went away, or this client was stopped
 * @property {{ reason: "cancelled" | "left" | "gave_up" | "expired" }} idle
 * @property {{ chat: string }} blocked
 * @property {{ chat: string }} reported
 * @property {{ reconnect_after_ms: number }} going_away the server stops soon
 * @property {Refusal} refused the server, or this client for it, refused something
 */

/**
 * @template T
 * @typedef {{ promise: Promise<T>, resolve: (value: T) => void, reject: (error: Error) => void }} Deferred
 */

/** @typedef {ReturnType<typeof setTimeout> | undefined} Timer */
/** @typedef {{ type: string, done: (answer: any) => void, fail: (error: WhisperChatError) => void }} Request */
/** @typedef {{ type: "block" | "report", fields: Record<string, unknown>, deferred: Deferred<void> }} Errand */

const SUBPROTOCOL = "whisperchat.v1.json";

// A connection that lasted this long was a good one: the next loss starts again with the shortest delay.
const STABLE_AFTER_MS = 10_000;
// Fewer than the errors that end a connection, should all of them be refused; far fewer than the ids that the
// server remembers, so that whatever was in flight can be said again.
const IN_FLIGHT_MAX = 16;
// At most one acknowledgement in this time, however many messages come.
const ACK_PACE_MS = 100;
// `typing` is repeated while somebody goes on typing, so that the partner's client may forget it by itself.
const TYPING_REPEAT_MS = 5_000;
const TYPING_PAUSE_MS = 4_000;
const TYPING_FORGET_MS = 12_000;
// A partner whose client never acknowledges must not fill the memory.
const UNDELIVERED_MAX = 1_000;
const REQUESTS_MAX = 64;
// As many as the server remembers of a session.
const CHATS_MAX = 64;
// Registered for applications, and none of the codes that end the session: the server keeps it for a resume.
const CLOSE_GIVEN_UP = 3000;
const CLOSE_NO_FIRST_MESSAGE = 4101;
const CLOSE_GOING_AWAY = 4200;

// Refused like this, they came too late: the partner left, or was found, while they were on their way.
const OVERTAKEN = new Set(["ack", "typing", "say", "leave", "update", "cancel"]);

/** Bounds of the options that are numbers, and what they are by default. */
const NUMBERS = Object.freeze({
  answerMaxMs: [15_000, 100, 600_000],
  quietMaxMs: [45_000, 100, 3_600_000],
  retryFirstMs: [500, 10, 600_000],
  retryMaxMs: [30_000, 10, 3_600_000],
  unsentMax: [1_000, 1, 100_000],
});

/** Why something did not happen; `code` is one of the protocol's, or `lost`, `chat_over`, `too_many`, `too_large`. */
export class WhisperChatError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {number | null} [retryAfterMs]
   */
  constructor(code, message, retryAfterMs = null) {
    super(message);
    this.name = "WhisperChatError";
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Something that was said here. It is `sending`, then `sent`, then `delivered`; or `failed`. */
export class OwnMessage {
  /** @type {Deferred<void>} */
  #accepted = deferred();

  /**
   * @param {string} id
   * @param {string} chat
   * @param {string} text
   */
  constructor(id, chat, text) {
    this.id = id;
    this.chat = chat;
    this.text = text;
    /** When it was said, in ms since 1970. */
    this.at = Date.now();
    /** @type {"sending" | "sent" | "delivered" | "failed"} */
    this.state = "sending";
    /** Its number among what the partner is told; null until it was accepted. @type {number | null} */
    this.seq = null;
    /** Why it failed. @type {WhisperChatError | null} */
    this.error = null;
  }

  /** Fulfilled when the server holds it for the partner, rejected when it failed. May be ignored. */
  get accepted() {
    return this.#accepted.promise;
  }

  /**
   * For the client alone.
   * @param {"sending" | "sent" | "delivered" | "failed"} state
   * @param {WhisperChatError | null} [error]
   * @internal
   */
  become(state, error = null) {
    this.state = state;
    this.error = error;
    if (state === "sending") this.#accepted = deferred();
    else if (error) this.#accepted.reject(error);
    else this.#accepted.resolve();
  }
}

/** What is known of the chat that goes on. */
class Talk {
  /** @param {Chat} chat */
  constructor(chat) {
    this.chat = Object.freeze(chat);
    /** The highest number seen, shown, and told to the server to have been shown. */
    this.seen = 0;
    this.shown = 0;
    this.acknowledged = 0;
    /** What the server has not accepted, in order. @type {OwnMessage[]} */
    this.unsent = [];
    /** How many of those, from the first, are on their way. */
    this.inFlight = 0;
    /** What may yet be delivered, in order. @type {OwnMessage[]} */
    this.undelivered = [];
    this.deliveredTo = 0;
    this.isPartnerTyping = false;
    /** @type {number | null} */
    this.typedAt = null;
    this.pausedUntil = 0;
  }
}

/**
 * @template T
 * @returns {Deferred<T>} whose promise may be ignored, also when it is rejected
 */
function deferred() {
  /** @type {any} */
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  made.promise.catch(() => {});
  return made;
}

/**
 * @param {string} code
 * @param {string} message
 * @returns {Promise<never>} rejected, and may be ignored
 */
function refusal(code, message) {
  const { promise, reject } = /** @type {Deferred<never>} */ (deferred());
  reject(new WhisperChatError(code, message));
  return promise;
}

/** @param {string} text */
function byteLength(text) {
  return new TextEncoder().encode(text).length;
}

/** @param {string} text JSON can't carry halves of a surrogate pair to the server. */
function wellFormed(text) {
  return text.replace(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g, "\uFFFD");
}

/** @param {unknown} number */
function orZero(number) {
  return typeof number === "number" && Number.isFinite(number) && number > 0 ? number : 0;
}

/**
 * @param {Options} options
 * @returns {Record<keyof typeof NUMBERS, number>}
 */
function checkedNumbers(options) {
  /** @type {any} */
  const numbers = {};
  for (const [name, [usual, min, max]] of Object.entries(NUMBERS)) {
    const given = /** @type {any} */ (options)[name] ?? usual;
    if (typeof given !== "number" || !(given >= min && given <= max)) {
      throw new RangeError(`${name} must be a number from ${min} to ${max}, not ${given}`);
    }
    numbers[name] = given;
  }
  return numbers;
}

/**
 * @param {Options} options
 * @param {keyof Options} name
 * @param {string[]} allowed the first is the default
 */
function checkedWord(options, name, allowed) {
  const given = options[name] ?? allowed[0];
  if (!allowed.includes(/** @type {string} */ (given))) {
    throw new TypeError(`${name} must be ${allowed.map((word) => `"${word}"`).join(" or ")}, not ${given}`);
  }
  return given;
}

/** @param {string | URL} url */
function checkedUrl(url) {
  const parsed = new URL(url);
  if (!["ws:", "wss:"].includes(parsed.protocol) || parsed.hash) {
    throw new TypeError(`the address must begin with ws:// or wss:// and have no #: ${url}`);
  }
  return parsed.href;
}

/** One person's way to a server. Nothing happens before `connect` or `join`. */
export class WhisperChat {
  #url;
  #numbers;
  #token;
  #tokenBy;
  #acknowledges;
  #WebSocket;
  /** @type {Map<string, Set<(detail: any) => void>>} */
  #listeners = new Map();

  // The connection: an attempt exists from `connect` until it is lost.
  /** @type {Connection} */
  #connection = "closed";
  /** @type {{ socket: WebSocket | null, token: string | null } | null} */
  #attempt = null;
  #isReady = false;
  #readyAt = 0;
  #heardAt = 0;
  #failures = 0;
  /** @type {number | null} */
  #retryAt = null;
  /** When a server that goes away asked to be called again. @type {number | null} */
  #askedAt = null;
  /** @type {Timer} */ #retryTimer;
  /** @type {Timer} */ #answerTimer;
  /** @type {Timer} */ #quietTimer;

  // The session. `fresh` is that of this connection's welcome while the earlier one is asked for.
  /** @type {{ token: string, windowMs: number } | null} */
  #session = null;
  /** @type {{ token: string, windowMs: number } | null} */
  #fresh = null;
  /** Since when there is no connection. @type {number | null} */
  #lostAt = null;
  /** @type {Limits | null} */
  #limits = null;
  /** The session's chats, the current one too. @type {string[]} */
  #chats = [];

  // What the person wants.
  /** @type {State} */
  #state = "idle";
  /** @type {Criteria | null} */
  #criteria = null;
  /** Whether the server knows the criteria. */
  #isCriteriaKnown = false;
  #isJoinSent = false;
  /** @type {Talk | null} */
  #talk = null;
  /** What was asked for and not answered yet. @type {"cancel" | "leave" | "next" | null} */
  #wish = null;
  /** The chat that was left without the server knowing. @type {string | null} */
  #leftUnsaid = null;
  /** @type {Deferred<void> | null} */
  #search = null;

  #requestCount = 0;
  /** @type {Map<string, Request>} */
  #requests = new Map();
  /** Blocks and reports that were not answered yet. @type {Errand[]} */
  #errands = [];
  /** @type {Timer} */ #ackTimer;
  #ackedAt = -ACK_PACE_MS;
  /** @type {Timer} */ #pumpTimer;
  /** @type {Timer} */ #typingTimer;
  /** @type {Timer} */ #partnerTypingTimer;

  /**
   * @param {string | URL} url such as `wss://chat.example/v1/ws`
   * @param {Options} [options]
   * @throws {TypeError | RangeError} if the address or an option is not what it must be
   */
  constructor(url, options = {}) {
    this.#url = checkedUrl(url);
    this.#numbers = checkedNumbers(options);
    this.#tokenBy = checkedWord(options, "tokenBy", ["message", "subprotocol"]);
    this.#acknowledges = checkedWord(options, "acknowledge", ["auto", "manual"]);
    this.#token = options.token ?? null;
    this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
    if (typeof this.#WebSocket !== "function") {
      throw new TypeError("there is no global WebSocket here: give one as the option WebSocket");
    }
  }

  // ---- What can be asked ------------------------------------------------------------------------------

  /** What the person is doing, as far as this client knows. */
  get state() {
    return this.#state;
  }

  get connection() {
    return this.#connection;
  }

  /** The chat that goes on. */
  get chat() {
    return this.#talk?.chat ?? null;
  }

  /** The server's limits, after the first welcome. */
  get limits() {
    return this.#limits;
  }

  /** In how many ms it is tried again; null if it isn't. */
  get retryInMs() {
    return this.#retryAt === null ? null : Math.max(0, this.#retryAt - performance.now());
  }

  /**
   * Whether the session still knows this chat, so that it can be blocked or reported.
   * @param {string} chat
   */
  knows(chat) {
    return this.#chats.includes(chat);
  }

  /**
   * Calls a listener each time; what it returns ends that.
   * @template {keyof Events} E
   * @param {E} type
   * @param {(detail: Events[E]) => void} listener
   * @returns {() => void}
   */
  on(type, listener) {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /**
   * @template {keyof Events} E
   * @param {E} type
   * @param {Events[E]} detail
   */
  #emit(type, detail) {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      try {
        listener(detail);
      } catch (error) {
        // A listener's mistake is reported as any other, and stops nothing here.
        queueMicrotask(() => { throw error; });
      }
    }
  }

  // ---- The connection ---------------------------------------------------------------------------------

  /** Connects now, also if a later attempt was planned. Harmless while there is a connection. */
  connect() {
    if (this.#attempt || this.#connection === "stopped") return;
    clearTimeout(this.#retryTimer);
    this.#retryAt = null;
    this.#askedAt = null;
    const attempt = { socket: null, token: null };
    this.#attempt = attempt;
    this.#expectAnswer();
    this.#setConnection("connecting");
    if (typeof this.#token === "function") this.#askForToken(attempt, this.#token);
    else this.#open(attempt, this.#token);
  }

  /** Something suggests that it would work now. A delay that the server asked for is kept all the same. */
  hurry() {
    if (this.#retryAt !== null && this.#askedAt === null) this.connect();
  }

  /** Ends the session and the connection; what was not accepted fails. `connect` may begin anew. */
  close() {
    const socket = this.#attempt?.socket;
    this.#end("closed", null);
    socket?.close(1000);
  }

  /**
   * @param {{ socket: WebSocket | null, token: string | null }} attempt
   * @param {() => string | Promise<string>} source
   */
  async #askForToken(attempt, source) {
    try {
      const token = await source();
      if (attempt === this.#attempt) this.#open(attempt, token);
    } catch (error) {
      if (attempt !== this.#attempt) return;
      this.#tellRefused("auth", new WhisperChatError("bad_token", `no token was to be had: ${error}`));
      this.#lost(attempt, null);
    }
  }

  /**
   * @param {{ socket: WebSocket | null, token: string | null }} attempt
   * @param {string | null} token
   */
  #open(attempt, token) {
    attempt.token = token;
    const protocols = [SUBPROTOCOL];
    if (token && this.#tokenBy === "subprotocol") protocols.push(`bearer.${token}`);
    const socket = new this.#WebSocket(this.#url, protocols);
    attempt.socket = socket;
    socket.addEventListener("message", (event) => this.#receive(attempt, event.data));
    socket.addEventListener("close", (event) => this.#lost(attempt, event.code, event.reason));
    // A close with its code follows at once; only of a connection that never was, Node 20 says no more.
    socket.addEventListener("error", () => setTimeout(() => this.#lost(attempt, null)));
  }

  /** @param {Connection} state @param {Partial<ConnectionChange>} [more] */
  #setConnection(state, more = {}) {
    this.#connection = state;
    const retry_in_ms = this.retryInMs;
    this.#emit("connection", { state, code: null, reason: "", retry_in_ms, was_open: false, was_asked: false, ...more });
  }

  #expectAnswer() {
    const attempt = this.#attempt;
    this.#answerTimer ??= setTimeout(() => {
      if (!attempt || attempt !== this.#attempt) return;
      this.#lost(attempt, null);
      attempt.socket?.close(CLOSE_GIVEN_UP, "no answer");
    }, this.#numbers.answerMaxMs);
  }

  #answered() {
    clearTimeout(this.#answerTimer);
    this.#answerTimer = undefined;
    this.#heardAt = performance.now();
  }

  /** A connection may die without a word, and pages can't ping: who was silent for long is asked something. */
  #watchForSilence() {
    clearTimeout(this.#quietTimer);
    const left = this.#heardAt + this.#numbers.quietMaxMs - performance.now();
    this.#quietTimer = setTimeout(() => {
      const isQuiet = performance.now() - this.#heardAt >= this.#numbers.quietMaxMs;
      // Of all requests only this one is answered in every state, and changes nothing.
      if (isQuiet && this.#state !== "idle") this.#request("auth", { token: this.#attempt?.token ?? "-" });
      if (isQuiet) this.#heardAt = performance.now();
      this.#watchForSilence();
    }, Math.max(left, 1));
  }

  /**
   * @param {{ socket: WebSocket | null }} attempt
   * @param {number | null} code null if the server just fell silent
   * @param {string} [words] why, in the server's words
   */
  #lost(attempt, code, words = "") {
    if (attempt !== this.#attempt) return;
    if (code !== null && code >= 4000 && code < 4100) {
      this.#end("stopped", code, words);
      return;
    }
    const now = performance.now();
    const wasOpen = this.#isReady;
    this.#dropConnection();
    this.#lostAt ??= now;
    if (wasOpen && now - this.#readyAt > STABLE_AFTER_MS) this.#failures = 0;
    if (code === CLOSE_GOING_AWAY) this.#session = null;
    const wasAsked = this.#askedAt !== null && (code === CLOSE_GOING_AWAY || this.#askedAt > now);
    if (!wasAsked) this.#askedAt = null;
    this.#settleWithoutServer();
    const hasNothingToSay = this.#state === "idle" && this.#leftUnsaid === null && this.#errands.length === 0;
    if (code === CLOSE_NO_FIRST_MESSAGE && hasNothingToSay) {
      this.#setConnection("resting", { code, was_open: wasOpen });
    } else {
      this.#planRetry(now);
      this.#setConnection("lost", { code, was_open: wasOpen, was_asked: wasAsked });
    }
    const reason = code === CLOSE_GOING_AWAY ? "server" : "connection";
    if (this.#talk && !this.#canResume()) this.#loseChat(reason);
  }

  #dropConnection() {
    this.#attempt = null;
    this.#isReady = false;
    this.#fresh = null;
    this.#isJoinSent = false;
    this.#isCriteriaKnown = false;
    for (const timer of [this.#answerTimer, this.#quietTimer, this.#ackTimer, this.#retryTimer]) clearTimeout(timer);
    this.#answerTimer = undefined;
    this.#ackTimer = undefined;
    if (!this.#talk) return;
    this.#talk.inFlight = 0;
    // What was acknowledged last may not have arrived.
    this.#talk.acknowledged = 0;
    this.#forgetTyping();
  }

  /** What was asked for and not answered has happened, as far as the person is concerned. */
  #settleWithoutServer() {
    const wish = this.#wish;
    if (wish === "cancel") this.#becomeIdle("cancelled");
    else if (wish === "leave") this.#departUnsaid("idle");
    else if (wish === "next") this.#departUnsaid("waiting");
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const { type, done, fail } of requests) {
      if (type === "auth") fail(new WhisperChatError("lost", "the connection was lost"));
      else if (["update", "cancel", "leave"].includes(type)) done(undefined);
    }
  }

  /** @param {number} now */
  #planRetry(now) {
    const { retryFirstMs, retryMaxMs } = this.#numbers;
    const backOff = Math.min(retryMaxMs, retryFirstMs * 2 ** Math.min(this.#failures, 20));
    // Jitter: those who lost the same server should not all come back in the same moment.
    const delay = this.#askedAt === null ? backOff * (0.5 + Math.random() / 2) : Math.max(0, this.#askedAt - now);
    this.#failures += 1;
    this.#retryAt = now + delay;
    this.#retryTimer = setTimeout(() => this.connect(), delay);
  }

  /** @param {"closed" | "stopped"} connection @param {number | null} code @param {string} [reason] */
  #end(connection, code, reason = "") {
    const wasOpen = this.#isReady;
    this.#dropConnection();
    this.#retryAt = null;
    this.#askedAt = null;
    this.#session = null;
    this.#lostAt = null;
    this.#leftUnsaid = null;
    this.#failures = 0;
    this.#setConnection(connection, { code, reason, was_open: wasOpen });
    const error = new WhisperChatError("lost", code === null ? "closed" : `the server ended it with ${code}`);
    this.#forgetSession(error);
    for (const request of this.#requests.values()) request.fail(error);
    this.#requests.clear();
    if (this.#talk) this.#loseChat("stopped");
    this.#state = "idle";
    this.#wish = null;
    this.#search?.reject(error);
    this.#search = null;
  }

  // ---- The session ------------------------------------------------------------------------------------

  #canResume() {
    if (this.#session === null || this.#session.token === "" || this.#lostAt === null) return false;
    return performance.now() - this.#lostAt < this.#session.windowMs;
  }

  /** @param {Welcome} welcome */
  #welcomed(welcome) {
    this.#limits = Object.freeze({ ...welcome.limits });
    this.#fresh = { token: String(welcome.resume_token), windowMs: orZero(welcome.resume_window_s) * 1000 };
    this.#emit("welcome", welcome);
    if (welcome.auth !== "required") {
      this.#enter();
      return;
    }
    const token = this.#attempt?.token ?? "";
    this.#request("auth", { token }, () => this.#enter(), (error) => this.#tokenRefused(error));
  }

  /** @param {WhisperChatError} error */
  #tokenRefused(error) {
    this.#requestRefused("auth", error);
    // The same one again would be refused again. Another may be had; the server closes, and it is tried again.
    if (error.code === "bad_token" && typeof this.#token !== "function") {
      const socket = this.#attempt?.socket;
      this.#end("stopped", CLOSE_NO_FIRST_MESSAGE);
      socket?.close(1000);
    }
  }

  /** Goes on with the earlier session, or begins one. */
  #enter() {
    if (!this.#fresh) return;
    const isWorthIt = this.#state !== "idle" || this.#leftUnsaid !== null || this.#chats.length > 0;
    if (!isWorthIt || !this.#canResume()) {
      this.#beginAnew();
      return;
    }
    const talk = this.#talk;
    const chat = talk?.chat.id ?? this.#leftUnsaid;
    const fields = { token: this.#session?.token, last_seq: talk?.seen ?? 0, ...(chat !== null && { chat }) };
    this.#request("resume", fields, (answer) => this.#reconcile(answer), () => this.#beginAnew());
  }

  /** The earlier session is gone, if there was one: what it was doing begins anew, or is over. */
  #beginAnew() {
    if (!this.#fresh) return;
    this.#session = this.#fresh;
    this.#lostAt = null;
    this.#leftUnsaid = null;
    this.#forgetSession(new WhisperChatError("lost", "the session could not be resumed"));
    this.#becomeReady();
    if (this.#talk) this.#loseChat("connection");
    if (this.#state === "waiting") this.#sendJoin();
  }

  /** @param {WhisperChatError} error */
  #forgetSession(error) {
    this.#chats = [];
    for (const { deferred } of this.#errands.splice(0)) deferred.reject(error);
  }

  #becomeReady() {
    this.#fresh = null;
    this.#isReady = true;
    this.#readyAt = performance.now();
    this.#watchForSilence();
    this.#setConnection("open", { was_open: true });
  }

  /**
   * The session goes on. Does what it takes that the server knows what the person wants.
   * @param {any} answer
   */
  #reconcile(answer) {
    if (!this.#fresh) return;
    this.#session = { token: String(answer.resume_token), windowMs: this.#fresh.windowMs };
    this.#lostAt = null;
    this.#becomeReady();
    const leftUnsaid = this.#leftUnsaid;
    this.#leftUnsaid = null;
    const there = answer.state === "chatting" ? answer.chat : null;
    this.#emit("resumed", { state: answer.state, recovered: answer.recovered !== false });
    const talk = this.#talk;
    if (talk && there === talk.chat.id) this.#goOn(talk, answer.recovered !== false);
    else if (there !== null && (this.#state !== "waiting" || there === leftUnsaid)) this.#leaveQuietly();
    else if (there !== null) this.#matched(answer);
    else if (answer.state === "waiting") this.#goOnWaiting();
    else if (this.#state !== "idle") this.#waitForNews();
    for (const errand of this.#errands) this.#run(errand);
  }

  /** @param {Talk} talk @param {boolean} isWhole */
  #goOn(talk, isWhole) {
    if (!isWhole) this.#emit("gap", { chat: talk.chat.id });
    this.#pump();
    this.#planAck();
  }

  #goOnWaiting() {
    if (this.#talk) this.#loseChat("connection");
    if (this.#state === "idle") {
      this.#request("cancel", {});
      return;
    }
    this.#isJoinSent = true;
    // What was changed meanwhile is not known there.
    if (!this.#isCriteriaKnown) this.#sendUpdate({ ...this.#criteria });
  }

  /** Ends a chat that the person has left already. */
  #leaveQuietly() {
    const then = () => { if (this.#state === "waiting" && this.#isReady) this.#sendJoin(); };
    this.#request("leave", {}, then, then);
  }

  /** The server is idle. How that came about follows the `resumed`, and is all there when this is answered. */
  #waitForNews() {
    this.#request("cancel", {}, () => {
      if (!this.#isReady) return;
      if (this.#talk) this.#loseChat("connection");
      else if (this.#state === "waiting") this.#sendJoin();
    });
  }

  // ---- Requests ---------------------------------------------------------------------------------------

  /**
   * @param {string} type
   * @param {Record<string, unknown>} fields
   * @param {string} [id] begins with the type
   */
  #send(type, fields, id = `${type}-${++this.#requestCount}`) {
    const frame = JSON.stringify({ type, id, ...fields });
    const max = this.#limits?.max_message_bytes ?? 8192;
    if (byteLength(frame) > max) {
      throw new WhisperChatError("too_large", `${type} is longer than the ${max} bytes that the server takes`);
    }
    // Between the end of a connection and the news of it nothing can be sent; what matters is sent again.
    if (this.#attempt?.socket?.readyState === 1) this.#attempt.socket.send(frame);
    return id;
  }

  /**
   * Sends something that is answered. What is done then is done before the server's next word is looked at.
   * @param {string} type
   * @param {Record<string, unknown>} fields
   * @param {Request["done"]} [done]
   * @param {Request["fail"]} [fail]
   */
  #request(type, fields, done = () => {}, fail = () => {}) {
    if (this.#requests.size >= REQUESTS_MAX) {
      fail(new WhisperChatError("too_many", `${REQUESTS_MAX} requests are not answered yet`));
      return;
    }
    try {
      this.#requests.set(this.#send(type, fields), { type, done, fail });
    } catch (error) {
      fail(/** @type {WhisperChatError} */ (error));
      return;
    }
    this.#expectAnswer();
  }

  /**
   * The same for who waits for the answer, or doesn't.
   * @param {string} type
   * @param {Record<string, unknown>} fields
   * @param {Request["fail"]} fail
   * @returns {Promise<void>}
   */
  #ask(type, fields, fail) {
    /** @type {Deferred<void>} */
    const { promise, resolve, reject } = deferred();
    const refused = (/** @type {WhisperChatError} */ error) => {
      fail(error);
      if (error.code === "wrong_state" && OVERTAKEN.has(type)) resolve();
      else reject(error);
    };
    this.#request(type, fields, () => resolve(), refused);
    return promise;
  }

  /** @param {unknown} id */
  #take(id) {
    const request = this.#requests.get(/** @type {string} */ (id));
    this.#requests.delete(/** @type {string} */ (id));
    return request;
  }

  /** @param {string} request @param {WhisperChatError} error */
  #tellRefused(request, { code, message, retryAfterMs }) {
    this.#emit("refused", { request, code, message, retry_after_ms: retryAfterMs });
  }

  // ---- Waiting ----------------------------------------------------------------------------------------

  /**
   * Waits for a partner; connects first if there is no connection.
   * @param {Criteria} criteria
   * @returns {Promise<void>} fulfilled when the server knows, rejected if it refuses; may be ignored
   */
  join(criteria) {
    if (this.#connection === "stopped") return refusal("lost", "this client was stopped");
    if (this.#state !== "idle") return refusal("wrong_state", `join is for who is idle, not ${this.#state}`);
    this.#criteria = { ...criteria };
    this.#state = "waiting";
    this.#search = deferred();
    const { promise } = this.#search;
    if (this.#isReady) this.#sendJoin();
    else if (this.#retryAt === null) this.connect();
    else this.hurry();
    return promise;
  }

  #sendJoin() {
    if (this.#isJoinSent) return;
    this.#isJoinSent = true;
    this.#isCriteriaKnown = true;
    this.#request("join", { ...this.#criteria }, undefined, (error) => this.#searchRefused("join", error));
  }

  /** @param {string} request @param {WhisperChatError} error */
  #searchRefused(request, error) {
    if (this.#state !== "waiting") return;
    this.#isJoinSent = false;
    this.#state = "idle";
    this.#wish = null;
    this.#search?.reject(error);
    this.#search = null;
    this.#tellRefused(request, error);
  }

  /**
   * Changes what `join` said; the place in the queue is kept.
   * @param {Partial<Criteria>} changes
   * @returns {Promise<void>}
   */
  update(changes) {
    if (this.#state !== "waiting") return refusal("wrong_state", `update is for who waits, not ${this.#state}`);
    const before = this.#criteria;
    this.#criteria = /** @type {Criteria} */ ({ ...before, ...changes });
    this.#isCriteriaKnown = false;
    if (!this.#isReady || !this.#isJoinSent) return Promise.resolve();
    return this.#sendUpdate(changes, before);
  }

  /** @param {Partial<Criteria>} changes @param {Criteria | null} [before] */
  #sendUpdate(changes, before = null) {
    this.#isCriteriaKnown = true;
    return this.#ask("update", changes, (error) => {
      if (before && error.code !== "wrong_state") this.#criteria = before;
      this.#requestRefused("update", error);
    });
  }

  /** Stops waiting. @returns {Promise<void>} */
  cancel() {
    if (this.#state !== "waiting" || this.#wish === "cancel") return Promise.resolve();
    if (!this.#isReady || !this.#isJoinSent) {
      this.#becomeIdle("cancelled");
      return Promise.resolve();
    }
    this.#wish = "cancel";
    return this.#ask("cancel", {}, (error) => {
      if (error.code !== "wrong_state" && this.#wish === "cancel") this.#wish = null;
      this.#requestRefused("cancel", error);
    });
  }

  /** @param {string} type @param {WhisperChatError} error */
  #requestRefused(type, error) {
    if (error.code === "lost" || (error.code === "wrong_state" && OVERTAKEN.has(type))) return;
    this.#tellRefused(type, error);
  }

  /** @param {Events["idle"]["reason"]} reason */
  #becomeIdle(reason) {
    this.#closeTalk();
    this.#state = "idle";
    this.#wish = null;
    this.#isJoinSent = false;
    this.#search?.reject(new WhisperChatError("lost", `idle: ${reason}`));
    this.#search = null;
    this.#emit("idle", { reason });
  }

  // ---- Talking ----------------------------------------------------------------------------------------

  /**
   * Says something to the partner: now, or as soon as the connection is back.
   * @param {string} text 1 to `limits.max_text_chars` characters
   * @returns {OwnMessage} which is told of by `message` whenever its state changes
   * @throws {WhisperChatError} if there is no chat, or the text can't be sent
   */
  say(text) {
    const talk = this.#talk;
    if (!talk || this.#wish) throw new WhisperChatError("wrong_state", "there is no chat to say that in");
    const message = new OwnMessage(`say-${++this.#requestCount}`, talk.chat.id, wellFormed(String(text)));
    this.#checkText(message);
    this.#enqueue(talk, message);
    return message;
  }

  /**
   * Says what had failed once more, with the same id: should it have arrived after all, it is still shown once.
   * @param {OwnMessage} message
   * @throws {WhisperChatError} if its chat is over or it has not failed
   */
  sayAgain(message) {
    const talk = this.#talk;
    if (!talk || this.#wish || message.chat !== talk.chat.id) {
      throw new WhisperChatError("chat_over", "the chat of this message is over");
    }
    if (message.state !== "failed") throw new WhisperChatError("wrong_state", `it is ${message.state}`);
    message.become("sending");
    this.#enqueue(talk, message);
    this.#emit("message", message);
  }

  /** @param {OwnMessage} message */
  #checkText({ id, text }) {
    const chars = [...text].length;
    const maxChars = this.#limits?.max_text_chars ?? 2000;
    if (chars < 1 || chars > maxChars) {
      throw new WhisperChatError("bad_field", `text must have 1 to ${maxChars} characters, not ${chars}`);
    }
    const bytes = byteLength(JSON.stringify({ type: "say", id, text }));
    const maxBytes = this.#limits?.max_message_bytes ?? 8192;
    if (bytes > maxBytes) throw new WhisperChatError("too_large", `the message has ${bytes} bytes, over ${maxBytes}`);
  }

  /** @param {Talk} talk @param {OwnMessage} message */
  #enqueue(talk, message) {
    if (talk.unsent.length >= this.#numbers.unsentMax) {
      throw new WhisperChatError("too_many", `${talk.unsent.length} messages wait to be accepted`);
    }
    talk.unsent.push(message);
    this.#stopTyping();
    this.#pump();
  }

  /** Sends what waits, so much at a time. */
  #pump() {
    const talk = this.#talk;
    if (!talk || !this.#isReady || this.#wish) return;
    const pauseMs = talk.pausedUntil - performance.now();
    clearTimeout(this.#pumpTimer);
    if (pauseMs > 0) {
      this.#pumpTimer = setTimeout(() => this.#pump(), pauseMs);
      return;
    }
    while (talk.inFlight < Math.min(IN_FLIGHT_MAX, talk.unsent.length)) {
      const { id, text } = talk.unsent[talk.inFlight];
      this.#send("say", { text }, id);
      this.#expectAnswer();
      talk.inFlight += 1;
    }
  }

  /**
   * Takes a message out of what was not accepted.
   * @param {Talk | null} talk
   * @param {unknown} id
   */
  #takeUnsent(talk, id) {
    const index = talk?.unsent.findIndex((message) => message.id === id) ?? -1;
    if (!talk || index < 0) return null;
    if (index < talk.inFlight) talk.inFlight -= 1;
    return talk.unsent.splice(index, 1)[0];
  }

  /** @param {{ id?: unknown, seq?: unknown }} answer */
  #accepted({ id, seq }) {
    const talk = this.#talk;
    const message = this.#takeUnsent(talk, id);
    if (!talk || !message) return;
    message.seq = Number(seq);
    message.become(message.seq <= talk.deliveredTo ? "delivered" : "sent");
    if (message.state === "sent") talk.undelivered.push(message);
    if (talk.undelivered.length > UNDELIVERED_MAX) talk.undelivered.shift();
    this.#emit("message", message);
    this.#pump();
  }

  /** @param {unknown} id @param {WhisperChatError} error */
  #sayRefused(id, error) {
    const talk = this.#talk;
    const message = this.#takeUnsent(talk, id);
    if (!talk || !message) return;
    if (error.retryAfterMs !== null) talk.pausedUntil = performance.now() + error.retryAfterMs;
    message.become("failed", error);
    this.#emit("message", message);
    this.#requestRefused("say", error);
    this.#pump();
  }

  /** @param {unknown} seq */
  #delivered(seq) {
    const talk = this.#talk;
    if (!talk || typeof seq !== "number") return;
    talk.deliveredTo = Math.max(talk.deliveredTo, seq);
    const isDelivered = (/** @type {OwnMessage} */ message) => Number(message.seq) <= seq;
    const delivered = talk.undelivered.filter(isDelivered);
    talk.undelivered = talk.undelivered.filter((message) => !isDelivered(message));
    for (const message of delivered) {
      message.become("delivered");
      this.#emit("message", message);
    }
  }

  /** @param {{ seq?: unknown, text?: unknown, at?: unknown }} said */
  #said({ seq, text, at }) {
    const talk = this.#talk;
    // Not above what has been seen: a repetition.
    if (!talk || !Number.isSafeInteger(seq) || Number(seq) <= talk.seen || typeof text !== "string") return;
    talk.seen = Number(seq);
    this.#partnerTyping(false);
    this.#emit("said", { chat: talk.chat.id, seq: talk.seen, text, at: Number(at) });
    if (this.#acknowledges === "auto") this.acknowledge(talk.seen);
  }

  /**
   * Everything up to a number was shown to the person. Many calls make one message.
   * @param {number} [seq] of the last one that was shown; everything if left out
   */
  acknowledge(seq = Infinity) {
    const talk = this.#talk;
    if (!talk) return;
    talk.shown = Math.max(talk.shown, Math.min(seq, talk.seen));
    this.#planAck();
  }

  #planAck() {
    const delay = Math.max(0, this.#ackedAt + ACK_PACE_MS - performance.now());
    this.#ackTimer ??= setTimeout(() => {
      this.#ackTimer = undefined;
      const talk = this.#talk;
      if (!talk || !this.#isReady || talk.shown <= talk.acknowledged) return;
      talk.acknowledged = talk.shown;
      this.#ackedAt = performance.now();
      this.#send("ack", { seq: talk.shown });
    }, delay);
  }

  /**
   * To be called with each change of what the person types. The partner is told as seldom as possible, and
   * that it has stopped some seconds after the last call, or when something is said.
   * @param {boolean} [on]
   */
  typing(on = true) {
    const talk = this.#talk;
    if (!talk || this.#wish) return;
    if (!on) {
      this.#stopTyping();
      return;
    }
    const now = performance.now();
    if (this.#isReady && (talk.typedAt === null || now - talk.typedAt > TYPING_REPEAT_MS)) {
      talk.typedAt = now;
      this.#send("typing", { on: true });
    }
    clearTimeout(this.#typingTimer);
    this.#typingTimer = setTimeout(() => this.#stopTyping(), TYPING_PAUSE_MS);
  }

  #stopTyping() {
    const wasTyping = this.#talk?.typedAt != null;
    this.#forgetTyping();
    if (wasTyping && this.#isReady) this.#send("typing", { on: false });
  }

  #forgetTyping() {
    clearTimeout(this.#typingTimer);
    if (this.#talk) this.#talk.typedAt = null;
  }

  /** @param {boolean} on */
  #partnerTyping(on) {
    clearTimeout(this.#partnerTypingTimer);
    if (!this.#talk) return;
    if (on) this.#partnerTypingTimer = setTimeout(() => this.#partnerTyping(false), TYPING_FORGET_MS);
    if (this.#talk.isPartnerTyping === on) return;
    this.#talk.isPartnerTyping = on;
    this.#emit("typing", { on });
  }

  // ---- The end of a chat ------------------------------------------------------------------------------

  /** Leaves the chat, also without a connection: the server is told when it is back. @returns {Promise<void>} */
  leave() {
    if (!this.#talk || this.#wish) return Promise.resolve();
    if (!this.#isReady) {
      this.#departUnsaid("idle");
      return Promise.resolve();
    }
    this.#wish = "leave";
    return this.#ask("leave", {}, (error) => {
      if (error.code !== "wrong_state" && this.#wish === "leave") this.#wish = null;
      this.#requestRefused("leave", error);
    });
  }

  /** Waits for somebody else by the same criteria, in a chat or after it. @returns {Promise<void>} */
  next() {
    if (this.#criteria === null) return refusal("wrong_state", "next is for who has joined before");
    if (this.#state === "idle") return this.join(this.#criteria);
    if (this.#state === "waiting" || this.#wish) return Promise.resolve();
    this.#search = deferred();
    const { promise } = this.#search;
    if (!this.#isReady) {
      this.#departUnsaid("waiting");
      return promise;
    }
    this.#wish = "next";
    this.#request("next", {}, undefined, (error) => {
      if (this.#wish === "next") this.#wish = null;
      if (this.#state === "waiting") {
        this.#searchRefused("next", error);
        return;
      }
      this.#search?.reject(error);
      this.#search = null;
      this.#requestRefused("next", error);
    });
    return promise;
  }

  /** The chat is over for the person, and the server learns it when the session is resumed. @param {State} then */
  #departUnsaid(then) {
    this.#leftUnsaid = this.#talk?.chat.id ?? null;
    if (then === "idle") {
      this.#becomeIdle("left");
      return;
    }
    this.#closeTalk();
    this.#wish = null;
    this.#state = then;
  }

  /** @param {Events["chat_lost"]["reason"]} reason */
  #loseChat(reason) {
    const chat = this.#talk?.chat.id ?? "";
    this.#closeTalk();
    this.#state = "idle";
    this.#wish = null;
    this.#emit("chat_lost", { chat, reason });
  }

  #closeTalk() {
    const talk = this.#talk;
    if (!talk) return;
    this.#forgetTyping();
    for (const timer of [this.#pumpTimer, this.#partnerTypingTimer, this.#ackTimer]) clearTimeout(timer);
    this.#ackTimer = undefined;
    this.#talk = null;
    for (const message of talk.unsent.splice(0)) {
      message.become("failed", new WhisperChatError("chat_over", "the chat ended before it was accepted"));
      this.#emit("message", message);
    }
  }

  /** @param {Events["partner_left"]["reason"]} reason */
  #partnerLeft(reason) {
    const talk = this.#talk;
    if (!talk) return;
    if (this.#wish === "leave") {
      this.#becomeIdle("left");
      return;
    }
    const wantsNext = this.#wish === "next";
    this.#closeTalk();
    // A `next` that was overtaken still begins a new wait; `waiting` follows.
    this.#state = wantsNext ? "waiting" : "idle";
    this.#isJoinSent = wantsNext;
    this.#wish = null;
    if (!wantsNext) this.#emit("partner_left", { chat: talk.chat.id, reason });
  }

  /**
   * Never be paired with the partner of a chat again; if it goes on it ends.
   * @param {string} [chat] a chat of this session; the current one if left out
   * @returns {Promise<void>}
   */
  block(chat = this.#talk?.chat.id) {
    return this.#addErrand("block", chat, {});
  }

  /**
   * @param {Reason} reason
   * @param {string} [chat] a chat of this session; the current one if left out
   * @param {string} [note] at most 500 characters
   * @param {boolean} [evidence] whether moderators may see the last messages of the chat
   * @returns {Promise<void>}
   */
  report(reason, chat = this.#talk?.chat.id, note = undefined, evidence = undefined) {
    return this.#addErrand("report", chat, { reason, note, evidence });
  }

  /**
   * @param {"block" | "report"} type
   * @param {string | undefined} chat
   * @param {Record<string, unknown>} fields
   */
  #addErrand(type, chat, fields) {
    if (chat === undefined || !this.knows(chat)) return refusal("not_found", "that is no chat of this session");
    if (this.#errands.length >= REQUESTS_MAX) return refusal("too_many", "too many are not answered yet");
    /** @type {Errand} */
    const errand = { type, fields: { chat, ...fields }, deferred: deferred() };
    this.#errands.push(errand);
    if (this.#isReady) this.#run(errand);
    else if (type === "block" && chat === this.#talk?.chat.id) this.#departUnsaid("idle");
    return errand.deferred.promise;
  }

  /** @param {Errand} errand done now, and once more after a loss of the connection */
  #run(errand) {
    const { type, fields, deferred } = errand;
    const forget = () => { this.#errands = this.#errands.filter((other) => other !== errand); };
    const done = (/** @type {{ chat: string }} */ { chat }) => {
      forget();
      this.#emit(type === "block" ? "blocked" : "reported", { chat });
      deferred.resolve();
    };
    this.#request(type, fields, done, (error) => {
      forget();
      deferred.reject(error);
      this.#requestRefused(type, error);
    });
  }

  /**
   * Shows a newer token, so that the connection outlasts the one before.
   * @param {string} token
   * @returns {Promise<{ expires_at: number | null }>}
   */
  auth(token) {
    if (!this.#attempt || !this.#isReady) return refusal("lost", "there is no connection");
    const attempt = this.#attempt;
    /** @type {Deferred<{ expires_at: number | null }>} */
    const { promise, resolve, reject } = deferred();
    this.#request("auth", { token }, (answer) => {
      attempt.token = token;
      if (typeof this.#token !== "function") this.#token = token;
      resolve({ expires_at: answer.expires_at ?? null });
    }, reject);
    return promise;
  }

  // ---- What the server says ---------------------------------------------------------------------------

  /** @param {unknown} attempt @param {unknown} frame */
  #receive(attempt, frame) {
    // A connection that was given up may still speak.
    if (attempt !== this.#attempt || typeof frame !== "string") return;
    this.#answered();
    let message;
    try {
      message = JSON.parse(frame);
    } catch {
      return;
    }
    if (message !== null && typeof message === "object") this.#handle(message);
  }

  /** @param {any} message Types that are new since this was written are not for it. */
  #handle(message) {
    const chat = this.#talk?.chat.id;
    switch (message.type) {
      case "welcome": return this.#welcomed(message);
      case "waiting": return this.#waits(message);
      case "matched": return this.#matched(message);
      case "said": return this.#said(message);
      case "accepted": return this.#accepted(message);
      case "delivered": return this.#delivered(message.seq);
      case "typing": return this.#partnerTyping(message.on === true);
      case "partner_away":
      case "partner_back": return chat === undefined ? undefined : this.#emit(message.type, { chat });
      case "partner_left": return this.#partnerLeft(message.reason);
      case "idle": return this.#isIdle(message);
      case "going_away": return this.#goesAway(message);
      case "error": return this.#refused(message);
      case "authenticated":
      case "resumed":
      case "blocked":
      case "reported": return this.#take(message.id)?.done(message);
    }
  }

  /** @param {any} message */
  #waits(message) {
    this.#take(message.id)?.done(message);
    if (this.#state === "idle") return;
    this.#closeTalk();
    this.#state = "waiting";
    if (this.#wish === "next") this.#wish = null;
    this.#isJoinSent = true;
    this.#search?.resolve();
    this.#search = null;
    const { type: _type, id: _id, ...waiting } = message;
    this.#emit("waiting", waiting);
  }

  /** @param {any} message */
  #matched({ chat, partner, distance }) {
    if (this.#wish === "cancel" || this.#state === "idle") {
      // It crossed the `cancel`.
      this.#request("leave", {});
      return;
    }
    this.#closeTalk();
    const name = typeof partner?.name === "string" ? partner.name : null;
    const shared_interests = Array.isArray(partner?.shared_interests) ? partner.shared_interests.map(String) : [];
    this.#talk = new Talk({ id: String(chat), partner: Object.freeze({ name, shared_interests }), distance });
    this.#state = "chatting";
    this.#isJoinSent = false;
    this.#search?.resolve();
    this.#search = null;
    this.#chats = [...this.#chats, this.#talk.chat.id].slice(-CHATS_MAX);
    this.#emit("matched", this.#talk.chat);
  }

  /** @param {any} message */
  #isIdle({ id, reason }) {
    const request = this.#take(id);
    const isCancelled = this.#wish === "cancel" && (reason === "left" || request?.type === "cancel");
    // After a resume: of a chat that the person has left long ago, or of nothing at all.
    const isNews = isCancelled || (this.#state === "chatting" ? reason === "left"
      : this.#state === "waiting" && (reason === "gave_up" || reason === "expired"));
    if (isNews) this.#becomeIdle(isCancelled ? "cancelled" : reason);
    request?.done(undefined);
  }

  /** @param {any} message */
  #goesAway({ reconnect_after_ms }) {
    const after = orZero(reconnect_after_ms);
    this.#askedAt = performance.now() + after;
    this.#emit("going_away", { reconnect_after_ms: after });
  }

  /** @param {any} message */
  #refused({ id, code, message, retry_after_ms }) {
    const retryAfterMs = typeof retry_after_ms === "number" ? orZero(retry_after_ms) : null;
    const error = new WhisperChatError(String(code), String(message ?? "refused"), retryAfterMs);
    const request = this.#take(id);
    const type = request?.type ?? (typeof id === "string" ? id.split("-")[0] : "");
    if (request) request.fail(error);
    else if (type === "say") this.#sayRefused(id, error);
    else this.#requestRefused(type, error);
  }
}
