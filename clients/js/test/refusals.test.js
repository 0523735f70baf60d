// What the server refuses, and the tokens it may ask for.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Person, PARIS, meet } from "./common/person.js";
import { startProxy, startServer } from "./common/server.js";

test("too much at once fails, says when to try again, and can be said again", async (t) => {
  const limits = { "rates.exempt": "[]", "rates.messages.burst": 5, "rates.messages.per_minute": 120 };
  const { url } = await startServer(t, limits);
  const { ann, bob } = await meet(t, url);
  const messages = Array.from({ length: 8 }, (_, number) => ann.client.say(`${number}`));
  const refused = await ann.next("refused");
  assert.deepEqual([refused.request, refused.code], ["say", "rate_limited"]);
  assert.ok(refused.retry_after_ms > 0, `${refused.retry_after_ms}`);
  await ann.until(() => messages.every(({ state }) => state !== "sending"), "an answer to each");
  const failed = messages.filter(({ state }) => state === "failed");
  assert.ok(failed.length > 0);
  assert.equal(failed[0].error.retryAfterMs > 0, true);
  // It waits here as long as the server asked, and then arrives.
  for (const message of failed) {
    while (message.state === "failed") {
      ann.client.sayAgain(message);
      await message.accepted.catch(() => {});
    }
  }
  await bob.until(() => bob.seen("said").length === 8, "all eight");
  assert.equal(new Set(bob.seen("said").map(({ text }) => text)).size, 8);
  assert.equal(ann.client.connection, "open");
  assert.throws(() => ann.client.sayAgain(messages[0]), { code: "wrong_state" });
});

test("no more than allowed waits to be accepted", async (t) => {
  const server = await startServer(t);
  const proxy = await startProxy(t, server);
  const { ann } = await meet(t, proxy.url, server.url, { unsentMax: 3 });
  proxy.isOpen = false;
  proxy.cut();
  await ann.next("connection", ({ state }) => state === "lost");
  for (const text of ["one", "two", "three"]) ann.client.say(text);
  assert.throws(() => ann.client.say("four"), { code: "too_many" });
});

test("a join that is refused leaves one idle and names what is allowed", async (t) => {
  const { url } = await startServer(t);
  const ann = new Person(t, url);
  await assert.rejects(ann.client.join({ ...PARIS, range_km: 1 }), { code: "bad_field", message: /range_km/ });
  assert.equal((await ann.next("refused")).request, "join");
  assert.equal(ann.client.state, "idle");
  await ann.wait();
  await assert.rejects(ann.client.update({ range_km: -1 }), { code: "bad_field" });
  await assert.rejects(ann.client.join(PARIS), { code: "wrong_state" });
  assert.equal(ann.client.state, "waiting");
});

test("who makes too many mistakes is not let in again", async (t) => {
  const { url } = await startServer(t, { "limits.errors_per_minute": 2 });
  const ann = new Person(t, url);
  for (let mistake = 0; mistake < 2; mistake += 1) {
    await assert.rejects(ann.client.join({ ...PARIS, range_km: 1 }));
  }
  assert.equal((await ann.next("connection", ({ state }) => state === "stopped")).code, 4001);
});

test("a connection with nothing to say rests until there is something", async (t) => {
  const { url } = await startServer(t, { "limits.first_message_s": 0.1 });
  const ann = new Person(t, url, { name: "ann" });
  ann.client.connect();
  assert.equal((await ann.next("connection", ({ state }) => state === "resting")).code, 4101);
  assert.equal(ann.client.retryInMs, null);
  await ann.wait();
});

test("close ends the session at once", async (t) => {
  const { url } = await startServer(t);
  const { ann, bob } = await meet(t, url);
  ann.client.close();
  assert.deepEqual([ann.client.connection, ann.client.state], ["closed", "idle"]);
  assert.equal((await bob.next("partner_left")).reason, "left");
  await ann.wait();
});

const SECRET = "a secret of at least thirty-two bytes";

function token(changes = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + 600;
  const signed = `${part({ alg: "HS256" })}.${part({ iss: "here", aud: "whisperchat", sub: "ann", exp, ...changes })}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

function startGuarded(t, more = {}) {
  const folder = mkdtempSync(join(tmpdir(), "whisperchat-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const key = join(folder, "secret");
  writeFileSync(key, SECRET);
  const auth = { "auth.algorithm": "HS256", "auth.key": key, "auth.issuer": "here", "auth.audience": "whisperchat" };
  return startServer(t, { ...auth, ...more });
}

for (const tokenBy of ["message", "subprotocol"]) {
  test(`a token is shown by ${tokenBy}, also after a loss, and renewed`, async (t) => {
    const server = await startGuarded(t);
    const proxy = await startProxy(t, server);
    const ann = new Person(t, proxy.url, { name: "ann", tokenBy, token: async () => token() });
    await ann.wait();
    proxy.cut();
    assert.equal((await ann.next("resumed")).state, "waiting");
    assert.ok((await ann.client.auth(token())).expires_at > Date.now());
    await assert.rejects(ann.client.auth("nonsense"), { code: "bad_token" });
    assert.equal(ann.client.connection, "open");
  });
}

test("a token that is not good is not shown again and again", async (t) => {
  const { url } = await startGuarded(t);
  const ann = new Person(t, url, { token: token({ exp: 1_000_000 }) });
  const joined = ann.client.join(PARIS);
  assert.deepEqual((({ request, code }) => [request, code])(await ann.next("refused")), ["auth", "bad_token"]);
  await ann.next("connection", ({ state }) => state === "stopped");
  await assert.rejects(joined, { code: "lost" });
});

test("who has an expired token comes back with a new one", async (t) => {
  const { url } = await startGuarded(t, { "auth.leeway_s": 0 });
  let lifeS = 2;
  const source = () => token({ exp: Math.floor(Date.now() / 1000) + lifeS });
  const ann = new Person(t, url, { name: "ann", token: source });
  await ann.wait();
  lifeS = 600;
  assert.equal((await ann.next("connection", ({ state }) => state === "lost")).code, 4202);
  assert.equal((await ann.next("resumed")).state, "waiting");
});
