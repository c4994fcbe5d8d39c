"""Whose metric names are read: data, the queries made of it, and each profile's default gates.

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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cutover.api.custom import CustomMetrics
from cutover.api.gates import ErrorRateGate, Gate, LatencyGate
from cutover.api.sides import Profile
from cutover.metrics import promql

REQUESTS: Final = "Requests"
ERRORS: Final = "Errors"


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter, or some of its series."""

    metric: str
    only: str = ""
    """Further matchers, as PromQL."""
    created: str | None = None
    """The gauge that tells when each series was created (Unix seconds), with the same labels."""


@dataclass(frozen=True, slots=True)
class Latency:
    """A histogram in seconds."""

    histogram: str
    """Its name without ``_bucket``."""
    edges: tuple[float, ...]
    """The server's default bucket edges in seconds, without +Inf; a user may have set others."""
    note: str
    """What a person should know before gating on it."""
    older: tuple[str, ...] = ()
    """Names it had in earlier versions of the server."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """A gauge, or some of its series."""

    metric: str
    only: str = ""
    """Further matchers, as PromQL."""


@dataclass(frozen=True, slots=True)
class Names:
    """The metrics of one kind of server."""

    requests: tuple[Counter, ...]
    """Finished requests, however they ended: the first of these that exists is read."""
    errors: tuple[Counter, ...]
    """Failed requests as each layer counts them: the largest of these is read."""
    heartbeat: str
    """A metric that every server has from its start on: it tells scrapes and common series."""
    latencies: Mapping[str, Latency]
    """By the name gates use."""
    running: tuple[Gauge, ...] = ()
    """Requests being served: of these gauges each server has one."""
    waiting: tuple[Gauge, ...] = ()
    """Requests that wait for a place."""
    kv_cache: tuple[Gauge, ...] = ()
    """The share of the KV cache in use, 0 to 1."""


# fmt: off
_TOKEN_EDGES: Final = (.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1., 2.5, 5., 7.5, 10., 20., 40., 80.)
_FIRST_TOKEN_EDGES: Final = (
    .001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1., 2.5, 5., 7.5, 10., 20., 40., 80., 160., 640., 2560.,
)
_REQUEST_EDGES: Final = (
    .3, .5, .8, 1., 1.5, 2., 2.5, 5., 10., 15., 20., 30., 40., 50., 60., 120., 240., 480., 960., 1920., 7680.,
)
# fmt: on

_INFERENCE: Final = 'method="POST",handler!~"none|/tokenize|/detokenize"'
"""All that infers is POSTed, and little else; ``none`` is what no route matches."""
_HTTP: Final = "http_requests_total"
_HTTP_CREATED: Final = "http_requests_created"
_FINISHED: Final = "vllm:request_success_total"

VLLM: Final = Names(
    # The HTTP layer also counts what never reached the engine (a dead engine answers 500), and a
    # prompt list once. Where it is not scraped (the simulator has none, and matchers such as
    # model_name select none of it), the engine's own counter is read; despite its name that one
    # counts every end: stop, length, abort, error, repetition.
    requests=(Counter(_HTTP, _INFERENCE, _HTTP_CREATED), Counter(_FINISHED)),
    # An engine error is answered with HTTP 500 if it comes before the headers, and inside a 200 if
    # it comes later: neither layer alone has all failures, and their sum has some twice. The larger
    # one is a count of different requests, never more than there were. 4xx is the client's doing.
    errors=(
        Counter(_HTTP, f'status=~"5..",{_INFERENCE}', _HTTP_CREATED),
        Counter(_FINISHED, 'finished_reason="error"'),
        Counter(_FINISHED, 'finish_reason="error"'),  # as the simulator spells it
    ),
    heartbeat=_FINISHED,
    latencies={
        "TimeToFirstToken": Latency(
            "vllm:time_to_first_token_seconds",
            _FIRST_TOKEN_EDGES,
            "From arrival to the first token, queueing included; one observation per request.",
        ),
        "TimePerOutputToken": Latency(
            "vllm:request_time_per_output_token_seconds",
            _TOKEN_EDGES,
            "A request's mean time between its tokens; one observation per request.",
        ),
        "InterTokenLatency": Latency(
            "vllm:inter_token_latency_seconds",
            _TOKEN_EDGES,
            "One observation per token, not per request: long answers weigh more, and tokens of one"
            " request are slow together, so that far fewer independent events stand behind a count.",
            older=("vllm:time_per_output_token_seconds",),
        ),
        "EndToEnd": Latency(
            "vllm:e2e_request_latency_seconds",
            _REQUEST_EDGES,
            "From arrival to the last token; grows with the length of the answer.",
        ),
        "QueueTime": Latency(
            "vllm:request_queue_time_seconds",
            _REQUEST_EDGES,
            "Waiting before the engine begins; nothing below 0.3 s can be told apart.",
        ),
        "PrefillTime": Latency(
            "vllm:request_prefill_time_seconds",
            _REQUEST_EDGES,
            "Reading the prompt; grows with its length.",
        ),
        "DecodeTime": Latency(
            "vllm:request_decode_time_seconds",
            _REQUEST_EDGES,
            "Writing the answer; grows with its length.",
        ),
        "InferenceTime": Latency(
            "vllm:request_inference_time_seconds",
            _REQUEST_EDGES,
            "Prefill and decode without queueing.",
        ),
    },
    running=(Gauge("vllm:num_requests_running"),),
    waiting=(Gauge("vllm:num_requests_waiting"),),
    kv_cache=(Gauge("vllm:kv_cache_usage_perc"), Gauge("vllm:gpu_cache_usage_perc")),  # 0 to 1 both
)

NAMES: Final[Mapping[Profile, Names]] = {Profile.VLLM: VLLM}
"""Every profile but Custom, whose queries are the user's own."""

