"""Parity gates: both sides are asked the same golden inputs, and their answers are compared."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from cutover.api.golden import Dataset, GoldenProtocol
from cutover.api.quantities import Duration, Share
from cutover.api.rules import SOME_BELOW_ALL, Rule, ruled_by, within
from cutover.api.wire import Wire


class Compare(StrEnum):
    """What makes two answers the same."""

    EXACT = "Exact"
    GREEDY = "Greedy"
    TEACHER_FORCED = "TeacherForced"
    COSINE = "Cosine"
    NUMERIC = "Numeric"
    LABEL = "Label"


class Precision(StrEnum):
    """What the less precise of the two sides computes in."""

    FP32 = "FP32"
    FP16 = "FP16"
    BF16 = "BF16"
    FP8 = "FP8"
    INT8 = "INT8"


class PromptTokens(StrEnum):
    """What follows where the two sides count another number of tokens in the same prompt."""

    EQUAL = "Equal"
    REPORT = "Report"


FITTING: Final[Mapping[GoldenProtocol, tuple[Compare, ...]]] = {
    GoldenProtocol.OPENAI_CHAT: (Compare.GREEDY, Compare.EXACT),
    GoldenProtocol.OPENAI_COMPLETIONS: (
        Compare.GREEDY,
        Compare.TEACHER_FORCED,
        Compare.EXACT,
    ),
    GoldenProtocol.OPENAI_EMBEDDINGS: (Compare.COSINE,),
    GoldenProtocol.OPEN_INFERENCE_V2: (Compare.NUMERIC, Compare.LABEL, Compare.EXACT),
    GoldenProtocol.KSERVE_V1: (Compare.NUMERIC, Compare.LABEL, Compare.EXACT),
}
"""By protocol: the comparisons that fit it, the one that is taken where none is named first."""

RANKS_ALONE: Final = frozenset((Precision.FP8, Precision.INT8))
"""Too coarse for numbers: labels alone are compared."""

_FITS: Final = " || ".join(
    f"(self.protocol == '{protocol}' && self.compare in {[str(one) for one in fitting]})"
    for protocol, fitting in FITTING.items()
)


class ParityGate(Wire):
    """At most maxMismatch of the target's answers to golden inputs differ from the source's, beyond how far the source differs from itself."""

    model_config = ruled_by(
        Rule(
            f"!has(self.compare) || {_FITS}",
            "this comparison does not fit the protocol: Greedy or Exact for OpenAIChat; Greedy, TeacherForced"
            " or Exact for OpenAICompletions; Cosine for OpenAIEmbeddings; Numeric, Label or Exact for"
            " OpenInferenceV2 and KServeV1",
            at=".compare",
        ),
        Rule(
            "!has(self.compare) || self.compare != 'Numeric' || !has(self.precision)"
            " || !(self.precision in ['FP8', 'INT8'])",
            "numbers computed in FP8 or INT8 are too coarse to compare: set compare: Label, or leave it out",
            at=".compare",
        ),
    )

    dataset: Dataset
    """The golden set: where its JSON Lines are."""
    protocol: GoldenProtocol
    """How its requests are spelled and where they go: OpenAIChat, OpenAICompletions, OpenAIEmbeddings, OpenInferenceV2 or KServeV1."""
    compare: Compare | None = None
    """When two answers are the same. Greedy: the same text, or at its first divergence each side's token is among the other's five most probable and within 0.5 nats. TeacherForced: the given text is as probable token by token, 0.05 nats on average. Cosine: 0.999. Numeric: within the tolerance of the precision. Label: the same largest score. Exact. Omitted: Greedy for generated text, Cosine for embeddings, Numeric (with FP8 and INT8 Label) for tensors."""
    precision: Precision | None = None
    """What the less precise of the two sides computes in; sets the tolerance of Numeric and Label. Omitted: the answers' own data type."""
    max_mismatch: Annotated[Share, SOME_BELOW_ALL] | None = None
    """Share of the answers that may differ, such as 1%; proven with 95 % confidence, so that 1% needs at least 299 items and 0.1% 2,995. Omitted: 1%."""
    prompt_tokens: PromptTokens | None = None
    """Equal: a prompt that one side counts in another number of tokens is a Fail, since tokenizers or chat templates differ. Report: it is only told. Omitted: Equal."""
    repeat: Annotated[Share, SOME_BELOW_ALL] | None = None
    """Share of the items that the source is asked twice first, to learn how far it differs from itself. Omitted: 20%."""
    rate: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Requests a second to each side, at most. Omitted: 10."""
    concurrency: Annotated[int, Field(ge=1, le=64)] | None = None
    """Requests to each side at the same time, at most. Omitted: 4."""
    timeout: Annotated[Duration, within("1s", "10m")] | None = None
    """For one answer, 1s to 10m. Omitted: 1m."""

    @property
    def comparison(self) -> Compare:
        """How answers are compared."""
        if self.compare is not None:
            return self.compare
        first = FITTING[self.protocol][0]
        return (
            Compare.LABEL if first is Compare.NUMERIC and self.precision in RANKS_ALONE else first
        )
