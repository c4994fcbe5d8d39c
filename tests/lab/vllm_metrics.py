"""What does /metrics of a vLLM 0.33 server say?

Names, label sets, help texts and bucket edges equal a captured exposition of a real server
(tests/fixtures/metrics-vllm.txt). It is written by hand because a lab holds dozens of servers
which are all scraped every second: prometheus_client's objects would cost a core.
"""

import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client.utils import floatToGoString

from tests.lab.levers import Levers

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"
INF = float("inf")

FIRST_TOKEN = "vllm:time_to_first_token_seconds"
INTER_TOKEN = "vllm:inter_token_latency_seconds"
PER_TOKEN = "vllm:request_time_per_output_token_seconds"
END_TO_END = "vllm:e2e_request_latency_seconds"
PROMPT_TOKENS = "vllm:request_prompt_tokens"
OUTPUT_TOKENS = "vllm:request_generation_tokens"

# fmt: off
_FIRST_TOKEN_EDGES = (
    .001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560,
)
_TOKEN_EDGES = (.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80)
_REQUEST_EDGES = (
    .3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
)
_COUNT_EDGES = (1, 2, 5, 10, 20, 50, 100, 200)
_HTTP_EDGES = (.1, .5, 1)
# fmt: on
LATENCIES = {
    FIRST_TOKEN: ("Histogram of time to first token in seconds.", _FIRST_TOKEN_EDGES),
    INTER_TOKEN: ("Histogram of inter-token latency in seconds.", _TOKEN_EDGES),
    PER_TOKEN: ("Histogram of time_per_output_token_seconds per request.", _TOKEN_EDGES),
    END_TO_END: ("Histogram of e2e request latency in seconds.", _REQUEST_EDGES),
}
SIZES = {
    PROMPT_TOKENS: ("Number of prefill tokens processed.", _COUNT_EDGES),
    OUTPUT_TOKENS: ("Number of generation tokens processed.", _COUNT_EDGES),
}
FINISHED = ("stop", "length", "abort", "error", "repetition")
_HTTP_TOTAL = "Total number of requests by method, status and handler."
_HTTP_SECONDS = (
    "Latency with only few buckets by handler. "
    "Made to be only used if aggregation by handler is important. "
)

Labels = dict[str, str]


class Histogram:
    __slots__ = ("_cached", "_created", "_edges", "_tallies", "_total")

    def __init__(self, edges: Iterable[float]) -> None:
        self._edges = (*map(float, edges), INF)
        self._tallies = [0] * len(self._edges)
        self._total = 0.0
        self._created = time.time()
        self._cached: str | None = None

    def observe(self, value: float) -> None:
        self._tallies[bisect_left(self._edges, value)] += 1
        self._total += value
        self._cached = None

    def text(self, name: str, labels: Labels) -> str:
        """Most servers of a lab are idle most of the time: their text is kept."""
        if self._cached is None:
            self._cached = "\n".join(self._lines(name, labels))
        return self._cached

    def created(self, name: str, labels: Labels) -> str:
        return sample(f"{name}_created", labels, self._created)

    def relabelled(self) -> None:
        self._cached = None

    def _lines(self, name: str, labels: Labels) -> Iterator[str]:
        for edge, below in zip(self._edges, accumulate(self._tallies), strict=True):
            yield sample(f"{name}_bucket", labels | {"le": as_text(edge)}, below)
        yield sample(f"{name}_count", labels, sum(self._tallies))
        yield sample(f"{name}_sum", labels, self._total)


