// Asks the server, with the token if one is needed. The token is kept for this tab alone.

const KEY = "whisperchat-operators-token";

/** How long an answer may take. */
const TIMEOUT_MS = 8000;

/** The server answered, but not with what was asked for. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  get isAboutToken() {
    return this.status === 401;
  }
}

export class Server {
  get hasToken() {
    return sessionStorage.getItem(KEY) !== null;
  }

  useToken(token) {
    sessionStorage.setItem(KEY, token);
  }

  forgetToken() {
    sessionStorage.removeItem(KEY);
  }

  get(path) {
    return this.#ask(path, { method: "GET" });
  }

  post(path) {
    return this.#ask(path, { method: "POST", body: "{}" });
  }

  /** What it answered. Throws `Refused` if it refuses, and a `TypeError` or `DOMException` if it can't be reached. */
  async #ask(path, request) {
    const headers = { "Content-Type": "application/json" };
    const token = sessionStorage.getItem(KEY);
    if (token !== null) headers.Authorization = `Bearer ${token}`;
    const answer = await fetch(path, { ...request, headers, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
    const body = await answer.json();
    if (!answer.ok) throw new Refused(answer.status, body.error ?? `the server answered ${answer.status}`);
    return body;
  }
}
