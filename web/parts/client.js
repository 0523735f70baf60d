// The one connection to the server.

import { WhisperChat } from "/whisperchat.js";
import { recall, remember } from "./dom.js";

const PASS_KEY = "whisperchat.pass";

/** What shows the server that this person was here before, so that whom they blocked stays blocked; as a field of `join`. */
export function keptPass() {
  const pass = recall(PASS_KEY);
  return typeof pass === "string" ? { pass } : {};
}

/** The server has given another one in its place. */
export function keepPass(pass) {
  remember(PASS_KEY, pass);
}

function socketUrl() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${location.host}/v1/ws`;
}

/**
 * Where the operator asks for tokens, the site that sends people here puts one behind the address: `/#token=…`. That part is
 * never sent to a server, and it is taken out of the address so that it is neither shown nor passed on with it.
 */
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token !== null) history.replaceState(null, "", location.pathname + location.search);
  return token;
}

const token = takeToken();

/** Whether whoever sent the person here has given a token. */
export const hasToken = token !== null;

// What has come was not seen yet: that is so in a page that is visible, at the end of the log.
export const client = new WhisperChat(socketUrl(), { acknowledge: "manual", ...(token && { token }) });
