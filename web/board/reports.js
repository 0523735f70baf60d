// What people have reported: the queue, one report with what was said, and the decision, by one key each.

import { byId, element, say, show, tell } from "./dom.js";
import { count, counted, date } from "./words.js";

const REASONS = {
  spam: "spam", abuse: "insults", sexual: "sexual content", minor: "a child", threat: "a threat", other: "something else",
};

/** How long a ban lasts by each of its keys, in s; for ever without. */
const BANS = { 1: 86_400, 2: 7 * 86_400, 3: 30 * 86_400, 4: undefined };

const BAN_REASON = "You have been reported for {reason}.";

/** Reports are shown so many at a time. */
const PAGE = 25;

export class Reports {
  #rows = [];
  #next = null;
  #chosen = null;
  /** The chosen report's `ETag` and all of it. */
  #whole = null;
  #list = byId("report-list");

  /** @param {import("./server.js").Server} server @param {(error: Error) => string} wrong @param {() => void} decided */
  constructor(server, wrong, decided) {
    this.server = server;
    this.wrong = wrong;
    this.decided = decided;
    for (const id of ["report-state", "report-order"]) byId(id).addEventListener("change", () => this.load());
    byId("report-more").addEventListener("click", () => this.#more());
    this.#list.addEventListener("keydown", (event) => this.#key(event));
    byId("report-dismiss").addEventListener("click", () => this.#decide("dismissed"));
    byId("report-uphold").addEventListener("click", () => this.#decide("upheld"));
    byId("report-open").addEventListener("click", () => this.#decide("open"));
    for (const [key, lastsS] of Object.entries(BANS)) {
      byId(`report-ban-${key}`).addEventListener("click", () => this.#decide("upheld", lastsS, true));
    }
  }

  /** The queue anew, from its beginning. */
  async load() {
    this.#rows = [];
    this.#next = null;
    await this.#more(true);
  }

  async #more(isFirst = false) {
    const [state, order] = [byId("report-state").value, byId("report-order").value];
    const asked = new URLSearchParams({ order, limit: String(PAGE), ...(state && { state }), ...(this.#next && { after: this.#next }) });
    try {
      const { reports, next } = await this.server.get(`/api/v1/reports?${asked}`);
      this.#rows.push(...reports);
      this.#next = next;
      say(byId("report-status"), this.#rows.length === 0 ? "There are none." : "");
    } catch (error) {
      say(byId("report-status"), this.wrong(error));
    }
    this.#show();
    if (isFirst) await this.#choose(this.#rows[0]?.id ?? null, false);
  }

  #show() {
    this.#list.replaceChildren(...this.#rows.map((row) => {
      const words = `${date(row.at_ms)}: ${REASONS[row.reason] ?? row.reason}${row.has_evidence ? ", with what was said" : ""}`;
      const item = element("li", { role: "option", id: `report-${row.id}`, "aria-selected": String(row.id === this.#chosen) },
        element("span", {}, words), element("span", { class: "quiet" }, ` ${row.state}`));
      item.addEventListener("click", () => this.#choose(row.id, true));
      return item;
    }));
    show(byId("report-more"), this.#next !== null);
    if (this.#chosen === null) this.#list.removeAttribute("aria-activedescendant");
    else this.#list.setAttribute("aria-activedescendant", `report-${this.#chosen}`);
  }

  async #choose(id, isFocused) {
    this.#chosen = id;
    this.#whole = null;
    this.#show();
    if (isFocused) this.#list.focus();
    byId(`report-list`).querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
    show(byId("report-whole"), false);
    if (id === null) return;
    try {
      const whole = await this.server.get(`/api/v1/reports/${id}`);
      // Another one may have been chosen meanwhile.
      if (this.#chosen !== id) return;
      this.#whole = whole;
      this.#showWhole(whole);
    } catch (error) {
      if (this.#chosen === id) say(byId("report-status"), this.wrong(error));
    }
  }

  #showWhole({ reason, note, at_ms, reporter, reported, reported_network, weight, against, state, decided_by, decided_at_ms, evidence }) {
    const rows = [
      ["Reported for", REASONS[reason] ?? reason],
      ["When", date(at_ms)],
      ...(note ? [["The reporter writes", note]] : []),
      ["Who", reported ?? "not known"],
      ["From", reported_network ?? "not known"],
      ["By", reporter ?? "not known"],
      ["Weighs", count(weight / 1000)],
    ];
    if (against) {
      const [reports, people, ranges] = [
        counted(against.reports, "report"), counted(against.reporters, "person", "people"), counted(against.networks, "address range"),
      ];
      rows.push(["In 30 days", `${reports} by ${people} from ${ranges}`]);
    }
    rows.push(["It is", decided_by ? `${state}, by ${decided_by}, ${date(decided_at_ms)}` : state]);
    tell(byId("report-facts"), rows);
    show(byId("report-no-evidence"), !evidence);
    byId("report-evidence").replaceChildren(...(evidence ?? []).map(({ by, text }) => element("li", { "data-by": by },
      element("span", { class: "quiet" }, by === "reported" ? "Reported: " : "Reporter: "), element("span", {}, text))));
    for (const key of Object.keys(BANS)) byId(`report-ban-${key}`).disabled = reported === null;
    byId("report-open").disabled = state === "open";
    show(byId("report-whole"), true);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.#rows.findIndex(({ id }) => id === this.#chosen);
    const go = (to) => this.#rows[to] && this.#choose(this.#rows[to].id, true);
    const keys = {
      ArrowDown: () => go(at + 1), j: () => go(at + 1),
      ArrowUp: () => go(at - 1), k: () => go(at - 1),
      Home: () => go(0), End: () => go(this.#rows.length - 1),
      d: () => this.#decide("dismissed"),
      u: () => this.#decide("upheld"),
      o: () => this.#decide("open"),
    };
    for (const [key, lastsS] of Object.entries(BANS)) keys[key] = () => this.#decide("upheld", lastsS, true);
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }

  async #decide(state, lastsS, isBan = false) {
    const whole = this.#whole;
    if (!whole || whole.state === state && !isBan || (isBan && whole.reported === null)) return;
    // Not twice for one press.
    this.#whole = null;
    const reason = BAN_REASON.replace("{reason}", REASONS[whole.reason] ?? "what you did");
    const ban = isBan ? { ban: { reason, ...(lastsS && { lasts_s: lastsS }) } } : {};
    try {
      const { lifted } = await this.server.post(`/api/v1/reports/${whole.id}/decision`, { state, ...ban }, { "If-Match": `"${whole.version}"` });
      const at = this.#rows.findIndex(({ id }) => id === whole.id);
      const next = this.#rows[at + 1] ?? this.#rows[at - 1] ?? null;
      // What is no longer looked for leaves the list.
      const wanted = byId("report-state").value;
      if (wanted && wanted !== state) this.#rows.splice(at, 1);
      else Object.assign(this.#rows[at], { state });
      const is = isBan ? `Report ${whole.id} was upheld, and the person banned.` : `Report ${whole.id} is ${state} now.`;
      say(byId("report-status"), lifted.length ? `${is} The ban that followed from it is lifted.` : is);
      this.decided();
      await this.#choose(next?.id ?? null, true);
    } catch (error) {
      const words = error.status === 412 ? "Somebody else has decided this report meanwhile; here it is as it is now." : this.wrong(error);
      await this.#choose(whole.id, true);
      say(byId("report-status"), words);
    }
  }
}
