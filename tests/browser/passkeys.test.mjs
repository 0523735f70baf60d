// Passkeys on the operators' board, with an authenticator that Chromium plays.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { BINARY, Browser, Server, freePort } from "./support.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PASSWORD = "seven green lamps";

let browser;
before(async () => { browser = await Browser.launch(); });
after(() => browser.close());

/** A server with an account that nobody has taken yet, and its owner, whose device asks for a finger. */
function invited(name, role, run) {
  test(name, async (test) => {
    const folder = await mkdtemp(join(tmpdir(), "whisperchat-"));
    const port = await freePort();
    const store = { WHISPERCHAT_STORE__URL: "auto", WHISPERCHAT_STORE__FOLDER: folder };
    const server = await Server.start({ WHISPERCHAT_ADMIN_LISTEN: `127.0.0.1:${port}`, ...store });
    test.after(async () => {
      server.kill();
      await rm(folder, { recursive: true, force: true });
    });
    const printed = execFileSync(BINARY, ["admin", "create", "ann", "--role", role], { env: { ...process.env, ...store }, encoding: "utf8" });
    const [invitation] = printed.match(/#invitation=\S+/);
    try {
      const ann = await browser.person("about:blank", { viewport: { width: 1280, height: 900 } });
      const device = await authenticator(ann);
      // Browsers let pages of localhost have passkeys, and none of an address.
      await run({ ann, device, board: `http://localhost:${port}/`, address: `http://127.0.0.1:${port}/`, invitation });
    } finally {
      await browser.goHome();
    }
  });
}

/** A device that keeps passkeys and sees that its owner is there, in the place of one that has to be touched. */
async function authenticator(person) {
  const devtools = await person.context.newCDPSession(person.page);
  await devtools.send("WebAuthn.enable");
  const options = {
    protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true,
    isUserVerified: true, automaticPresenceSimulation: true,
  };
  const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", { options });
  return {
    async keys() {
      const { credentials } = await devtools.send("WebAuthn.getCredentials", { authenticatorId });
      return credentials.length;
    },
    /** Whether the owner is the one who touches it. */
    knows: (isUserVerified) => devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified }),
    lose: () => devtools.send("WebAuthn.clearCredentials", { authenticatorId }),
  };
}

async function enter(person, field, text) {
  await person.page.fill(field, text);
  await person.page.press(field, "Enter");
}

async function take(person, url) {
  await person.page.goto(url);
  await enter(person, "#new-password", PASSWORD);
  await person.isShown("#login-name");
  await enter(person, "#password", PASSWORD);
}

async function assertNoSeriousFault(person, what) {
  await person.page.evaluate(AXE);
  const { violations } = await person.page.evaluate(() => globalThis.axe.run());
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(", ")}`), [], what);
}

function forgive(person, problem) {
  person.problems = person.problems.filter((said) => !problem.test(said));
}

invited("a passkey is the second factor of somebody who has no other", "admin", async ({ ann, device, board, invitation }) => {
  await take(ann, `${board}${invitation}`);
  await ann.isShown("#login-enrol");
  await assertNoSeriousFault(ann, "enrolling");
  await enter(ann, "#enrol-passkey-name", "my laptop");
  await ann.isShown("#login-codes");
  assert.equal(await device.keys(), 1);
  const codes = await ann.page.locator("#codes li").allTextContents();
  assert.equal(codes.length, 10);
  await ann.page.click("#codes-done");
  await ann.reads("#who", "ann, admin");
  await ann.page.click("#sign-out");
  await ann.isShown("#login-name");
  // In again by the keyboard alone: the button has the focus.
  await ann.page.fill("#name", "ann");
  await enter(ann, "#password", PASSWORD);
  await ann.isShown("#factor-passkey");
  await ann.reads("#factor-label", "Or a recovery code");
  await assertNoSeriousFault(ann, "the second factor");
  await ann.screenshot("board-passkey");
  await ann.page.keyboard.press("Enter");
  await ann.reads("#who", "ann, admin");
  // Somebody else has the laptop, and then nobody has it.
  await ann.page.click("#sign-out");
  await ann.page.fill("#name", "ann");
  await enter(ann, "#password", PASSWORD);
  await ann.isShown("#factor-passkey");
  await device.knows(false);
  await ann.page.click("#factor-passkey");
  await ann.reads("#factor-passkey-error", "No passkey was shown.");
  await device.lose();
  await enter(ann, "#factor-code", codes[0]);
  await ann.reads("#who", "ann, admin");
  forgive(ann, /status of 40[0139]/);
});

invited("passkeys are added, shown again and removed on one’s own account", "viewer", async ({ ann, device, board, invitation }) => {
  await take(ann, `${board}${invitation}`);
  await ann.reads("#who", "ann, viewer");
  await ann.page.getByText("Passkeys", { exact: true }).click();
  await ann.isShown("#own-no-passkeys");
  await ann.page.fill("#own-passkey-name", "my phone");
  await enter(ann, "#own-passkey-password", "not that one");
  await ann.reads("#own-status", "the password is wrong");
  await enter(ann, "#own-passkey-password", PASSWORD);
  await ann.reads("#own-status", "The passkey is in use");
  await ann.reads("#own-passkeys", "my phone: made ");
  assert.equal(await ann.page.locator("#own-codes li").count(), 10);
  await assertNoSeriousFault(ann, "passkeys");
  await ann.screenshot("board-own-passkeys");
  // The same device has one already.
  await ann.page.fill("#own-passkey-name", "the same phone");
  await enter(ann, "#own-passkey-password", PASSWORD);
  await ann.reads("#own-status", "There is a passkey for this account already.");
  assert.equal(await device.keys(), 1);
  // Other codes, by the passkey instead of a code.
  await ann.page.getByText("Other recovery codes").click();
  await enter(ann, "#own-codes-password", PASSWORD);
  await ann.reads("#own-status", "These recovery codes are good from now on");
  await ann.page.getByRole("button", { name: "Remove: my phone" }).press("Enter");
  await ann.reads("#own-passkey-words", "my phone is good no more then");
  await enter(ann, "#own-remove-password", PASSWORD);
  await ann.reads("#own-status", "The passkey is removed");
  await ann.isShown("#own-no-passkeys");
  await ann.page.click("#sign-out");
  await ann.page.fill("#name", "ann");
  await enter(ann, "#password", PASSWORD);
  await ann.reads("#who", "ann, viewer");
  forgive(ann, /status of 40[0139]/);
});

invited("who has the board by an address is told by which name passkeys are to be had", "moderator", async ({ ann, device, address, invitation }) => {
  await take(ann, `${address}${invitation}`);
  await ann.isShown("#login-enrol");
  await enter(ann, "#enrol-passkey-name", "my laptop");
  await ann.reads("#enrol-passkey-error", "Passkeys are for localhost: open the board by that name");
  assert.equal(await device.keys(), 0);
});
