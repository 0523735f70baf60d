// What can go wrong, each told in words for people.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { Browser, Proxy, Server, chatting, withServer } from "./support.mjs";

let browser;
before(async () => { browser = await Browser.launch(); });
after(() => browser.close());
const inBrowser = (name, run, settings) => test(name, withServer(() => browser, run, settings));
const mayLose = { mayLose: true };

inBrowser("who may not connect from this address is told so", async ({ server, browser, test }) => {
  // Something between that changes the address, as a proxy that is not set up well does.
  const proxy = await Proxy.before(server, test);
  proxy.rewrite = (chunk) => {
    const text = chunk.toString("latin1");
    if (!/^(GET|POST) /.test(text)) return chunk;
    return Buffer.from(text.replace(/^Host: .*$/m, "Host: inside.example"), "latin1");
  };
  const ann = await browser.person(proxy.url, mayLose);
  await ann.reads("#connection", "This server does not let pages of the address http://127.0.0.1:");
  await ann.screenshot("trouble-origin");
});

inBrowser("too many connections of a network are told of", async ({ server, browser, test }) => {
  const ann = await browser.person(server.url, mayLose);
  await ann.reads("#range-hint", "km");
  await server.kill();
  await ann.losesConnection();
  // The one connection that a network may have is somebody else's.
  Object.assign(server.settings, { WHISPERCHAT_RATES__EXEMPT: "[]", WHISPERCHAT_LIMITS__ADDRESS_CONNECTIONS: "1" });
  const taken = new Promise((done) => {
    const knock = () => {
      const socket = net.connect(server.port, "127.0.0.1");
      test.after(() => socket.destroy());
      let answer = "";
      socket.on("data", (chunk) => {
        answer += chunk;
        if (answer.includes(" 200 OK")) done(socket);
        else socket.destroy();
      });
      socket.on("error", () => setTimeout(knock, 50));
      socket.on("close", () => { if (answer && !answer.includes(" 200 OK")) knock(); });
      socket.write("GET /icon.svg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    };
    knock();
  });
  await server.start();
  const socket = await taken;
  await ann.retries();
  await ann.reads("#connection", "There are too many connections from your network.");
  socket.destroy();
  await ann.reads("#connection", "");
}, {});

inBrowser("no network is told from no server", async ({ server, browser }) => {
  const ann = await browser.person(server.url, mayLose);
  await ann.reads("#range-hint", "km");
  await server.kill();
  await ann.losesConnection();
  await ann.reads("#connection", "The server can’t be reached.");
  await ann.context.setOffline(true);
  await ann.reads("#connection", "This device is not connected to a network.");
  await ann.context.setOffline(false);
  await server.start();
  await ann.reads("#connection", "");
});

inBrowser("where a WebSocket can't pass, the server is known to be there", async ({ server, browser, test }) => {
  const proxy = await Proxy.before(server, test);
  proxy.rewrite = (chunk) => Buffer.from(chunk.toString("latin1").replace(/^Upgrade: .*\r\n/m, ""), "latin1");
  const ann = await browser.person(proxy.url, mayLose);
  await ann.reads("#connection", "The server answers, but no connection comes about.");
});

/** A token for this server that is good for so many seconds (RFC 7519, with HMAC-SHA-256). */
function token(secret, seconds) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { iss: "door", aud: "chat", sub: "ann", exp: Math.floor(Date.now() / 1000) + seconds };
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

test("who has no token, an old one or a good one is told so or let in", async (test) => {
  const folder = await mkdtemp(path.join(tmpdir(), "whisperchat-"));
  test.after(() => rm(folder, { recursive: true }));
  const secret = "0123456789abcdef0123456789abcdef";
  const key = path.join(folder, "secret");
  await writeFile(key, secret, { mode: 0o600 });
  const settings = {
    WHISPERCHAT_AUTH__ALGORITHM: "HS256",
    WHISPERCHAT_AUTH__KEY: key,
    WHISPERCHAT_AUTH__ISSUER: "door",
    WHISPERCHAT_AUTH__AUDIENCE: "chat",
    WHISPERCHAT_AUTH__LEEWAY_S: "0",
  };
  await withServer(() => browser, async ({ server, browser }) => {
    const nobody = await browser.person(server.url, mayLose);
    await nobody.reads("#stopped-text", "This server admits only people who were sent by a site that it trusts.");
    const late = await browser.person(`${server.url}#token=${token(secret, -60)}`, mayLose);
    await late.reads("#stopped-text", "Your admission to this server has expired.");
    const ann = await browser.person(`${server.url}#token=${token(secret, 3600)}`, mayLose);
    assert.equal(ann.page.url(), server.url, "a token is not left where it is seen");
    await ann.join();
    await ann.reads("#status", "Looking for someone");
    const soon = await browser.person(`${server.url}#token=${token(secret, 4)}`, mayLose);
    await soon.reads("#range-hint", "km");
    await soon.reads("#stopped-text", "Your admission to this server has expired.");
    await soon.screenshot("trouble-token");
  }, settings)(test);
});

inBrowser("who goes on in another window is told so", async ({ server, browser, test }) => {
  const proxy = await Proxy.before(server, test);
  let taken = "";
  proxy.listen = (chunk) => { taken += chunk.toString("latin1"); };
  const [ann] = await chatting(browser, [proxy.url, server.url], mayLose);
  const [, resume] = /"resume_token":"([^"]+)"/.exec(taken);
  await ann.page.evaluate((token) => {
    const other = new WebSocket(`ws://${location.host}/v1/ws`, "whisperchat.v1.json");
    other.addEventListener("open", () => other.send(JSON.stringify({ type: "resume", token, last_seq: 0 })));
  }, resume);
  await ann.reads("#stopped-text", "This chat was continued in another window");
  await ann.page.click("#reload");
  await ann.isShown("#view-form");
});

