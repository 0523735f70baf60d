// What the tests share: a server, a way to cut connections, a browser, and people in front of it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import path from "node:path";
import { chromium } from "playwright-core";

export const BINARY = process.env.BROWSER_TEST_SERVER ?? "target/release/whisperchat";
const SCREENSHOTS = process.env.BROWSER_TEST_SCREENSHOTS ?? "target/browser";

/** Whatever is waited for comes within this time or not at all. */
export const LIMIT_MS = 20_000;

/** What Chromium logs by itself for every connection that is lost or refused; the tests that cut connections expect it. */
const LOST_CONNECTION = new RegExp(
  "^(WebSocket connection to|Failed to load resource: (net::ERR_|.* status of (403|404|426|429|503)))"
  + "|^An unknown error occurred when fetching the script"
  // Of an address that is not secure.
  + "|^The Cross-Origin-Opener-Policy header has been ignored, because the URL's origin was untrustworthy"
  // For a worker whose requests a test could not hold up.
  + "|^Service Worker registration blocked by Playwright",
);

/** A port of this machine that nobody listens at. */
export async function freePort() {
  const listener = net.createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  await once(listener, "close");
  return port;
}

/** The server as it is released, on a port that it keeps when it is started again. */
export class Server {
  static async start(settings = {}) {
    const server = new Server();
    server.port = await freePort();
    server.settings = settings;
    await server.start();
    return server;
  }

  async start() {
    const args = ["serve", "--listen", `127.0.0.1:${this.port}`];
    const own = { WHISPERCHAT_ADMIN_LISTEN: "off", WHISPERCHAT_STORE__URL: "off", WHISPERCHAT_LOG__LEVEL: "warn" };
    const env = { ...process.env, ...own, ...this.settings };
    this.process = spawn(BINARY, args, { env, stdio: ["ignore", "pipe", "inherit"] });
    this.ended = once(this.process, "exit");
    const dead = this.ended.then(([code]) => {
      throw new Error(`the server ended with ${code} before it listened`);
    });
    // The first line says that it listens.
    await Promise.race([once(this.process.stdout, "data"), dead]);
    dead.catch(() => {});
  }

  get url() {
    return `http://127.0.0.1:${this.port}/`;
  }

  /** Ends it without a word, as a machine that loses its power does. */
  async kill() {
    this.process.kill("SIGKILL");
    await this.ended;
  }

  /** Asks it to stop. */
  terminate() {
    this.process.kill("SIGTERM");
  }
}

/** Stands between browser and server, to cut what goes through. */
export class Proxy {
  /** For the time of a test. */
  static async before(server, test) {
    const proxy = new Proxy();
    test.after(() => proxy.end());
    proxy.sockets = new Set();
    proxy.isOpen = true;
    /** What becomes of what the browser sends. */
    proxy.rewrite = (chunk) => chunk;
    proxy.listen = () => {};
    proxy.listener = net.createServer((client) => {
      if (!proxy.isOpen) {
        client.destroy();
        return;
      }
      const upstream = net.connect(server.port, "127.0.0.1");
      client.on("data", (chunk) => upstream.write(proxy.rewrite(chunk)));
      upstream.on("data", (chunk) => proxy.listen(chunk));
      upstream.pipe(client);
      for (const socket of [client, upstream]) {
        proxy.sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => {
          proxy.sockets.delete(socket);
          client.destroy();
          upstream.destroy();
        });
      }
    });
    proxy.listener.listen(0, "127.0.0.1");
    await once(proxy.listener, "listening");
    return proxy;
  }

  get url() {
    return `http://127.0.0.1:${this.listener.address().port}/`;
  }

  /** Cuts every connection, and lets none through until `open`. */
  close() {
    this.isOpen = false;
    for (const socket of this.sockets) socket.destroy();
  }

  open() {
    this.isOpen = true;
  }

  end() {
    this.close();
    this.listener.close();
  }
}

/** One browser for a file of tests; each person has a profile of their own. */
export class Browser {
  static async launch() {
    const browser = new Browser();
    // Nothing of what a browser does beside showing pages; CI has no sandbox to give.
    const args = [
      "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
      "--disable-sync", "--no-first-run",
      // An address that browsers do not take for a secure one.
      "--host-resolver-rules=MAP insecure.example 127.0.0.1",
    ];
    browser.chromium = await chromium.launch({ executablePath: "/usr/bin/chromium", args });
    browser.people = [];
    return browser;
  }

