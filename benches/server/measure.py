"""Measures what a crowd costs this server, and prints a table. Called by the script `run` beside it."""

import argparse
import http.client
import itertools
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "peers" / "servers"))
from rates import highest, mean  # noqa: E402: found by the line above
from rivals import Server, free_port, running  # noqa: E402
from swarm import Swarm, idle, idle_us_per_s, raise_open_files, wait_for_crowd  # noqa: E402

# How often is looked whether everybody is gone.
LOOK_S = 0.01

# A loop that does nothing and takes so long for one round was held up.
HELD_UP_S = 0.001


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    idle: tuple
    # Two rounds of the pings, one each 25 s.
    idle_s: int
    burst: int
    chatters: int
    chat_ramp: str
    chat_s: int
    held_up_s: float
    dropped: int
    newcomers_per_s: int
    arrivals_ramp: str
    arrivals_s: int
    slow: int
    slow_s: int
    # People per second, of whom one of two reports the other.
    reporting: int
    reports_s: int
    # So many people say so much a second, while others try passwords one after the other.
    beside: int
    told_per_s: int
    guessing: int
    guesses_s: int


REAL = Sizes(
    idle=(2000, 18_000),
    idle_s=75,
    burst=15_000,
    chatters=10_000,
    chat_ramp="5000..150000",
    chat_s=30,
    held_up_s=10,
    dropped=10_000,
    newcomers_per_s=200,
    arrivals_ramp="1000..10000",
    arrivals_s=30,
    slow=1000,
    slow_s=20,
    reporting=600,
    reports_s=60,
    beside=1000,
    told_per_s=10_000,
    guessing=48,
    guesses_s=30,
)

TEST = Sizes(
    idle=(50, 150),
    idle_s=1,
    burst=200,
    chatters=40,
    chat_ramp="100..1000",
    chat_s=2,
    held_up_s=0.5,
    dropped=100,
    newcomers_per_s=50,
    arrivals_ramp="100..400",
    arrivals_s=3,
    slow=10,
    slow_s=2,
    reporting=40,
    reports_s=2,
    beside=40,
    told_per_s=100,
    guessing=48,
    guesses_s=2,
)


