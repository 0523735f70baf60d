// The table of towns: read once, when it is first needed, and searched without a network.

/** @typedef {{ name: string, country: string, lat: number, lon: number, size: number }} Town */

const STEPS_PER_DEGREE = 50;
const SIZE_FIRST = 48;
/** Names are folded in parts of so many, so that nothing else waits for long. */
const CHUNK = 1_000;

/** Without case, accents and punctuation: how people type a name. */
export function fold(name) {
  return name.normalize("NFD").toLowerCase().replaceAll("ß", "ss").replaceAll("ø", "o").replaceAll("ł", "l")
    .replaceAll("đ", "d").replaceAll("ı", "i").replaceAll("æ", "ae").replaceAll("œ", "oe")
    .replaceAll(/[\p{M}‘’'`´.]/gu, "").replaceAll(/[\s\p{Pd}]+/gu, " ").trim();
}

/**
 * The towns of the file that `scripts/make-towns` makes, most people first. Several names of one town stand beside each other.
 * @param {string} file
 * @returns {Town[]}
 */
export function read(file) {
  const [, names, souths, easts, sizes] = file.trimEnd().split("\n\n");
  const [south, east] = [souths, easts].map((column) => column.split(" ").map(Number));
  const towns = [];
  let [country, northSteps, eastSteps, index] = ["", 0, 0, 0];
  for (const line of names.split("\n")) {
    if (line.startsWith("#")) {
      [country, northSteps, eastSteps] = [line.slice(1), 90 * STEPS_PER_DEGREE, 0];
      continue;
    }
    northSteps -= south[index];
    eastSteps += east[index];
    const size = sizes.charCodeAt(index) - SIZE_FIRST;
    const [lat, lon] = [northSteps / STEPS_PER_DEGREE, eastSteps / STEPS_PER_DEGREE];
    for (const name of line.split("|")) towns.push({ name, country, lat, lon, size });
    index += 1;
  }
  // The order of equals is kept.
  return towns.sort((one, other) => other.size - one.size);
}

/** A pause in which the page can answer the person. */
const breathe = () => new Promise((resume) => { setTimeout(resume); });

export class Towns {
  /** @param {Town[]} towns most people first @param {string[]} folded their names, as they are searched */
  constructor(towns, folded) {
    this.all = towns;
    this.folded = folded;
  }

  /** @param {string} file */
  static async from(file) {
    const towns = read(file);
    const folded = [];
    for (let start = 0; start < towns.length; start += CHUNK) {
      await breathe();
      for (const { name } of towns.slice(start, start + CHUNK)) folded.push(fold(name));
    }
    return new Towns(towns, folded);
  }

  /**
   * Those that begin with what is typed, most people first; then those in which a later word does. What follows a comma is
   * not looked at: it is the country that the page has written there.
   * @param {string} typed
   * @param {number} max
   */
  search(typed, max) {
    const wanted = fold(typed.split(",")[0]);
    if (wanted === "") return [];
    const [first, later] = [[], []];
    for (const [index, folded] of this.folded.entries()) {
      if (folded.startsWith(wanted)) first.push(this.all[index]);
      else if (later.length < max && folded.includes(` ${wanted}`)) later.push(this.all[index]);
      if (first.length >= max * 2) break;
    }
    const found = [];
    for (const town of [...first, ...later]) {
      // Two names of the same town that both begin like that.
      if (!found.some(({ lat, lon }) => lat === town.lat && lon === town.lon)) found.push(town);
    }
    return found.slice(0, max);
  }

  /** The nearest within some 0.5°, larger ones before smaller ones that are not much nearer; null if there is none. */
  near({ lat, lon }) {
    const shrink = Math.cos((lat * Math.PI) / 180);
    let [best, bestCost] = [null, 0.5];
    for (const town of this.all) {
      if (Math.abs(town.lat - lat) > 0.5) continue;
      const east = ((((town.lon - lon) % 360) + 540) % 360) - 180;
      const cost = Math.hypot(town.lat - lat, east * shrink) - town.size * 0.004;
      if (cost < bestCost) [best, bestCost] = [town, cost];
    }
    return best;
  }
}

/** @type {Promise<Towns> | null} */
let loading = null;

/** The towns; loaded once, and tried again if that failed. */
export function loadTowns() {
  loading ??= fetch("/towns.txt").then(async (answer) => {
    if (!answer.ok) throw new Error(`towns.txt: ${answer.status}`);
    return Towns.from(await answer.text());
  }).catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}
