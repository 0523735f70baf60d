// What people do on the page.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, chatting, withServer } from "./support.mjs";

let browser;
before(async () => { browser = await Browser.launch(); });
after(() => browser.close());
const inBrowser = (name, run) => test(name, withServer(() => browser, run));

inBrowser("two people meet, talk and see what was delivered", async ({ server, browser }) => {
  const [ann, bob] = await chatting(browser, [server.url, server.url]);
  await ann.reads("#partner", "Bob");
  await bob.reads("#partner", "Ann");
  await bob.reads("#distance", "less than 10 km away");
  await ann.page.locator("#text").pressSequentially("Hello");
  await bob.reads("#typing", "Ann is typing");
  await ann.page.press("#text", "Enter");
  await bob.reads("#log", "Hello");
  await bob.reads("#typing", "");
  await ann.reads("#log", "delivered");
  await bob.page.fill("#text", "two\nlines");
  await bob.page.click("#send");
  await ann.reads("#log", "two\nlines");
});

inBrowser("who says next meets somebody else, and the other may too", async ({ server, browser }) => {
  const [ann, bob] = await chatting(browser, [server.url, server.url]);
  await ann.page.click("#next");
  await ann.isShown("#view-waiting");
  await bob.reads("#over-text", "Ann left the chat.");
  const eve = await browser.person(server.url);
  await eve.join({ name: "Eve" });
  await ann.reads("#partner", "Eve");
  await bob.page.click("#next");
  await bob.isShown("#view-waiting");
  await eve.page.click("#leave");
  await eve.reads("#status", "You left the chat.");
  await ann.reads("#over-text", "Eve left the chat.");
});

inBrowser("who closes the page has left", async ({ server, browser }) => {
  const [ann, bob] = await chatting(browser, [server.url, server.url]);
  await ann.page.close();
  await bob.reads("#over-text", "left the chat");
});

inBrowser("a wider range is taken into account while waiting", async ({ server, browser }) => {
  const ann = await browser.person(server.url);
  await ann.join({ range: 10 });
  await ann.isShown("#view-waiting");
  const bob = await browser.person(server.url);
  // Some 20 km to the east.
  await bob.join({ place: "48.8566, 2.625", range: 50 });
  await bob.reads("#status", "Looking for someone within 50\u00A0km");
  await ann.page.fill("#range", "50");
  await ann.page.click("#change-where");
  await ann.isShown("#view-chat");
  await bob.reads("#distance", "less than 100 km away");
});

inBrowser("who stops looking is back at the form, which remembers", async ({ server, browser }) => {
  const ann = await browser.person(server.url);
  await ann.join({ name: "Ann", place: "-33.86, 151.2", range: 100 });
  await ann.isShown("#view-waiting");
  await ann.page.click("#cancel");
  await ann.reads("#status", "You stopped looking.");
  await ann.page.reload();
  await ann.isShown("#view-form");
  assert.equal(await ann.page.inputValue("#place"), "-33.86, 151.2");
  assert.equal(await ann.page.inputValue("#range"), "100");
  assert.equal(await ann.page.inputValue("#name"), "Ann");
});

inBrowser("what can't be right is said beside its field", async ({ server, browser }) => {
  const ann = await browser.person(server.url);
  await ann.reads("#range-hint", "km");
  await ann.join({ place: "91, 0", range: 0, name: "x".repeat(33) });
  await ann.reads("#place-error", "from -90 to 90");
  await ann.reads("#range-error", "must be a number");
  await ann.reads("#name-error", "At most 32 characters");
  assert.equal(await ann.page.evaluate(() => document.activeElement.id), "place");
  await ann.page.fill("#place", "48.8");
  await ann.page.click("#join");
  await ann.reads("#place-error", "Two numbers are needed");
});

inBrowser("who may not say where they are is told what to do", async ({ server, browser }) => {
  const ann = await browser.person(server.url, { permissions: [] });
  await ann.page.click("#locate");
  await ann.reads("#place-note", "or type a town");
  const bob = await browser.person(server.url, {
    permissions: ["geolocation"],
    geolocation: { latitude: 48.8566, longitude: 2.3522 },
  });
  await bob.page.click("#locate");
  await bob.reads("#place-note", "Your position has been filled in.");
  assert.equal(await bob.page.inputValue("#place"), "48.8566, 2.3522");
});

const HOSTILE = [
  `<img src=x onerror="document.title='broken'">`,
  `<script>document.title = "broken"</script>`,
  `</div><style>body { display: none }</style>`,
  "https://evil.example/ javascript:alert(1)",
  "\u202Egnirts desrever\u202C and \u0000 and \uFFFE",
  "{{constructor.constructor('1')()}} ${1} %s",
  "Z̸̧̛a̷l̵g̶o̴ 👩‍👩‍👧‍👦 ‮",
];

inBrowser("hostile texts and names are shown as what they are", async ({ server, browser }) => {
  const ann = await browser.person(server.url);
  const name = `<b onclick="x">&amp;</b>`;
  await ann.join({ name });
  await ann.isShown("#view-waiting");
  const bob = await browser.person(server.url);
  await bob.join({ name: "Bob" });
  await bob.reads("#partner", name);
  for (const text of HOSTILE) {
    // Past the field, which would not hold all of these.
    await ann.say(text);
    await bob.reads("#log", text);
  }
  for (const person of [ann, bob]) {
    const found = await person.page.evaluate(() => ({
      title: document.title,
      inside: document.querySelectorAll("#log img, #log script, #log style, #log a, #partner b").length,
      isVisible: getComputedStyle(document.body).display !== "none",
    }));
    assert.deepEqual(found, { title: "WhisperChat", inside: 0, isVisible: true });
  }
});
