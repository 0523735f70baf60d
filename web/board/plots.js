// Plots of the last hours by uPlot, each with its figures as text and as a table for those who don't see it.

import { byId, element, say } from "./dom.js";
import { bytes, clock, count, duration, end } from "./words.js";

/** Lines are told apart by how they are dashed, too. */
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [14, 4], [5, 2]];
const COLOURS = DASHES.length;
const HEIGHT_PX = 190;
const SPANS = [[10, "10 min"], [60, "1 h"], [360, "6 h"]];
const SPAN_AT_FIRST = 60;

const micros = (us) => duration(us === null ? null : us / 1000);
const kibibytes = (kib) => bytes(kib === null ? null : kib * 1024);
const plain = (name, label) => ({ name, label });
const quantiles = (name) => [
  plain(`${name}.p50`, "half"), plain(`${name}.p95`, "95 of 100"), plain(`${name}.p99`, "99 of 100"),
];
/** One line for each that occurs, such as close codes; those beyond the colours together. */
const each = (kind, words) => (history) => history.namesOf(kind).map((name) => ({ name: `${kind}.${name}`, label: words(name), perSecond: true }));

/** Every plot: its key, its name, its lines, and how its values are said. */
const PLOTS = [
  ["sessions", "Sessions", [
    plain("waiting", "waiting"), plain("chatting", "chatting"), plain("idle", "idle"), plain("away", "away"),
  ], count],
  ["rates", "Arrivals and matches a second", [
    { name: "connections_begun", label: "arrivals", perSecond: true }, { name: "matches", label: "matches", perSecond: true },
  ], count],
  ["messages", "Messages a second", [{ name: "messages", label: "messages", perSecond: true }], count],
  ["time-to-match", "Time to match", quantiles("time_to_match_ms"), duration],
  ["relay", "Messages on their way", quantiles("relay_us"), micros],
  ["outbox", "What gathers in an outbox", quantiles("outbox_bytes"), bytes],
  ["ended", "Ends of connections a second, by close code", each("ended", end), count],
  ["refused", "Refused a second, by limit", (history) => [
    ...each("refused", (limit) => limit)(history), ...each("let_pass", (limit) => `${limit} (dry run)`)(history),
  ], count],
  ["memory", "Memory", [plain("resident_kib", "in use")], kibibytes],
];

/** The lines with their values; what is counted in a step is told for each second. */
function valuesOf(lines, history, steps) {
  const from = history.at.length - steps;
  const values = ({ name, perSecond }) => {
    const column = history.column(name).slice(from);
    return perSecond ? column.map((value) => (value === null ? null : value / history.stepS)) : column;
  };
  return lines.map(values);
}

/** A time of the axis, to the second only where times are so close. */
function time(at, everyS) {
  const words = clock(at * 1000);
  return everyS < 60 ? words : words.slice(0, 5);
}

/** The least, the mean, the most and the last of what is known. */
function sum(values) {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return [null, null, null, null];
  const total = known.reduce((all, value) => all + value, 0);
  const least = known.reduce((least, value) => Math.min(least, value));
  const most = known.reduce((most, value) => Math.max(most, value));
  return [least, total / known.length, most, known.at(-1)];
}

class Plot {
  #lines = "";
  #plot = null;

  constructor([key, name, lines, words]) {
    this.lines = lines;
    this.words = words;
    // What is drawn is said in the summary and the table.
    this.drawing = element("div", { class: "plot", "aria-hidden": "true" });
    this.summary = element("p", { class: "summary" });
    this.rows = element("tbody");
    const titles = ["", "least", "mean", "most", "last"].map((title) => element("th", { scope: "col" }, title || "line"));
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...titles)), this.rows);
    const details = element("details", {}, element("summary", {}, "As a table"), table);
    this.figure = element("figure", { class: "card", id: `plot-${key}` },
      element("figcaption", {}, name), this.drawing, this.summary, details);
  }

  show(history, steps) {
    const all = typeof this.lines === "function" ? this.lines(history) : this.lines;
    const lines = all.slice(0, COLOURS);
    const values = valuesOf(lines, history, steps);
    const at = history.at.slice(history.at.length - steps).map((ms) => ms / 1000);
    this.#draw(lines, [at, ...values]);
    this.#tell(all, all.length > lines.length ? valuesOf(all, history, steps) : values);
  }

  #draw(lines, data) {
    const labels = lines.map(({ label }) => label).join("\n");
    if (this.#plot === null || labels !== this.#lines) {
      this.#plot?.destroy();
      this.#plot = new globalThis.uPlot(this.#options(lines), data, this.drawing);
      this.#lines = labels;
    } else {
      this.#plot.setData(data);
    }
    // Where nobody points at, the last values stand; uPlot has written its own legend by then.
    queueMicrotask(() => this.#showLast(data[0].length - 1));
  }

  #showLast(last) {
    const plot = this.#plot;
    if (plot !== null && last >= 0 && !(plot.cursor.left >= 0)) plot.setLegend({ idx: last });
  }

  #options(lines) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: colour("muted"), font, grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } };
    const words = (values) => values.map((value) => (value === null ? "" : this.words(value)));
    return {
      width: this.drawing.clientWidth,
      height: HEIGHT_PX,
      series: [
        { label: "at", value: (_, at) => (at === null ? "" : clock(at * 1000)) },
        ...lines.map(({ label }, index) => ({
          label,
          stroke: colour(`series-${index + 1}`),
          width: 2,
          dash: DASHES[index],
          value: (_, value) => this.words(value),
        })),
      ],
      axes: [
        { ...axis, space: 80, values: (_, times, __, ___, everyS) => times.map((at) => time(at, everyS)) },
        { ...axis, size: 70, values: (_, values) => words(values) },
      ],
      scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
      legend: { live: true },
      cursor: { drag: { x: false, y: false } },
    };
  }

  #tell(lines, values) {
    const sums = values.map(sum);
    this.rows.replaceChildren(...lines.map(({ label }, index) => element("tr", {},
      element("th", { scope: "row" }, label), ...sums[index].map((value) => element("td", {}, this.words(value))))));
    const isKnown = sums.some(([, , , last]) => last !== null);
    const sentence = lines.map(({ label }, index) => `${label} ${this.words(sums[index][3])}, at most ${this.words(sums[index][2])}`);
    say(this.summary, isKnown ? `${sentence.join("; ")}.` : "Nothing so far.");
  }

  /** Draws anew: the size has changed, or the colours. */
  forget() {
    this.#plot?.destroy();
    this.#plot = null;
  }
}

export class Plots {
  #plots = PLOTS.map((plot) => new Plot(plot));
  #span = SPAN_AT_FIRST;

  constructor(history) {
    this.history = history;
    byId("plots").append(...this.#plots.map(({ figure }) => figure));
    const buttons = SPANS.map(([minutes, name]) => {
      const button = element("button", { type: "button", "aria-pressed": String(minutes === this.#span) }, name);
      button.addEventListener("click", () => {
        this.#span = minutes;
        for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
        this.show();
      });
      return button;
    });
    byId("spans").append(...buttons);
    const again = () => {
      for (const plot of this.#plots) plot.forget();
      this.show();
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    let width = 0;
    new ResizeObserver(() => {
      const now = byId("plots").clientWidth;
      if (now === width || now === 0) return;
      width = now;
      again();
    }).observe(byId("plots"));
  }

  show() {
    // Nothing can be drawn before there is room for it.
    if (byId("plots").clientWidth === 0) return;
    const steps = this.history.stepsIn(this.#span);
    for (const plot of this.#plots) plot.show(this.history, steps);
  }
}
