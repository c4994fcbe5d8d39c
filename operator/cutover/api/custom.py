"""PromQL of one's own, for servers that no profile knows."""

from typing import Annotated

from pydantic import Field

from cutover.api.names import MetricName
from cutover.api.rules import Rule, keyed_by
from cutover.api.wire import Wire

Query = Annotated[
    str,
    Field(min_length=1, max_length=2048),
    Rule(
        "self.contains('$matchers') && self.contains('$window')",
        "use both $matchers and $window in the query, as in"
        " sum(increase(my_requests_total{$matchers}[$window])):"
        " without $matchers both sides would read the same series",
    ),
]


class CustomLatency(Wire):
    """A latency metric of one's own."""

    metric: MetricName
    """The name by which a latency gate refers to it, such as TimeToFirstToken."""
    buckets: Query
    """PromQL giving cumulative counts by le, in seconds, over $window of the series $matchers, such as sum by (le) (increase(my_seconds_bucket{$matchers}[$window]))."""


class CustomMetrics(Wire):
    """PromQL for servers that no profile knows; $matchers and $window are filled in."""

    requests: Query
    """PromQL giving one number: finished requests over $window, such as sum(increase(my_requests_total{$matchers}[$window]))."""
    errors: Query
    """PromQL giving one number: failed requests over $window."""
    latencies: Annotated[
        list[CustomLatency],
        Field(max_length=8),
        keyed_by("metric"),
        Rule(
            "self.all(a, self.exists_one(b, b.metric == a.metric))",
            "two latencies have the same metric: give each its own",
        ),
    ] = Field(default_factory=list)
    """Latency histograms, at most eight. Omitted: none, and the default gates are the error rate alone."""
