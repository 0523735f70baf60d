// The operators' board: asks the server how it is, every two seconds for as long as somebody looks, and shows it.

import { Accounts } from "./accounts.js";
import { Audit } from "./audit.js";
import { Bans } from "./bans.js";
import { byId, say, show } from "./dom.js";
import { Drain } from "./drain.js";
import { Figures } from "./figures.js";
import { History } from "./history.js";
import { Login } from "./login.js";
import { WorldMap } from "./map.js";
import { Own } from "./own.js";
import { Plots } from "./plots.js";
import { Reports } from "./reports.js";
import { Search } from "./search.js";
import { Refused, Server } from "./server.js";
import { STATES, clock } from "./words.js";

const LOOK_EVERY_MS = 2000;
/** The server counts people by regions no more often. */
const REGIONS_EVERY_MS = 10_000;
/** One's role may change. */
const ME_EVERY_MS = 30_000;

const server = new Server();
const history = new History();
const figures = new Figures();
const plots = new Plots(history);
const map = new WorldMap();
const drain = new Drain(steer);
new Search(server, wrong);
const login = new Login(server, entered);
const accounts = new Accounts(server, wrong);
const own = new Own(server, wrong, askWho);

const bans = new Bans(server, wrong);
const audit = new Audit(server, wrong);
const reports = new Reports(server, wrong, () => {
  bans.load();
  if (role === "admin") audit.load();
});

/** What is shown of the board: `board` or `people`. */
let shown = "board";
let role = "viewer";

/** When each of what is asked for more seldom is due, by `performance.now()`. */
const due = { history: 0, regions: 0, version: 0, me: 0 };
let timer = 0;
let isLooking = false;
let unreachableSince = null;

function view(name) {
  const main = name === "login" ? name : shown;
  for (const each of ["login", "board", "people"]) show(byId(each), each === main);
  show(byId("views"), name !== "login");
  const isSomebody = server.hasToken || server.isLoggedIn;
  show(byId("sign-out"), name === "board" && isSomebody);
  say(byId("sign-out"), server.hasToken ? "Forget the token" : "Log out");
  if (name === "login") say(byId("who"), "");
}

const RANKS = ["viewer", "moderator", "admin"];

/** Shows what one's role may do, and no more; the server asks itself. */
function know({ name, role: own }) {
  role = own;
  say(byId("who"), name === null ? "" : `${name}, ${role}`);
  for (const part of document.querySelectorAll("[data-needs]")) {
    show(part, RANKS.indexOf(role) >= RANKS.indexOf(part.dataset.needs));
  }
}

function state(name, words) {
  byId("state").dataset.state = name;
  say(byId("state"), words);
}

/** What an error is to people. Whoever isn't let in any more is asked who they are. */
function wrong(error) {
  if (error instanceof Refused) {
    if (error.isAboutToken) askWho();
    return `It was refused: ${error.message}.`;
  }
  return "The server can’t be reached.";
}

function askWho() {
  const isWrong = server.hasToken;
  server.forget();
  clearTimeout(timer);
  due.me = 0;
  say(byId("trouble"), "");
  state("unknown", "Locked");
  view("login");
  if (isWrong) login.showToken("That is not the token.");
  else login.show();
}

/** Whoever has just shown who they are. */
function entered() {
  due.me = 0;
  keepLooking();
}

/** Shows the server, or people. */
function turnTo(main) {
  shown = main;
  view("board");
  for (const [id, of] of [["view-server", "board"], ["view-people", "people"]]) byId(id).setAttribute("aria-pressed", String(of === main));
  if (main !== "people") return;
  reports.load();
  bans.load();
  if (role === "admin") audit.load();
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
  await seldom("me", ME_EVERY_MS, async () => {
    const me = await server.get("/api/v1/me");
    // The page was loaded again in the middle of enrolling, which begins with the password.
    if (me.must_enrol) {
      await server.logOut();
      throw new Refused(401, "a second factor must be enrolled");
    }
    know(me);
    // Whoever is in without an account can't have made the first one here: they would be out at once, and the link gone.
    const isAdmin = server.isLoggedIn && me.role === "admin";
    if (isAdmin) await accounts.lookAgain();
    if (server.isLoggedIn) await own.lookAgain();
    show(byId("accounts"), isAdmin);
    show(byId("own"), server.isLoggedIn);
  });
  const status = await server.get("/api/v1/status");
  await seldom("history", Math.max(1000, history.stepS * 1000), async () => {
    const steps = await server.get(`/api/v1/history?since_ms=${history.lastMs}`);
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
  await seldom("regions", REGIONS_EVERY_MS, async () => map.show(await server.get("/api/v1/regions")));
}

function lost(error) {
  if (error instanceof Refused) {
    if (error.isAboutToken) return askWho();
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

byId("sign-out").addEventListener("click", async () => {
  if (server.hasToken) server.forget();
  // Whether it could be reached or not, this page is out.
  else await server.logOut().catch(() => {});
  askWho();
});
byId("view-server").addEventListener("click", () => turnTo("board"));
byId("view-people").addEventListener("click", () => turnTo("people"));
document.addEventListener("visibilitychange", () => {
  if (byId("login").hidden) keepLooking();
});

await map.draw();
if (location.hash.startsWith("#invitation=")) askWho();
else keepLooking();
