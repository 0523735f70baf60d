// People on the operators' board: the queue of reports, decisions by one key, bans, who did what.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { Browser, Server, chatting, freePort } from "./support.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser;
before(async () => { browser = await Browser.launch(); });
after(() => browser.close());

/** Two on the page who chat, one of whom has said something vile and was reported, and a moderator at the board. */
function reported(name, run) {
  test(name, async (test) => {
    const folder = await mkdtemp(join(tmpdir(), "whisperchat-"));
    const admin = `127.0.0.1:${await freePort()}`;
    const server = await Server.start({ WHISPERCHAT_ADMIN_LISTEN: admin, WHISPERCHAT_STORE__URL: "auto", WHISPERCHAT_STORE__FOLDER: folder });
    test.after(async () => {
      server.kill();
      await rm(folder, { recursive: true, force: true });
    });
    try {
      const [ann, bob] = await chatting(browser, [server.url, server.url]);
      await bob.say("something vile");
      await ann.reads("#log", "something vile");
      await ann.page.click("#report");
      await ann.page.click("#report-reasons [data-reason=abuse]");
      await ann.reads("#log", "You reported Bob. Thank you.");
      const moderator = await browser.person(`http://${admin}/`);
      await moderator.page.click("#view-people");
      await moderator.reads("#report-evidence", "something vile");
      await run({ ann, bob, moderator });
    } finally {
      await browser.goHome();
    }
  });
}

reported("a report is dismissed by one key, and the next is chosen", async ({ moderator, bob }) => {
  await moderator.page.focus("#report-list");
  await moderator.page.keyboard.press("d");
  await moderator.reads("#report-status", "is dismissed now");
  assert.equal(await moderator.page.locator("#report-list li").count(), 0);
  await moderator.page.selectOption("#report-state", "dismissed");
  await moderator.reads("#report-facts", "dismissed, by");
  // It can be taken back.
  await moderator.page.focus("#report-list");
  await moderator.page.keyboard.press("o");
  await moderator.reads("#report-status", "is open now");
  await moderator.reads("#audit-rows", "report.decide");
  await bob.reads("#log", "something vile");
});

reported("a ban by one key ends what the person does, and is lifted on the board", async ({ moderator, bob }) => {
  await moderator.screenshot("moderation");
  await moderator.page.focus("#report-list");
  await moderator.page.keyboard.press("1");
  await moderator.reads("#report-status", "the person banned");
  await bob.reads("#stopped-words", "You have been reported for insults.");
  await moderator.reads("#ban-rows", "You have been reported for insults.");
  await moderator.page.click("#ban-rows button");
  await moderator.reads("#ban-status", "The ban was lifted.");
  assert.equal(await moderator.page.locator("#ban-rows tr").count(), 0);
});

reported("somebody is banned by address, and what is wrong is said", async ({ moderator }) => {
  await moderator.page.click("#people summary");
  await moderator.page.fill("#ban-who", "everywhere");
  await moderator.page.fill("#ban-reason", "Enough.");
  await moderator.page.click("#ban-form button");
  await moderator.reads("#ban-status", "must be an address or a range");
  await moderator.page.fill("#ban-who", "192.0.2.0/24");
  await moderator.page.fill("#ban-days", "7");
  await moderator.page.click("#ban-form button");
  await moderator.reads("#ban-rows", "192.0.2.0/24");
  moderator.problems = moderator.problems.filter((problem) => !/400/.test(problem));
});

reported("the view of people has no serious fault and fits a phone", async ({ moderator }) => {
  await moderator.page.setViewportSize({ width: 360, height: 740 });
  await moderator.page.evaluate(AXE);
  const { violations } = await moderator.page.evaluate(() => globalThis.axe.run());
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(", ")}`), []);
  const [needed, there] = await moderator.page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(needed <= there, `${needed} wide where ${there} are there`);
  await moderator.screenshot("moderation-phone");
});
