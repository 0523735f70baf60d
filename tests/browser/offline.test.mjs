// The page as something that is installed, and opens without a server.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, withServer } from "./support.mjs";

let browser;
before(async () => { browser = await Browser.launch(); });
after(() => browser.close());
const inBrowser = (name, run, settings) => test(name, withServer(() => browser, run, settings));

/** Until every file is kept on the device, and the page's requests go through the worker. */
async function isKept(person) {
  await person.page.evaluate(() => navigator.serviceWorker.ready);
  await person.holds(() => navigator.serviceWorker.controller !== null);
}

/** The paths that are kept on the device, by the name of their cache. */
function kept(person) {
  return person.page.evaluate(async () => {
    const found = {};
    for (const name of await caches.keys()) {
      const requests = await (await caches.open(name)).keys();
      found[name] = requests.map(({ url }) => new URL(url).pathname).sort();
    }
    return found;
  });
}

inBrowser("without a server the page opens, says so, and works when the server is back", async ({ server, browser }) => {
  const ann = await browser.person(server.url, { mayLose: true });
  await isKept(ann);
  await server.kill();
  await ann.page.reload();
  await ann.isShown("#view-form");
  await ann.reads("#connection", "The server can’t be reached.");
  // Towns and map are there.
  await ann.seesMap();
  await ann.page.focus("#place");
  await ann.page.keyboard.type("vien");
  await ann.isShown("#towns");
  await ann.page.keyboard.press("ArrowDown");
  await ann.page.keyboard.press("Enter");
  await ann.screenshot("offline");
  await server.start();
  await ann.retries();
  await ann.reads("#connection", "");
  await ann.page.click("#join");
  await ann.reads("#status", "Looking for someone");
});

inBrowser("another worker's files are forgotten, and nothing but the page's files is kept", async ({ server, browser }) => {
  const ann = await browser.person("about:blank", { mayLose: true });
  // A page without a worker, to leave there what an earlier version would have.
  await ann.page.goto(`${server.url}vendor/LICENSES.txt`);
  await ann.page.evaluate(async () => {
    const cache = await caches.open("whisperchat-earlier");
    await cache.put("/app.js", new Response("throw new Error('an old file')"));
  });
  await ann.page.goto(server.url);
  await isKept(ann);
  await ann.holds(async () => !(await caches.keys()).includes("whisperchat-earlier"));
  const before = await kept(ann);
  await ann.join();
  await ann.reads("#status", "Looking for someone");
  await ann.page.evaluate(() => Promise.all(["/nothing", "/v1/ws", "/sw.js"].map((path) => fetch(path))));
  await ann.page.reload();
  await ann.isShown("#view-form");
  assert.deepEqual(await kept(ann), before);
  const [[name, paths]] = Object.entries(before);
  assert.match(name, /^whisperchat-[0-9a-f]{32}$/);
  assert.ok(paths.includes("/") && paths.includes("/towns.txt") && !paths.includes("/sw.js"), paths.join(" "));
});

inBrowser("with a server the files come from the server", async ({ server, browser }) => {
  const ann = await browser.person(server.url);
  await isKept(ann);
  const [name] = Object.keys(await kept(ann));
  // Were the kept ones served, the page would stay empty.
  await ann.page.evaluate(async (name) => {
    const cache = await caches.open(name);
    await cache.put("/app.js", new Response("", { headers: { "Content-Type": "text/javascript" } }));
  }, name);
  await ann.page.reload();
  await ann.reads("#range-hint", "km");
});

inBrowser("the page can be installed", async ({ server, browser }) => {
  const ann = await browser.person(server.url);
  await isKept(ann);
  const manifest = await ann.page.evaluate(() => fetch("/manifest.webmanifest").then((answer) => answer.json()));
  for (const { src, sizes } of manifest.icons) {
    const [width, height] = await ann.page.evaluate((src) => new Promise((done, failed) => {
      const icon = new Image();
      icon.onload = () => done([icon.naturalWidth, icon.naturalHeight]);
      icon.onerror = failed;
      icon.src = src;
    }), src);
    if (sizes !== "any") assert.equal(`${width}x${height}`, sizes, src);
  }
  const devtools = await ann.context.newCDPSession(ann.page);
  const { installabilityErrors } = await devtools.send("Page.getInstallabilityErrors");
  // Every person of these tests has a private window.
  const errors = installabilityErrors.map(({ errorId }) => errorId).filter((error) => error !== "in-incognito");
  assert.deepEqual(errors, []);
  const { errors: mistakes } = await devtools.send("Page.getAppManifest");
  assert.deepEqual(mistakes, []);
});
