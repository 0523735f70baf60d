// Where people wait or chat, on the world as degrees of longitude and latitude (an equirectangular projection).

import { feature, geoEquirectangular, geoPath } from "/vendor/map-library.js";
import { byId, element, say, shape } from "./dom.js";
import { count } from "./words.js";

const LAT_MAX = 84;
const LAT_MIN = -60;

/** One degree is one unit, so that people stand at their coordinates. */
const projection = geoEquirectangular().scale(180 / Math.PI).translate([0, 0]).precision(0);

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
    const land = shape("path", { class: "land", d: geoPath(projection)(feature(world, world.objects.land)) });
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
