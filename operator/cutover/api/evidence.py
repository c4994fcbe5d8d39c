"""What is reported of the gates: verdicts, and the evidence that they rest on."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from cutover.api.gates import OnFail, Run
from cutover.api.names import Message
from cutover.api.verdict import Unit, Verdict
from cutover.api.wire import Wire


class EvidenceSums(Wire):
    """What a gate has gathered since ``status.evidenceSince``: plain sums over looks (judge.evidence)."""

    until: datetime = Field(description="The look that these sums end at.")
    sums: Annotated[list[float], Field(max_length=40)]


class FrozenReference(Wire):
    """The source's evidence of the last steps that had enough of it."""

    gate: str
    share: float = Field(description="Of bad requests; 0 where the gate judges a mean.")
    requests: float
    correlation: float = 0.0
    look_size: float = 1.0
    mean_seconds: float | None = Field(
        default=None, description="The source's mean, where the gate judges one."
    )
    mean_variance: float | None = Field(
        default=None, description="Of that mean, in seconds squared."
    )
    step: int


MAX_CELLS = 40


class FrozenDistribution(Wire):
    """The source's distribution of the last step that had enough of it, for one drift gate."""

    gate: str
    edges: Annotated[list[float], Field(max_length=MAX_CELLS)] = Field(
        default_factory=list,
        description="Finite upper edges of the cells, rising; one more cell lies above the last. Empty: classes.",
    )
    classes: Annotated[list[Annotated[str, Field(max_length=128)]], Field(max_length=MAX_CELLS)] = (
        Field(default_factory=list, description="Their names; one more cell holds all others.")
    )
    counts: Annotated[list[float], Field(max_length=MAX_CELLS + 1)]
    step: int


class JudgedOnce(Wire):
    """A drift gate's verdict on the evidence of this step: it is not asked again before there is other evidence."""

    at: datetime
    verdict: Verdict
    reason: str
    message: Message
    value: float | None = None
    bound: float | None = None
    source_count: float | None = None
    target_count: float | None = None
    pauses: bool = False


class SourceHistory(Wire):
    """How far the source's bad requests came in bursts over the day before the rollout, for one gate."""

    gate: str
    correlation: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None,
        description="Within-look correlation of bad requests; absent: not known, the message says why.",
    )
    looks: int = Field(default=0, description="Looks that held a request.")
    look_seconds: float = Field(description="The length of each of these looks.")
    measured_at: datetime
    message: Message = ""


class ReplayTally(Wire):
    """Pairs of answers to golden inputs, counted."""

    pairs: int = 0
    differing: int = 0
    near_ties: int = 0
    source_unanswered: int = 0
    target_unanswered: int = 0
    distance: float = Field(
        default=0.0, description="Sum over the pairs: nats a token (TeacherForced), or 1 - cosine."
    )
    places: int = Field(
        default=0,
        description="Of TeacherForced: tokens at which both told the most probable one.",
    )
    agreeing: int = Field(default=0, description="Of these, how often it was the same.")


class ReplayStatus(Wire):
    """How far a replay of golden inputs got; it goes on from here. Never any content of them."""

    about: str = Field(description="Of what it depends on: another one begins another replay.")
    golden_set: str = Field(default="", description="Begin of the golden set's SHA-256.")
    total: int = 0
    repeats: int = Field(default=0, description="Items that the source is asked twice first.")
    calibrated: int = 0
    asked: int = Field(default=0, description="Items done on both sides, from the first on.")
    itself: ReplayTally = Field(default=ReplayTally(), description="The source against itself.")
    sides: ReplayTally = Field(default=ReplayTally(), description="The target against the source.")
    prompts_differ: int = 0
    examples: Annotated[list[str], Field(max_length=8)] = Field(
        default_factory=list, description="Ids of some items that differ."
    )
    sums: Annotated[list[float], Field(max_length=24)] = Field(
        default_factory=list,
        description="Of a holdout gate: sums over the items (judge.labelled); empty where it takes every"
        " item, which are asked again after a restart.",
    )
    trouble: Message = Field(default="", description="How the last item without answer looked.")
    served: Message = Field(
        default="",
        description="In what the servers' answers name another model or version (model, system_fingerprint,"
        " model_version); told, never judged.",
    )
    finished: bool = False


class GateStatus(Wire):
    """One gate's last verdict with what it rests on."""

    name: str
    verdict: Verdict
    reason: str
    message: Message
    value: float | None = None
    bound: float | None = None
    unit: Unit | None = Field(
        default=None, description="Of value and bound; absent: they are plain numbers."
    )
    source_count: float | None = None
    target_count: float | None = None
    source_running: float | None = Field(
        default=None, description="Requests being served on each of the source's servers."
    )
    target_running: float | None = Field(
        default=None, description="Requests being served on each of the target's servers."
    )
    query: Annotated[str, Field(max_length=4096)] | None = None
    window: str | None = None
    looked_at: datetime | None = None
    failing_since: datetime | None = None
    pauses: bool = Field(
        default=False,
        description="A Fail that pauses instead of rolling back: both sides got worse.",
    )
    final: bool = Field(
        default=False,
        description="An Inconclusive that no further look will change: all its items are in.",
    )
    requests_missing: float | None = Field(
        default=None, description="About how many more target requests a verdict needs."
    )
    evidence: EvidenceSums | None = None
    breaches: int | None = Field(
        default=None, description="Looks in a row that found the bound of a query gate broken."
    )
    judged: JudgedOnce | None = None
    replay: ReplayStatus | None = None
    on_fail: OnFail = Field(default=OnFail.ROLL_BACK, description="What a Fail leads to.")
    run: Run = Field(
        default=Run.EACH_STEP,
        description="When it is judged; a Pass of BeforeTraffic stands for the attempt.",
    )

    @property
    def consequence(self) -> OnFail:
        """What this Fail leads to."""
        if self.pauses and self.on_fail is OnFail.ROLL_BACK:
            return OnFail.PAUSE
        return self.on_fail

    @property
    def only_reports(self) -> bool:
        """Whether nothing waits for it and nothing comes of it."""
        return self.on_fail is OnFail.REPORT

    @property
    def stands(self) -> bool:
        """Whether it passed once and for the whole attempt."""
        return self.run is Run.BEFORE_TRAFFIC and self.verdict is Verdict.PASS

    @property
    def is_replaying(self) -> bool:
        """Whether golden inputs are being asked before traffic, and not all have been yet."""
        return (
            self.replay is not None
            and self.run is Run.BEFORE_TRAFFIC
            and not self.replay.finished
            and self.verdict is not Verdict.FAIL
        )
