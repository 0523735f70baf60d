// The world as it is seen from above a place (an orthographic projection), drawn on a canvas. There the date line and the
// poles are like any other line and point. Nothing of the page is known here but the canvas.

const EARTH_RADIUS_KM = 6371.0088;
const RADIANS = Math.PI / 180;

/** Half the height of the map is at least so much: the outlines are too coarse to be looked at more closely. */
const HALF_HEIGHT_MIN_KM = 50;
/** The whole globe takes so much of the smaller side. */
const WHOLE = 0.47;
/** The circle takes so much of the smaller side when it is fitted in. */
const FITTED = 0.36;
const TOWN_LABELS_MAX = 9;
const INSET_RADIUS_PX = 27;

/** Any longitude as one from -180 to 180. */
export function wrapped(lon) {
  return ((((lon + 180) % 360) + 360) % 360) - 180;
}

/** How wide a circle on the globe is, seen from its middle; half around the earth is everything. */
function angleOf(km) {
  return Math.min(179.9, km / EARTH_RADIUS_KM / RADIANS);
}

export class Globe {
  /** @param {HTMLCanvasElement} canvas @param {any} library map-library.js @param {any} world countries-110m.json */
  constructor(canvas, library, world) {
    this.canvas = canvas;
    this.library = library;
    this.land = library.feature(world, world.objects.land);
    this.borders = library.mesh(world, world.objects.countries, (one, other) => one !== other);
    this.graticule = library.geoGraticule10();
    this.projection = library.geoOrthographic();
    this.context = canvas.getContext("2d");
    /** What the middle of the map shows, and how many pixels the earth's radius has. */
    this.view = { lon: 10, lat: 30, scale: 1 };
    /** @type {{ position: { lat: number, lon: number }, km: number, isPlanned?: boolean }[]} */
    this.circles = [];
    /** @type {import("./towns.js").Town[]} */
    this.towns = [];
    this.size = [0, 0];
    this.readColours();
  }

  readColours() {
    const style = getComputedStyle(this.canvas);
    const colour = (name) => style.getPropertyValue(`--map-${name}`).trim();
    const names = ["sea", "land", "border", "grid", "circle", "circle-fill", "planned", "text", "halo"];
    this.colours = Object.fromEntries(names.map((name) => [name, colour(name)]));
    this.font = `12px ${style.fontFamily}`;
  }

