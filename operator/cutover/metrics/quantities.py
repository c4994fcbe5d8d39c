"""What is read of one side: numbers and histograms as PromQL, made of a profile's names.

What ``increase()`` can and cannot tell, for every query here:

- It needs two samples in the window: a window shorter than two scrapes holds nothing (``NoData``).
- It extrapolates to the ends of the window by up to half a scrape, so counts are no integers, and
  a burst at either end is told a little wrong. Within one histogram all edges err alike.
- A counter that begins again at zero (a restart) is followed; what was counted between the last
  scrape and the restart is lost.
- A series' first sample counts for nothing, even if it is born at 40: of a target with many
  servers and few errors that would be most errors. For counters that are born with their first
  event (``Counter.created``) the series' own creation time tells that it was born in the window,
  and then its value is the count; where creation times are not exposed, the first sample is lost.
  A histogram of vLLM is born empty with its process; what a new process answers before its first
  scrape is not in it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cutover.api.custom import CustomMetrics
from cutover.api.gates import Gate
from cutover.api.sides import Profile
from cutover.metrics import promql
from cutover.metrics.profiles import NAMES
from cutover.metrics.profiles.names import Counter, Latency, Mean, Names

REQUESTS: Final = "Requests"
ERRORS: Final = "Errors"
SENT: Final = "Sent"
WHOLE_REQUEST: Final = "EndToEnd"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which times are read, by the names that gates use."""

    latencies: tuple[str, ...] = ()
    means: tuple[str, ...] = ()


def times_of(gates: Sequence[Gate], *, whole: bool) -> Asked:
    """Collect what gates ask for; ``whole`` requests' time tells how long silence is normal."""
    latencies = [one.latency.metric for one in gates if one.latency]
    means = [one.mean_latency.metric for one in gates if one.mean_latency]
    every = [*latencies, *([WHOLE_REQUEST] if whole else [])]
    return Asked(tuple(dict.fromkeys(every)), tuple(dict.fromkeys(means)))


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number or histogram of one side; ``$window`` is still open in its expressions."""

    name: str
    """``Requests``, ``Errors``, a latency's name, or what ``seconds_of`` and ``events_of`` make of one."""
    expression: str
    metrics: tuple[str, ...]
    """The series it reads, most telling first; empty where that cannot be told."""
    what: str
    """How sentences call it."""
    is_histogram: bool = False
    series: str | None = None
    """For a histogram: how many series there are by ``le``, now and at the window's beginning."""
    some_edges: str | None = None
    """For a histogram: the expression with ``$edges`` open, of which it reads no other buckets."""
    unit: float = 1.0
    """Of times: what the server counts in, in seconds."""

    def at(self, edges: Sequence[float]) -> str:
        """Ask for a histogram's counts at some edges (seconds) alone."""
        told = [float(f"{edge / self.unit:.12g}") for edge in edges]
        if self.some_edges is None:
            return promql.with_edges(self.expression, told)
        return promql.at_edges(self.some_edges, told)


def seconds_of(latency: str) -> str:
    """Name the quantity that sums up a time."""
    return f"{latency}.seconds"


def events_of(latency: str) -> str:
    """Name the quantity that counts what the time was summed up of."""
    return f"{latency}.events"


def quantities(
    profile: Profile, custom: CustomMetrics | None, asked: Asked, matchers: str
) -> tuple[Quantity, ...]:
    """Return what is read of one side's servers; a time that the profile does not know is left out."""
    names = NAMES.get(profile)
    if names is None:
        return _custom(custom, asked, matchers)
    return named_quantities(names, asked, matchers, promql.selector(names.heartbeat, matchers))


def _custom(custom: CustomMetrics | None, asked: Asked, matchers: str) -> tuple[Quantity, ...]:
    if custom is None:
        return ()
    latencies = [one for one in custom.latencies if one.metric in asked.latencies]
    written = [
        (REQUESTS, "spec.custom.requests", custom.requests),
        (ERRORS, "spec.custom.errors", custom.errors),
        *((one.metric, f"spec.custom.latencies[{one.metric}]", one.buckets) for one in latencies),
    ]
    return tuple(
        Quantity(
            name,
            f"({text.replace(promql.MATCHERS, matchers)}\n)",  # the line break ends a comment
            promql.metrics_in(text),
            what,
            is_histogram=number > 1,
        )
        for number, (name, what, text) in enumerate(written)
    )


