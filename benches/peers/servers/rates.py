"""Rates over the seconds of a run."""

# A rate counts if it lasted for so many seconds.
SECONDS_TOGETHER = 3


def highest(seen, rate, seconds=SECONDS_TOGETHER):
    """The highest rate that lasted, of the seconds in which the scenario went on."""
    rates = [moment[rate] for moment in seen["moments"]]
    spans = range(max(1, len(rates) - seconds + 1))
    return max((mean(rates[first : first + seconds]) for first in spans), default=None)


def mean(numbers):
    return sum(numbers) / len(numbers)
