// What is published: types that are those of the module, an example that runs, and nothing more than needed.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startServer } from "./common/server.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);

async function folder(t, parent) {
  const made = await mkdtemp(join(parent, ".test-"));
  t.after(() => rm(made, { recursive: true }));
  return made;
}

test("the types are those of the module", async (t) => {
  const made = await folder(t, ROOT);
  await run("npx", ["tsc", "-p", "tsconfig.types.json", "--outDir", made], { cwd: ROOT });
  const [kept, anew] = await Promise.all([ROOT, made].map((at) => readFile(join(at, "whisperchat.d.ts"), "utf8")));
  assert.equal(kept, anew, "run: npm run types");
});

test("the example of the README runs", async (t) => {
  const { url } = await startServer(t);
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const example = /```js\n([^]*?)```/.exec(readme)[1];
  // In here, so that the package is found by its own name.
  const file = join(await folder(t, ROOT), "example.mjs");
  await writeFile(file, example);
  const flags = ["--experimental-websocket", "--no-warnings", file, url];
  const printed = await Promise.all(["ann", "bob"].map((name) => run(process.execPath, [...flags, name])));
  const both = printed.map(({ stdout }) => stdout);
  assert.ok(both.every((text) => text.includes("looking within 50 km")), both.join("\n"));
  assert.ok(both[0].includes("talking with bob") && both[1].includes("talking with ann"), both.join("\n"));
  assert.match(both.join(), /> Hello, I am (ann|bob)/);
});

test("the package holds the module, its types and what explains them", async () => {
  const { stdout } = await run("npm", ["pack", "--dry-run", "--json"], { cwd: ROOT });
  const [{ files }] = JSON.parse(stdout);
  const names = files.map(({ path }) => path).sort();
  assert.deepEqual(names, ["README.md", "package.json", "whisperchat.d.ts", "whisperchat.js"]);
  const description = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  assert.equal(description.dependencies, undefined);
  const texts = (await readdir(ROOT)).filter((name) => name.startsWith("whisperchat."));
  assert.deepEqual(texts.sort(), ["whisperchat.d.ts", "whisperchat.js"]);
});
