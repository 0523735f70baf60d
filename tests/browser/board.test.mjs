// The operators' board, with a crowd of people on the server.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { BINARY, Browser, LIMIT_MS, Server, freePort } from "./support.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TOKEN = "a-token-that-nobody-guesses";

let browser;
before(async () => { browser = await Browser.launch(); });
after(() => browser.close());

/** A test with a server of its own, which counts in steps of a second. What a console says fails it. */
function onServer(name, run, settings = {}) {
  test(name, async (test) => {
    const admin = `127.0.0.1:${await freePort()}`;
    const own = { WHISPERCHAT_ADMIN_LISTEN: admin, WHISPERCHAT_ADMIN__HISTORY_STEP_S: "1" };
    const server = await Server.start({ ...own, ...settings });
    test.after(() => server.kill());
    try {
      await run({ server, board: `http://${admin}/`, test });
    } finally {
      await browser.goHome();
    }
  });
}

/** People on the server, for as long as the test lasts. */
function swarm(server, test, ...options) {
  const args = ["swarm", ...options, "--server", `127.0.0.1:${server.port}`, "--duration", "600s"];
  const people = spawn(BINARY, args, { stdio: "ignore" });
  const ended = once(people, "exit");
  test.after(async () => {
    people.kill("SIGKILL");
    await ended;
  });
}

/** Until what is shown satisfies a condition, which is told its text. Returns the text. */
async function until(person, selector, isSo, what) {
  const deadline = performance.now() + LIMIT_MS;
  let text;
  do {
    text = await person.page.locator(selector).first().textContent();
    if (isSo(text)) return text;
    await person.page.evaluate(() => new Promise((resolve) => { setTimeout(resolve, 50); }));
  } while (performance.now() < deadline);
  return assert.fail(`${selector} never was ${what}, but ${text}`);
}

const number = (text) => Number(text.replaceAll(",", ""));
const isAbove = (least) => (text) => number(text) > least;

/** What the browser itself says about answers and connections that a test asks for. */
function forgive(person, pattern) {
  assert.ok(person.problems.some((problem) => pattern.test(problem)), `${pattern} was said`);
  person.problems = person.problems.filter((problem) => !pattern.test(problem));
}

