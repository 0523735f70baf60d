// Who did what.

import { byId, element, say, show } from "./dom.js";
import { date } from "./words.js";

/** Entries are shown so many at a time. */
const PAGE = 50;

export class Audit {
  #rows = [];
  #next = null;

  /** @param {import("./server.js").Server} server @param {(error: Error) => string} wrong */
  constructor(server, wrong) {
    this.server = server;
    this.wrong = wrong;
    byId("audit-search").addEventListener("submit", (event) => {
      event.preventDefault();
      this.load();
    });
    byId("audit-more").addEventListener("click", () => this.#more());
  }

  /** The log anew, from the newest entry. */
  async load() {
    this.#rows = [];
    this.#next = null;
    await this.#more();
  }

  async #more() {
    const actor = byId("audit-actor").value.trim();
    const asked = new URLSearchParams({ limit: String(PAGE), ...(actor && { actor }), ...(this.#next && { after: this.#next }) });
    try {
      const { entries, next } = await this.server.get(`/api/v1/audit?${asked}`);
      this.#rows.push(...entries);
      this.#next = next;
      say(byId("audit-status"), this.#rows.length === 0 ? "There is nothing." : "");
    } catch (error) {
      say(byId("audit-status"), this.wrong(error));
    }
    byId("audit-rows").replaceChildren(...this.#rows.map(({ at_ms, actor: who, action, target, detail }) => {
      const more = Object.keys(detail).length > 0 ? JSON.stringify(detail) : "";
      return element("tr", {}, ...[date(at_ms), who, action, target, more].map((text) => element("td", {}, text)));
    }));
    show(byId("audit-more"), this.#next !== null);
  }
}
