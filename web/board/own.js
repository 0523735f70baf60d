// One's own account: another password, passkeys, other recovery codes, leaving everywhere.

import { byId, element, say, show } from "./dom.js";
import { NoPasskey, makePasskey, showPasskey } from "./passkeys.js";
import { date } from "./words.js";

export class Own {
  #status = byId("own-status");
  #passkeys = byId("own-passkeys");
  /** The passkey that is asked about, whether it is to be removed. */
  #asked = null;

  /**
   * @param {import("./server.js").Server} server
   * @param {(error: Error) => string} wrong says what went wrong
   * @param {() => void} left is told when nobody is in any more
   */
  constructor(server, wrong, left) {
    this.server = server;
    this.wrong = wrong;
    this.#on("own-password", async () => {
      const [password, new_password] = [byId("own-old").value, byId("own-new").value];
      await server.post("/api/v1/me/password", { password, new_password });
      say(this.#status, "The password is changed, and all your other sessions have ended.");
    });
    this.#on("own-codes-form", async () => {
      const again = await this.#again("own-codes-password", "own-code");
      const { recovery_codes } = await server.post("/api/v1/me/recovery-codes", again);
      this.#tell(recovery_codes, "These recovery codes are good from now on, and none before them. They are shown only now.");
    });
    this.#on("own-passkey-form", () => this.#enrol());
    this.#on("own-passkey-question", () => this.#remove());
    byId("own-passkey-no").addEventListener("click", () => this.#ask(null));
    byId("own-everywhere").addEventListener("click", () => this.#do(async () => {
      await server.logOut(true);
      left();
    }));
  }

  /** Looks at one's passkeys, unless somebody is about to do something there. */
  async lookAgain() {
    if (!this.#passkeys.contains(document.activeElement)) await this.#look();
  }

  async #look() {
    const { passkeys } = await this.server.get("/api/v1/me/passkeys");
    this.#passkeys.replaceChildren(...passkeys.map((passkey) => this.#row(passkey)));
    show(byId("own-no-passkeys"), passkeys.length === 0);
  }

  #row(passkey) {
    const { name, created_at_ms, last_used_at_ms } = passkey;
    const remove = element("button", { type: "button", "aria-label": `Remove: ${name}` }, "Remove…");
    remove.addEventListener("click", () => this.#ask(passkey));
    const used = last_used_at_ms === null ? "never used" : `last used ${date(last_used_at_ms)}`;
    return element("li", { class: "row" }, element("span", {}, `${name}: made ${date(created_at_ms)}, ${used}`), remove);
  }

  #ask(passkey) {
    this.#asked = passkey;
    show(byId("own-passkey-question"), passkey !== null);
    if (passkey === null) return;
    say(byId("own-passkey-words"), `${passkey.name} is good no more then, and all your other sessions end.`);
    byId("own-remove-password").focus();
  }

  async #enrol() {
    const again = await this.#again("own-passkey-password", "own-passkey-code");
    const credential = await makePasskey(await this.server.post("/api/v1/me/passkeys", again));
    const name = byId("own-passkey-name").value.trim();
    const { recovery_codes } = await this.server.post("/api/v1/me/passkeys/confirm", { name, credential });
    const words = "The passkey is in use, and all your other sessions have ended.";
    if (recovery_codes === null) say(this.#status, words);
    else this.#tell(recovery_codes, `${words} These recovery codes are for when it is lost, and shown only now.`);
    await this.#look();
  }

  async #remove() {
    const again = await this.#again("own-remove-password", "own-remove-code");
    await this.server.post(`/api/v1/me/passkeys/${this.#asked.id}/remove`, again);
    this.#ask(null);
    say(this.#status, "The passkey is removed, and all your other sessions have ended.");
    await this.#look();
  }

  /** What shows that it is still the same person: the password, and a code, or without one a passkey if there is one. */
  async #again(passwordId, codeId) {
    const [password, code] = [byId(passwordId).value, byId(codeId).value.trim()];
    if (code !== "") return { password, code };
    const { factors } = await this.server.get("/api/v1/me");
    if (!factors.includes("passkey")) return { password };
    return { password, passkey: await showPasskey(await this.server.post("/api/v1/me/passkeys/ask")) };
  }

  #tell(codes, words) {
    byId("own-codes").replaceChildren(...codes.map((code) => element("li", {}, element("code", {}, code))));
    show(byId("own-codes"), true);
    say(this.#status, words);
  }

  #on(form, submit) {
    byId(form).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#do(async () => {
        await submit();
        byId(form).reset();
      });
    });
  }

  async #do(what) {
    say(this.#status, "");
    show(byId("own-codes"), false);
    try {
      await what();
    } catch (error) {
      say(this.#status, error instanceof NoPasskey ? error.message : this.wrong(error));
    }
  }
}
