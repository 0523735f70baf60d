// Connections that are lost in every state, and servers that go away.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Person, PARIS, meet } from "./common/person.js";
import { startProxy, startServer } from "./common/server.js";

test("who was cut off while waiting keeps the turn", async (t) => {
  const server = await startServer(t);
  const proxy = await startProxy(t, server);
  const ann = new Person(t, proxy.url, { name: "ann" });
  await ann.wait();
  proxy.cut();
  assert.equal((await ann.next("connection", ({ state }) => state === "lost")).was_open, true);
  assert.deepEqual(await ann.next("resumed"), { state: "waiting", recovered: true });
  assert.equal(ann.client.state, "waiting");
  const bob = new Person(t, server.url);
  await bob.client.join(PARIS);
  await ann.next("matched");
  assert.equal(ann.frames.filter(({ type }) => type === "join").length, 1);
});

test("who changes the range without a connection waits with it afterwards", async (t) => {
  const server = await startServer(t);
  const proxy = await startProxy(t, server);
  const ann = new Person(t, proxy.url, { name: "ann" });
  await ann.wait();
  proxy.isOpen = false;
  proxy.cut();
  await ann.next("connection", ({ state }) => state === "lost");
  await ann.client.update({ range_km: 30 });
  proxy.isOpen = true;
  assert.equal((await ann.next("waiting", ({ range_km }) => range_km === 30)).range_km, 30);
});

test("who cancels without a connection does not wait afterwards", async (t) => {
  const server = await startServer(t);
  const proxy = await startProxy(t, server);
  const ann = new Person(t, proxy.url, { name: "ann" });
  await ann.wait();
  proxy.isOpen = false;
  proxy.cut();
  await ann.next("connection", ({ state }) => state === "lost");
  await ann.client.cancel();
  assert.deepEqual(await ann.next("idle"), { reason: "cancelled" });
  proxy.isOpen = true;
  await ann.next("connection", ({ state }) => state === "open");
  const bob = new Person(t, server.url, { name: "bob" });
  await bob.wait();
  const cleo = new Person(t, server.url, { name: "cleo" });
  await cleo.client.join({ ...PARIS, name: "cleo" });
  assert.equal((await bob.next("matched")).partner.name, "cleo");
  assert.equal(ann.client.state, "idle");
});

test("nothing said while the connection was gone is lost or shown twice", async (t) => {
  const server = await startServer(t);
  const proxy = await startProxy(t, server);
  const { ann, bob } = await meet(t, proxy.url, server.url);
  await ann.client.say("one").accepted;
  // The server gets this and its answer is lost: it has to be said again, and shown once.
  proxy.swallow({ toServer: false });
  const unanswered = ann.client.say("two");
  assert.equal((await bob.next("said", ({ seq }) => seq === 2)).text, "two");
  bob.client.say("over a dead connection");
  await bob.next("message", ({ state }) => state === "sent");
  proxy.isOpen = false;
  proxy.cut();
  await bob.next("partner_away");
  await ann.next("connection", ({ state }) => state === "lost");
  const offline = ann.client.say("three");
  await bob.client.say("while you were away").accepted;
  proxy.isOpen = true;
  assert.deepEqual(await ann.next("resumed"), { state: "chatting", recovered: true });
  await bob.next("partner_back");
  assert.equal((await ann.next("said")).text, "over a dead connection");
  assert.equal((await ann.next("said")).text, "while you were away");
  assert.equal((await bob.next("said")).text, "three");
  await Promise.all([unanswered.accepted, offline.accepted]);
  assert.deepEqual([unanswered.seq, offline.seq], [2, 3]);
  ann.client.say("four");
  assert.equal((await bob.next("said")).seq, 4);
  await ann.until(() => offline.state === "delivered", "the mark of three");
});

test("a chat goes on through ten cuts while both talk", async (t) => {
  const server = await startServer(t);
  const proxy = await startProxy(t, server);
  const { ann, bob } = await meet(t, proxy.url, proxy.url);
  for (let round = 0; round < 10; round += 1) {
    for (let number = 0; number < 20; number += 1) {
      ann.client.say(`ann ${round * 20 + number}`);
      bob.client.say(`bob ${round * 20 + number}`);
    }
    // In the middle of it: some of them have come, others are on their way.
    await ann.next("said");
    proxy.cut();
    await Promise.all([ann, bob].map((who) => who.next("resumed")));
  }
  const last = [ann.client.say("the end"), bob.client.say("the end")];
  await Promise.all(last.map(({ accepted }) => accepted));
  assert.deepEqual(last.map(({ seq }) => seq), [201, 201]);
  await Promise.all([ann, bob].map((who) => who.next("said", ({ seq }) => seq === 201)));
  assert.deepEqual([...ann.seen("gap"), ...bob.seen("gap"), ...ann.seen("refused")], []);
});

