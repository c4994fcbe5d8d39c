"""What is reported back, and all that is needed to resume: ``status`` of a MigrationRollout.

Structural and bounded. Times are UTC.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from cutover.api.analysis import Analysis
from cutover.api.capacity import Capacity, WarmUp
from cutover.api.conditions import Condition
from cutover.api.custom import CustomMetrics
from cutover.api.gates import Gate, OnFail, Run
from cutover.api.guards import Guards
from cutover.api.rules import Rule, keyed_by, ruled_by
from cutover.api.sides import Profile, Side
from cutover.api.steps import Step, StepKind
from cutover.api.traffic import Traffic
from cutover.api.verdict import Unit, Verdict
from cutover.api.wire import Wire

MAX_HISTORY = 20
MAX_LOOKS = 10
MAX_XIDS = 64
"""GPUs whose last XID error is kept; more of them had one before the rollout began only in a broken cluster."""

Percent = Annotated[float, Field(ge=0, le=100)]
Message = Annotated[str, Field(max_length=1024)]


class Phase(StrEnum):
    """Where a rollout is in its life."""

    PENDING = "Pending"
    PREFLIGHT = "Preflight"
    PROGRESSING = "Progressing"
    SOAKING = "Soaking"
    COMPLETED = "Completed"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"


class Plan(Wire):
    """What is in force: the spec with every default resolved, once per attempt."""

    generation: int
    operator_version: str
    attempt: int
    profile: Profile
    custom: CustomMetrics | None = None
    source: Side
    target: Side
    traffic: Traffic
    steps: Annotated[list[Step], Field(max_length=64)]
    analysis: Analysis
    gates: Annotated[list[Gate], Field(max_length=16)]
    guards: Guards = Guards()
    capacity: Capacity | None = None
    warm_up: WarmUp | None = None


class Summary(Wire):
    """What the printer columns read."""

    phase: str = Field(default="", description="The phase, or Paused.")
    step: str = ""
    weight: int | None = None
    delivered: str = ""
    verdict: str = ""
    message: Message = ""
    source: str = ""
    target: str = ""


class StepStatus(Wire):
    """The step in force; ``index`` counts from 0."""

    index: int
    total: int
    kind: StepKind
    description: str
    started_at: datetime = Field(
        description="When the step was entered; moved on by the time spent paused."
    )


class OriginalWeights(Wire):
    """One rule's weights before the first raise, in the route's own numbers."""

    rule: int
    source: int
    target: int
    others: int = 0


class Weights(Wire):
    """Three different facts, never copies of each other."""

    desired: int | None = Field(default=None, description="What the rollout wants.")
    declared: Percent | None = Field(default=None, description="What the route says, read back.")
    declared_at: datetime | None = None
    delivered: Percent | None = Field(default=None, description="What request counters show.")
    delivered_at: datetime | None = None
    delivery_ok: bool | None = Field(
        default=None, description="Whether requests show the declared weight; absent while too few."
    )
    delivery_message: Message = ""
    applied: int | None = Field(
        default=None, description="The last weight of ours that the gateway was seen to have."
    )
    applied_at: datetime | None = Field(
        default=None, description="Since when; moved on by the time spent paused."
    )
    standing: Annotated[list[OriginalWeights], Field(max_length=128)] | None = Field(
        default=None,
        description="Somebody else's weights, left as they are until the rollout is resumed.",
    )


class Baseline(Wire):
    """Requests a second that each side's servers counted while the target's weight was 0."""

    source_rate: float
    target_rate: float
    measured_at: datetime


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


class Look(Wire):
    """One line of what was seen lately."""

    at: datetime
    weight: int
    verdict: Verdict
    message: Message = ""


class Transition(Wire):
    """One entry of the history."""

    at: datetime
    from_phase: str = Field(alias="from")
    to_phase: str = Field(alias="to")
    weight: int | None = None
    reason: str
    message: Message = ""


class Streak(Wire):
    """Something that has been so at every look since then."""

    since: datetime
    seen_at: datetime = Field(description="The last look that saw it.")


class ProbesStatus(Wire):
    """Probes of the target's endpoint that failed, one after the other."""

    failures: int = 0
    at: datetime | None = Field(default=None, description="When the last one was sent.")
    message: Message = ""


class WarmUpStatus(Wire):
    """The requests that were to warm the target up."""

    sent: int
    failed: int
    finished_at: datetime
    message: Message = ""