async function assertNoSeriousFault(person, where) {
  await person.page.evaluate(AXE);
  const { violations } = await person.page.evaluate(() => globalThis.axe.run());
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(", ")}`), [], where);
}

async function assertFits(person, where) {
  const [needed, there] = await person.page.evaluate(() => [
    document.documentElement.scrollWidth, document.documentElement.clientWidth,
  ]);
  assert.ok(needed <= there, `${where} is ${needed} wide where ${there} are there`);
}

/** How many colours the middle of a canvas has. */
function coloursOf(person, selector) {
  return person.page.locator(selector).first().evaluate((canvas) => {
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    return new Set(new Uint32Array(data.buffer)).size;
  });
}

const SCREENS = {
  desktop: { viewport: { width: 1280, height: 900 } },
  "desktop-dark": { viewport: { width: 1280, height: 900 }, colorScheme: "dark" },
  phone: { viewport: { width: 390, height: 780 }, hasTouch: true },
  small: { viewport: { width: 360, height: 640 }, hasTouch: true, colorScheme: "dark" },
};

onServer("a crowd is shown as it is, also to who comes later, on every screen", async ({ server, board, test }) => {
  swarm(server, test, "crowd", "--arrivals", "60", "--talk", "4s");
  const ann = await browser.person(board, SCREENS.desktop);
  await until(ann, "#now-connections", isAbove(100), "above 100");
  await until(ann, "#now-arrivals", isAbove(10), "above 10 a second");
  await until(ann, "#now-matches", isAbove(1), "above 1 a second");
  await until(ann, "#now-messages", isAbove(1), "above 1 a second");
  await until(ann, "#now-time-to-match", (text) => /\d/.test(text), "known");
  await until(ann, "#now-memory", (text) => /MiB$/.test(text), "in MiB");
  const before = await ann.page.textContent("#now-messages + dd");
  await until(ann, "#now-messages + dd", (text) => text !== before, "another figure");
  await until(ann, "#plot-ended .summary", (text) => text.includes("1000 done"), "about 1000");

  // Parts of the world with 5 people or more, drawn and as a table.
  await until(ann, "#map-summary", (text) => /^[1-9]/.test(text), "about a part of the world");
  const cells = await ann.page.locator("#map .cell").count();
  assert.ok(cells > 0);
  await ann.page.locator("#map ~ details > summary").click();
  const people = await ann.page.locator("#map-rows td").allTextContents();
  assert.equal(people.length, cells);
  assert.ok(people.every((text) => number(text) >= 5), people.join());

  const steps = await ann.page.evaluate(async () => (await (await fetch("/api/v1/history")).json()).at_ms.length);
  for (const [screen, options] of Object.entries(SCREENS)) {
    const late = await browser.person(board, options);
    await until(late, "#plot-sessions .summary", (text) => text.includes("chatting"), "about chats");
    // The hours before it came are there at once, and drawn.
    const shown = await late.page.evaluate(() => document.querySelectorAll("#plots canvas").length);
    assert.equal(shown, 9, screen);
    assert.ok(await coloursOf(late, "#plot-sessions canvas") > 3, screen);
    await until(late, "#plot-sessions tbody tr:nth-child(2) td:nth-child(4)", isAbove(0), "the most that chatted");
    await until(late, "#map-summary", (text) => /^[1-9]/.test(text), "about a part of the world");
    await assertFits(late, screen);
    await assertNoSeriousFault(late, screen);
    await late.page.screenshot({ path: screenshotPath(`board-${screen}`), fullPage: true });
  }
  assert.ok(steps > 2, `${steps} steps`);
});

function screenshotPath(name) {
  return `${process.env.BROWSER_TEST_SCREENSHOTS ?? "target/browser"}/${name}.png`;
}

/** Goes forward by the keyboard until this has the focus. */
async function go(person, id) {
  for (let step = 0; step < 60; step += 1) {
    if (await person.page.evaluate((id) => document.activeElement?.id === id, id)) return;
    await person.page.keyboard.press("Tab");
  }
  assert.fail(`the focus never comes to ${id}`);
}

onServer("a drain is asked for twice, shows how far it is, and can be called off, by the keyboard", async ({ server, board, test }) => {
  swarm(server, test, "idle", "--connections", "300", "--ramp", "1s");
  const ann = await browser.person(board, SCREENS.desktop);
  const { keyboard } = ann.page;
  await until(ann, "#now-connections", (text) => number(text) === 300, "300");
  await go(ann, "drain-start");
  await keyboard.press("Enter");
  await ann.reads("#drain-words", "300 connections");
  // The answer that changes nothing has the focus.
  await keyboard.press("Enter");
  await ann.page.locator("#drain-question").waitFor({ state: "hidden" });
  assert.equal(await ann.page.textContent("#state"), "Ready");
  await keyboard.press("Enter");
  await ann.isShown("#drain-question");
  await assertNoSeriousFault(ann, "the question");
  await keyboard.press("Shift+Tab");
  await keyboard.press("Enter");
  await ann.reads("#state", "Draining");
  await until(ann, "#drain-status", (text) => /^[1-9]\d* of 300 connections have gone/.test(text), "on its way");
  const gone = await ann.page.locator("#drain-progress").evaluate((progress) => progress.value);
  assert.ok(gone > 0 && gone <= 1, `${gone}`);
  // Who comes only now sees the same.
  const bob = await browser.person(board, SCREENS.phone);
  await bob.reads("#drain-status", "of 300 connections have gone");
  await bob.page.screenshot({ path: screenshotPath("board-drain"), fullPage: true });
  await go(ann, "drain-cancel");
  await keyboard.press("Enter");
  await ann.reads("#state", "Ready");
  await ann.reads("#drain-status", "takes people in");
  await bob.reads("#state", "Ready");
}, { WHISPERCHAT_LIMITS__DRAIN_S: "600" });

onServer("one session is found by its name and ended", async ({ server, board }) => {
  const bob = await browser.person(server.url);
  const session = await bob.page.evaluate(() => new Promise((resolve) => {
    const socket = new WebSocket(`ws://${location.host}/v1/ws`, "whisperchat.v1.json");
    globalThis.endOfSession = new Promise((over) => { socket.onclose = ({ code }) => over(code); });
    socket.onmessage = ({ data }) => resolve(JSON.parse(data).session);
  }));
  const ann = await browser.person(board, SCREENS.desktop);
  await ann.isShown("#session");
  await ann.page.fill("#session", session.toUpperCase());
  await ann.page.press("#session", "Enter");
  await ann.reads("#search-status", `Session ${session} neither waits nor chats.`);
  await ann.reads("#found", "v1");
  await assertNoSeriousFault(ann, "a session");
  await ann.page.click("#end-start");
  await ann.page.click("#end-no");
  await ann.page.click("#end-start");
  await ann.page.click("#end-yes");
  await ann.reads("#search-status", "was ended");
  assert.equal(await bob.page.evaluate(() => globalThis.endOfSession), 4000);
  // It is gone, and what never was a name is told from that.
  await ann.page.press("#session", "Enter");
  await ann.reads("#search-status", "no such session any more");
  await ann.page.fill("#session", "<b>ann</b>");
  await ann.page.press("#session", "Enter");
  await ann.reads("#search-status", "16 hexadecimal digits");
  await ann.isShown("#search-status");
  forgive(ann, /status of 40[04]/);
}, { WHISPERCHAT_LIMITS__FIRST_MESSAGE_S: "600" });

