"""What is asked about one side, as PromQL whose windows are still open."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cutover.api.spec import CustomMetrics, Profile, Prometheus, Side
from cutover.metrics import promql
from cutover.metrics.profiles import Quantity, heartbeat, quantities

GATE: Final = "gate"
WINDOW: Final = "window"
"""The two labels that tell the rows of a joined answer apart."""
SCRAPE: Final = "scrape"
NEWEST: Final = "newest"
COMMON: Final = "common"
SPREAD: Final = "spread:"
"""Values of ``gate`` that are no quantity; the last one is followed by a histogram's name."""

_SCRAPE_SPANS: Final = ("2m", "30s", "10s", "10m")
"""Over which the time between scrapes is measured: the first that a series reaches back over."""


@dataclass(frozen=True, slots=True)
class Questions:
    """One side's."""

    quantities: tuple[Quantity, ...]
    heartbeat: str
    matchers: str
    vitals: str
    """Scrapes and common series, tagged; it holds nothing that a user wrote but matchers."""
    shares_everything: bool = False
    """A custom query reads the same series on both sides, since it does not use its matchers."""

    def joined(self, windows: Iterable[float], leaving_out: Collection[str]) -> str:
        """Ask everything at one instant, but for the quantities named."""
        asked = [one for one in self.quantities if one.name not in leaving_out]
        return promql.joined([self.vitals, *_windowed(asked, list(windows))])

    def alone(self, quantity: Quantity, windows: Iterable[float]) -> str:
        """Ask for one quantity."""
        return promql.joined(_windowed([quantity], list(windows)))


def ask_about(
    side: Side,
    other: Side,
    profile: Profile,
    custom: CustomMetrics | None,
    latencies: Sequence[str],
) -> Questions:
    """Put the questions about ``side`` together; ``profile`` is the rollout's."""
    own = side.profile or profile
    matchers = promql.rendered(side.prometheus.matchers)
    beat = _custom_heartbeat(custom) if own is Profile.CUSTOM and custom else heartbeat(own)
    vitals = _vitals(beat, matchers)
    shared = reads_the_same(side.prometheus, other.prometheus)
    if shared:
        both = promql.selector(beat, matchers, promql.rendered(other.prometheus.matchers))
        vitals.append(promql.tagged(f"count({both})", GATE, COMMON))
    return Questions(
        quantities(own, custom, latencies, matchers),
        beat,
        matchers,
        promql.joined(vitals),
        shared and own is Profile.CUSTOM and custom is not None and _ignores_matchers(custom),
    )


def reads_the_same(one: Prometheus, other: Prometheus) -> bool:
    """Whether both sides ask one Prometheus as one user: only then can series be compared by labels."""
    return _identity(one) == _identity(other)


def _identity(where: Prometheus) -> tuple[object, ...]:
    scheme, _, rest = where.address.partition("://")
    host, slash, path = rest.partition("/")
    address = f"{scheme}://{host.lower()}{slash}{path}".rstrip("/")
    return address, where.authorization, where.basic_auth, where.headers_from


def _custom_heartbeat(custom: CustomMetrics) -> str:
    """Return the first metric that the requests are made of; where none can be seen, ``up``."""
    return next(iter(promql.metrics_in(custom.requests)), heartbeat(Profile.CUSTOM))


def _ignores_matchers(custom: CustomMetrics) -> bool:
    queries = (custom.requests, custom.errors, *(one.buckets for one in custom.latencies))
    return any(promql.MATCHERS not in query for query in queries)


def _vitals(beat: str, matchers: str) -> list[str]:
    """Ask for the newest sample and, exactly, for the mean time between samples.

    The samples within the last ``span`` are as many as the steps from the sample before ``span`` to
    the newest one, so the time between these two, divided by their number, is the scrape interval.
    """
    series = promql.selector(beat, matchers)
    gaps = promql.joined(
        f"(timestamp({series})-timestamp({series} offset {span}))/count_over_time({series}[{span}])"
        for span in _SCRAPE_SPANS
    )
    return [
        promql.tagged(f"max(timestamp({series}))", GATE, NEWEST),
        promql.tagged(f"quantile(0.5,{gaps})", GATE, SCRAPE),
    ]


def _windowed(asked: Sequence[Quantity], windows: Sequence[float]) -> list[str]:
    if not asked or not windows:
        return []
    every = promql.joined(promql.tagged(one.expression, GATE, one.name) for one in asked)
    template = promql.tagged(every, WINDOW, promql.WINDOW)
    spreads = [
        promql.tagged(promql.over(one.spread, max(windows)), GATE, SPREAD + one.name)
        for one in asked
        if one.spread is not None
    ]
    return [promql.over(template, seconds) for seconds in dict.fromkeys(windows)] + spreads
