"""What a drift gate compares, how, and how far apart the two sides may be."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from cutover.api.custom import Query
from cutover.api.golden import Dataset, GoldenProtocol
from cutover.api.holdout import Prediction
from cutover.api.names import MetricName, PrometheusLabel, PrometheusName
from cutover.api.quantities import Duration, Ratio
from cutover.api.rules import SOME_DISTANCE, Rule, exactly_one, ruled_by, within
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


class Output(StrEnum):
    """What of an answer to a golden input is compared."""

    LENGTH = "Length"
    """Characters of a generated text."""
    LABEL = "Label"
    """The class that was predicted."""
    SCORE = "Score"
    """A number of a tensor, or how sure the model is of the second of two classes."""


GIVES: Final[Mapping[Output, tuple[GoldenProtocol, ...]]] = {
    Output.LENGTH: (GoldenProtocol.OPENAI_CHAT, GoldenProtocol.OPENAI_COMPLETIONS),
    Output.LABEL: (
        GoldenProtocol.OPENAI_CHAT,
        GoldenProtocol.OPENAI_COMPLETIONS,
        GoldenProtocol.OPEN_INFERENCE_V2,
        GoldenProtocol.KSERVE_V1,
    ),
    Output.SCORE: (GoldenProtocol.OPEN_INFERENCE_V2, GoldenProtocol.KSERVE_V1),
}
"""By output: the protocols whose answers hold one."""

_FITS: Final = " || ".join(
    f"(self.output == '{output}' && self.protocol in {[str(one) for one in protocols]})"
    for output, protocols in GIVES.items()
)


class DriftGolden(Wire):
    """Both sides' answers to golden inputs, asked before any traffic."""

    model_config = ruled_by(
        Rule(
            _FITS,
            "this output is not in answers of the protocol: Length for OpenAIChat and OpenAICompletions;"
            " Score for OpenInferenceV2 and KServeV1; Label for all four; for embeddings use a parity gate",
            at=".output",
        ),
        Rule(
            "!has(self.prediction) || self.output != 'Length'",
            "prediction says where a label or score is, and a length is that of the whole text: leave it out",
            at=".prediction",
        ),
    )

    dataset: Dataset
    """The golden set: where its JSON Lines are."""
    protocol: GoldenProtocol
    """How its requests are spelled: OpenAIChat, OpenAICompletions, OpenInferenceV2 or KServeV1."""
    output: Output
    """What of the answers is compared. Length: characters of a text. Label: the predicted class. Score: a number."""
    prediction: Prediction | None = None
    """Where in an answer the label or score is. Omitted: the whole text, the only value of the only output, or for a label the place of its largest number."""
    rate: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Requests a second to each side, at most. Omitted: 10."""
    concurrency: Annotated[int, Field(ge=1, le=64)] | None = None
    """Requests to each side at the same time, at most. Omitted: 4."""
    timeout: Annotated[Duration, within("1s", "10m")] | None = None
    """For one answer, 1s to 10m. Omitted: 1m."""


class DriftGate(Wire):
    """At most max apart are the source's and the target's distributions; judged once in each step from weight 10 on, or with golden once before any traffic."""

    model_config = ruled_by(
        exactly_one(
            "distribution",
            "histogram",
            "classes",
            "buckets",
            "golden",
            says="a drift gate compares one distribution: set exactly one of distribution, histogram,"
            " classes, buckets and golden",
        ),
        Rule(
            "!has(self.classes) || !(self.method in ['KS', 'Wasserstein'])",
            "classes have no order, so KS and Wasserstein cannot compare them: use TV, JS, PSI or ChiSquare",
            at=".method",
        ),
        Rule(
            "!has(self.golden) || self.golden.output != 'Label' || !(self.method in ['KS', 'Wasserstein'])",
            "labels have no order, so KS and Wasserstein cannot compare them: use TV, JS, PSI or ChiSquare",
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
    golden: DriftGolden | None = None
    """Both sides' answers to golden inputs, asked before any traffic; needs source.endpoint and target.endpoint."""
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
        if self.golden is not None:
            return f"the answers' {self.golden.output.lower()}s"
        return self.distribution or "drift.buckets"