onServer("a token is asked for, kept for the tab, and forgotten", async ({ board }) => {
  const ann = await browser.person(board, SCREENS.phone);
  await ann.isShown("#login");
  assert.equal(await ann.page.locator("#board").isVisible(), false);
  await assertNoSeriousFault(ann, "the question who it is");
  await ann.page.screenshot({ path: screenshotPath("board-login") });
  await ann.page.locator("#token-part > summary").click();
  await assertNoSeriousFault(ann, "the question for the token, unfolded");
  await ann.page.fill("#token", `${TOKEN}-or-not`);
  await ann.page.press("#token", "Enter");
  await ann.reads("#token-error", "That is not the token.");
  await ann.page.fill("#token", TOKEN);
  await ann.page.press("#token", "Enter");
  await ann.reads("#state", "Ready");
  await ann.page.reload();
  await ann.reads("#state", "Ready");
  const kept = await ann.page.evaluate(() => [localStorage.length, document.cookie, sessionStorage.length]);
  assert.deepEqual(kept, [0, "", 1]);
  await ann.page.click("#sign-out");
  await ann.isShown("#login");
  await ann.page.reload();
  await ann.isShown("#login");
  forgive(ann, /status of 401/);
}, { WHISPERCHAT_ADMIN__TOKEN: TOKEN });

onServer("a server that is gone is said to be, and found again by itself", async ({ server, board }) => {
  const ann = await browser.person(board, SCREENS.desktop);
  await ann.reads("#state", "Ready");
  await server.kill();
  await ann.reads("#trouble", "can’t be reached since");
  await ann.reads("#state", "Out of reach");
  await server.start();
  await ann.reads("#state", "Ready");
  await ann.reads("#trouble", "");
  assert.equal(await ann.page.textContent("#trouble"), "");
  forgive(ann, /Failed to load resource: net::ERR/);
});

