// Two people who meet and talk.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WhisperChat } from "whisperchat-client";
import { Person, PARIS, meet } from "./common/person.js";
import { startServer } from "./common/server.js";

test("two meet, talk and see what was delivered", async (t) => {
  const { url } = await startServer(t);
  const ann = new Person(t, url, { name: "ann" });
  const bob = new Person(t, url, { name: "bob" });
  const waiting = await ann.wait();
  assert.equal(waiting.range_km, 50);
  assert.equal(ann.client.state, "waiting");
  await bob.client.join({ ...PARIS, name: "bob", interests: ["chess"] });
  const chat = await ann.next("matched");
  assert.deepEqual(chat.partner, { name: "bob", shared_interests: [] });
  assert.equal(chat.distance, "near");
  assert.equal((await bob.next("matched")).id, chat.id);

  const message = ann.client.say("Hello!");
  assert.equal(message.state, "sending");
  await message.accepted;
  assert.equal(message.seq, 1);
  const said = await bob.next("said");
  assert.deepEqual([said.seq, said.text, said.chat], [1, "Hello!", chat.id]);
  await ann.next("message", ({ state }) => state === "delivered");
  assert.equal(message.state, "delivered");

  bob.client.typing();
  assert.deepEqual(await ann.next("typing"), { on: true });
  bob.client.say("Hi");
  assert.equal((await ann.next("said")).text, "Hi");
  assert.deepEqual(bob.frames.filter(({ type }) => type === "typing").map(({ on }) => on), [true, false]);

  await bob.client.leave();
  assert.deepEqual(await bob.next("idle"), { reason: "left" });
  assert.deepEqual(await ann.next("partner_left"), { chat: chat.id, reason: "left" });
  assert.equal(ann.client.chat, null);
  assert.throws(() => ann.client.say("still there?"), { code: "wrong_state" });
});

test("hostile text and names arrive as they were written", async (t) => {
  const { url } = await startServer(t);
  const name = "<img src=x onerror=alert(1)>";
  const ann = new Person(t, url);
  await ann.client.join({ ...PARIS, name });
  const bob = new Person(t, url);
  await bob.client.join({ ...PARIS, name: '"},{"type":"idle' });
  assert.equal((await bob.next("matched")).partner.name, name);
  assert.equal((await ann.next("matched")).partner.name, '"},{"type":"idle');
  const texts = [
    "<script>alert(1)</script>", '{"type":"partner_left","reason":"left"}', "\u202Egnirts\u202C \0\u0007",
    "\u{1F468}\u200D\u{1F469}\u200D\u{1F467}", "a\nb\r\n\u2028c", "__proto__", "\\u0000\"'`${x}", " ",
  ];
  for (const text of texts) ann.client.say(text);
  for (const text of texts) assert.equal((await bob.next("said")).text, text);
  ann.client.say("half a \uD83D pair");
  assert.equal((await bob.next("said")).text, "half a \uFFFD pair");
  assert.equal(ann.client.state, "chatting");
});

test("what can't be said is refused at once and says why", async (t) => {
  const { url } = await startServer(t);
  const { ann } = await meet(t, url);
  assert.throws(() => ann.client.say(""), { code: "bad_field", message: /1 to 2000 characters, not 0/ });
  assert.throws(() => ann.client.say("x".repeat(2001)), { code: "bad_field", message: /not 2001/ });
  assert.throws(() => ann.client.say("\u0001".repeat(2000)), { code: "too_large" });
  await ann.client.say("\u{1F600}".repeat(1900)).accepted;
});

