// The service worker: keeps the page's files, so that it opens without a network and then says that there is no server. With
// one, every file comes from the server. Nothing else goes through here: no WebSocket, no other address.

// The server fills in the hash of all files: other files are another worker, with a cache of its own, and the old one goes.
const CACHE = "whisperchat-VERSION";
const FILES = [FILE_LIST];
/** A network that does not answer is none. */
const NETWORK_MAX_MS = 5_000;

self.addEventListener("install", (event) => {
  const fresh = FILES.map((file) => new Request(file, { cache: "no-cache" }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(fresh)).then(() => self.skipWaiting()));
});

async function forgetOthers() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)));
}

self.addEventListener("activate", (event) => {
  event.waitUntil(forgetOthers().then(() => self.clients.claim()));
});

async function fromNetworkOrKept(request) {
  const kept = await caches.match(request, { ignoreSearch: true, cacheName: CACHE });
  try {
    const answer = await fetch(request, kept && { signal: AbortSignal.timeout(NETWORK_MAX_MS) });
    // A server that is full or stopping still has its page here.
    return answer.status >= 400 && kept ? kept : answer;
  } catch (error) {
    if (kept) return kept;
    throw error;
  }
}

self.addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  const isOurs = event.request.method === "GET" && origin === location.origin && FILES.includes(pathname);
  if (isOurs) event.respondWith(fromNetworkOrKept(event.request));
});
