// Connections that are lost in each state, and servers that go and come back.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, Proxy, chatting, withServer } from "./support.mjs";

let browser;
before(async () => { browser = await Browser.launch(); });
after(() => browser.close());
const inBrowser = (name, run, settings) => test(name, withServer(() => browser, run, settings));
const mayLose = { mayLose: true };

inBrowser("a connection lost over the form comes back by itself", async ({ server, browser, test }) => {
  const proxy = await Proxy.before(server, test);
  const ann = await browser.person(proxy.url, mayLose);
  await ann.reads("#range-hint", "km");
  proxy.close();
  await ann.losesConnection();
  proxy.open();
  await ann.reads("#connection", "");
  await ann.join();
  await ann.reads("#status", "Looking for someone");
});

inBrowser("a connection lost while waiting keeps the place", async ({ server, browser, test }) => {
  const proxy = await Proxy.before(server, test);
  const ann = await browser.person(proxy.url, mayLose);
  await ann.join({ name: "Ann" });
  await ann.reads("#status", "Looking for someone");
  proxy.close();
  await ann.losesConnection();
  await ann.isShown("#view-waiting");
  proxy.open();
  await ann.reads("#status", "Looking for someone");
  const bob = await browser.person(server.url);
  await bob.join({ name: "Bob" });
  await bob.reads("#partner", "Ann");
  await ann.reads("#partner", "Bob");
});

inBrowser("a connection lost in a chat loses and repeats nothing", async ({ server, browser, test }) => {
  const proxy = await Proxy.before(server, test);
  const [ann, bob] = await chatting(browser, [proxy.url, server.url], mayLose);
  await ann.say("one");
  await bob.reads("#log", "one");
  proxy.close();
  await bob.reads("#log", "Ann lost the connection and may come back.");
  await ann.losesConnection();
  await bob.say("while you were away");
  // What is written meanwhile stays.
  await ann.page.fill("#text", "half a thought");
  proxy.open();
  await ann.reads("#log", "while you were away");
  await bob.reads("#log", "Ann is back.");
  assert.equal(await ann.page.inputValue("#text"), "half a thought");
  await ann.say("two");
  await bob.reads("#log", "two");
  await bob.reads("#log", "delivered");
  for (const [person, texts] of [[ann, ["while you were away"]], [bob, ["one", "two"]]]) {
    const shown = await person.page.locator(".message.partner").allInnerTexts();
    assert.equal(shown.length, texts.length, shown.join("|"));
    texts.forEach((text, index) => assert.ok(shown[index].includes(text), shown[index]));
  }
});

inBrowser("what is said without a connection is queued, and said once it is back", async ({ server, browser, test }) => {
  const proxy = await Proxy.before(server, test);
  const [ann, bob] = await chatting(browser, [proxy.url, server.url], mayLose);
  proxy.close();
  await ann.losesConnection();
  const texts = ["first", "second", "third"];
  for (const text of texts) await ann.say(text);
  const marks = ann.page.locator(".message.own .mark");
  assert.deepEqual(await marks.allInnerTexts(), texts.map(() => "sending…"));
  await ann.page.fill("#text", "half a thought");
  proxy.open();
  await bob.reads("#log", "third");
  await ann.holds(() => [...document.querySelectorAll(".own .mark")].every((mark) => mark.textContent === "delivered"));
  const shown = await bob.page.locator(".message.partner .message-text").allInnerTexts();
  assert.deepEqual(shown, texts);
  assert.equal(await marks.count(), texts.length);
  assert.equal(await ann.page.inputValue("#text"), "half a thought");
});

inBrowser("what was queued in a chat that is over is marked as not sent", async ({ server, browser, test }) => {
  const proxy = await Proxy.before(server, test);
  const [ann, bob] = await chatting(browser, [proxy.url, server.url], mayLose);
  proxy.close();
  await ann.losesConnection();
  await ann.say("too late");
  await bob.reads("#log", "Ann lost the connection");
  await bob.page.click("#leave");
  await bob.isShown("#view-form");
  proxy.open();
  await ann.reads("#over-text", "Bob left the chat.");
  await ann.reads(".message.own .mark", "not sent");
  assert.equal(await ann.page.locator(".again").count(), 0);
});

inBrowser("who comes back to an empty chat is told so", async ({ server, browser, test }) => {
  const proxy = await Proxy.before(server, test);
  const [ann, bob] = await chatting(browser, [proxy.url, server.url], mayLose);
  proxy.close();
  await bob.reads("#log", "Ann lost the connection");
  await bob.page.click("#leave");
  await bob.isShown("#view-form");
  proxy.open();
  await ann.reads("#over-text", "Bob left the chat.");
  await ann.page.click("#next");
  await ann.reads("#status", "Looking for someone");
});

inBrowser("a server that dies and comes back is found again", async ({ server, browser }) => {
  const [ann, bob] = await chatting(browser, [server.url, server.url], mayLose);
  const eve = await browser.person(server.url, mayLose);
  await eve.join({ name: "Eve", place: "0, 0" });
  await eve.reads("#status", "Looking for someone");
  await server.kill();
  for (const person of [ann, bob, eve]) await person.losesConnection();
  await server.start();
  // Nobody remembers them: the chat is over, and who waited waits again.
  for (const person of [ann, bob]) await person.reads("#over-text", "so this chat is over");
  await eve.reads("#status", "Looking for someone");
  const fay = await browser.person(server.url, mayLose);
  await fay.join({ name: "Fay", place: "0, 0" });
  await fay.reads("#partner", "Eve");
  await ann.page.click("#next");
  await ann.reads("#status", "Looking for someone");
});

inBrowser("a server that stops says when to come back", async ({ server, browser }) => {
  const [ann] = await chatting(browser, [server.url, server.url], mayLose);
  server.terminate();
  await ann.reads("#connection", "going away for a while");
  await ann.reads("#over-text", "The server went away");
});

inBrowser("a full server is told from one that is not there", async ({ server, browser }) => {
  const ann = await browser.person(server.url, mayLose);
  await ann.reads("#range-hint", "km");
  const bob = await browser.person(server.url, { mayLose: true });
  await bob.reads("#connection", "The server is full.");
  await bob.isShown("#retry");
  await ann.page.close();
  await bob.retries();
  await bob.reads("#connection", "");
}, { WHISPERCHAT_LIMITS__MAX_CONNECTIONS: "1" });