  /** Takes the canvas's size over. Whether there is anything to draw on. */
  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const isWhole = this.size[0] === 0 || this.view.scale <= this.scaleMin * 1.01;
    this.size = [width, height];
    this.pixelRatio = Math.min(2, window.devicePixelRatio || 1);
    this.canvas.width = Math.round(width * this.pixelRatio);
    this.canvas.height = Math.round(height * this.pixelRatio);
    this.view.scale = isWhole ? this.scaleMin : this.bounded(this.view.scale);
    return width > 0 && height > 0;
  }

  get scaleMin() {
    return WHOLE * Math.min(...this.size);
  }

  get scaleMax() {
    return (this.size[1] / 2 / HALF_HEIGHT_MIN_KM) * EARTH_RADIUS_KM;
  }

  bounded(scale) {
    return Math.min(this.scaleMax, Math.max(this.scaleMin, scale));
  }

  /** The scale at which a circle is well seen. */
  scaleFor(km) {
    const angle = Math.min(90, angleOf(km)) * RADIANS;
    return this.bounded((FITTED * Math.min(...this.size)) / Math.sin(angle));
  }

  /** How many pixels a circle's radius has at a scale. */
  radiusPx(km, scale = this.view.scale) {
    return scale * Math.sin(Math.min(90, angleOf(km)) * RADIANS);
  }

  aim() {
    const [width, height] = this.size;
    const { lon, lat, scale } = this.view;
    const corner = Math.hypot(width, height) / 2;
    // What lies outside the canvas need not be drawn.
    this.visibleAngle = corner < scale ? Math.min(90, Math.asin(corner / scale) / RADIANS * 1.05 + 0.05) : 90;
    this.projection.rotate([-lon, -lat]).translate([width / 2, height / 2]).scale(scale).clipAngle(this.visibleAngle);
  }

  /** The place under a point of the canvas, or null beside the globe. */
  placeAt(x, y) {
    this.aim();
    const [width, height] = this.size;
    if (Math.hypot(x - width / 2, y - height / 2) >= this.view.scale) return null;
    const place = this.projection.invert([x, y]);
    if (!place || !place.every(Number.isFinite)) return null;
    return { lat: place[1], lon: wrapped(place[0]) };
  }

  /** Turns the globe so that what was under the pointer follows it. */
  turn(dx, dy) {
    const { view } = this;
    const perPixel = 1 / view.scale / RADIANS;
    view.lat = Math.max(-90, Math.min(90, view.lat + dy * perPixel));
    view.lon = wrapped(view.lon - (dx * perPixel) / Math.max(0.2, Math.cos(view.lat * RADIANS)));
  }

  draw() {
    const { context, colours, size: [width, height] } = this;
    if (width === 0) return;
    this.aim();
    context.setTransform(this.pixelRatio, 0, 0, this.pixelRatio, 0, 0);
    context.clearRect(0, 0, width, height);
    this.path = this.library.geoPath(this.projection, context);
    this.fill({ type: "Sphere" }, colours.sea);
    if (this.visibleAngle > 20) this.stroke(this.graticule, colours.grid, 0.5);
    this.fill(this.land, colours.land);
    this.stroke(this.borders, colours.border, 0.7);
    for (const circle of this.circles) this.drawCircle(circle);
    this.drawTowns();
    for (const { position } of this.circles) this.drawDot(position);
    if (this.view.scale > this.scaleMin * 2.5) this.drawInset();
  }

  fill(shape, colour) {
    this.context.beginPath();
    this.path(shape);
    this.context.fillStyle = colour;
    this.context.fill();
  }

  stroke(shape, colour, width) {
    this.context.beginPath();
    this.path(shape);
    this.context.strokeStyle = colour;
    this.context.lineWidth = width;
    this.context.stroke();
  }

  /** Begins a path: a disc, in pixels. */
  disc(x, y, radius) {
    this.context.beginPath();
    this.context.arc(x, y, radius, 0, 2 * Math.PI);
  }

  drawCircle({ position, km, isPlanned }) {
    const { context, colours } = this;
    const shape = this.library.geoCircle().center([position.lon, position.lat]).radius(angleOf(km))();
    if (!isPlanned) this.fill(shape, colours["circle-fill"]);
    context.setLineDash(isPlanned ? [5, 4] : []);
    this.stroke(shape, isPlanned ? colours.planned : colours.circle, 2);
    context.setLineDash([]);
  }

  drawDot({ lat, lon }) {
    if (!this.isVisible(lat, lon)) return;
    const [x, y] = this.projection([lon, lat]);
    const { context, colours } = this;
    this.disc(x, y, 5);
    context.fillStyle = colours.circle;
    context.fill();
    context.strokeStyle = colours.halo;
    context.lineWidth = 2;
    context.stroke();
  }

  isVisible(lat, lon) {
    const { lon: viewLon, lat: viewLat } = this.view;
    return this.library.geoDistance([lon, lat], [viewLon, viewLat]) < Math.min(this.visibleAngle, 85) * RADIANS;
  }

  /** The largest towns that are seen, as many as there is room for, so that a circle says something. */
  drawTowns() {
    if (this.visibleAngle > 25) return;
    const { context, colours, size: [width, height] } = this;
    // The buttons, and the globe in the corner.
    const taken = [
      { left: width - 52, top: 0, right: width, bottom: 100 },
      { left: 0, top: height - 2 * INSET_RADIUS_PX - 12, right: 2 * INSET_RADIUS_PX + 12, bottom: height },
    ];
    context.font = this.font;
    context.lineJoin = "round";
    let labels = 0;
    for (const { name, lat, lon } of this.towns) {
      if (Math.abs(lat - this.view.lat) > this.visibleAngle || !this.isVisible(lat, lon)) continue;
      const [x, y] = this.projection([lon, lat]);
      const box = { left: x - 4, top: y - 9, right: x + 10 + context.measureText(name).width, bottom: y + 9 };
      const isInside = box.left > 0 && box.right < width && box.top > 0 && box.bottom < height;
      if (!isInside || taken.some((other) => overlap(box, other))) continue;
      taken.push(box);
      this.disc(x, y, 2);
      context.fillStyle = colours.text;
      context.fill();
      context.strokeStyle = colours.halo;
      context.lineWidth = 3;
      context.strokeText(name, x + 6, y + 4);
      context.fillText(name, x + 6, y + 4);
      labels += 1;
      if (labels === TOWN_LABELS_MAX) return;
    }
  }

  /** Where on earth that is: a small globe in the corner. */
  drawInset() {
    const { context, colours, library, size: [, height] } = this;
    const { lon, lat } = this.view;
    const middle = [INSET_RADIUS_PX + 8, height - INSET_RADIUS_PX - 8];
    const projection = library.geoOrthographic().rotate([-lon, -lat]).translate(middle)
      .scale(INSET_RADIUS_PX).clipAngle(90).precision(2);
    const main = this.path;
    this.path = library.geoPath(projection, context);
    this.fill({ type: "Sphere" }, colours.sea);
    this.fill(this.land, colours.land);
    this.stroke({ type: "Sphere" }, colours.border, 1);
    this.disc(...middle, 3.5);
    context.strokeStyle = colours.circle;
    context.lineWidth = 2;
    context.stroke();
    this.path = main;
  }
}

function overlap(one, other) {
  return one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
}