METRICS: Final[Mapping[Profile, Sequence[str]]] = {
    profile: tuple(names.latencies) for profile, names in NAMES.items()
}
"""The latencies that each profile can tell."""


def whole_request(profile: Profile) -> tuple[str, ...]:
    """Name the latency that covers a whole request: how long silence is normal is told by it."""
    names = NAMES.get(profile)
    return (WHOLE_REQUEST,) if names is not None and WHOLE_REQUEST in names.latencies else ()


WHOLE_REQUEST: Final = "EndToEnd"


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number or histogram of one side; ``$window`` is still open in its expressions."""

    name: str
    """``Requests``, ``Errors`` or a latency's name."""
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

    def at(self, edges: Sequence[float]) -> str:
        """Ask for a histogram's counts at some edges alone."""
        if self.some_edges is None:
            return promql.with_edges(self.expression, edges)
        return promql.at_edges(self.some_edges, edges)


def default_gates(profile: Profile) -> list[Gate]:
    """Return the gates in force where ``gates`` is omitted.

    Token time is judged by the request's mean (TimePerOutputToken): the tests count independent
    requests, and the tokens that InterTokenLatency counts are not independent. Custom: thresholds
    of a latency that nobody knows cannot be guessed, so the error rate alone.
    """
    errors = Gate(name="errors", error_rate=ErrorRateGate(max="1%", ratio="2"))
    if profile is Profile.CUSTOM:
        return [errors]
    return [
        Gate(name="first-token", latency=_limit("TimeToFirstToken", "1s")),
        Gate(name="token-time", latency=_limit("TimePerOutputToken", "100ms")),
        errors,
    ]


def _limit(metric: str, threshold: str) -> LatencyGate:
    return LatencyGate(metric=metric, threshold=threshold, max_above="5%", margin="2.5%")


DEFAULT_GATES: Final[Mapping[Profile, Sequence[Gate]]] = {
    profile: tuple(default_gates(profile)) for profile in Profile
}


def quantities(
    profile: Profile, custom: CustomMetrics | None, latencies: Sequence[str], matchers: str
) -> tuple[Quantity, ...]:
    """Return what is read of one side; a latency that the profile does not know is left out."""
    if profile is Profile.CUSTOM:
        return _custom_quantities(custom, latencies, matchers) if custom is not None else ()
    names = NAMES[profile]
    known = [name for name in latencies if name in names.latencies]
    return (
        Quantity(
            REQUESTS,
            promql.joined(f"sum({_increase(counter, matchers)})" for counter in names.requests),
            (names.heartbeat, *_metrics(names.requests)),
            " or ".join(_metrics(names.requests)),
        ),
        Quantity(
            ERRORS,
            f"max({promql.joined(_layers(names.errors, matchers))})",
            (names.heartbeat, *_metrics(names.errors)),
            " or ".join(_metrics(names.errors)),
        ),
        *(_histogram(name, names.latencies[name], matchers) for name in known),
    )


def heartbeat(profile: Profile) -> str:
    """Return the metric by which scrapes are told: of unknown servers, Prometheus' own ``up``."""
    return NAMES[profile].heartbeat if profile in NAMES else "up"


def _metrics(counters: Sequence[Counter]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(counter.metric for counter in counters))


def _layers(counters: Sequence[Counter], matchers: str) -> list[str]:
    return [
        promql.tagged(f"sum({_increase(counter, matchers)})", "layer", str(number))
        for number, counter in enumerate(counters)
    ]


def _increase(counter: Counter, matchers: str) -> str:
    """Write the increase of each series; of one born in the window that is all it has counted.

    Born up to a minute before counts too, if it was not there yet when the window began: between
    birth and first scrape may lie a scrape interval and a pod's discovery.
    """
    series = promql.selector(counter.metric, counter.only, matchers)
    seen = f"increase({series}[$window])"
    if counter.created is None:
        return seen
    created = promql.selector(counter.created, counter.only, matchers)
    born = f"{series} and {created}>=time()-$seconds-60 unless {series} offset $window"
    return promql.joined((born, seen))


def _histogram(name: str, latency: Latency, matchers: str) -> Quantity:
    metrics = tuple(f"{base}_bucket" for base in (latency.histogram, *latency.older))
    series = [promql.selector(metric, matchers) for metric in metrics]
    some = [promql.selector(metric, f'le=~"{promql.EDGES}"', matchers) for metric in metrics]
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
    )


def _custom_quantities(
    custom: CustomMetrics, latencies: Sequence[str], matchers: str
) -> tuple[Quantity, ...]:
    asked = [one for one in custom.latencies if one.metric in latencies]
    written = [
        (REQUESTS, "spec.custom.requests", custom.requests),
        (ERRORS, "spec.custom.errors", custom.errors),
        *((one.metric, f"spec.custom.latencies[{one.metric}]", one.buckets) for one in asked),
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