test("who was away when the partner left is told so", async (t) => {
  const server = await startServer(t);
  const proxy = await startProxy(t, server);
  const { ann, bob } = await meet(t, proxy.url, server.url);
  proxy.isOpen = false;
  proxy.cut();
  await bob.next("partner_away");
  bob.client.say("farewell");
  await bob.next("message", ({ state }) => state === "sent");
  await bob.client.leave();
  proxy.isOpen = true;
  assert.equal((await ann.next("said")).text, "farewell");
  assert.equal((await ann.next("partner_left")).reason, "left");
  assert.equal(ann.client.state, "idle");
});

test("a farewell over a dead connection is told again", async (t) => {
  const server = await startServer(t);
  const proxy = await startProxy(t, server);
  const { ann, bob } = await meet(t, proxy.url, server.url);
  proxy.swallow();
  await bob.client.say("my last words").accepted;
  await bob.client.leave();
  proxy.cut();
  assert.equal((await ann.next("said")).text, "my last words");
  assert.equal((await ann.next("partner_left")).reason, "left");
});

test("a partner found over a dead connection is there afterwards", async (t) => {
  const server = await startServer(t, { "matching.heard_within_s": 60 });
  const proxy = await startProxy(t, server);
  const ann = new Person(t, proxy.url, { name: "ann" });
  await ann.wait();
  proxy.swallow();
  const bob = new Person(t, server.url, { name: "bob" });
  await bob.client.join(PARIS);
  await bob.next("matched");
  await bob.client.say("are you there?").accepted;
  proxy.cut();
  assert.equal((await ann.next("said")).text, "are you there?");
});

for (const [ending, left] of [["leave", "idle"], ["next", "waiting"]]) {
  test(`${ending} without a connection happens when it is back`, async (t) => {
    const server = await startServer(t);
    const proxy = await startProxy(t, server);
    const { ann, bob } = await meet(t, proxy.url, server.url);
    proxy.isOpen = false;
    proxy.cut();
    await ann.next("connection", ({ state }) => state === "lost");
    ann.client[ending]();
    assert.equal(ann.client.state, left);
    proxy.isOpen = true;
    assert.equal((await bob.next("partner_left")).reason, "left");
    if (ending === "next") await ann.next("waiting");
    assert.equal(ann.client.state, left);
  });

  test(`${ending} whose answer was lost is not taken back`, async (t) => {
    const server = await startServer(t);
    const proxy = await startProxy(t, server);
    const { ann, bob } = await meet(t, proxy.url, server.url);
    proxy.swallow({ toServer: false });
    ann.client[ending]();
    assert.equal((await bob.next("partner_left")).reason, "left");
    proxy.cut();
    await ann.next("resumed");
    assert.equal(ann.client.state, left);
    const cleo = new Person(t, server.url, { name: "cleo" });
    await cleo.wait();
    const dora = new Person(t, server.url, { name: "dora" });
    if (ending === "next") assert.equal((await ann.next("matched")).partner.name, "cleo");
    else await dora.client.join(PARIS).then(() => cleo.next("matched"));
  });
}

test("a block without a connection ends the chat, and holds", async (t) => {
  const server = await startServer(t);
  const proxy = await startProxy(t, server);
  const { ann, bob } = await meet(t, proxy.url, server.url);
  proxy.isOpen = false;
  proxy.cut();
  await ann.next("connection", ({ state }) => state === "lost");
  const blocked = ann.client.block();
  assert.equal(ann.client.state, "idle");
  proxy.isOpen = true;
  await blocked;
  await bob.next("partner_left");
});

test("a killed server is found again, and who waited waits on", async (t) => {
  const server = await startServer(t);
  const proxy = await startProxy(t, server);
  const { ann, bob } = await meet(t, proxy.url);
  const cleo = new Person(t, proxy.url, { name: "cleo" });
  await cleo.wait();
  const unsent = ann.client.say("did you hear that?");
  await unsent.accepted;
  await server.stop();
  const offline = ann.client.say("and that?");
  await cleo.next("connection", ({ state }) => state === "lost");
  proxy.target = await startServer(t);
  await Promise.all([ann, bob].map(async (who) => {
    assert.equal((await who.next("chat_lost")).reason, "connection");
  }));
  await assert.rejects(offline.accepted, { code: "chat_over" });
  await cleo.next("waiting");
  await ann.client.next();
  await ann.next("matched", ({ partner }) => partner.name === "cleo");
});

