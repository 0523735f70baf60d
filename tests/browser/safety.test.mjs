// Block and report: two taps each, in a chat and after it, by pointer and by keyboard.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, chatting, withServer } from "./support.mjs";

let browser;
before(async () => { browser = await Browser.launch(); });
after(() => browser.close());
const inBrowser = (name, run, settings) => test(name, withServer(() => browser, run, settings));
const anybodyAgain = { WHISPERCHAT_MATCHING__REMATCH_COOLOFF_S: "0" };

inBrowser("two taps block somebody for good", async ({ server, browser }) => {
  const [ann, bob] = await chatting(browser, [server.url, server.url]);
  await ann.page.click("#block");
  await ann.reads("#block-title", "Block Bob?");
  await ann.screenshot("block");
  await ann.page.click("#block-confirm");
  await ann.reads("#over-text", "You blocked Bob. You will not meet again.");
  await bob.reads("#over-text", "Ann ended the chat for good.");
  // What is to be read there can still be reported.
  await ann.page.click("#report");
  await ann.page.click("#report-reasons [data-reason=abuse]");
  await ann.reads("#log", "You reported Bob. Thank you.");
  assert.equal(await ann.page.isVisible("#safety"), false);
  await ann.page.click("#next");
  await bob.page.click("#next");
  await ann.reads("#status", "Looking for someone");
  await bob.reads("#status", "Looking for someone");
  const cleo = await browser.person(server.url);
  await cleo.join({ name: "Cleo" });
  await cleo.isShown("#view-chat");
}, anybodyAgain);

inBrowser("two taps report somebody, and the chat goes on", async ({ server, browser }) => {
  const [ann, bob] = await chatting(browser, [server.url, server.url]);
  await ann.page.click("#report");
  await ann.screenshot("report");
  const choices = ann.page.locator("#report-reasons [data-reason]");
  const reasons = await choices.evaluateAll((all) => all.map((one) => one.dataset.reason));
  assert.deepEqual(reasons, ["spam", "abuse", "sexual", "minor", "threat", "other"]);
  await ann.page.click("#report-reasons [data-reason=spam]");
  await ann.reads("#log", "You reported Bob. Thank you.");
  await ann.say("and still here");
  await bob.reads("#log", "and still here");
  await bob.page.click("#leave");
  await ann.isShown("#over");
  const [above, below] = await Promise.all(["#distance", "#safety"].map((id) => ann.page.locator(id).boundingBox()));
  assert.ok(above.y + above.height <= below.y, "they stand below each other, also after the chat");
  await ann.page.click("#block");
  await ann.page.click("#block-confirm");
  await ann.reads("#log", "You blocked Bob. You will not meet again.");
});

inBrowser("the keyboard blocks, and thinks better of it", async ({ server, browser }) => {
  const [ann] = await chatting(browser, [server.url, server.url]);
  const { page } = ann;
  await page.focus("#leave");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await ann.isShown("#block-question");
  assert.equal(await page.getAttribute("#block", "aria-expanded"), "true");
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.id), "block");
  assert.equal(await page.isVisible("#block-question"), false);
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.id), "block-confirm");
  await page.keyboard.press("Enter");
  await ann.reads("#over-text", "You blocked Bob.");
});
