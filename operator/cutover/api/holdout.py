"""The same labelled items on both sides: how good the answers are, as one number a side."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from cutover.api.golden import Dataset, GoldenProtocol
from cutover.api.names import ObjectName
from cutover.api.quantities import Duration, Share
from cutover.api.rules import SOME_BELOW_ALL, Rule, exactly_one, ruled_by, within
from cutover.api.wire import Wire


class HoldoutMetric(StrEnum):
    """What is computed from answers and labels, as scikit-learn defines it."""

    ACCURACY = "Accuracy"
    EXACT_MATCH = "ExactMatch"
    F1 = "F1"
    MAE = "MAE"
    RMSE = "RMSE"
    AUROC = "AUROC"


class Average(StrEnum):
    """How the classes' F1 become one number."""

    BINARY = "Binary"
    MACRO = "Macro"
    MICRO = "Micro"
    WEIGHTED = "Weighted"


DEFAULT_DELTA: Final = "0.1%"
DEFAULT_AGE: Final = "24h"


class Prediction(Wire):
    """Where in an answer the prediction is."""

    after: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """In a text: behind the last of these words, such as "Answer:". Omitted: from its beginning."""
    until: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """In a text: before the first of these words, such as a line break. Omitted: to its end."""
    output: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Name of the output, where a model has several. Omitted: the only one."""
    index: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """In an output of several numbers: which one is the number or score, from 0. Omitted: the only one; of AUROC's two the second."""


class HoldoutResults(Wire):
    """A ConfigMap for each side, which your own evaluation writes and the operator only reads."""

    source: ObjectName
    """Name of the ConfigMap in the source's cluster and namespace."""
    target: ObjectName
    """Name of the ConfigMap in the target's cluster and namespace."""
    max_age: Annotated[Duration, within("1m", "8760h", named="a year")] | None = None
    """How long ago an evaluation may have finished, 1m to 8760h. Omitted: 24h."""


class HoldoutGate(Wire):
    """A metric on labelled items may differ by at most maxDelta between the sides, either way; judged once, before any traffic."""

    model_config = ruled_by(
        exactly_one(
            "dataset",
            "results",
            says="a holdout gate asks both sides itself (dataset) or reads what was evaluated elsewhere"
            " (results): set exactly one of them",
        ),
        Rule(
            "has(self.dataset) == has(self.protocol)",
            "set dataset and protocol together: protocol says how the requests of the dataset are spelled",
        ),
        Rule(
            "!has(self.average) || (self.metric == 'F1' && has(self.dataset))",
            "average is how classes become one F1: set it with metric: F1 and a dataset only",
            at=".average",
        ),
        Rule(
            "self.metric != 'F1' || !has(self.dataset) || has(self.average)",
            "F1 over a dataset needs average: Binary, Macro, Micro or Weighted",
            at=".metric",
        ),
        Rule(
            "has(self.positive) == (has(self.dataset) && (self.metric == 'AUROC'"
            " || (self.metric == 'F1' && has(self.average) && self.average == 'Binary')))",
            "positive is the label that counts: set it with AUROC and with F1 of average Binary over a"
            " dataset, and nowhere else",
        ),
        Rule(
            "!has(self.protocol) || self.protocol != 'OpenAIEmbeddings'",
            "an embedding is no prediction that a label could be compared with: use another protocol, or"
            " a parity gate",
            at=".protocol",
        ),
        Rule(
            "!has(self.protocol) || self.metric != 'AUROC' || !self.protocol.startsWith('OpenAI')",
            "AUROC ranks by scores and this protocol gives text: use Accuracy or F1, or compute AUROC"
            " elsewhere and name its results",
            at=".protocol",
        ),
        Rule(
            "has(self.dataset) || !(has(self.prediction) || has(self.rate) || has(self.concurrency)"
            " || has(self.timeout))",
            "prediction, rate, concurrency and timeout say how both sides are asked: set them with a"
            " dataset only",
        ),
    )

    metric: HoldoutMetric
    """Accuracy, ExactMatch, F1, MAE, RMSE or AUROC, as scikit-learn defines them."""
    max_delta: Annotated[Share, SOME_BELOW_ALL] | None = None
    """How far apart the sides may be: of MAE and RMSE as a share of the source's, else in percentage points. Omitted: 0.1%, which takes 2,995 items on which nothing differs, and more where something does."""
    dataset: Dataset | None = None
    """Golden inputs with a label each, which the operator sends to both sides' endpoints. Either this or results."""
    protocol: GoldenProtocol | None = None
    """How the requests of the dataset are spelled."""
    average: Average | None = None
    """How the classes' F1 become one number; with F1 over a dataset."""
    positive: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """The label that counts, with AUROC and with F1 of average Binary over a dataset."""
    prediction: Prediction | None = None
    """Where in an answer the prediction is. Omitted: the whole text, the only value of the only output, or the place of its largest number."""
    rate: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Requests a second to each side, at most; with a dataset. Omitted: 10."""
    concurrency: Annotated[int, Field(ge=1, le=64)] | None = None
    """Requests to each side at the same time, at most; with a dataset. Omitted: 4."""
    timeout: Annotated[Duration, within("1s", "10m")] | None = None
    """For one answer, 1s to 10m; with a dataset. Omitted: 1m."""
    results: HoldoutResults | None = None
    """What your own evaluation of each side wrote into a ConfigMap. Either this or dataset."""

    @property
    def delta(self) -> str:
        """How far apart the sides may be."""
        return self.max_delta or DEFAULT_DELTA
