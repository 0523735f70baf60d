// The operators' board: asks the server how it is, every two seconds for as long as somebody looks, and shows it.

import { byId, say, show } from "./dom.js";
import { Drain } from "./drain.js";
import { Figures } from "./figures.js";
import { History } from "./history.js";
import { WorldMap } from "./map.js";
import { Plots } from "./plots.js";
import { Search } from "./search.js";
import { Refused, Server } from "./server.js";
import { STATES, clock } from "./words.js";

const LOOK_EVERY_MS = 2000;
/** The server counts people by regions no more often. */
const REGIONS_EVERY_MS = 10_000;

const server = new Server();
const history = new History();
const figures = new Figures();
const plots = new Plots(history);
const map = new WorldMap();
const drain = new Drain(steer);
new Search(server, wrong);

/** When each of what is asked for more seldom is due, by `performance.now()`. */
const due = { history: 0, regions: 0, version: 0 };
let timer = 0;
let isLooking = false;
let unreachableSince = null;

function view(name) {
  for (const main of ["login", "board"]) show(byId(main), main === name);
  show(byId("sign-out"), name === "board" && server.hasToken);
}

function state(name, words) {
  byId("state").dataset.state = name;
  say(byId("state"), words);
}

/** What an error is to people. A token that is not right any more leads back to the question for it. */
function wrong(error) {
  if (error instanceof Refused) {
    if (error.isAboutToken) askForToken();
    return `It was refused: ${error.message}.`;
  }
  return "The server can’t be reached.";
}

function askForToken() {
  const isWrong = server.hasToken;
  server.forgetToken();
  clearTimeout(timer);
  say(byId("trouble"), "");
  state("unknown", "Locked");
  view("login");
  say(byId("login-error"), isWrong ? "That is not the token." : "");
  byId("token").focus();
}

/** Asks the server to do something. What it answered, or nothing if it did not do it. */
async function steer(path) {
  try {
    const status = await server.post(path);
    say(byId("trouble"), "");
    return status;
  } catch (error) {
    const words = wrong(error);
    if (!(error instanceof Refused && error.isAboutToken)) say(byId("trouble"), words);
    return null;
  }
}

/** Asks for it if it is due, and says when it is the next time. */
async function seldom(what, everyMs, ask) {
  if (performance.now() < due[what]) return;
  await ask();
  due[what] = performance.now() + everyMs;
}

async function look() {
  const status = await server.get("/api/status");
  await seldom("history", Math.max(1000, history.stepS * 1000), async () => {
    const steps = await server.get(`/api/history?since_ms=${history.lastMs}`);
    if (steps.at_ms.length > 0) history.add(steps);
    history.stepS = steps.step_s;
  });
  if (unreachableSince !== null) {
    unreachableSince = null;
    say(byId("trouble"), "");
  }
  view("board");
  state(status.state, STATES[status.state]);
  figures.show(status, history);
  drain.show(status);
  plots.show();
  await seldom("version", Infinity, async () => say(byId("version"), `version ${(await server.get("/version")).version}`));
  await seldom("regions", REGIONS_EVERY_MS, async () => map.show(await server.get("/api/regions")));
}

function lost(error) {
  if (error instanceof Refused) {
    if (error.isAboutToken) return askForToken();
    return say(byId("trouble"), `It was refused: ${error.message}.`);
  }
  unreachableSince ??= Date.now();
  // Another server may be there the next time.
  due.version = 0;
  state("gone", "Out of reach");
  return say(byId("trouble"), `The server can’t be reached since ${clock(unreachableSince)}. What is shown is of that time; this page keeps trying.`);
}

/** Looks, and again after a while, as long as the page is seen. */
async function keepLooking() {
  clearTimeout(timer);
  if (isLooking || document.hidden) return;
  isLooking = true;
  try {
    await look();
  } catch (error) {
    lost(error);
  } finally {
    isLooking = false;
  }
  if (byId("login").hidden) timer = setTimeout(keepLooking, LOOK_EVERY_MS);
}

byId("login-form").addEventListener("submit", (event) => {
  event.preventDefault();
  server.useToken(byId("token").value.trim());
  byId("token").value = "";
  keepLooking();
});
byId("sign-out").addEventListener("click", () => {
  server.forgetToken();
  askForToken();
});
document.addEventListener("visibilitychange", () => {
  if (byId("login").hidden) keepLooking();
});

await map.draw();
keepLooking();
