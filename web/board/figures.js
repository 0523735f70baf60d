// The figures of this moment.

import { byId, element, say } from "./dom.js";
import { bytes, count, duration } from "./words.js";

/** What happened in a second, between two looks. */
function rate(name, now, before) {
  const seconds = before ? (now.at_ms - before.at_ms) / 1000 : 0;
  const happened = before ? now.totals[name] - before.totals[name] : -1;
  // A server that was started anew counts from 0.
  return seconds > 0 && happened >= 0 ? happened / seconds : null;
}

/** The last value of a column of the history. */
function last(history, name) {
  return history.column(name).at(-1) ?? null;
}

/** Names, keys, values and what is to be said besides. */
function figures({ now, before, history }) {
  const { doing } = now;
  const perSecond = (name) => count(rate(name, now, before));
  const spread = (name, words) => `95 of 100: ${words(last(history, `${name}.p95`))}, 99: ${words(last(history, `${name}.p99`))}`;
  const relay = (us) => duration(us === null ? null : us / 1000);
  return [
    ["connections", "Connections", count(now.connections), `of ${count(now.connections_max)}`],
    ["idle", "Idle", count(doing.idle), ""],
    ["waiting", "Waiting", count(doing.waiting), `${count(now.waiting)} in the waiting room`],
    ["chatting", "Chatting", count(doing.chatting), ""],
    ["away", "Away", count(doing.away), "may yet come back"],
    ["arrivals", "Arrivals a second", perSecond("connections_begun"), `${count(now.totals.connections_begun)} so far`],
    ["matches", "Matches a second", perSecond("matches"), `${count(now.totals.matches)} so far`],
    ["messages", "Messages a second", perSecond("messages"), `${count(now.totals.messages)} so far`],
    ["time-to-match", "Time to match", duration(last(history, "time_to_match_ms.p50")), spread("time_to_match_ms", duration)],
    ["relay", "Message on its way", relay(last(history, "relay_us.p50")), spread("relay_us", relay)],
    ["outbox", "In an outbox", bytes(last(history, "outbox_bytes.p50")), spread("outbox_bytes", bytes)],
    ["refused", "Refused a second", perSecond("refused"), `${count(now.totals.refused)} so far`],
    ["memory", "Memory", bytes(now.resident_bytes), ""],
    ["log", "Log lines dropped", count(now.log_lines_dropped), ""],
  ];
}

export class Figures {
  #list = byId("now");
  #tiles = new Map();
  #before = null;

  /** Shows what the server has just said. */
  show(now, history) {
    for (const [key, name, value, besides] of figures({ now, before: this.#before, history })) {
      const tile = this.#tiles.get(key) ?? this.#add(key, name);
      say(tile.value, value);
      say(tile.besides, besides);
    }
    this.#before = now;
  }

  #add(key, name) {
    const value = element("dd", { id: `now-${key}` });
    const besides = element("dd", { class: "quiet" });
    this.#list.append(element("div", {}, element("dt", {}, name), value, besides));
    const tile = { value, besides };
    this.#tiles.set(key, tile);
    return tile;
  }
}
