"""What is asked about one side, as PromQL whose windows are still open."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cutover.api.custom import CustomMetrics
from cutover.api.gates import Gate
from cutover.api.sides import Profile, Prometheus, Side
from cutover.metrics import promql
from cutover.metrics.distributions import asked_distributions
from cutover.metrics.gauges import NO_GAUGES, GaugeQuestions, ask_gauges
from cutover.metrics.profiles import NAMES
from cutover.metrics.profiles.names import Names
from cutover.metrics.promql import GATE, Encoded
from cutover.metrics.quantities import Asked, Quantity, named_quantities, quantities

SCRAPE: Final = "scrape"
NEWEST: Final = "newest"
UP: Final = "up"
COMMON: Final = "common"
UNEVEN: Final = "uneven:"
SERIES: Final = "series:"
"""Values of ``gate`` that are no quantity; the last two are followed by a histogram's name."""

_SCRAPE_SPANS: Final = ("2m", "30s", "10s", "10m")
"""Over which the time between scrapes is measured: the first that a series reaches back over."""


@dataclass(frozen=True, slots=True)
class Questions:
    """One side's."""

    quantities: tuple[Quantity, ...]
    heartbeat: str
    matchers: str
    vitals: Encoded
    """Scrapes and common series, tagged; it holds nothing that a user wrote but matchers."""
    shares_everything: bool
    """A custom query reads the same series on both sides, since it does not use its matchers."""
    window: Encoded | None
    """All quantities over ``$window``, tagged; None: there are none."""
    uneven: Encoded | None
    """Which histograms are of servers with different edges, over the longest window."""
    gauges: GaugeQuestions
    distributions: tuple[Quantity, ...] = ()
    """What drift gates compare: asked over the long window alone."""
    long_window: Encoded | None = None
    """All distributions over ``$window``, tagged; None: there are none."""
    long_uneven: Encoded | None = None

    def asked(
        self, windows: Sequence[float], long: float | None
    ) -> list[tuple[Quantity, tuple[float, ...]]]:
        """Say what a look asks for, and over which windows each."""
        everywhere = self.quantities if windows else ()
        asked = [(one, tuple(windows)) for one in everywhere]
        if long is not None:
            asked += [(one, (long,)) for one in self.distributions]
        return asked

    def present(self, *, full: bool) -> Encoded:
        """Ask what no window is needed for."""
        gauges = [self.gauges.at_any_look, *([self.gauges.at_full_looks] if full else [])]
        return Encoded.joined([self.vitals, *filter(None, gauges)])

    def joined(
        self,
        windows: Sequence[float],
        leaving_out: Collection[str],
        *,
        full: bool,
        long: float | None = None,
    ) -> Encoded:
        """Ask everything at one instant, but for the quantities named."""
        over_long = [] if long is None else [long]
        if not leaving_out:
            asked = _filled(self.window, self.uneven, windows)
            asked += _filled(self.long_window, self.long_uneven, over_long)
        else:
            left = [one for one in self.quantities if one.name not in leaving_out]
            asked = _filled(_over_window(left), _uneven(left), windows)
            left = [one for one in self.distributions if one.name not in leaving_out]
            asked += _filled(_over_window(left), _uneven(left), over_long)
        return Encoded.joined([self.present(full=full), *asked])

    def alone(self, quantity: Quantity, windows: Sequence[float]) -> Encoded:
        """Ask for one quantity."""
        one = [quantity]
        return Encoded.joined(_filled(_over_window(one), _uneven(one), windows))

    def series(self, quantities: Iterable[Quantity], longest_window: float) -> list[str]:
        """Ask of histograms how many series have each edge."""
        return [
            promql.tagged(promql.over(one.series, longest_window), GATE, SERIES + one.name)
            for one in quantities
            if one.series is not None
        ]


