// Somebody who uses the client: everything that happens is kept, in order, until it is asked for.

import { WhisperChat } from "whisperchat-client";

/** Longer than anything takes on a busy machine; only a failing test ever waits for it. */
export const WAIT_MS = 30_000;
export const PARIS = { position: { lat: 48.8566, lon: 2.3522 }, range_km: 50 };

// Node 20 says nothing at all of some connections that were refused.
const QUICK = { answerMaxMs: 3_000, retryFirstMs: 20, retryMaxMs: 200 };

const EVENTS = [
  "connection", "welcome", "resumed", "waiting", "matched", "said", "message", "typing", "partner_away",
  "partner_back", "gap", "partner_left", "chat_lost", "idle", "blocked", "reported", "going_away", "refused",
];

export class Person {
  /** What happened and was not asked for yet. */
  #events = [];
  #wakers = new Set();

  constructor(test, url, options = {}) {
    this.name = options.name ?? "someone";
    /** Every frame that was sent, as an object. */
    this.frames = [];
    const { frames } = this;
    class Recording extends WebSocket {
      send(frame) {
        frames.push(JSON.parse(frame));
        super.send(frame);
      }
    }
    const { name: _name, ...others } = options;
    this.client = new WhisperChat(url, { ...QUICK, WebSocket: Recording, ...others });
    for (const type of EVENTS) {
      this.client.on(type, (detail) => {
        // A message goes on to change.
        this.#events.push({ type, detail: type === "message" ? { ...detail, message: detail } : detail });
        for (const wake of [...this.#wakers]) wake();
      });
    }
    test.after(() => this.client.close());
  }

  /** The next event of a type that fits, taken out together with all that came before it. */
  async next(type, fits = () => true) {
    const find = () => this.#events.findIndex((event) => event.type === type && fits(event.detail));
    await this.#until(() => find() >= 0, () => `${type}; there were ${JSON.stringify(this.#events)}`);
    return this.#events.splice(0, find() + 1).pop().detail;
  }

  /** What is there already and was not asked for. */
  seen(type) {
    return this.#events.filter((event) => event.type === type).map(({ detail }) => detail);
  }

  /** Waits until something holds; looked at after each event. */
  until(condition, what = condition) {
    return this.#until(condition, () => String(what));
  }

  #until(condition, what) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#wakers.delete(look);
        reject(new Error(`${this.name} has waited too long for ${what()}`));
      }, WAIT_MS);
      const look = () => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#wakers.delete(look);
        resolve();
      };
      this.#wakers.add(look);
      look();
    });
  }

  async wait() {
    await this.client.join({ ...PARIS, name: this.name });
    return this.next("waiting");
  }
}

/** Two who talk with each other: the first over one address, the second over another. */
export async function meet(test, url, secondUrl = url, options = {}) {
  const ann = new Person(test, url, { name: "ann", ...options });
  const bob = new Person(test, secondUrl, { name: "bob", ...options });
  await ann.wait();
  await bob.client.join({ ...PARIS, name: "bob" });
  await Promise.all([ann.next("matched"), bob.next("matched")]);
  return { ann, bob };
}
