"""What is reported back, and all that is needed to resume: ``status`` of a MigrationRollout.

Structural and bounded. Times are UTC.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from cutover.api.analysis import Analysis
from cutover.api.capacity import Capacity, WarmUp
from cutover.api.completion import AfterCompletion
from cutover.api.conditions import Condition
from cutover.api.custom import CustomMetrics
from cutover.api.evidence import FrozenDistribution, FrozenReference, GateStatus, SourceHistory
from cutover.api.facts import MAX_XIDS, Facts, ProbesStatus, Streak, WarmUpStatus
from cutover.api.gates import Gate
from cutover.api.guards import Guards
from cutover.api.leftovers import AfterCompletionStatus
from cutover.api.names import Message
from cutover.api.preflight import MAX_CHECKS, PreflightCheck
from cutover.api.rules import Rule, keyed_by, ruled_by
from cutover.api.sides import Profile, Side
from cutover.api.steps import Step, StepKind
from cutover.api.traffic import Traffic
from cutover.api.verdict import Verdict
from cutover.api.windows import MAX_WINDOWS, Window
from cutover.api.wire import Wire

MAX_HISTORY = 20
MAX_LOOKS = 10

Percent = Annotated[float, Field(ge=0, le=100)]


class Phase(StrEnum):
    """Where a rollout is in its life."""

    PENDING = "Pending"
    PREFLIGHT = "Preflight"
    SHADOWING = "Shadowing"
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
    steps_omitted: bool | None = Field(
        default=None, description="True: spec.steps is omitted, and these are the default."
    )
    windows: Annotated[list[Window], Field(max_length=MAX_WINDOWS)] = Field(default_factory=list)
    analysis: Analysis
    gates: Annotated[list[Gate], Field(max_length=16)]
    guards: Guards = Guards()
    capacity: Capacity | None = None
    warm_up: WarmUp | None = None
    after_completion: AfterCompletion = AfterCompletion()


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
    delivery_seconds: float | None = Field(
        default=None,
        description="How long a change takes to reach every client once it is accepted, where that is not at once: settle is at least as long.",
    )
    mirrored: Annotated[int, Field(ge=0, le=100)] | None = Field(
        default=None,
        description="Percent of the requests that the gateway mirrors to the target by our wish.",
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
    source_p99: float | None = Field(
        default=None,
        description="Seconds in which 99 % of the source's requests were answered, rounded up to a bucket.",
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


class PauseCause(StrEnum):
    """Why a rollout does not move although nobody is broken."""

    REQUESTED = "Requested"
    INCONCLUSIVE = "Inconclusive"
    OUTAGE = "MetricsOutage"
    RESULTS_UNREADABLE = "ResultsUnreadable"
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
    preflight: Annotated[list[PreflightCheck], Field(max_length=MAX_CHECKS)] = Field(
        default_factory=list
    )
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
        description="The last write, to the route or to the source's workload, that did not succeed; empty when all did.",
    )
    rollback: RollbackStatus | None = None
    after_completion: AfterCompletionStatus | None = Field(
        default=None,
        description="What becomes of the source, from the moment the last step has passed.",
    )
    enforced_at: Annotated[list[datetime], Field(max_length=5)] = Field(default_factory=list)
    release_failing_since: datetime | None = None
    conditions: Annotated[list[Condition], Field(max_length=16), keyed_by("type")] = Field(
        default_factory=list
    )
