// Never run: the types must allow what is meant to be written, and refuse what is not.

import { OwnMessage, WhisperChat, WhisperChatError, type Chat, type Criteria } from "whisperchat-client";

const client = new WhisperChat("wss://chat.example/v1/ws", { token: async () => "a.b.c", tokenBy: "subprotocol" });
const criteria: Criteria = { position: { lat: 48.86, lon: 2.35 }, range_km: 50, interests: ["chess"] };
const off: () => void = client.on("matched", (chat: Chat) => {
  const message: OwnMessage = client.say(`Hello ${chat.partner.name ?? "you"}`);
  message.accepted.catch((error: WhisperChatError) => error.retryAfterMs);
});
client.on("said", ({ seq, text }) => client.acknowledge(seq + text.length));
client.on("refused", ({ code, retry_after_ms }) => [code, retry_after_ms]);
const done: Promise<void>[] = [client.join(criteria), client.update({ range_km: 60 }), client.report("spam")];

// @ts-expect-error there is no such event
client.on("mached", () => {});
// @ts-expect-error a reason is one of six
client.report("boring");
// @ts-expect-error a position is needed
client.join({ range_km: 50 });
// @ts-expect-error what is not there yet may be null
client.chat.id;
// @ts-expect-error there is no such option
new WhisperChat("ws://here", { retries: 3 });

export { done, off };