onServer("a board that nobody sees asks for nothing", async ({ board }) => {
  const ann = await browser.person("about:blank", SCREENS.desktop);
  const { clock } = ann.page;
  await clock.install();
  await ann.page.goto(board);
  await ann.reads("#state", "Ready");
  const asked = [];
  ann.page.on("request", (request) => asked.push(request.url()));
  const hide = (isHidden) => ann.page.evaluate((isHidden) => {
    Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, isHidden);
  await hide(true);
  // A minute of the page's time.
  await clock.runFor(60_000);
  const atMost = asked.length;
  await clock.runFor(60_000);
  assert.equal(asked.length, atMost, asked.join());
  const answered = ann.page.waitForResponse((response) => response.url().endsWith("/api/v1/status"));
  await hide(false);
  await answered;
});

/** Settings of a server that keeps accounts in a folder of its own. */
function withStore() {
  const folder = mkdtempSync(path.join(tmpdir(), "whisperchat-"));
  return { WHISPERCHAT_STORE__URL: "auto", WHISPERCHAT_STORE__FOLDER: folder };
}

/** Makes an account by the command line. What is behind `#` in the link that it prints. */
function invite(store, name, role) {
  const args = ["admin", "create", name, "--role", role];
  const printed = execFileSync(BINARY, args, { env: { ...process.env, ...store }, encoding: "utf8" });
  return printed.match(/#invitation=\S+/)[0];
}

/** What an authenticator shows (RFC 6238). */
function totp(secret, steps = 0) {
  const bits = [...secret.replaceAll(" ", "")].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0"));
  const key = Buffer.from(bits.join("").match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const mac = createHmac("sha1", key).update(counter).digest();
  const code = mac.readUInt32BE(mac[19] & 0xf) & 0x7fffffff;
  return String(code % 1_000_000).padStart(6, "0");
}

const PASSWORD = "seven green lamps";

async function enter(person, field, text) {
  await person.page.fill(field, text);
  await person.page.press(field, "Enter");
}

const ofAdmin = withStore();
onServer("an account is taken by its link, enrols a second factor, and logs in, goes on and out", async ({ board }) => {
  const ann = await browser.person("about:blank", SCREENS.desktop);
  await ann.page.goto(`${board}${invite(ofAdmin, "ann", "admin")}`);
  await ann.reads("#invitation-words", "It is called ann, and made for an admin.");
  await assertNoSeriousFault(ann, "an invitation");
  await enter(ann, "#new-password", "password");
  await ann.reads("#invitation-error", "most common");
  await enter(ann, "#new-password", PASSWORD);
  await ann.isShown("#login-name");
  assert.equal(await ann.page.inputValue("#name"), "ann");
  assert.ok(!ann.page.url().includes("invitation"), ann.page.url());
  await enter(ann, "#password", "not that one");
  await ann.reads("#login-error", "The name or the password is wrong.");
  await enter(ann, "#password", PASSWORD);
  await ann.isShown("#login-enrol");
  await assertNoSeriousFault(ann, "enrolling");
  await ann.page.screenshot({ path: screenshotPath("board-enrol") });
  const secret = await ann.page.textContent("#enrol-secret");
  await enter(ann, "#enrol-code", "000000");
  await ann.reads("#enrol-error", "The code is wrong");
  await enter(ann, "#enrol-code", totp(secret));
  await ann.isShown("#login-codes");
  await assertNoSeriousFault(ann, "recovery codes");
  const codes = await ann.page.locator("#codes li").allTextContents();
  assert.equal(codes.length, 10);
  await ann.page.click("#codes-done");
  await ann.reads("#state", "Ready");
  await ann.reads("#who", "ann, admin");
  await ann.isShown("#drain-start");
  // Somebody else is invited, and let in no more.
  await ann.page.fill("#invite-name", "bob");
  await ann.page.selectOption("#invite-role", "moderator");
  await ann.page.press("#invite-name", "Enter");
  await ann.reads("#accounts-rows", "bob");
  assert.match(await ann.page.inputValue("#invitation-link"), /#invitation=[\w-]{43}$/);
  await ann.page.getByRole("button", { name: "Let in no more: bob" }).click();
  await ann.reads("#accounts-rows", "is let in no more");
  await ann.page.getByRole("button", { name: "Let in no more: ann" }).click();
  await ann.reads("#accounts-status", "no admin would be left");
  await assertNoSeriousFault(ann, "accounts");
  await assertFits(ann, "accounts");
  await ann.page.screenshot({ path: screenshotPath("board-accounts"), fullPage: true });
  // Nothing that lets anybody in is where a script could find it.
  const kept = await ann.page.evaluate(() => [Object.values(localStorage), document.cookie, sessionStorage.length]);
  assert.deepEqual(kept, [["yes"], "", 0]);
  await ann.page.reload();
  await ann.reads("#state", "Ready");
  // Another tab goes on with the same cookie, which is another one then, and this one with that.
  const other = await ann.page.context().newPage();
  await other.goto(board);
  await other.locator("#who", { hasText: "ann, admin" }).waitFor();
  await ann.page.reload();
  await ann.reads("#who", "ann, admin");
  await ann.page.click("#sign-out");
  await ann.isShown("#login-name");
  await ann.page.reload();
  await ann.isShown("#login-name");
  await ann.page.fill("#name", "ann");
  await enter(ann, "#password", PASSWORD);
  await ann.isShown("#login-factor");
  await assertNoSeriousFault(ann, "the second factor");
  await enter(ann, "#factor-code", "000000");
  await ann.reads("#factor-error", "The code is wrong");
  await enter(ann, "#factor-code", codes[0]);
  await ann.reads("#who", "ann, admin");
  forgive(ann, /status of 40[0139]/);
}, ofAdmin);

const ofViewer = withStore();
onServer("a viewer sees the figures and nothing to steer by, in light and dark", async ({ board }) => {
  const code = invite(ofViewer, "vera", "viewer");
  const vera = await browser.person("about:blank", SCREENS.small);
  await vera.page.goto(`${board}${code}`);
  await enter(vera, "#new-password", PASSWORD);
  await vera.isShown("#login-name");
  await assertNoSeriousFault(vera, "logging in, in the dark");
  await assertFits(vera, "logging in");
  await vera.page.screenshot({ path: screenshotPath("board-login-dark") });
  await enter(vera, "#password", PASSWORD);
  await vera.reads("#who", "vera, viewer");
  await vera.isShown("#now");
  for (const part of ["#drain-start", "#search"]) assert.equal(await vera.page.locator(part).isVisible(), false, part);
  // An account that is disabled meanwhile is out at the next look.
  execFileSync(BINARY, ["admin", "disable", "vera"], { env: { ...process.env, ...ofViewer } });
  await vera.isShown("#login-name");
  forgive(vera, /status of 401/);
}, ofViewer);
