// Asks the server, as somebody who is logged in, or with the token, or as nobody where that is enough.
//
// The access token is kept in this page alone, the refresh token in a cookie that no script can read. The token of the
// settings is kept for this tab.

const KEY = "whisperchat-operators-token";

/** Says that there may be a cookie to go on with; nothing else. */
const HINT = "whisperchat-logged-in";

/** How long an answer may take. */
const TIMEOUT_MS = 8000;

/** How long before its end an access token is replaced. */
const EARLY_MS = 30_000;

/** The server answered, but not with what was asked for. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  /** Whether it takes to log in, or to show the token. */
  get isAboutToken() {
    return this.status === 401;
  }
}

export class Server {
  #access = null;
  #expiresAt = 0;

  get hasToken() {
    return sessionStorage.getItem(KEY) !== null;
  }

  get isLoggedIn() {
    return this.#access !== null;
  }

  useToken(token) {
    this.forget();
    sessionStorage.setItem(KEY, token);
  }

  /** Asks from now on with what somebody got who logged in. */
  #use({ access_token, expires_in_s }) {
    sessionStorage.removeItem(KEY);
    localStorage.setItem(HINT, "yes");
    this.#access = access_token;
    this.#expiresAt = performance.now() + expires_in_s * 1000 - EARLY_MS;
  }

  /** Asks from now on as nobody. */
  forget() {
    sessionStorage.removeItem(KEY);
    localStorage.removeItem(HINT);
    this.#access = null;
  }

  /** The first step of logging in, or the second. What it answers says which follows. */
  async logIn(path, body) {
    const answer = await this.#ask(path, "POST", { ...body, cookie: true }, {});
    if (answer.step === "done") this.#use(answer);
    return answer;
  }

  /** Ends the session, or all of them, and forgets it in any case. */
  async logOut(isEverywhere = false) {
    try {
      await this.post(isEverywhere ? "/api/v1/logout-everywhere" : "/api/v1/logout");
    } finally {
      this.forget();
    }
  }

  get(path) {
    return this.#askAs("GET", path);
  }

  post(path, body = {}, headers = {}) {
    return this.#askAs("POST", path, body, headers);
  }

  delete(path, headers) {
    return this.#askAs("DELETE", path, {}, headers);
  }

  patch(path, body, headers) {
    return this.#askAs("PATCH", path, body, headers);
  }

  /** What it answered. Throws `Refused` if it refuses, and a `TypeError` or `DOMException` if it can't be reached. */
  async #askAs(method, path, body, headers = {}) {
    const token = sessionStorage.getItem(KEY);
    if (token !== null) return this.#ask(path, method, body, { ...headers, Authorization: `Bearer ${token}` });
    if (localStorage.getItem(HINT) !== null && (this.#access === null || performance.now() > this.#expiresAt)) {
      await this.#refresh(this.#access);
    }
    const own = this.#access === null ? {} : { Authorization: `Bearer ${this.#access}` };
    return this.#ask(path, method, body, { ...headers, ...own });
  }

  /** Gets another access token. A cookie is good once, and shared by all tabs: they take turns. */
  async #refresh(before) {
    const turn = async () => {
      if (this.#access !== before) return;
      try {
        this.#use(await this.#ask("/api/v1/refresh", "POST", {}, {}));
      } catch (error) {
        if (error instanceof Refused && error.isAboutToken) this.forget();
        throw error;
      }
    };
    // Where the page is not secure there are no locks, and no cookie is kept either.
    await (navigator.locks ? navigator.locks.request("whisperchat-refresh", turn) : turn());
  }

  async #ask(path, method, body, headers) {
    const answer = await fetch(path, {
      method,
      headers: { "Content-Type": "application/json", ...headers },
      body: method === "GET" ? undefined : JSON.stringify(body),
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (answer.status === 204) return null;
    const said = await answer.json();
    if (!answer.ok) throw new Refused(answer.status, said.detail ?? `the server answered ${answer.status}`);
    return said;
  }
}
