"""The servers that are measured: how each is started, and what each is."""

import os
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent

STARTING_MAX_S = 30
ENDING_MAX_S = 10


@dataclass(frozen=True)
class Server:
    """A server that can be started; `{port}` in its command is where it is to listen."""

    name: str
    command: tuple
    # Which share of the swarm's people speaks classic.
    classic: int
    # What keeps an idle connection alive.
    pings: str


def servers(built):
    """Those of the repository and the rivals; `built` is where their programs are."""
    whisperchat = (
        str(built / "release" / "whisperchat"),
        *("serve", "--listen", "127.0.0.1:{port}", "--admin-listen", "off", "--set", "store.url=off"),
    )
    tungstenite = str(built / "release" / "whisperchat-peers-tungstenite")
    every_25_s = "ping every 25 s"
    return [
        Server("whisperchat, classic", whisperchat, 1, every_25_s),
        Server("whisperchat, v1", whisperchat, 0, every_25_s),
        Server("tokio-tungstenite, everybody with everybody", (tungstenite, "pairs", "{port}"), 1, every_25_s),
        Server("tokio-tungstenite, newcomer with everybody", (tungstenite, "newcomer", "{port}"), 1, every_25_s),
        Server("tokio-tungstenite, rstar", (tungstenite, "rstar", "{port}"), 1, every_25_s),
        Server("ws on Node.js", ("node", str(HERE / "ws" / "server.js"), "{port}"), 1, every_25_s),
        Server(
            "socketify (uWebSockets) on Python",
            (str(built / "peers" / "python" / "bin" / "python"), str(HERE / "socketify" / "server.py"), "{port}"),
            1,
            "ping when silent for 25 s or so",
        ),
        Server("gorilla/websocket on Go", (str(built / "peers" / "gorilla"), "{port}"), 1, every_25_s),
    ]


@dataclass(frozen=True)
class Running:
    """A server that listens."""

    server: Server
    port: int
    pid: int

    def resident_bytes(self):
        status = Path(f"/proc/{self.pid}/status").read_text()
        [kib] = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(kib) * 1024


@contextmanager
def running(server, log):
    """Starts a server on a free port, waits until it listens, and ends it afterwards."""
    port = free_port()
    command = [part.format(port=port) for part in server.command]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WHISPERCHAT_")}
    with log.open("a") as out:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment)
    try:
        wait_until_it_listens(server, child, port, log)
        yield Running(server, port, child.pid)
        if child.poll() is not None:
            raise RuntimeError(f"{server.name} has ended by itself ({child.returncode}); it said: {log.read_text()[-2000:]}")
    finally:
        child.terminate()
        try:
            child.wait(ENDING_MAX_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until_it_listens(server, child, port, log):
    deadline = time.monotonic() + STARTING_MAX_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{server.name} does not listen; it said: {log.read_text()[-2000:]}") from None
            time.sleep(0.05)
