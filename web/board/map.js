// Where people wait or chat, on the world as degrees of longitude and latitude (an equirectangular projection).

import { byId, element, say, shape } from "./dom.js";
import { count } from "./words.js";

const LAT_MAX = 84;
const LAT_MIN = -60;

/** The same points without leaps from one edge of the map to the other. */
function unwrapped(points) {
  let turns = 0;
  return points.map(([x, y], index) => {
    const leap = index > 0 ? x - points[index - 1][0] : 0;
    if (Math.abs(leap) > 180) turns -= 360 * Math.sign(leap);
    return [x + turns, y];
  });
}

/** Outlines of a TopoJSON topology's land, as a path. Arcs are steps from point to point, in units of the topology. */
function outlines({ arcs, transform: { scale, translate }, objects }) {
  const points = arcs.map((arc) => {
    let [x, y] = [0, 0];
    return arc.map(([dx, dy]) => {
      x += dx;
      y += dy;
      return [x * scale[0] + translate[0], -(y * scale[1] + translate[1])];
    });
  });
  // An arc that is named by a number below 0 is gone through from its end (TopoJSON specification, 2.1.4).
  const run = (index) => (index < 0 ? points[~index].toReversed() : points[index]);
  const ring = (indices) => {
    const whole = unwrapped(indices.flatMap(run));
    // What reaches beyond one edge of the map is there at the other, too.
    const shifts = [0, 360, -360].filter((shift) => whole.some(([x]) => Math.abs(x + shift) < 180));
    const path = (shift) => `M${whole.map(([x, y]) => `${(x + shift).toFixed(2)},${y.toFixed(2)}`).join("L")}Z`;
    return shifts.map(path).join("");
  };
  const polygons = objects.land.geometries.flatMap(({ type, arcs }) => (type === "Polygon" ? [arcs] : arcs));
  return polygons.flatMap((rings) => rings.map(ring)).join("");
}

/** A place as people write it. */
function place({ lat, lon }) {
  const degrees = (value, [plus, minus]) => `${Math.abs(value).toFixed(1)}° ${value < 0 ? minus : plus}`;
  return `${degrees(lat, "NS")}, ${degrees(lon, "EW")}`;
}

export class WorldMap {
  #cells = shape("g");
  #rows = byId("map-rows");
  #summary = byId("map-summary");

  async draw() {
    const world = await (await fetch("/vendor/countries-110m.json")).json();
    const view = `-180 ${-LAT_MAX} 360 ${LAT_MAX - LAT_MIN}`;
    const land = shape("path", { class: "land", d: outlines(world) });
    byId("map").replaceChildren(shape("svg", { viewBox: view, role: "img", "aria-labelledby": "map-title map-summary" }, land, this.#cells));
  }

  show({ regions, elsewhere }) {
    const most = regions[0]?.people ?? 1;
    this.#cells.replaceChildren(...regions.map(({ lat, lon, people }) => {
      // Areas are as the numbers of people; the fewest are still seen.
      const r = Math.max(1, 7 * Math.sqrt(people / most));
      return shape("circle", { class: "cell", cx: lon, cy: -lat, r: r.toFixed(2) }, shape("title", {}, `${place({ lat, lon })}: ${people}`));
    }));
    this.#rows.replaceChildren(...regions.map((region) => element("tr", {},
      element("th", { scope: "row" }, place(region)), element("td", {}, count(region.people)))));
    const cells = regions.length === 1 ? "1 cell" : `${count(regions.length)} cells`;
    const fullest = regions.length > 0 ? ` Most, ${count(most)}, are around ${place(regions[0])}.` : "";
    say(this.#summary, `${cells} of 100 by 100 km or more with at least 5 people; ${count(elsewhere)} people are elsewhere.${fullest}`);
  }
}