class Metrics:
    """The counters of one server; they start at zero with it, as in a new process."""

    def __init__(self, levers: Levers) -> None:
        self._created = time.time()
        self._labels: Labels = {}
        self._xid: int | None = None
        self._places = levers.places
        self.running = 0
        self.prompt_tokens = 0
        self.generation_tokens = 0
        self.finished = dict.fromkeys(FINISHED, 0)
        self.http: dict[tuple[str, str, str], int] = {}
        self.http_seconds: dict[tuple[str, str], Histogram] = {}
        self.sizes = {name: Histogram(edges) for name, (_, edges) in SIZES.items()}
        self.latencies: dict[str, Histogram] = {}
        self.reset_latencies(levers)
        self.relabel(levers)

    def reset_latencies(self, levers: Levers) -> None:
        self.latencies = {
            name: Histogram(levers.edges or edges) for name, (_, edges) in LATENCIES.items()
        }

    def relabel(self, levers: Levers) -> None:
        named = {"engine": "0", "model_name": levers.model}
        self._labels = {levers.rename.get(name, name): value for name, value in named.items()}
        self._labels |= levers.labels
        self._xid, self._places = levers.xid, levers.places
        for histogram in (*self.latencies.values(), *self.sizes.values()):
            histogram.relabelled()

    def answered(self, method: str, handler: str, status: int, seconds: float) -> None:
        key = (handler, method, f"{status // 100}xx")
        self.http[key] = self.http.get(key, 0) + 1
        if (handler, method) not in self.http_seconds:
            self.http_seconds[handler, method] = Histogram(_HTTP_EDGES)
        self.http_seconds[handler, method].observe(seconds)

    def exposition(self) -> str:
        parts = [
            *self._gauges(),
            *self._tokens(),
            *self._histograms(SIZES, self.sizes),
            *self._histograms(LATENCIES, self.latencies),
            *self._http(),
            *self._gpu(),
        ]
        return "\n".join(parts) + "\n"

    def _gpu(self) -> Iterator[str]:
        """One GPU of the DCGM exporter, which in a real cluster is scraped beside the server."""
        if self._xid is not None:
            name, gpu = (
                "DCGM_FI_DEV_XID_ERRORS",
                {"gpu": "0", "UUID": "GPU-1", "Hostname": "node-1"},
            )
            yield header(name, "gauge", "Value of the last XID error encountered.")
            yield sample(name, gpu, self._xid)

    def _gauges(self) -> Iterator[str]:
        labels, running = self._labels, min(self.running, self._places)
        waiting = self.running - running
        for name, value, help_text in (
            ("num_requests_running", running, "Number of requests in model execution batches."),
            ("num_requests_waiting", waiting, "Number of requests waiting to be processed."),
            (
                "kv_cache_usage_perc",
                running / self._places,
                "KV-cache usage. 1 means 100 percent usage.",
            ),
        ):
            yield header(f"vllm:{name}", "gauge", help_text)
            yield sample(f"vllm:{name}", labels, value)

    def _tokens(self) -> Iterator[str]:
        labels = self._labels
        for name, value, help_text in (
            ("prompt_tokens", self.prompt_tokens, "Number of prefill tokens processed."),
            ("generation_tokens", self.generation_tokens, "Number of generation tokens processed."),
        ):
            yield from self._counter(f"vllm:{name}", help_text, [(labels, value)])
        reasons = [(labels | {"finished_reason": r}, n) for r, n in self.finished.items()]
        yield from self._counter(
            "vllm:request_success", "Count of successfully processed requests.", reasons
        )

    def _counter(
        self, name: str, help_text: str, series: list[tuple[Labels, int]]
    ) -> Iterator[str]:
        yield header(f"{name}_total", "counter", help_text)
        for labels, value in series:
            yield sample(f"{name}_total", labels, value)
        yield header(f"{name}_created", "gauge", help_text)
        for labels, _ in series:
            yield sample(f"{name}_created", labels, self._created)

    def _histograms(
        self, texts: Mapping[str, tuple[str, tuple[float, ...]]], histograms: dict[str, Histogram]
    ) -> Iterator[str]:
        for name, (help_text, _) in texts.items():
            yield header(name, "histogram", help_text)
            yield histograms[name].text(name, self._labels)
            yield header(f"{name}_created", "gauge", help_text)
            yield histograms[name].created(name, self._labels)

    def _http(self) -> Iterator[str]:
        series = [
            ({"handler": handler, "method": method, "status": status}, count)
            for (handler, method, status), count in self.http.items()
        ]
        yield from self._counter("http_requests", _HTTP_TOTAL, series)
        name = "http_request_duration_seconds"
        yield header(name, "histogram", _HTTP_SECONDS)
        for (handler, method), histogram in self.http_seconds.items():
            yield histogram.text(name, {"handler": handler, "method": method})
        yield header(f"{name}_created", "gauge", _HTTP_SECONDS)
        for (handler, method), histogram in self.http_seconds.items():
            yield histogram.created(name, {"handler": handler, "method": method})


def header(name: str, kind: str, help_text: str) -> str:
    return f"# HELP {name} {help_text}\n# TYPE {name} {kind}"


def sample(name: str, labels: Labels, value: float) -> str:
    """A line as prometheus_client writes it: labels in alphabetical order."""
    inside = ",".join(f'{label}="{labels[label]}"' for label in sorted(labels))
    return f"{name}{{{inside}}} {as_text(value)}"


def as_text(value: float) -> str:
    return str(floatToGoString(value))