// ---- The person's position ------------------------------------------------------------------------------

inBrowser("a position that can't be had is told of, and why", async ({ server, browser }) => {
  const denied = await browser.person(server.url, { permissions: [] });
  await denied.page.click("#locate");
  await denied.reads("#place-note", "The browser was not allowed to say where you are.");

  const ann = await browser.person(server.url, { permissions: ["geolocation"] });
  await ann.context.setGeolocation(null);
  await ann.page.click("#locate");
  await ann.reads("#place-note", "The browser could not find out where you are.");

  const slow = await browser.person(server.url, { permissions: ["geolocation"] });
  // No browser can be told to be slow; this one is, sooner than the page would have it.
  await slow.page.evaluate(() => {
    const code = GeolocationPositionError.TIMEOUT;
    navigator.geolocation.getCurrentPosition = (found, failed) => setTimeout(() => failed({ code }));
  });
  await slow.page.click("#locate");
  await slow.reads("#place-note", "took too long");

  const insecure = await browser.person(server.url.replace("127.0.0.1", "insecure.example"), mayLose);
  await insecure.page.click("#locate");
  await insecure.reads("#place-note", "only to pages with a secure address (https)");
  await insecure.join();
  await insecure.reads("#status", "Looking for someone");
});

// ---- The browser ----------------------------------------------------------------------------------------

test("an old browser is told that it is one", async (test) => {
  const server = await Server.start();
  test.after(() => server.kill());
  const ann = await browser.person("about:blank");
  // What one that knows no modules makes of the page.
  await ann.page.route(server.url, async (route) => {
    const answer = await route.fetch();
    const page = (await answer.text()).replace(/<script type="module".*?<\/script>/, "").replace("nomodule", "");
    await route.fulfill({ response: answer, body: page });
  });
  await ann.page.goto(server.url);
  await ann.isShown("#old-browser");
  await ann.reads("#old-browser", "This browser is too old");
  assert.equal(await ann.page.isVisible("#view-form"), false);
  await browser.goHome();
});

test("a browser without scripts is told what the page needs", async (test) => {
  const server = await Server.start();
  test.after(() => server.kill());
  const ann = await browser.person(server.url, { javaScriptEnabled: false });
  assert.match(await ann.page.innerText("noscript"), /needs JavaScript/);
  await browser.goHome();
});
