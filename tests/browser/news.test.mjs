// What tells a person who looks elsewhere that something has happened.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, chatting, withServer } from "./support.mjs";

let browser;
before(async () => { browser = await Browser.launch(); });
after(() => browser.close());
const inBrowser = (name, run) => test(name, withServer(() => browser, run));

/** Counts the tones that are played from now on. */
async function listen(person) {
  await person.page.evaluate(() => {
    globalThis.tones = 0;
    const { start } = OscillatorNode.prototype;
    OscillatorNode.prototype.start = function counted(...when) {
      globalThis.tones += 1;
      return start.apply(this, when);
    };
  });
}

const tones = (person) => person.page.evaluate(() => globalThis.tones);

inBrowser("the title counts what came unseen, and there is a tone", async ({ server, browser }) => {
  const [ann, bob] = await chatting(browser, [server.url, server.url]);
  await listen(ann);
  await bob.say("seen at once");
  await ann.reads("#log", "seen at once");
  assert.equal(await ann.page.title(), "WhisperChat");
  assert.equal(await tones(ann), 0);
  await ann.looksAway(true);
  await bob.say("one");
  await ann.holds(() => document.title.startsWith("(1) New message"));
  assert.equal(await tones(ann), 1);
  await bob.say("two");
  await ann.holds(() => document.title.startsWith("(2) New message"));
  // What is not seen is not delivered.
  assert.deepEqual(await bob.page.locator(".own .mark").allInnerTexts(), ["delivered", "sent", "sent"]);
  await ann.looksAway(false);
  assert.equal(await ann.page.title(), "WhisperChat");
  await bob.holds(() => [...document.querySelectorAll(".own .mark")].every((mark) => mark.textContent === "delivered"));
  await ann.looksAway(true);
  await bob.page.click("#leave");
  await ann.holds(() => document.title === "The chat is over – WhisperChat");
});

inBrowser("somebody who is found is told of by the title and two notes", async ({ server, browser }) => {
  const ann = await browser.person(server.url);
  await ann.join({ name: "Ann" });
  await ann.reads("#status", "Looking for someone");
  await listen(ann);
  await ann.looksAway(true);
  const bob = await browser.person(server.url);
  await bob.join({ name: "Bob" });
  await ann.holds(() => document.title === "Someone is here – WhisperChat");
  assert.equal(await tones(ann), 2);
});

inBrowser("the sound can be turned off, which is remembered", async ({ server, browser }) => {
  const [ann, bob] = await chatting(browser, [server.url, server.url]);
  assert.equal(await ann.page.getAttribute("#sound", "aria-pressed"), "true");
  await ann.page.click("#leave");
  await ann.page.click("#sound");
  assert.equal(await ann.page.getAttribute("#sound", "aria-pressed"), "false");
  await ann.page.reload();
  await ann.holds(() => document.querySelector("#sound").ariaPressed === "false");
  await ann.join({ name: "Ann" });
  await ann.reads("#status", "Looking for someone");
  await listen(ann);
  const eve = await browser.person(server.url);
  await eve.join({ name: "Eve" });
  await ann.isShown("#view-chat");
  await ann.looksAway(true);
  await eve.say("quiet");
  await ann.holds(() => document.title.startsWith("(1) New message"));
  assert.equal(await tones(ann), 0);
  await bob.page.close();
});
