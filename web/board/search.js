// One session by its name: what it does, and its end.

import { byId, say, show, tell } from "./dom.js";
import { DOES, bytes, count, duration } from "./words.js";

function facts({ does, waited_ms, connection, given_up_in_ms, chats }) {
  const rows = [["It", DOES[does]]];
  if (waited_ms !== null) rows.push(["Has waited", duration(waited_ms)]);
  if (connection === null) {
    rows.push(["Connection", "lost"], ["Is given up in", duration(given_up_in_ms)]);
  } else {
    const { dialect, lasts_ms, silent_ms, outbox_bytes, outbox_events } = connection;
    rows.push(
      ["Connected for", duration(lasts_ms)],
      ["Silent for", duration(silent_ms)],
      ["Dialect", dialect],
      ["Outbox", `${bytes(outbox_bytes)} in ${count(outbox_events)} messages`],
    );
  }
  rows.push(["Chats remembered", count(chats)]);
  return rows;
}

export class Search {
  #status = byId("search-status");
  #found = byId("found");
  #end = byId("end-start");
  #question = byId("end-question");
  #session = "";

  /** @param {import("./server.js").Server} server @param {(error: Error) => string} wrong says what went wrong */
  constructor(server, wrong) {
    this.server = server;
    this.wrong = wrong;
    byId("search").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#look(byId("session").value.trim().toLowerCase());
    });
    this.#end.addEventListener("click", () => {
      show(this.#question, true);
      byId("end-no").focus();
    });
    byId("end-no").addEventListener("click", () => {
      show(this.#question, false);
      this.#end.focus();
    });
    byId("end-yes").addEventListener("click", () => this.#disconnect());
  }

  #path() {
    return `/api/v1/sessions/${encodeURIComponent(this.#session)}`;
  }

  #clear() {
    for (const part of [this.#found, this.#end, this.#question]) show(part, false);
  }

  async #look(name) {
    this.#session = name;
    this.#clear();
    try {
      const session = await this.server.get(this.#path());
      // Another one may have been asked for meanwhile.
      if (this.#session !== name) return;
      tell(this.#found, facts(session));
      show(this.#found, true);
      show(this.#end, true);
      say(this.#status, `Session ${name} ${DOES[session.does]}.`);
    } catch (error) {
      if (this.#session === name) say(this.#status, this.wrong(error));
    }
  }

  async #disconnect() {
    const name = this.#session;
    this.#clear();
    byId("session").focus();
    try {
      await this.server.post(`${this.#path()}/disconnect`);
      say(this.#status, `Session ${name} was ended.`);
    } catch (error) {
      say(this.#status, this.wrong(error));
    }
  }
}
