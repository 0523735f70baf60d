// One's own account: another password, other recovery codes, leaving everywhere.

import { byId, element, say, show } from "./dom.js";

export class Own {
  #status = byId("own-status");

  /**
   * @param {import("./server.js").Server} server
   * @param {(error: Error) => string} wrong says what went wrong
   * @param {() => void} left is told when nobody is in any more
   */
  constructor(server, wrong, left) {
    this.wrong = wrong;
    this.#on("own-password", async () => {
      const [password, new_password] = [byId("own-old").value, byId("own-new").value];
      await server.post("/api/v1/me/password", { password, new_password });
      say(this.#status, "The password is changed, and all your other sessions have ended.");
    });
    this.#on("own-codes-form", async () => {
      const body = { password: byId("own-codes-password").value, code: byId("own-code").value.trim() };
      const { recovery_codes } = await server.post("/api/v1/me/recovery-codes", body);
      byId("own-codes").replaceChildren(...recovery_codes.map((code) => element("li", {}, element("code", {}, code))));
      show(byId("own-codes"), true);
      say(this.#status, "These recovery codes are good from now on, and none before them. They are shown only now.");
    });
    byId("own-everywhere").addEventListener("click", () => this.#do(async () => {
      await server.logOut(true);
      left();
    }));
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
      say(this.#status, this.wrong(error));
    }
  }
}
