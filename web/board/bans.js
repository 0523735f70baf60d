// Who is kept out: the list, a new ban, and its end.

import { byId, element, say, show } from "./dom.js";
import { NOTHING, date } from "./words.js";

/** Bans are shown so many at a time. */
const PAGE = 25;

const SUBJECT = /^[0-9a-f]{32}$/i;

export class Bans {
  #rows = [];
  #next = null;

  /** @param {import("./server.js").Server} server @param {(error: Error) => string} wrong */
  constructor(server, wrong) {
    this.server = server;
    this.wrong = wrong;
    byId("ban-search").addEventListener("submit", (event) => {
      event.preventDefault();
      this.load();
    });
    byId("ban-in-force").addEventListener("change", () => this.load());
    byId("ban-more").addEventListener("click", () => this.#more());
    byId("ban-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ban();
    });
  }

  /** The list anew, from the newest. */
  async load() {
    this.#rows = [];
    this.#next = null;
    await this.#more();
  }

  async #more() {
    const wanted = byId("ban-wanted").value.trim();
    const about = wanted === "" ? {} : SUBJECT.test(wanted) ? { subject: wanted } : { network: wanted };
    const inForce = byId("ban-in-force").checked ? { in_force: "true" } : {};
    const asked = new URLSearchParams({ limit: String(PAGE), ...about, ...inForce, ...(this.#next && { after: this.#next }) });
    try {
      const { bans, next } = await this.server.get(`/api/v1/bans?${asked}`);
      this.#rows.push(...bans);
      this.#next = next;
      say(byId("ban-status"), this.#rows.length === 0 ? "There are none." : "");
    } catch (error) {
      say(byId("ban-status"), this.wrong(error));
    }
    this.#show();
  }

  #show() {
    byId("ban-rows").replaceChildren(...this.#rows.map((ban) => {
      const about = [ban.subject, ban.network].filter(Boolean).join(" from ");
      const end = ban.lifted_at_ms ? `lifted by ${ban.lifted_by}, ${date(ban.lifted_at_ms)}`
        : ban.expires_at_ms ? `until ${date(ban.expires_at_ms)}` : "for ever";
      const lift = element("button", { type: "button", "aria-label": `Lift the ban of ${about}` }, "Lift");
      lift.addEventListener("click", () => this.#lift(ban));
      return element("tr", {},
        element("td", {}, about), element("td", {}, ban.reason || NOTHING), element("td", {}, `${ban.created_by}, ${date(ban.created_at_ms)}`),
        element("td", {}, end), element("td", {}, ...(ban.in_force ? [lift] : [])));
    }));
    show(byId("ban-more"), this.#next !== null);
  }

  async #ban() {
    const [who, reason, appeal, days] = ["ban-who", "ban-reason", "ban-appeal", "ban-days"].map((id) => byId(id).value.trim());
    const about = SUBJECT.test(who) ? { subject: who } : { network: who };
    const lasts = days === "" ? {} : { lasts_s: Math.round(Number(days) * 86_400) };
    try {
      await this.server.post("/api/v1/bans", { ...about, reason, ...(appeal && { appeal }), ...lasts });
      byId("ban-form").reset();
      await this.load();
      say(byId("ban-status"), `${who} is banned.`);
      byId("ban-who").focus();
    } catch (error) {
      say(byId("ban-status"), this.wrong(error));
    }
  }

  async #lift(ban) {
    try {
      await this.server.delete(`/api/v1/bans/${ban.id}`, { "If-Match": `"${ban.version}"` });
      await this.load();
      say(byId("ban-status"), "The ban was lifted.");
    } catch (error) {
      const words = error.status === 412 ? "Somebody else has lifted it meanwhile." : this.wrong(error);
      await this.load();
      say(byId("ban-status"), words);
    }
    byId("ban-wanted").focus();
  }
}
