// The figures of the last hours, as the server has them, and what has come since this page was opened.

const PLAIN = ["connections", "idle", "waiting", "chatting", "away", "resident_kib", "connections_begun", "matches", "messages"];
const QUANTILES = ["time_to_match_ms", "relay_us", "outbox_bytes"];
const BY_NAME = ["ended", "refused", "let_pass"];

export class History {
  constructor() {
    /** When each step ended, in ms since the Unix epoch. */
    this.at = [];
    /** Columns by their names, as long as `at`; `null` where nothing is known. @type {Map<string, (number | null)[]>} */
    this.columns = new Map();
    this.stepS = 10;
  }

  /** The end of the last step. */
  get lastMs() {
    return this.at.at(-1) ?? 0;
  }

  /** Takes over steps that have ended since the last. */
  add(steps) {
    this.stepS = steps.step_s;
    const fresh = new Map(PLAIN.map((name) => [name, steps[name]]));
    for (const name of QUANTILES) {
      for (const [share, column] of Object.entries(steps[name])) fresh.set(`${name}.${share}`, column);
    }
    for (const name of BY_NAME) {
      for (const [which, column] of Object.entries(steps[name])) fresh.set(`${name}.${which}`, column);
    }
    const [first] = steps.at_ms;
    if (this.at.length > 0 && first - this.lastMs > 2.5 * this.stepS * 1000) {
      // The server was not there, or this page asleep: nothing is known of the time between.
      this.#append([this.lastMs + this.stepS * 1000], new Map(), null);
    }
    this.#append(steps.at_ms, fresh, 0);
    const surplus = this.at.length - steps.stored_max;
    if (surplus > 0) {
      this.at.splice(0, surplus);
      for (const column of this.columns.values()) column.splice(0, surplus);
    }
  }

  /** `absent`: what stands for columns that are not there. */
  #append(at, fresh, absent) {
    for (const name of fresh.keys()) {
      // A code or limit that has not been seen before: there were none of it.
      if (!this.columns.has(name)) this.columns.set(name, this.at.map(() => 0));
    }
    for (const [name, column] of this.columns) column.push(...(fresh.get(name) ?? at.map(() => absent)));
    this.at.push(...at);
  }

  column(name) {
    return this.columns.get(name) ?? this.at.map(() => null);
  }

  /** The names after the dot of all columns of a kind, such as close codes. */
  namesOf(kind) {
    const names = [...this.columns.keys()].filter((name) => name.startsWith(`${kind}.`));
    return names.map((name) => name.slice(kind.length + 1)).sort();
  }

  /** How many steps at the end lie in the last so many minutes. */
  stepsIn(minutes) {
    const from = this.lastMs - minutes * 60_000;
    const first = this.at.findIndex((at) => at > from);
    return first < 0 ? 0 : this.at.length - first;
  }
}