test("a server that goes away is called again when it asked for it", async (t) => {
  const settings = { "limits.drain_s": 0, "limits.reconnect_spread_s": 1 };
  const server = await startServer(t, settings);
  const proxy = await startProxy(t, server);
  const { ann } = await meet(t, proxy.url);
  const cleo = new Person(t, proxy.url, { name: "cleo" });
  await cleo.wait();
  const stopped = server.stop("SIGTERM");
  const { reconnect_after_ms } = await cleo.next("going_away");
  const lost = await cleo.next("connection", ({ state }) => state === "lost");
  assert.deepEqual([lost.code, lost.was_asked], [4200, true]);
  assert.ok(Math.abs(lost.retry_in_ms - reconnect_after_ms) < 1_000, `${lost.retry_in_ms} of ${reconnect_after_ms}`);
  assert.equal((await ann.next("chat_lost")).reason, "server");
  cleo.client.hurry();
  assert.equal(cleo.client.connection, "lost", "nobody hurries a server that named a time");
  await stopped;
  proxy.target = await startServer(t);
  await cleo.next("waiting");
  assert.ok(cleo.frames.every(({ type }) => type !== "resume"));
});

test("a session that is taken over elsewhere ends here for good", async (t) => {
  const { url } = await startServer(t);
  const ann = new Person(t, url);
  ann.client.connect();
  const { resume_token } = await ann.next("welcome");
  const bob = new Person(t, url);
  await Promise.all([ann.client.join(PARIS), bob.client.join(PARIS)]);
  await ann.next("matched");
  const bare = new WebSocket(url, "whisperchat.v1.json");
  bare.addEventListener("open", () => bare.send(JSON.stringify({ type: "resume", token: resume_token, last_seq: 0 })));
  t.after(() => bare.close());
  const stopped = await ann.next("connection", ({ state }) => state === "stopped");
  assert.deepEqual([stopped.code, stopped.retry_in_ms], [4002, null]);
  assert.equal((await ann.next("chat_lost")).reason, "stopped");
  ann.client.connect();
  assert.equal(ann.client.connection, "stopped");
  await assert.rejects(ann.client.join(PARIS), { code: "lost" });
});

test("a connection that died without a word is given up, and the session kept", async (t) => {
  const server = await startServer(t);
  const proxy = await startProxy(t, server);
  const quick = { answerMaxMs: 500, quietMaxMs: 300 };
  const ann = new Person(t, proxy.url, { name: "ann", ...quick });
  await ann.wait();
  proxy.swallow();
  assert.equal((await ann.next("connection", ({ state }) => state === "lost")).code, null);
  assert.deepEqual(await ann.next("resumed"), { state: "waiting", recovered: true });
});

test("silence alone ends no connection", async (t) => {
  const { url } = await startServer(t);
  const { ann, bob } = await meet(t, url, url, { quietMaxMs: 100 });
  const asked = () => [ann, bob].every(({ frames }) => frames.filter(({ type }) => type === "auth").length >= 3);
  bob.client.on("said", () => {});
  const talk = setInterval(() => ann.client.say("."), 350);
  t.after(() => clearInterval(talk));
  await bob.until(asked, "both to have asked three times");
  assert.deepEqual([...ann.seen("refused"), ...ann.seen("connection"), ...bob.seen("connection")], []);
});

test("attempts come less and less often, and not all at once", async (t) => {
  const server = await startServer(t);
  const proxy = await startProxy(t, server);
  proxy.isOpen = false;
  const ann = new Person(t, proxy.url, { retryFirstMs: 10, retryMaxMs: 160 });
  ann.client.connect();
  const delays = [];
  for (let attempt = 0; attempt < 8; attempt += 1) {
    delays.push((await ann.next("connection", ({ state }) => state === "lost")).retry_in_ms);
  }
  for (const [attempt, delay] of delays.entries()) {
    const backOff = Math.min(160, 10 * 2 ** attempt);
    assert.ok(delay <= backOff && delay > backOff / 2 - 5, `${delay} ms in attempt ${attempt}`);
  }
  assert.equal(new Set(delays.slice(4)).size, 4);
  proxy.isOpen = true;
  await ann.next("connection", ({ state }) => state === "open");
});
