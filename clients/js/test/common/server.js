// The real server, and a way to it that can be cut.

import { spawn } from "node:child_process";
import net from "node:net";
import { fileURLToPath } from "node:url";

const BUILT = fileURLToPath(new URL("../../../../target/debug/whisperchat", import.meta.url));
const BINARY = process.env.WHISPERCHAT_BIN ?? BUILT;
// What begins like this is a setting of the server, and only those of the test count.
const ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith("WHISPERCHAT_")),
);

/** Starts a server on a free port and waits until it listens. Settings are by their dotted keys. */
export async function startServer(test, settings = {}) {
  const set = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  const args = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "off", "--set", "store.url=off", ...set];
  const child = spawn(BINARY, args, { env: ENVIRONMENT, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const stop = async (signal = "SIGKILL") => {
    child.kill(signal);
    await ended;
  };
  test.after(() => stop());
  const port = await new Promise((resolve, reject) => {
    let printed = "";
    const look = (text) => {
      printed += text;
      const address = /listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(printed);
      if (address) resolve(Number(address[1]));
    };
    child.stdout.on("data", look);
    child.stderr.on("data", look);
    child.once("error", (error) => reject(new Error(`${BINARY}: ${error.message}; build it or set WHISPERCHAT_BIN`)));
    child.once("exit", () => reject(new Error(`the server ended: ${printed}`)));
  });
  return { port, stop, signal: (name) => child.kill(name), url: `ws://127.0.0.1:${port}/v1/ws` };
}

/** A TCP proxy: cuts connections, refuses them, or lets what is sent over those that are there vanish. */
export async function startProxy(test, server) {
  const pairs = new Set();
  const proxy = {
    target: server,
    isOpen: true,
    cut() {
      for (const { client, server: upstream } of pairs) {
        client.destroy();
        upstream.destroy();
      }
    },
    /** From now on nothing comes through what is connected, in these directions. */
    swallow({ toServer = true, toClient = true } = {}) {
      for (const pair of pairs) Object.assign(pair, { toServer: !toServer, toClient: !toClient });
    },
  };
  const listener = net.createServer((client) => {
    if (!proxy.isOpen) {
      client.destroy();
      return;
    }
    const upstream = net.connect(proxy.target.port, "127.0.0.1");
    const pair = { client, server: upstream, toServer: true, toClient: true };
    pairs.add(pair);
    client.on("data", (bytes) => pair.toServer && upstream.write(bytes));
    upstream.on("data", (bytes) => pair.toClient && client.write(bytes));
    for (const socket of [client, upstream]) {
      socket.on("error", () => {});
      socket.on("close", () => {
        pairs.delete(pair);
        client.destroy();
        upstream.destroy();
      });
    }
  });
  await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));
  test.after(() => {
    proxy.isOpen = false;
    proxy.cut();
    listener.close();
  });
  proxy.url = `ws://127.0.0.1:${listener.address().port}/v1/ws`;
  return proxy;
}