class Bench:
    """One run of all figures, each on a fresh server."""

    def __init__(self, built, sizes, folder):
        self.sizes = sizes
        self.folder = folder
        self.log = folder / "server.log"
        self.program = str(built / "release" / "whisperchat")
        self.swarm = Swarm(self.program, folder)
        self.violations = 0
        self.remarks = []

    def server(self, *options):
        command = (self.program, "serve", "--listen", "127.0.0.1:{port}", "--set", "store.url=off")
        command += options or ("--admin-listen", "off")
        return running(Server("whisperchat", command, 0, "ping every 25 s"), self.log)

    def run(self, process, scenario, **options):
        seen = self.swarm.run(process, scenario, **options)
        self.violations += seen["violations"]["count"]
        self.remarks += [f"{scenario}: {remark}" for remark in seen["remarks"] + seen["violations"]["examples"]]
        return seen

    def idle(self):
        """Memory and processor time of those who wait."""
        bytes_each, seen = idle(self.server, self.run, self.sizes.idle, self.sizes.idle_s)
        yield "resident bytes a waiting connection", "<= 2,048", f"{bytes_each:,.0f}"
        yield "processor time a waiting connection, µs/s", "<= 0.7", f"{idle_us_per_s(seen):.2f}"

    def burst(self):
        """Everybody connects at once."""
        with self.server() as process:
            before = processor_s(process.pid)
            seen = self.run(process, "idle", connections=self.sizes.burst, duration=1, ramp=1)
            spent = processor_s(process.pid) - before
        rate = highest(seen, "connections_per_s", 1)
        yield "upgrades and joins a second of the server's processor time", ">= 10,000", f"{self.sizes.burst / spent:,.0f}"
        yield "the same, by the clock, with the generator on the same machine", "", f"{rate:,.0f}"

    def relay(self):
        """Messages at half of what can be relayed."""
        chatters = self.sizes.chatters
        with self.server() as process:
            seen = self.run(process, "chat", connections=chatters, messages=self.sizes.chat_ramp, duration=self.sizes.chat_s)
        most = highest(seen, "heard_per_s")
        with self.server() as process:
            seen = self.run(process, "chat", connections=chatters, messages=int(most / 2), duration=self.sizes.chat_s)
        times = seen["times_ms"]["relay"]
        yield f"messages relayed a second, {chatters:,} connections", "", f"{most:,.0f}"
        yield f"relay at half of that, {most / 2:,.0f} a second: p50, p99 in ms", "p99 <= 1", f"{times['p50']:.2f}, {times['p99']:.2f}"
        yield "of that, late by the generator: p99 in ms", "", f"{seen['times_ms']['lag']['p99']:.2f}"
        share, longest_s = held_up(self.sizes.held_up_s)
        yield "time in which the machine holds up a loop that does nothing for 1 ms and more; longest", "", (
            f"{share:.1%}; {longest_s * 1e3:.1f} ms"
        )

    def drops(self):
        """A crowd vanishes while others come."""
        admin = free_port()
        with self.server("--admin-listen", f"127.0.0.1:{admin}") as process:
            command, _ = self.swarm.command(process, "idle", {"connections": self.sizes.dropped, "duration": 600})
            crowd = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            wait_for_crowd(crowd, self.sizes.dropped)
            options = {"arrivals": self.sizes.newcomers_per_s, "talk": 1, "duration": 6, "connections": 4000}
            command, outcome = self.swarm.command(process, "crowd", options)
            newcomers = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(3)
            start = time.monotonic()
            kill_with_children(crowd)
            # Those who are left are newcomers, of whom there are never so many.
            while metric(admin, "connections") > self.sizes.dropped / 2:
                time.sleep(LOOK_S)
            half = time.monotonic() - start
            few = self.sizes.newcomers_per_s * 4
            while metric(admin, "connections") > few:
                time.sleep(LOOK_S)
            gone = time.monotonic() - start
            newcomers.wait(60)
            seen = json.loads(outcome.read_text())
        connect = seen["times_ms"]["connect"]
        yield f"{self.sizes.dropped:,} connections cut at once: half, all cleaned up after s", "<= 0.5", f"{half:.2f}, {gone:.2f}"
        yield "connecting meanwhile: p50, p99, most in ms", "p99 <= 20", f"{connect['p50']:.2f}, {connect['p99']:.2f}, {connect['max']:.1f}"

    def arrivals(self):
        """As many come, are matched and go as can be."""
        options = {"arrivals": self.sizes.arrivals_ramp, "talk": 0.3, "say-every": 10, "next": 0, "patience": 5}
        with self.server() as process:
            seen = self.run(process, "crowd", connections=18_000, duration=self.sizes.arrivals_s, **options)
        people = highest(seen, "matches_per_s")
        yield "people matched a second, generator on the same two cores", ">= 5,000", f"{people:,.0f}"

    def slow(self):
        """Some don't read."""
        slow = self.sizes.slow
        p99s = {}
        # As much is said in both runs, so that what differs is only who reads.
        flood = 20
        for share, messages in ((0, (2 + flood) * slow), (0.5, 2 * slow)):
            with self.server() as process:
                options = {"connections": 4 * slow, "slow-share": share, "flood": flood, "messages": messages, "duration": self.sizes.slow_s}
                seen = self.run(process, "slow", **options)
            p99s[share] = seen["times_ms"]["relay"]["p99"]
            if share:
                grown = max(moment["server_bytes"] for moment in seen["moments"])
        yield f"relay p99 of those who read, {slow:,} others don't: without, with them in ms", "<= 1.5 ×", (
            f"{p99s[0]:.2f}, {p99s[0.5]:.2f}: {p99s[0.5] / max(p99s[0], 1e-3):.2f} ×"
        )
        yield "resident memory meanwhile, at most, MB", "", f"{grown / 1e6:.0f}"

    def reports(self):
        """Half of all people report their partner, with what was said, to a store on the disk."""
        options = {"arrivals": self.sizes.reporting, "talk": 3, "next": 0, "patience": 10, "connections": 18_000}
        p99s = {}
        for share in (0, 1):
            with tempfile.TemporaryDirectory(dir=self.folder) as store:
                with self.server("--admin-listen", "off", "--set", "store.url=auto", "--set", f"store.folder={store}") as process:
                    seen = self.run(process, "crowd", report=share, duration=self.sizes.reports_s, **options)
            p99s[share] = seen["times_ms"]["relay"]["p99"]
        report = seen["times_ms"]["report"]
        yield "reports kept a second", ">= 200", f"{report['count'] / self.sizes.reports_s:,.0f}"
        yield "a report until it is answered: p50, p99 in ms", "", f"{report['p50']:.2f}, {report['p99']:.2f}"
        yield "relay p99 of everybody, without and with the reports in ms", "<= 1.2 ×", (
            f"{p99s[0]:.2f}, {p99s[1]:.2f}: {p99s[1] / max(p99s[0], 1e-3):.2f} ×"
        )

    def logins(self):
        """Strangers try passwords, more than are hashed at once, while people chat."""
        options = {"connections": self.sizes.beside, "messages": self.sizes.told_per_s, "duration": self.sizes.guesses_s}
        p99s = {}
        for guessing in (0, self.sizes.guessing):
            admin = free_port()
            with tempfile.TemporaryDirectory(dir=self.folder) as store:
                settings = ("--set", "store.url=auto", "--set", f"store.folder={store}")
                with self.server("--admin-listen", f"127.0.0.1:{admin}", *settings) as process:
                    with guesses(admin, guessing) as answers:
                        seen = self.run(process, "chat", **options)
            p99s[guessing] = seen["times_ms"]["relay"]["p99"]
        yield f"logins by {guessing} strangers at once: hashed and refused, sent away, a second", "", (
            ", ".join(f"{answers[status] / self.sizes.guesses_s:,.0f}" for status in (401, 429))
        )
        yield "relay p99 of everybody, without and with these in ms", "<= 1.5 ×", (
            f"{p99s[0]:.2f}, {p99s[guessing]:.2f}: {p99s[guessing] / max(p99s[0], 1e-3):.2f} ×"
        )

    def soak(self, duration_s):
        """People come, talk and go for a long time."""
        admin = free_port()
        with self.server("--admin-listen", f"127.0.0.1:{admin}") as process:
            command, outcome = self.swarm.command(process, "crowd", {"arrivals": 500, "duration": duration_s, "connections": 18_000})
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            looks = []
            while child.poll() is None:
                time.sleep(min(10, duration_s / 20))
                looks.append((process.resident_bytes(), descriptors(process.pid), metric(admin, "tasks")))
            seen = json.loads(outcome.read_text())
        self.violations += seen["violations"]["count"]
        # The first third is warm-up; the last looks are of a crowd that goes home.
        steady = looks[len(looks) // 3 : -max(4, len(looks) // 20)]
        half = len(steady) // 2
        for what, index in (("resident memory", 0), ("descriptors", 1), ("tasks", 2)):
            first, second = (mean([look[index] for look in part]) for part in (steady[:half], steady[half:]))
            yield f"soak, {duration_s} s: {what}, second half against first", "<= 1.02 ×", f"{second / first:.3f} ×"
        yield "soak: people who came", "", f"{seen['counts']['arrivals']:,}"


@contextmanager
def guesses(admin_port, count):
    """Has so many try wrong passwords of names that nobody has, each again when answered; counts the answers by status."""
    answers, names, is_over = Counter(), itertools.count(), threading.Event()

    def guess():
        connection = http.client.HTTPConnection("127.0.0.1", admin_port, timeout=30)
        while not is_over.is_set():
            body = json.dumps({"name": f"nobody{next(names)}", "password": "not that one"})
            connection.request("POST", "/api/v1/login", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            answers[answer.status] += 1
            # Who is sent away comes again sooner than they were told to, but no faster than can be sent by this script.
            is_over.wait(0.05 if answer.status == 429 else 0)
        connection.close()

    threads = [threading.Thread(target=guess) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def held_up(duration_s):
    """
    How long loops that do nothing but look at the clock, one on each processor, are held up: the share of the time, and the
    longest. No server can answer meanwhile, so this is the least that a tail of times can be.
    """
    processors = sorted(os.sched_getaffinity(0))
    with multiprocessing.Pool(len(processors)) as pool:
        gaps = pool.starmap(gaps_of_loop, [(processor, duration_s) for processor in processors])
    shares = [sum(each) / duration_s for each in gaps]
    return mean(shares), max((gap for each in gaps for gap in each), default=0)


def gaps_of_loop(processor, duration_s):
    os.sched_setaffinity(0, {processor})
    gaps = []
    last = start = time.perf_counter()
    while last - start < duration_s:
        now = time.perf_counter()
        if now - last >= HELD_UP_S:
            gaps.append(now - last)
        last = now
    return gaps


def processor_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def descriptors(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def metric(admin_port, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{admin_port}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(f"whisperchat_{name} "):
                return float(line.split()[1])
    raise RuntimeError(f"no metric of {name}")


def kill_with_children(child):
    """The kernel closes all their sockets; nobody says goodbye."""
    children = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
    for pid in [child.pid, *map(int, children)]:
        subprocess.run(["kill", f"-{signal.SIGKILL.value}", str(pid)], check=False)
    child.communicate()


def main():
    parser = argparse.ArgumentParser(prog="benches/server/run", description=__doc__)
    figures = ("idle", "burst", "relay", "drops", "arrivals", "slow", "reports", "logins")
    parser.add_argument("--only", metavar="NAMES", help=f"some of {', '.join(figures)}, separated by commas")
    parser.add_argument("--soak", metavar="SECONDS", type=lambda text: int(text.rstrip("s")), help="only the soak, so long")
    parser.add_argument("--test", action="store_true", help="small, only to see that everything works")
    parser.add_argument("--built", type=Path, required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    names = arguments.only.split(",") if arguments.only else figures
    unknown = set(names) - set(figures)
    if unknown:
        parser.error(f"--only: {', '.join(sorted(unknown))} is none of {', '.join(figures)}")
    raise_open_files()
    kept = arguments.built / "server"
    kept.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept) as folder:
        bench = Bench(arguments.built, TEST if arguments.test else REAL, Path(folder))
        print("| figure | target | measured |\n|---|---|---|")
        soak = [lambda: bench.soak(arguments.soak or 10)] if arguments.soak or arguments.test else []
        measures = soak if arguments.soak else [getattr(bench, name) for name in names] + soak
        for measure in measures:
            print(getattr(measure, "__name__", "measure"), file=sys.stderr, flush=True)
            for figure in measure():
                print("| " + " | ".join(figure) + " |", flush=True)
        for remark in bench.remarks:
            print(f"- {remark}")
    if bench.violations:
        sys.exit(f"{bench.violations} broken promises")


main()
