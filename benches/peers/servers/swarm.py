"""Drives a server with `whisperchat swarm`, and reads what it saw."""

import itertools
import json
import resource
import subprocess
from contextlib import contextmanager

# Longer than the scenario lasts: connecting, waiting for what is on its way, goodbye.
SPARE_MAX_S = 120


class Swarm:
    """The load generator, with a folder for what it writes."""

    def __init__(self, program, folder):
        self.program = program
        self.folder = folder
        self.numbers = itertools.count(1)

    def command(self, running, scenario, options):
        outcome = self.folder / f"{next(self.numbers)}-{scenario}.json"
        named = {"server": f"127.0.0.1:{running.port}", "server-pid": running.pid, "classic": running.server.classic}
        flags = [f"--{name}={value}" for name, value in {**named, **options}.items()]
        return [self.program, "swarm", scenario, f"--json={outcome}", *flags], outcome

    def run(self, running, scenario, **options):
        """Runs a scenario to its end; options are those of the command line. `duration` is in seconds."""
        command, outcome = self.command(running, scenario, options)
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=options["duration"] + options.get("ramp", 30) + SPARE_MAX_S,
        )
        try:
            seen = json.loads(outcome.read_text())
        except (OSError, json.JSONDecodeError):
            raise RuntimeError(f"{scenario} against {running.server.name}: {done.stderr.strip()[-500:]}") from None
        if seen["ending"] != "complete":
            raise RuntimeError(f"{scenario} against {running.server.name} was {seen['ending']}: {seen['remarks']}")
        return seen

    @contextmanager
    def crowd_that_waits(self, running, people):
        """Has so many people wait far from everybody for as long as the block lasts."""
        if people == 0:
            yield
            return
        command, _ = self.command(running, "idle", {"connections": people, "duration": 3600})
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            wait_for_crowd(child, people)
            yield
        finally:
            # As by ctrl-C: everybody says goodbye.
            child.terminate()
            try:
                child.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                child.kill()
                child.communicate()


def wait_for_crowd(child, people):
    """Reads the lines of the swarm until all wait. Ends, for it says when it gives up waiting."""
    for line in child.stderr:
        if f"{people} waiting" in line:
            return
        if " s: " in line and float(line.split(" s: ")[0]) > people / 1000 + SPARE_MAX_S:
            break
    raise RuntimeError(f"not all of {people} people could wait")


def errors(seen):
    return sum(seen["errors"].values())


def idle(start, run, counts, duration):
    """Resident bytes for each idle connection between two counts, each on a fresh server; and what was seen of the larger."""
    resident = []
    for connections in counts:
        with start() as process:
            seen = run(process, "idle", connections=connections, duration=duration)
        last = seen["moments"][-1]
        if last["gauges"]["waiting"] != connections:
            raise RuntimeError(f"{last['gauges']['waiting']} of {connections} wait")
        resident.append(last["server_bytes"])
    few, many = counts
    return (resident[1] - resident[0]) / (many - few), seen


def idle_us_per_s(seen):
    """Processor time of the server for each of those who wait, in µs per second."""
    return seen["server"]["cores"] * 1e6 / seen["moments"][-1]["gauges"]["waiting"]


def raise_open_files():
    """As many open files as the system lets a process have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
