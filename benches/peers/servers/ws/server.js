// The obvious chat server on `ws`, in the classic dialect: `node server.js PORT`.
//
// Who comes is compared with everybody who waits. Pings every 25 s and ends those who have not answered,
// in the way that the documentation of `ws` shows.

import { WebSocketServer } from 'ws';

const PING_MS = 25_000;
const MESSAGE_MAX_BYTES = 8192;
/** Who has so much unsent is let go. */
const UNSENT_MAX_BYTES = 1024 * 1024;
const EARTH_RADIUS_KM = 6371;

/** Those who wait, in the order in which they came. */
const waiting = new Set();

const radians = (degrees) => (degrees * Math.PI) / 180;

function haversineKm(from, to) {
  const halfLat = Math.sin(radians(to.lat - from.lat) / 2);
  const halfLong = Math.sin(radians(to.long - from.long) / 2);
  const a =
    halfLat * halfLat +
    Math.cos(radians(from.lat)) * Math.cos(radians(to.lat)) * halfLong * halfLong;
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(a)));
}

const mayMeet = (one, other) =>
  haversineKm(one.profile.location, other.profile.location) <=
  Math.min(one.profile.range, other.profile.range);

const frame = (type, from, body) => JSON.stringify({ type, from, body });

/** Reads a client's first frame; null if it is not a bind. */
function bind(text) {
  try {
    const { type, from } = JSON.parse(text);
    const { lat, long } = from.location;
    const isGood =
      type === 'bind' &&
      typeof from.username === 'string' &&
      Math.abs(lat) <= 90 &&
      Math.abs(long) <= 180 &&
      Number.isInteger(from.range);
    return isGood ? { username: from.username, location: { lat, long }, range: from.range } : null;
  } catch {
    return null;
  }
}

function send(client, text) {
  if (client.bufferedAmount > UNSENT_MAX_BYTES) {
    client.terminate();
  } else {
    client.send(text);
  }
}

function join(client) {
  for (const other of waiting) {
    if (mayMeet(client, other)) {
      waiting.delete(other);
      client.partner = other;
      other.partner = client;
      send(client, frame('connected', other.profile, ''));
      send(other, frame('connected', client.profile, ''));
      return;
    }
  }
  waiting.add(client);
}

function hear(client, text) {
  if (client.partner) {
    const said = frame('client', client.profile, text);
    send(client.partner, said);
    send(client, said);
    return;
  }
  // What is said while waiting is dropped, as in the original.
  if (waiting.has(client)) return;
  const profile = bind(text);
  if (profile) {
    client.profile = profile;
    join(client);
  } else if (!client.profile) {
    client.close(1008, 'the first message must be a bind');
  }
}

function leave(client) {
  waiting.delete(client);
  const { partner } = client;
  if (partner) {
    client.partner = null;
    partner.partner = null;
    send(partner, frame('disconnected', client.profile, ''));
  }
}

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(process.argv[2]),
  path: '/',
  maxPayload: MESSAGE_MAX_BYTES,
  perMessageDeflate: false,
  backlog: 4096,
});

server.on('connection', (client) => {
  client.isAlive = true;
  client.profile = null;
  client.partner = null;
  client.on('pong', markAlive);
  client.on('error', ignore);
  client.on('message', onMessage);
  client.on('close', onClose);
});

// One function for all of them: a closure for each connection would take memory.
function markAlive() {
  this.isAlive = true;
}

function ignore() {
  // The connection ends, and that is told by 'close'.
}

function onMessage(data, isBinary) {
  this.isAlive = true;
  if (isBinary) {
    this.close(1003);
  } else {
    hear(this, data.toString());
  }
}

function onClose() {
  leave(this);
}

setInterval(() => {
  for (const client of server.clients) {
    if (client.isAlive) {
      client.isAlive = false;
      client.ping();
    } else {
      client.terminate();
    }
  }
}, PING_MS);
