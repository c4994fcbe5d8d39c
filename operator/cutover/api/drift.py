"""What a drift gate compares, how, and how far apart the two sides may be."""

from enum import StrEnum
from typing import Annotated, Final

from cutover.api.custom import Query
from cutover.api.names import MetricName, PrometheusLabel, PrometheusName
from cutover.api.quantities import Ratio
from cutover.api.rules import SOME_DISTANCE, Rule, exactly_one, ruled_by
from cutover.api.wire import Wire

REPORTED_ONLY: Final = "ReportedOnly"
"""The reason of a drift gate that passes because in this step it holds nothing."""


class DriftMethod(StrEnum):
    """How the distance of two distributions is measured."""

    PSI = "PSI"
    """Population stability index, its bias taken off; 0.1 is little, 0.25 is much."""
    JS = "JS"
    """Jensen-Shannon distance (the root of the divergence in bits), 0 to 1."""
    TV = "TV"
    """Total variation: the share of requests that lie elsewhere, 0 to 1."""
    KS = "KS"
    """Kolmogorov-Smirnov: the largest gap between the cumulative shares, 0 to 1; not for classes."""
    WASSERSTEIN = "Wasserstein"
    """How far requests are moved on average, in standard deviations of the source; not for classes."""
    CHI_SQUARE = "ChiSquare"
    """Pearson's chi-square, its size told as Cramer's V, 0 to 1."""


class DriftHistogram(Wire):
    """A histogram of one's own."""

    metric: PrometheusName
    """Name of the histogram without _bucket, such as prediction_score."""


class DriftClasses(Wire):
    """A counter of one's own with a label that tells classes apart."""

    metric: PrometheusName
    """Name of the counter as scraped, such as predictions_total."""
    label: PrometheusLabel
    """The label whose values are the classes, such as predicted."""


class DriftGate(Wire):
    """At most max apart are the source's and the target's distributions; judged once in each step from weight 10 on."""

    model_config = ruled_by(
        exactly_one(
            "distribution",
            "histogram",
            "classes",
            "buckets",
            says="a drift gate compares one distribution: set exactly one of distribution, histogram,"
            " classes and buckets",
        ),
        Rule(
            "!has(self.classes) || !(self.method in ['KS', 'Wasserstein'])",
            "classes have no order, so KS and Wasserstein cannot compare them: use TV, JS, PSI or ChiSquare",
            at=".method",
        ),
        Rule(
            "self.method in ['PSI', 'Wasserstein'] || double(self.max) < 1.0",
            'JS, TV, KS and ChiSquare are never above 1: write a max below 1, such as "0.1"',
            at=".max",
        ),
    )

    distribution: MetricName | None = None
    """Which distribution, by the profile's name for it, such as OutputTokens, PromptTokens or FinishReason."""
    histogram: DriftHistogram | None = None
    """A histogram of one's own, read under each side's matchers."""
    classes: DriftClasses | None = None
    """A counter of one's own, its requests sorted by a label, read under each side's matchers."""
    buckets: Query | None = None
    """PromQL giving cumulative counts by le over $window of the series $matchers, such as sum by (le) (increase(score_bucket{$matchers}[$window]))."""
    method: DriftMethod
    """PSI, JS, TV, KS, Wasserstein or ChiSquare."""
    max: Annotated[Ratio, SOME_DISTANCE]
    """How far apart they may be in the method's measure, such as "0.2"; a difference must also be no chance (at 1%)."""

    def key(self, gate: str) -> str:
        """By what the distribution is found among those read: a profile's name, or the gate's own."""
        return self.distribution or f"{gate}/drift"

    @property
    def what(self) -> str:
        """How sentences call the distribution."""
        if self.histogram is not None:
            return self.histogram.metric
        if self.classes is not None:
            return f"{self.classes.metric} by {self.classes.label}"
        return self.distribution or "drift.buckets"