  /** Somebody who opens the page. `mayLose`: connections are lost on purpose. */
  async person(url, { mayLose = false, ...options } = {}) {
    const context = await this.chromium.newContext({ viewport: { width: 390, height: 780 }, ...options });
    context.setDefaultTimeout(LIMIT_MS);
    const page = await context.newPage();
    const person = new Person(context, page, mayLose);
    this.people.push(person);
    await page.goto(url);
    return person;
  }

  /** Ends a test: everybody goes, and what their consoles said fails it. */
  async goHome() {
    const { people } = this;
    this.people = [];
    await Promise.all(people.map((person) => person.context.close()));
    const problems = people.flatMap((person) => person.problems);
    assert.deepEqual(problems, [], "the console is silent");
  }

  async close() {
    await this.chromium.close();
  }
}

export class Person {
  constructor(context, page, mayLose) {
    this.context = context;
    this.page = page;
    this.problems = [];
    page.on("console", (message) => {
      // Violations of the Content-Security-Policy are errors of the console.
      if (!["error", "warning"].includes(message.type())) return;
      if (mayLose && LOST_CONNECTION.test(message.text())) return;
      this.problems.push(message.text());
    });
    page.on("pageerror", (error) => this.problems.push(String(error)));
  }

  /** Fills in the form and looks for somebody. */
  async join({ name = "", place = "48.8566, 2.3522", range = 50 } = {}) {
    await this.page.fill("#place", place);
    await this.page.fill("#range", String(range));
    await this.page.fill("#name", name);
    await this.page.click("#join");
  }

  async isShown(selector) {
    await this.page.locator(selector).waitFor({ state: "visible", timeout: LIMIT_MS });
  }

  /** Until this is so on the page. */
  async holds(condition, argument) {
    await this.page.waitForFunction(condition, argument, { timeout: LIMIT_MS });
  }

  /** Until the page has noticed that there is no connection. What it says of it changes with each attempt. */
  async losesConnection() {
    await this.holds(() => document.querySelector("#connection").textContent !== "");
  }

  /** Tries to connect now, unless the page does so at this moment by itself. */
  async retries() {
    await this.page.evaluate(() => document.querySelector("#retry").click());
  }

  /** The map is loaded after everything else. */
  async seesMap() {
    await this.isShown("#map.is-there");
    await this.holds(() => document.querySelector("#globe").width > 0);
  }

  /** Has the page believe that the person looks at another window, or at this one again. */
  async looksAway(isAway) {
    await this.page.evaluate((isAway) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => isAway });
      document.dispatchEvent(new Event("visibilitychange"));
    }, isAway);
  }

  /** Until this stands somewhere in the element. */
  async reads(selector, text) {
    await this.page.waitForFunction(
      ([selector, text]) => document.querySelector(selector)?.textContent.includes(text),
      [selector, text],
      { timeout: LIMIT_MS },
    ).catch(async (cause) => {
      const instead = await this.page.textContent(selector);
      throw new Error(`${selector} never said ${JSON.stringify(text)}, but ${JSON.stringify(instead)}`, { cause });
    });
  }

  async say(text) {
    await this.page.fill("#text", text);
    await this.page.click("#send");
  }

  async screenshot(name) {
    await this.page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
  }
}

/** Two who have been matched. */
export async function chatting(browser, [annUrl, bobUrl], options = {}) {
  const ann = await browser.person(annUrl, options);
  await ann.join({ name: "Ann" });
  await ann.isShown("#view-waiting");
  const bob = await browser.person(bobUrl, options);
  await bob.join({ name: "Bob" });
  await ann.isShown("#view-chat");
  await bob.isShown("#view-chat");
  return [ann, bob];
}

/** A test with a server of its own. What the consoles of those who came said fails it. */
export function withServer(browserOf, run, settings) {
  return async (test) => {
    const server = await Server.start(settings);
    test.after(() => server.kill());
    const browser = browserOf();
    try {
      await run({ server, browser, test });
    } finally {
      await browser.goHome();
    }
  };
}