def ask_about(
    side: Side,
    other: Side,
    profile: Profile,
    custom: CustomMetrics | None,
    asked: Asked,
    *,
    gates: Sequence[Gate] = (),
) -> Questions:
    """Put the questions about ``side`` together; ``profile`` is the rollout's."""
    own = side.profile or profile
    matchers = promql.rendered(side.prometheus.matchers)
    names = NAMES.get(own)
    beat = names.heartbeat if names is not None else _custom_heartbeat(custom)
    gpu_matchers = promql.rendered(side.prometheus.gpu_matchers or side.prometheus.matchers)
    vitals = _vitals(beat, matchers)
    shared = reads_the_same(side.prometheus, other.prometheus)
    if shared:
        both = promql.selector(beat, matchers, promql.rendered(other.prometheus.matchers))
        vitals.append(promql.tagged(f"count({both})", GATE, COMMON))
    asks = quantities(own, custom, asked, matchers)
    compared = asked_distributions(own, gates, matchers)
    return Questions(
        asks,
        beat,
        matchers,
        Encoded.joined(vitals),
        shared and own is Profile.CUSTOM and custom is not None and _ignores_matchers(custom),
        _over_window(asks),
        _uneven(asks),
        ask_gauges(names, str(own), matchers, gpu_matchers),
        compared,
        _over_window(compared),
        _uneven(compared),
    )


def ask_gateway(names: Names, asked: Asked, matchers: str, backend: str) -> Questions:
    """Put the questions about one backend together; scrapes are told by the gateway as a whole."""
    beat = promql.selector(names.heartbeat, matchers)
    asks = named_quantities(names, asked, f"{matchers},{backend}", beat)
    return Questions(
        asks,
        names.heartbeat,
        matchers,
        Encoded.joined(_vitals(names.heartbeat, matchers)),
        shares_everything=False,
        window=_over_window(asks),
        uneven=_uneven(asks),
        gauges=NO_GAUGES,
    )


def reads_the_same(one: Prometheus, other: Prometheus) -> bool:
    """Whether both sides ask one Prometheus as one user: only then can series be compared by labels."""
    return _identity(one) == _identity(other)


def _identity(where: Prometheus) -> tuple[object, ...]:
    scheme, _, rest = where.address.partition("://")
    host, slash, path = rest.partition("/")
    address = f"{scheme}://{host.lower()}{slash}{path}".rstrip("/")
    return address, where.authorization, where.basic_auth, where.headers_from


def _custom_heartbeat(custom: CustomMetrics | None) -> str:
    """Return the first metric that the requests are made of; where none can be seen, Prometheus' own ``up``."""
    return next(iter(promql.metrics_in(custom.requests)), UP) if custom is not None else UP


def _ignores_matchers(custom: CustomMetrics) -> bool:
    queries = (custom.requests, custom.errors, *(one.buckets for one in custom.latencies))
    return any(promql.MATCHERS not in query for query in queries)


def _vitals(beat: str, matchers: str) -> list[str]:
    """Ask for the newest sample, whether any scrape succeeds and, exactly, for the time between samples.

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
        promql.tagged(f"max({promql.selector('up', matchers)})", GATE, UP),
    ]


def _over_window(asked: Sequence[Quantity]) -> Encoded | None:
    if not asked:
        return None
    every = promql.joined(promql.tagged(one.expression, GATE, one.name) for one in asked)
    return Encoded.of(promql.tagged(every, promql.SPAN, promql.WINDOW))


def _uneven(asked: Sequence[Quantity]) -> Encoded | None:
    found = [
        promql.tagged(f"stddev({one.series})>0", GATE, UNEVEN + one.name)
        for one in asked
        if one.series is not None
    ]
    return Encoded.joined(found) if found else None


def _filled(
    window: Encoded | None, uneven: Encoded | None, windows: Sequence[float]
) -> list[Encoded]:
    if window is None or not windows:
        return []
    asked = [window.over(seconds) for seconds in dict.fromkeys(windows)]
    return asked if uneven is None else [*asked, uneven.over(max(windows))]
