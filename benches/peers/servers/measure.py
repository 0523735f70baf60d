"""Measures each server with the same swarm, one after the other, and prints tables.

Called by the script `run` beside it, which builds and installs what is measured.
"""

import argparse
import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import tables
from rates import highest
from rivals import running, servers
from swarm import Swarm, errors, idle, idle_us_per_s, raise_open_files


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    # Connections at two counts, between which memory is taken to grow evenly.
    idle: tuple
    # Two rounds of the pings, one each 25 s.
    idle_s: int
    chat_connections: int
    # Messages per second of all together: as a ramp until beyond what any server can do, and as a load that all bear.
    chat_ramp: str
    chat_ramp_s: int
    chat_steady: int
    chat_steady_s: int
    # People per second.
    arrivals_ramp: str
    arrivals_s: int
    # People who wait far away while others are matched.
    waiting: tuple
    matched: int
    match_ramp_s: int
    match_s: int


REAL = Sizes(
    idle=(2000, 10_000),
    idle_s=55,
    chat_connections=1000,
    chat_ramp="1000..200000",
    chat_ramp_s=40,
    chat_steady=5000,
    chat_steady_s=20,
    arrivals_ramp="100..6000",
    arrivals_s=40,
    waiting=(0, 1000, 3000, 10_000),
    matched=1000,
    match_ramp_s=10,
    match_s=2,
)

TEST = Sizes(
    idle=(20, 60),
    idle_s=1,
    chat_connections=20,
    chat_ramp="100..1000",
    chat_ramp_s=2,
    chat_steady=100,
    chat_steady_s=1,
    arrivals_ramp="300..600",
    arrivals_s=4,
    waiting=(50,),
    matched=20,
    match_ramp_s=1,
    match_s=1,
)


@dataclass
class Figures:
    """Of one server; what could not be measured is missing, and `failures` says why."""

    name: str
    pings: str
    idle_bytes: float | None = None
    idle_us_per_s: float | None = None
    relayed_per_s: float | None = None
    steady_p50_ms: float | None = None
    steady_p99_ms: float | None = None
    matched_per_s: float | None = None
    # By the number of people who wait: p50 and p99 of the time to match.
    match_ms: dict = field(default_factory=dict)
    violations: int = 0
    errors: int = 0
    failures: list = field(default_factory=list)
    remarks: list = field(default_factory=list)


class Measuring:
    """The measurements of one server, each on a fresh process of it."""

    def __init__(self, server, swarm, sizes, folder):
        self.server = server
        self.swarm = swarm
        self.sizes = sizes
        self.log = folder / f"{server.name.replace('/', ' ')}.log"
        self.figures = Figures(server.name, server.pings)

    def everything(self):
        for measure in (self.idle, self.saturation, self.steady, self.arrivals, self.matching):
            print(f"{self.server.name}: {measure.__name__}", file=sys.stderr, flush=True)
            try:
                measure()
            except Exception as error:  # noqa: BLE001: a rival that gives up is a result as well
                self.figures.failures.append(f"{measure.__name__}: {error}")
        return self.figures

    def run(self, process, scenario, may_err=False, **options):
        seen = self.swarm.run(process, scenario, **options)
        self.figures.violations += seen["violations"]["count"]
        if not may_err:
            self.figures.errors += errors(seen)
        told = seen["remarks"] + seen["violations"]["examples"]
        self.figures.remarks += [f"{scenario}: {remark}" for remark in told]
        return seen

    def idle(self):
        start = partial(running, self.server, self.log)
        self.figures.idle_bytes, seen = idle(start, self.run, self.sizes.idle, self.sizes.idle_s)
        self.figures.idle_us_per_s = idle_us_per_s(seen)

    def saturation(self):
        """Beyond its limit a server may well err; what it did before is what counts."""
        options = {"connections": self.sizes.chat_connections, "messages": self.sizes.chat_ramp}
        with running(self.server, self.log) as process:
            seen = self.run(process, "chat", may_err=True, duration=self.sizes.chat_ramp_s, **options)
        self.figures.relayed_per_s = highest(seen, "heard_per_s")

    def steady(self):
        options = {"connections": self.sizes.chat_connections, "messages": self.sizes.chat_steady}
        with running(self.server, self.log) as process:
            seen = self.run(process, "chat", duration=self.sizes.chat_steady_s, **options)
        relay = seen["times_ms"]["relay"]
        if relay["count"] > 0:
            self.figures.steady_p50_ms, self.figures.steady_p99_ms = relay["p50"], relay["p99"]

    def arrivals(self):
        options = {"arrivals": self.sizes.arrivals_ramp, "talk": 1, "next": 0, "patience": 10, "connections": 18_000}
        with running(self.server, self.log) as process:
            seen = self.run(process, "crowd", may_err=True, duration=self.sizes.arrivals_s, **options)
        self.figures.matched_per_s = highest(seen, "matches_per_s")

    def matching(self):
        options = {"connections": self.sizes.matched, "ramp": self.sizes.match_ramp_s}
        for waiting in self.sizes.waiting:
            with running(self.server, self.log) as process, self.swarm.crowd_that_waits(process, waiting):
                seen = self.run(process, "chat", duration=self.sizes.match_s, **options)
            times = seen["times_ms"]["match"]
            if times["count"] > 0:
                self.figures.match_ms[waiting] = (times["p50"], times["p99"])


def broken(figures):
    """What is wrong with figures that are all to be there, as in a test run."""
    wrong = list(figures.failures)
    if figures.violations or figures.errors:
        wrong.append(f"{figures.violations} violations, {figures.errors} errors")
    for name in ("idle_us_per_s", "relayed_per_s", "steady_p99_ms", "matched_per_s"):
        value = getattr(figures, name)
        # So few connections may well cost nothing that can be seen.
        if value is None or (name != "idle_us_per_s" and value <= 0):
            wrong.append(f"{name} is {value}")
    if set(figures.match_ms) != set(TEST.waiting):
        wrong.append(f"times to match: {figures.match_ms}")
    return wrong


def main():
    parser = argparse.ArgumentParser(prog="benches/peers/servers/run", description=__doc__)
    parser.add_argument("--test", action="store_true", help="small, only to see that everything works")
    parser.add_argument("--only", metavar="TEXT", help="only servers whose names have this in them")
    parser.add_argument("--built", type=Path, required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    raise_open_files()
    sizes = TEST if arguments.test else REAL
    chosen = [server for server in servers(arguments.built) if (arguments.only or "") in server.name]
    if not chosen:
        parser.error(f"--only {arguments.only}: there are {', '.join(server.name for server in servers(arguments.built))}")
    # Figures of a test run are of no interest, so there several are looked at at once.
    at_once = 4 if arguments.test else 1
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(at_once) as pool:
        swarm = Swarm(str(arguments.built / "release" / "whisperchat"), Path(folder))
        measuring = [Measuring(server, swarm, sizes, Path(folder)) for server in chosen]
        all_figures = list(pool.map(Measuring.everything, measuring))
    written = arguments.built / "peers" / "servers.json"
    written.write_text(json.dumps({"sizes": asdict(sizes), "servers": [asdict(each) for each in all_figures]}, indent=2))
    print(tables.markdown(all_figures, sizes))
    print(f"Written to {written}", file=sys.stderr)
    (arguments.built / "peers" / "match.svg").write_text(tables.plot(all_figures, sizes.waiting))
    if arguments.test:
        wrong = {each.name: broken(each) for each in all_figures if broken(each)}
        if wrong:
            sys.exit("\n".join(f"{name}: {'; '.join(what)}" for name, what in wrong.items()))


main()
