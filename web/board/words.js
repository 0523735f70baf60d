// Figures and codes in words.

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** What stands where there is no value. */
export const NOTHING = "–";

const orNothing = (words) => (value) => (value === null || value === undefined ? NOTHING : words(value));

export const count = orNothing((value) => (value < 1000 && !Number.isInteger(value) ? SHORT : WHOLE).format(value));

/** So many of something: "1 report", "2 reports". */
export function counted(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** A duration, from ms. */
export const duration = orNothing((ms) => {
  if (ms < 1) return `${SHORT.format(ms)} ms`;
  if (ms < 1000) return `${WHOLE.format(ms)} ms`;
  if (ms < 60_000) return `${SHORT.format(ms / 1000)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1000)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
});

export const bytes = orNothing((value) => {
  if (value < 1024) return `${WHOLE.format(value)} B`;
  if (value < 1024 ** 2) return `${SHORT.format(value / 1024)} KiB`;
  if (value < 1024 ** 3) return `${SHORT.format(value / 1024 ** 2)} MiB`;
  return `${SHORT.format(value / 1024 ** 3)} GiB`;
});

const DATE = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** The day and the time of day, from ms since the Unix epoch. */
export function date(ms) {
  return DATE.format(ms);
}

/** The time of day, from ms since the Unix epoch. */
export function clock(ms) {
  return CLOCK.format(ms);
}

export const STATES = {
  ready: "Ready",
  full: "Full",
  draining: "Draining",
  stopping: "Stopping",
};

export const DOES = {
  idle: "neither waits nor chats",
  waiting: "waits for a partner",
  confirming: "is being matched",
  chatting: "is in a chat",
};

const ENDS = {
  1000: "done",
  1001: "gone away",
  1002: "broke the protocol",
  1003: "binary message",
  1005: "no code",
  1006: "connection broke",
  1007: "not UTF-8",
  1008: "policy",
  1009: "too big",
  1010: "extension missing",
  1011: "error of the client",
  4000: "by an operator",
  4001: "too many errors",
  4002: "resumed elsewhere",
  4100: "read too slowly",
  4101: "said nothing at first",
  4102: "too much too fast",
  4200: "server went away",
  4201: "ping not answered",
  4202: "token expired",
};

/** A close code with what it means. */
export function end(code) {
  return ENDS[code] ? `${code} ${ENDS[code]}` : code;
}