class SideFacts(Wire):
    """What is known of one side's servers, for people; nothing is decided on it."""

    ready: int | None = Field(default=None, description="Ready replicas; absent: not known.")
    replicas: int | None = Field(default=None, description="How many there should be.")
    running: float | None = Field(default=None, description="Requests being served.")
    waiting: float | None = Field(default=None, description="Requests that wait for a place.")
    kv_cache: float | None = Field(
        default=None, description="Share of the fullest server's KV cache in use, 0 to 1."
    )
    gpus: int | None = None
    gpu_busy: float | None = Field(default=None, description="Mean share of the time, 0 to 1.")
    gpu_memory: float | None = Field(default=None, description="Share of it in use, 0 to 1.")
    xids: Annotated[dict[str, int], Field(max_length=8)] = Field(
        default_factory=dict, description="By GPU: its last XID error; of many, eight."
    )
    message: Message = Field(default="", description="Why the replicas are not known.")


class Facts(Wire):
    """Both sides' servers as they were seen last."""

    source: SideFacts = SideFacts()
    target: SideFacts = SideFacts()


class PauseCause(StrEnum):
    """Why a rollout does not move although nobody is broken."""

    REQUESTED = "Requested"
    INCONCLUSIVE = "Inconclusive"
    OUTAGE = "MetricsOutage"
    OVERRIDDEN = "TrafficOverridden"
    EMERGENCY_STOP = "EmergencyStop"
    CONTESTED = "TrafficContested"
    LOST_STATUS = "StatusLost"
    BOTH_WORSE = "BothSidesWorse"
    GATE_FAILED = "GateFailed"


class PauseStatus(Wire):
    """A pause in force. Causes other than ``Requested`` end when a person pauses and resumes."""

    cause: PauseCause
    since: datetime
    message: Message
    acknowledged: bool = Field(
        default=False, description="spec.paused was seen true since; its removal then resumes."
    )


class RollbackStatus(Wire):
    """Why the traffic is being put back, or was."""

    reason: Annotated[str, Field(max_length=128)]
    message: Message
    decided_at: datetime
    restored_at: datetime | None = None


class Status(Wire):
    """Everything that is known about a rollout; written by the operator alone."""

    model_config = ruled_by(
        Rule(
            "!has(oldSelf.leaderEpoch)"
            " || (has(self.leaderEpoch) && self.leaderEpoch >= oldSelf.leaderEpoch)",
            "leaderEpoch never falls: a newer leader has written this status, so stop writing",
            at=".leaderEpoch",
        )
    )

    summary: Summary = Summary()
    phase: Phase | None = None
    message: Message = ""
    attempt: int | None = None
    observed_generation: int | None = None
    plan: Plan | None = None
    leader_epoch: int | None = None
    step: StepStatus | None = None
    weights: Weights = Weights()
    original: Annotated[list[OriginalWeights], Field(max_length=128)] = Field(default_factory=list)
    baseline: Baseline | None = None
    pause: PauseStatus | None = None
    reference: Annotated[list[FrozenReference], Field(max_length=16)] = Field(default_factory=list)
    reference_distributions: Annotated[list[FrozenDistribution], Field(max_length=16)] = Field(
        default_factory=list
    )
    source_history: Annotated[list[SourceHistory], Field(max_length=16)] = Field(
        default_factory=list
    )
    executed_steps: Annotated[list[Step], Field(max_length=64)] = Field(default_factory=list)
    gates: Annotated[list[GateStatus], Field(max_length=16)] = Field(default_factory=list)
    looks: Annotated[list[Look], Field(max_length=MAX_LOOKS)] = Field(default_factory=list)
    history: Annotated[list[Transition], Field(max_length=MAX_HISTORY)] = Field(
        default_factory=list
    )
    evidence_since: datetime | None = Field(
        default=None, description="Requests before this are not counted by the gates."
    )
    outage_since: datetime | None = None
    facts: Facts = Facts()
    source_replicas: int | None = Field(
        default=None, description="The source's ready replicas when the first step began."
    )
    xids: Annotated[dict[str, int], Field(max_length=MAX_XIDS)] | None = Field(
        default=None,
        description="By GPU of the target: the XID error it told of before the rollout could have caused it.",
    )
    probes: ProbesStatus | None = None
    warm_up: WarmUpStatus | None = None
    queue: Streak | None = Field(
        default=None, description="More requests wait on the target than guards.queue allows."
    )
    kv_cache: Streak | None = Field(
        default=None, description="The target's KV cache is fuller than guards.kvCache allows."
    )
    trouble: Message = Field(
        default="",
        description="The last write to the route that did not succeed; empty when all did.",
    )
    rollback: RollbackStatus | None = None
    enforced_at: Annotated[list[datetime], Field(max_length=5)] = Field(default_factory=list)
    release_failing_since: datetime | None = None
    conditions: Annotated[list[Condition], Field(max_length=16), keyed_by("type")] = Field(
        default_factory=list
    )