def named_quantities(names: Names, asked: Asked, matchers: str, beat: str) -> tuple[Quantity, ...]:
    """Return what is read by these names; what they do not know is left out.

    ``beat`` selects the heartbeat of the servers that ``matchers`` select.
    """
    counted: list[Quantity] = []
    if names.requests:
        sums = [_sum(one, matchers, beat) for one in names.requests]
        every = [counter for one in names.requests for counter in one]
        counted.append(_counted(REQUESTS, promql.joined(sums), names, every))
    if names.errors:
        layers = _layers([f"sum({increase(one, matchers, beat)})" for one in names.errors])
        counted.append(_counted(ERRORS, f"max({layers})", names, names.errors))
    if names.sent is not None:
        text = f"sum({increase(names.sent, matchers, beat)})"
        counted.append(_counted(SENT, text, names, [names.sent]))
    known = [name for name in asked.latencies if name in names.latencies]
    counted += [_latency(name, names.latencies[name], matchers) for name in known]
    for name in asked.means:
        if name in names.means:
            counted += _mean(name, names.means[name], matchers, beat)
        elif name in names.latencies:
            counted += _mean_of_histogram(name, names.latencies[name], matchers)
    return tuple(counted)


def _counted(name: str, expression: str, names: Names, counters: Iterable[Counter]) -> Quantity:
    metrics = tuple(dict.fromkeys(counter.metric for counter in counters))
    return Quantity(name, expression, (names.heartbeat, *metrics), " or ".join(metrics))


def _layers(expressions: Sequence[str]) -> str:
    return promql.joined(
        promql.tagged(one, "layer", str(number)) for number, one in enumerate(expressions)
    )


def _sum(counters: Sequence[Counter], matchers: str, beat: str) -> str:
    """Add counters up; those that are not there count as nothing, as long as any is."""
    each = [f"sum({increase(one, matchers, beat)})" for one in counters]
    return each[0] if len(each) == 1 else f"sum({_layers(each)})"


def increase(counter: Counter, matchers: str, beat: str) -> str:
    """Write the increase of each series; of one born in the window that is all it has counted.

    Born up to a minute before counts too, if it was not there yet when the window began: between
    birth and first scrape may lie a scrape interval and a pod's discovery.
    """
    series = promql.selector(counter.metric, counter.only, matchers)
    seen = f"increase({series}[$window])"
    if counter.created is not None:
        created = promql.selector(counter.created, counter.only, matchers)
        born = f"{series} and {created}>=time()-$seconds-60 unless {series} offset $window"
    elif counter.late:
        born = f"{series} unless {series} offset $window and on(instance) {beat} offset $window"
    else:
        return seen
    return promql.joined((born, seen))


def _mean(name: str, mean: Mean, matchers: str, beat: str) -> list[Quantity]:
    def one(of: str, counter: Counter, unit: float) -> Quantity:
        expression = f"sum({increase(counter, matchers, beat)})"
        return Quantity(of, expression, (counter.metric,), counter.metric, unit=unit)

    return [
        one(seconds_of(name), mean.seconds, mean.unit),
        one(events_of(name), mean.events, 1.0),
    ]


def _mean_of_histogram(name: str, latency: Latency, matchers: str) -> list[Quantity]:
    bases = (latency.histogram, *latency.older)

    def one(of: str, suffix: str, unit: float) -> Quantity:
        metrics = tuple(f"{base}_{suffix}" for base in bases)
        sums = [
            f"sum(increase({promql.selector(metric, latency.only, matchers)}[$window]))"
            for metric in metrics
        ]
        return Quantity(of, promql.joined(sums), metrics, metrics[0], unit=unit)

    return [one(seconds_of(name), "sum", latency.unit), one(events_of(name), "count", 1.0)]


def _latency(name: str, latency: Latency, matchers: str) -> Quantity:
    bases = (latency.histogram, *latency.older)
    return histogram(name, bases, matchers, only=latency.only, unit=latency.unit)


def histogram(
    name: str, bases: Sequence[str], matchers: str, *, only: str = "", unit: float = 1.0
) -> Quantity:
    """Ask for a histogram by le; ``bases`` are its names, newest first, without ``_bucket``."""
    metrics = tuple(f"{base}_bucket" for base in bases)
    series = [promql.selector(metric, only, matchers) for metric in metrics]
    edges = f'le=~"{promql.EDGES}"'
    some = [promql.selector(metric, edges, only, matchers) for metric in metrics]
    now = [promql.tagged(one, "when", "now") for one in series]
    then = [promql.tagged(f"{one} offset $window", "when", "then") for one in series]
    return Quantity(
        name,
        promql.joined(f"sum by (le)(increase({one}[$window]))" for one in series),
        metrics,
        metrics[0],
        is_histogram=True,
        series=f"count by (le)({promql.joined((*now, *then))})",
        some_edges=promql.joined(f"sum by (le)(increase({one}[$window]))" for one in some),
        unit=unit,
    )
