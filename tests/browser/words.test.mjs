// What the page says, in each of its languages.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { Browser, chatting, withServer } from "./support.mjs";

let browser;
before(async () => { browser = await Browser.launch(); });
after(() => browser.close());
const inBrowser = (name, run) => test(name, withServer(() => browser, run));

const WEB = new URL("../../web/", import.meta.url);

async function languages() {
  const files = await readdir(new URL("words/", WEB));
  return new Map(await Promise.all(files.map(async (file) => {
    const { default: words } = await import(new URL(`words/${file}`, WEB));
    return [file.replace(".js", ""), words];
  })));
}

const placeholders = (text) => [...text.matchAll(/\{\w+\}/g)].map(([word]) => word).sort();

test("every language says everything, with the same words filled in", async () => {
  const all = await languages();
  assert.deepEqual([...all.keys()].sort(), ["de", "en", "fr"]);
  const english = all.get("en");
  for (const [language, words] of all) {
    assert.deepEqual(Object.keys(words), Object.keys(english), language);
    for (const [key, text] of Object.entries(words)) {
      assert.ok(text.trim() !== "", `${language}.${key} says nothing`);
      // A sentence may name a thing twice in one language and once in another.
      const filled = new Set(placeholders(text));
      assert.deepEqual(filled, new Set(placeholders(english[key])), `${language}.${key}`);
    }
  }
});

test("every text is used, and every text that is used is there", async () => {
  const english = (await languages()).get("en");
  const parts = await readdir(new URL("parts/", WEB));
  const files = ["index.html", "app.js", ...parts.map((part) => `parts/${part}`)];
  const sources = await Promise.all(files.map((file) => readFile(new URL(file, WEB), "utf8")));
  const source = sources.join("\n");
  for (const key of Object.keys(english)) assert.ok(source.includes(`"${key}"`), `${key} is used nowhere`);
  for (const [, key] of source.matchAll(/data-(?:text|label|hint)="(\w+)"/g)) assert.ok(key in english, key);
  for (const [, key] of source.matchAll(/(?:tell\("[\w-]+", |remark\(|endChat\(|write\(\w+, )"(\w+)"/g)) {
    assert.ok(key in english, key);
  }
});

test("the page as it is loaded says what its English file says", async () => {
  const english = (await languages()).get("en");
  const page = await readFile(new URL("index.html", WEB), "utf8");
  let seen = 0;
  for (const [tag] of page.matchAll(/<[^>]*data-[^>]*>/g)) {
    for (const [kind, attribute] of [["label", "aria-label"], ["hint", "placeholder"]]) {
      const key = new RegExp(`data-${kind}="(\\w+)"`).exec(tag)?.[1];
      if (!key) continue;
      assert.equal(new RegExp(`\\s${attribute}="([^"]*)"`).exec(tag)?.[1], english[key], key);
      seen += 1;
    }
  }
  for (const [, key, text] of page.matchAll(/data-text="(\w+)"[^>]*>([^<]*)</g)) {
    assert.equal(text, english[key], key);
    seen += 1;
  }
  assert.ok(seen > 40, `${seen} texts`);
});

inBrowser("the browser's language is spoken, and another can be chosen and is remembered", async ({ server, browser }) => {
  const ann = await browser.person(server.url, { locale: "de-AT" });
  const { page } = ann;
  await ann.reads("#form-title", "Sprich mit jemandem in deiner Nähe");
  assert.equal(await page.getAttribute("html", "lang"), "de");
  await ann.reads("#range-hint", "Von 2\u00A0km bis 20.040\u00A0km");
  await page.selectOption("#language", "fr");
  await ann.reads("#form-title", "Parlez avec quelqu’un près de vous");
  assert.equal(await page.getAttribute("html", "lang"), "fr");
  assert.equal(await page.getAttribute("#place", "placeholder"), "Ville, ou latitude, longitude");
  assert.equal(await page.getAttribute("#zoom-in", "aria-label"), "Plus près");
  await page.reload();
  await ann.reads("#form-title", "Parlez avec quelqu’un près de vous");
  assert.equal(await page.inputValue("#language"), "fr");
  await page.fill("#place", "vienne");
  await page.click("#join");
  await ann.reads("#status", "On cherche quelqu’un à moins de 50\u00A0km.");
  assert.equal(await page.inputValue("#place"), "Vienne, Autriche");
  const bob = await browser.person(server.url, { locale: "xx" });
  await bob.reads("#form-title", "Talk with someone near you");
});

inBrowser("the time of day is written as it is where the browser is from", async ({ server, browser }) => {
  for (const [locale, form] of [["en-GB", /^\d\d:\d\d$/], ["en-US", /^\d\d:\d\d\s[AP]M$/]]) {
    const [ann] = await chatting(browser, [server.url, server.url], { locale });
    await ann.say("Hello");
    await ann.reads(".own .mark", "delivered");
    assert.match(await ann.page.textContent(".own time"), form);
  }
});

inBrowser("a language chosen in a chat changes what was said by the page, not by people", async ({ server, browser }) => {
  const [ann, bob] = await chatting(browser, [server.url, server.url]);
  await ann.say("Hello");
  await ann.reads(".own .mark", "delivered");
  await ann.page.click("#report");
  await ann.page.click("[data-reason=spam]");
  await ann.reads("#log", "You reported Bob. Thank you.");
  await ann.page.selectOption("#language", "de");
  await ann.reads("#log", "Du hast Bob gemeldet. Danke.");
  await ann.reads(".own .mark", "angekommen");
  await ann.reads(".own .message-text", "Hello");
  await ann.reads("#distance", "weniger als 10 km weit weg");
  await bob.page.click("#leave");
  await ann.reads("#over-text", "Bob ist gegangen.");
  await ann.reads("#next", "Nächste Person");
});