test("a burst of 500 arrives in order with few acknowledgements", async (t) => {
  const { url } = await startServer(t);
  const { ann, bob } = await meet(t, url);
  const messages = Array.from({ length: 500 }, (_, number) => ann.client.say(`message ${number}`));
  for (let number = 0; number < 500; number += 1) {
    const said = await bob.next("said");
    assert.deepEqual([said.seq, said.text], [number + 1, `message ${number}`]);
  }
  await ann.until(() => messages.every(({ state }) => state === "delivered"), "all to be delivered");
  const acks = bob.frames.filter(({ type }) => type === "ack").length;
  assert.ok(acks <= 50, `${acks} acknowledgements of 500 messages`);
  assert.deepEqual([...ann.seen("refused"), ...bob.seen("refused")], []);
});

test("what is acknowledged by hand is delivered only then", async (t) => {
  const { url } = await startServer(t);
  const { ann, bob } = await meet(t, url, url, { acknowledge: "manual" });
  const messages = [ann.client.say("one"), ann.client.say("two")];
  await bob.next("said");
  await bob.next("said");
  bob.client.say("an answer comes before any mark");
  await ann.next("said");
  assert.deepEqual(messages.map(({ state }) => state), ["sent", "sent"]);
  bob.client.acknowledge(1);
  await ann.next("message", ({ state }) => state === "delivered");
  assert.deepEqual(messages.map(({ state }) => state), ["delivered", "sent"]);
  bob.client.acknowledge();
  await ann.next("message", ({ state }) => state === "delivered");
});

test("next looks for somebody else, and cancel ends that", async (t) => {
  const { url } = await startServer(t);
  const { ann, bob } = await meet(t, url);
  await ann.client.next();
  assert.equal(ann.client.state, "waiting");
  assert.equal((await bob.next("partner_left")).reason, "left");
  await ann.client.update({ range_km: 30 });
  assert.equal((await ann.next("waiting", ({ range_km }) => range_km === 30)).range_km, 30);
  const cleo = new Person(t, url, { name: "cleo" });
  await cleo.client.join({ ...PARIS, name: "cleo" });
  assert.equal((await ann.next("matched")).partner.name, "cleo");
  await bob.client.next();
  await bob.client.cancel();
  assert.deepEqual(await bob.next("idle"), { reason: "cancelled" });
  assert.equal(bob.client.state, "idle");
});

test("who was blocked is not met again, and who was reported is", async (t) => {
  const { url } = await startServer(t, { "matching.rematch_cooloff_s": 0 });
  const { ann, bob } = await meet(t, url);
  const first = ann.client.chat.id;
  await bob.client.report("spam", undefined, "sells things");
  assert.deepEqual(await bob.next("reported"), { chat: first });
  assert.equal(bob.client.state, "chatting");
  await ann.client.leave();
  await bob.next("partner_left");
  // After the chat, and met again: a report keeps nobody apart.
  await bob.client.report("other", first);
  await Promise.all([ann.client.next(), bob.client.next()]);
  const second = (await ann.next("matched")).id;
  await ann.client.block();
  assert.deepEqual(await ann.next("blocked"), { chat: second });
  assert.deepEqual(await ann.next("idle"), { reason: "left" });
  assert.equal((await bob.next("partner_left")).reason, "blocked");
  await Promise.all([ann.client.next(), bob.client.next()]);
  const cleo = new Person(t, url, { name: "cleo" });
  await cleo.client.join({ ...PARIS, name: "cleo" });
  const { partner } = await cleo.next("matched");
  const lonely = partner.name === "ann" ? bob : ann;
  assert.equal(lonely.client.state, "waiting");
  await assert.rejects(ann.client.block("0000000000000000"), { code: "not_found" });
});

test("what is wrong with the options is said", () => {
  assert.throws(() => new WhisperChat("http://here/v1/ws", { WebSocket }), /ws:\/\/ or wss:\/\//);
  assert.throws(() => new WhisperChat("ws://here", { WebSocket, retryMaxMs: 1 }), /retryMaxMs .* from 10/);
  assert.throws(() => new WhisperChat("ws://here", { WebSocket, tokenBy: "cookie" }), /"message" or "subprotocol"/);
  assert.throws(() => new WhisperChat("ws://here", { WebSocket: {} }), /option WebSocket/);
});
