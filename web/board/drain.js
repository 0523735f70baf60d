// Sending everybody away, and calling that off.

import { byId, say, show } from "./dom.js";
import { count, duration } from "./words.js";

export class Drain {
  #status = byId("drain-status");
  #progress = byId("drain-progress");
  #start = byId("drain-start");
  #cancel = byId("drain-cancel");
  #question = byId("drain-question");

  /** @param {(path: string) => Promise<any>} steer asks the server, and says what went wrong if it did */
  constructor(steer) {
    this.#start.addEventListener("click", () => {
      show(this.#question, true);
      byId("drain-no").focus();
    });
    byId("drain-no").addEventListener("click", () => this.#unask());
    byId("drain-yes").addEventListener("click", async () => {
      this.#unask();
      const status = await steer("/api/v1/drain");
      if (status) this.show(status);
    });
    this.#cancel.addEventListener("click", async () => {
      const status = await steer("/api/v1/drain/cancel");
      if (!status) return;
      this.show(status);
      this.#start.focus();
    });
  }

  #unask() {
    show(this.#question, false);
    this.#start.focus();
  }

  show({ state, drain, connections }) {
    const isServing = state === "ready" || state === "full";
    show(this.#start, isServing);
    show(this.#cancel, state === "draining");
    if (!isServing) show(this.#question, false);
    show(this.#progress, drain !== null);
    say(byId("drain-words"), `New connections are refused, and ${count(connections)} connections are told to go and are ended bit by bit. `
      + "It can be called off for those who are still there.");
    if (drain) this.#showProgress(drain, connections);
    else if (state === "stopping") say(this.#status, `The server stops; ${count(connections)} connections are left.`);
    else say(this.#status, "The server takes people in.");
  }

  #showProgress({ lasts_ms, connections_before }, connections) {
    const gone = Math.max(0, connections_before - connections);
    this.#progress.value = connections_before > 0 ? gone / connections_before : 1;
    const since = duration(1000 * Math.floor(lasts_ms / 1000));
    say(this.#status, connections === 0
      ? "Everybody has gone. The server stays, empty, until it is stopped or the drain is called off."
      : `${count(gone)} of ${count(connections_before)} connections have gone in ${since}; ${count(connections)} are left.`);
  }
}
