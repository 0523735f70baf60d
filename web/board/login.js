// Logging in: name and password, a second factor, enrolling one, taking an account by an invitation.

import { byId, element, say, show } from "./dom.js";
import { NoPasskey, makePasskey, showPasskey } from "./passkeys.js";
import { Refused } from "./server.js";

const STEPS = ["login-name", "login-factor", "login-enrol", "login-codes", "login-invitation"];

/** What stands behind `#` in the address of an invitation. */
const INVITATION = "#invitation=";

function sentence(error) {
  if (error instanceof NoPasskey) return error.message;
  if (!(error instanceof Refused)) return "The server can’t be reached.";
  const { message } = error;
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;
}

export class Login {
  #factorToken = "";
  /** Until a second factor is enrolled, which takes the password again. */
  #password = "";

  /** @param {import("./server.js").Server} server @param {() => void} entered is told when somebody is in */
  constructor(server, entered) {
    this.server = server;
    this.entered = entered;
    this.#on("login-form", "login-error", () => this.#name());
    this.#on("factor-form", "factor-error", () => this.#factor());
    this.#on("factor-passkey-form", "factor-passkey-error", () => this.#passkey());
    this.#on("enrol-form", "enrol-error", () => this.#enrol());
    this.#on("enrol-passkey-form", "enrol-passkey-error", () => this.#enrolPasskey());
    this.#on("invitation-form", "invitation-error", () => this.#take());
    this.#on("token-form", "token-error", async () => {
      this.server.useToken(byId("token").value.trim());
      byId("token").value = "";
      this.entered();
    });
    byId("codes-done").addEventListener("click", () => this.entered());
    byId("enrol-cancel").addEventListener("click", () => this.#leave());
    byId("factor-cancel").addEventListener("click", () => this.show());
  }

  /** Asks who it is; for whoever follows an invitation, to take the account. */
  show(words = "") {
    this.#password = "";
    if (location.hash.startsWith(INVITATION)) {
      this.#showInvitation();
      return;
    }
    this.#step("login-name", "name");
    say(byId("login-error"), words);
  }

  /** Says what was wrong with the token. */
  showToken(words) {
    this.show();
    byId("token-part").open = true;
    say(byId("token-error"), words);
    byId("token").focus();
  }

  #step(name, focused) {
    for (const step of STEPS) show(byId(step), step === name);
    for (const error of document.querySelectorAll("#login .field-error")) say(error, "");
    byId(focused).focus();
  }

  /** One answer at a time, and what goes wrong is said beside the form. */
  #on(form, error, submit) {
    byId(form).addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = byId(form).querySelector("button.primary");
      if (button.disabled) return;
      button.disabled = true;
      say(byId(error), "");
      try {
        await submit();
      } catch (problem) {
        say(byId(error), sentence(problem));
      } finally {
        button.disabled = false;
      }
    });
  }

  async #name() {
    const [name, password] = [byId("name").value.trim(), byId("password").value];
    this.#password = password;
    const answer = await this.server.logIn("/api/v1/login", { name, password });
    byId("password").value = "";
    if (answer.step === "factor") {
      this.#factorToken = answer.factor_token;
      this.#askForFactor(answer.factors);
      return;
    }
    await this.#in(answer);
  }

  #askForFactor(factors) {
    const [hasCodes, hasPasskey] = [factors.includes("totp"), factors.includes("passkey")];
    show(byId("factor-passkey-form"), hasPasskey);
    say(byId("factor-label"), hasCodes ? "The six digits of your authenticator, or a recovery code" : "Or a recovery code");
    this.#step("login-factor", hasPasskey ? "factor-passkey" : "factor-code");
  }

  async #passkey() {
    const factor_token = this.#factorToken;
    const credential = await showPasskey(await this.server.post("/api/v1/login/passkey/begin", { factor_token }));
    await this.#in(await this.server.logIn("/api/v1/login/passkey", { factor_token, credential }));
  }

  async #factor() {
    const code = byId("factor-code").value.trim();
    byId("factor-code").value = "";
    const answer = await this.server.logIn("/api/v1/login/factor", { factor_token: this.#factorToken, code });
    await this.#in(answer);
  }

  async #in({ account }) {
    const password = this.#password;
    if (!account.must_enrol) {
      this.#password = "";
      this.entered();
      return;
    }
    const { secret, uri } = await this.server.post("/api/v1/me/factor", { password });
    say(byId("enrol-secret"), secret.replaceAll(/(.{4})(?=.)/g, "$1 "));
    byId("enrol-uri").href = uri;
    this.#step("login-enrol", "enrol-code");
  }

  async #enrol() {
    const code = byId("enrol-code").value.trim();
    byId("enrol-code").value = "";
    const { recovery_codes } = await this.server.post("/api/v1/me/factor/confirm", { code });
    this.#enrolled(recovery_codes);
  }

  async #enrolPasskey() {
    const begun = await this.server.post("/api/v1/me/passkeys", { password: this.#password });
    const credential = await makePasskey(begun);
    const name = byId("enrol-passkey-name").value.trim();
    const { recovery_codes } = await this.server.post("/api/v1/me/passkeys/confirm", { name, credential });
    byId("enrol-passkey-name").value = "";
    this.#enrolled(recovery_codes);
  }

  #enrolled(recovery_codes) {
    this.#password = "";
    byId("enrol-secret").textContent = "";
    byId("enrol-uri").removeAttribute("href");
    byId("codes").replaceChildren(...recovery_codes.map((code) => element("li", {}, element("code", {}, code))));
    this.#step("login-codes", "codes-done");
  }

  async #leave() {
    // Whether it could be reached or not, this page is out.
    await this.server.logOut().catch(() => {});
    this.show();
  }

  async #showInvitation() {
    this.#step("login-invitation", "new-password");
    try {
      const { name, role } = await this.server.get(this.#invitation());
      say(byId("invitation-words"), `It is called ${name}, and made for ${role === "admin" ? "an admin" : `a ${role}`}.`);
      byId("invitation-name").value = name;
    } catch (error) {
      say(byId("invitation-error"), sentence(error));
    }
  }

  async #take() {
    const password = byId("new-password").value;
    const { name } = await this.server.post(this.#invitation(), { password });
    byId("new-password").value = "";
    // It is used, and of no worth to whoever finds it in the history.
    window.history.replaceState(null, "", location.pathname);
    this.show();
    byId("name").value = name;
    byId("password").focus();
  }

  #invitation() {
    return `/api/v1/invitations/${encodeURIComponent(location.hash.slice(INVITATION.length))}`;
  }
}
