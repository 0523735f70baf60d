"""Measures the server on each allocator with the same swarm, and prints a table.

Called by the script `run` beside it, which builds them.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "servers"))
from rates import highest
from rivals import Server, running
from swarm import Swarm, errors, raise_open_files
from swarm import idle as idle_slope

ALLOCATORS = ["mimalloc", "system", "jemalloc"]

# Memory has come to rest when it has not shrunk for so long.
REST_S = 3
REST_MAX_S = 60


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    idle: tuple
    idle_s: int
    chat_connections: int
    chat_ramp: str
    chat_ramp_s: int
    # People per second, and how many such crowds come and go one after the other.
    arrivals: int
    arrivals_s: int
    crowds: int


REAL = Sizes((2000, 10_000), 30, 1000, "1000..200000", 40, 500, 60, 3)
TEST = Sizes((20, 60), 1, 20, "100..1000", 2, 200, 2, 2)


def idle(server, swarm, sizes, log):
    """Resident bytes for each idle connection between two counts."""
    def run(*where, **options):
        return checked(swarm.run(*where, **options))

    bytes_each, _ = idle_slope(partial(running, server, log), run, sizes.idle, sizes.idle_s)
    return bytes_each


def relay(server, swarm, sizes, log):
    """Messages relayed per second at most, and processor seconds for a million of them."""
    options = {"connections": sizes.chat_connections, "messages": sizes.chat_ramp}
    with running(server, log) as process:
        seen = swarm.run(process, "chat", duration=sizes.chat_ramp_s, **options)
    cpu_s = seen["server"]["cores"] * seen["seconds"]
    return highest(seen, "heard_per_s"), cpu_s / seen["counts"]["heard"] * 1e6


def crowds(server, swarm, sizes, log):
    """Resident bytes before anybody came, at the most, and at rest after each crowd has gone."""
    options = {"arrivals": sizes.arrivals, "talk": 3, "patience": 10, "connections": 18_000}
    most = 0
    with running(server, log) as process:
        before = process.resident_bytes()
        after = []
        for number in range(sizes.crowds):
            seen = checked(swarm.run(process, "crowd", duration=sizes.arrivals_s, seed=number + 1, **options))
            most = max(most, seen["server"]["resident_max_bytes"])
            after.append(at_rest(process))
    return before, most, after


def at_rest(process):
    """The resident memory once it no longer shrinks: allocators give back when they see fit."""
    deadline = time.monotonic() + REST_MAX_S
    least, since = process.resident_bytes(), time.monotonic()
    while time.monotonic() < min(since + REST_S, deadline):
        time.sleep(0.1)
        now = process.resident_bytes()
        if now < least:
            least, since = now, time.monotonic()
    return least


def checked(seen):
    if seen["violations"]["count"] or errors(seen):
        raise RuntimeError(f"{seen['violations']['count']} violations, errors: {seen['errors']}")
    return seen


def markdown(rows, sizes):
    few, many = sizes.idle
    out = [
        f"\n| allocator | bytes for each idle connection, {few:,} to {many:,} | messages relayed per second, at most "
        "| processor µs for each | MB before a crowd | at most with one | at rest after each crowd has gone |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        before, most, after = row["crowds"]
        rest = ", ".join(f"{bytes_ / 1e6:.1f}" for bytes_ in after)
        per_s, cpu_us = row["relay"]
        out.append(
            f"| {row['allocator']} | {row['idle']:,.0f} | {per_s:,.0f} | {cpu_us:.1f} "
            f"| {before / 1e6:.1f} | {most / 1e6:.1f} | {rest} |"
        )
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(prog="benches/peers/allocators/run", description=__doc__)
    parser.add_argument("--test", action="store_true", help="small, only to see that everything works")
    parser.add_argument("--built", type=Path, required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    raise_open_files()
    sizes = TEST if arguments.test else REAL
    release = arguments.built / "release"
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        swarm = Swarm(str(release / "whisperchat-mimalloc"), Path(folder))
        for allocator in ALLOCATORS:
            command = (str(release / f"whisperchat-{allocator}"), "serve", "--listen", "127.0.0.1:{port}")
            server = Server(f"whisperchat on {allocator}", (*command, "--admin-listen", "off", "--set", "store.url=off"), 0, "")
            row = {"allocator": allocator}
            for measure in (idle, relay, crowds):
                print(f"{server.name}: {measure.__name__}", file=sys.stderr, flush=True)
                row[measure.__name__] = measure(server, swarm, sizes, log)
            rows.append(row)
    written = arguments.built / "peers" / "allocators.json"
    written.parent.mkdir(exist_ok=True)
    written.write_text(json.dumps(rows, indent=2))
    print(markdown(rows, sizes))
    print(f"Written to {written}", file=sys.stderr)


main()
