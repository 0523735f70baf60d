// Accounts of others: who there is, what they are for, inviting, letting in no more.

import { byId, element, say, show } from "./dom.js";
import { Refused } from "./server.js";

const ROLES = ["viewer", "moderator", "admin"];
const STATES = { invited: "has not come yet", active: "can log in", disabled: "is let in no more" };

export class Accounts {
  #status = byId("accounts-status");
  #rows = byId("accounts-rows");

  /** @param {import("./server.js").Server} server @param {(error: Error) => string} wrong says what went wrong */
  constructor(server, wrong) {
    this.server = server;
    this.wrong = wrong;
    byId("invite").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#do(async () => {
        const name = byId("invite-name").value.trim();
        const made = await server.post("/api/v1/accounts", { name, role: byId("invite-role").value });
        byId("invite-name").value = "";
        this.#tell(made);
      });
    });
  }

  /** Looks again, unless somebody is about to do something there. */
  async lookAgain() {
    if (!this.#rows.contains(document.activeElement)) await this.look();
  }

  /** Looks at all accounts, page by page. */
  async look() {
    const accounts = [];
    let after = "";
    do {
      const page = await this.server.get(`/api/v1/accounts?limit=100${after}`);
      accounts.push(...page.accounts);
      after = page.next === null ? "" : `&after=${encodeURIComponent(page.next)}`;
    } while (after !== "");
    const focused = this.#rows.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    this.#rows.replaceChildren(...accounts.map((account) => this.#row(account)));
    // Whoever works by the keyboard stays where they were.
    const again = [...this.#rows.querySelectorAll("[aria-label]")].find((part) => part.getAttribute("aria-label") === focused);
    again?.focus();
  }

  /** Does something, says what went wrong, and shows what has become of it. */
  async #do(what) {
    say(this.#status, "");
    try {
      await what();
      await this.look();
    } catch (error) {
      const words = this.wrong(error);
      // Somebody else was faster: what they have made of it is shown.
      if (error instanceof Refused && error.status === 412) await this.look().catch(() => {});
      say(this.#status, words);
    }
  }

  #row(account) {
    const { name, role, state, has_factor } = account;
    const roles = element("select", { "aria-label": `Role of ${name}` });
    roles.append(...ROLES.map((word) => new Option(word, word, word === role, word === role)));
    roles.addEventListener("change", () => this.#change(account, { role: roles.value }));
    const button = (words, act) => {
      const made = element("button", { type: "button", "aria-label": `${words}: ${name}` }, words);
      made.addEventListener("click", act);
      return made;
    };
    const isDisabled = state === "disabled";
    const buttons = element("div", { class: "row" },
      button(isDisabled ? "Let in again" : "Let in no more", () => this.#change(account, { disabled: !isDisabled })),
      button("Log out everywhere", () => this.#do(() => this.server.post(`/api/v1/accounts/${account.id}/logout`))),
      button("Invite anew", () => this.#reset(account)));
    const factor = has_factor ? ", with a second factor" : "";
    return element("tr", {},
      element("th", { scope: "row" }, name),
      element("td", {}, roles),
      element("td", {}, `${STATES[state]}${factor}`),
      element("td", {}, buttons));
  }

  #change(account, change) {
    return this.#do(() => this.server.patch(`/api/v1/accounts/${account.id}`, change, { "If-Match": `"${account.version}"` }));
  }

  #reset(account) {
    return this.#do(async () => {
      this.#tell(await this.server.post(`/api/v1/accounts/${account.id}/reset`, {}, { "If-Match": `"${account.version}"` }));
    });
  }

  /** The link is shown only now, and to whoever has made it. */
  #tell({ account, invitation }) {
    byId("invitation-link").value = `${location.origin}/#invitation=${invitation}`;
    say(byId("invitation-for"), `For ${account.name}, once, within three days:`);
    show(byId("invited"), true);
    byId("invitation-link").select();
  }
}
