"""What a user may write: ``spec`` of a MigrationRollout.

Its parts are the modules beside it, each read from top to bottom like the YAML it describes. A field
is there only when the operator acts on it. The text under a field is what ``kubectl explain`` shows;
stored defaults are added to it by ``cutover.crd``. How rules are placed: ``cutover.api.rules``.
"""

from typing import Annotated, Literal

from pydantic import Field

from cutover.api.analysis import Analysis
from cutover.api.capacity import Capacity, WarmUp
from cutover.api.completion import AfterCompletion
from cutover.api.custom import CustomMetrics
from cutover.api.gates import GATES_DIFFER, REPLAY_NEEDS_ENDPOINTS, Gate
from cutover.api.guards import Guards
from cutover.api.names import Label
from cutover.api.rules import Rule, keyed_by, ruled_by
from cutover.api.sides import Profile, Side
from cutover.api.steps import (
    STEPS_APPROVALS_DIFFER,
    STEPS_END_AT_ALL,
    STEPS_MIRROR_MORE,
    STEPS_RISE,
    STEPS_SHADOW_FIRST,
    STEPS_SOAK_LAST,
    Step,
)
from cutover.api.traffic import Traffic
from cutover.api.windows import MAX_WINDOWS, Window
from cutover.api.wire import Wire


class Approved(Wire):
    """One approval that a person gave; it counts for that attempt only."""

    name: Label
    """Name of the approval step."""
    attempt: Annotated[int, Field(ge=1, le=1_000_000)]
    """The attempt for which it is given, as status.attempt counts."""


class Commands(Wire):
    """What people and Git say; none has a stored default, so Git may omit them."""

    attempt: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Raise by one to try again after a rollback. Omitted: 1."""
    paused: bool | None = None
    """True: no forward motion; guards keep watching and can still roll back. Omitted: false."""
    abort: bool | None = None
    """True: put all traffic back to the source now. Taking it away does not undo it; raise attempt to try again. Omitted: false."""
    approved: (
        Annotated[list[Approved], Field(max_length=64), keyed_by("name", "attempt")] | None
    ) = None
    """Approvals that people gave, each for one attempt. Omitted: none."""


_ABORTS = "self.?abort.orValue(false)"
_CUSTOM = (
    "(self.profile == 'Custom' || self.source.?profile.orValue('') == 'Custom'"
    " || self.target.?profile.orValue('') == 'Custom')"
)
_RAISES = "self.?attempt.orValue(1) > oldSelf.?attempt.orValue(1)"


class Spec(Commands):
    """Move the traffic of one inference service from the source to the target."""

    model_config = ruled_by(
        Rule(
            f"{_ABORTS} || !{_CUSTOM} || has(self.custom)",
            "profile Custom needs spec.custom: write there the PromQL for requests and errors",
            at=".custom",
        ),
        Rule(
            f"{_ABORTS} || {_CUSTOM} || !has(self.custom)",
            "spec.custom is read only with profile Custom: set profile: Custom (here or on one side),"
            " or remove custom",
            at=".custom",
        ),
        Rule(
            f"{_ABORTS} || self.source.prometheus.address != self.target.prometheus.address"
            " || self.source.prometheus.matchers != self.target.prometheus.matchers",
            "source and target read the same series (equal address and matchers), so nothing could"
            " be compared: add a matcher that tells them apart",
            at=".target.prometheus.matchers",
        ),
        Rule(
            f"{_ABORTS} || !has(self.warmUp) || has(self.target.endpoint)",
            "warmUp sends requests to the target's model server: name it in target.endpoint, or remove"
            " warmUp",
            at=".warmUp",
        ),
        Rule(
            f"{_ABORTS} || {REPLAY_NEEDS_ENDPOINTS}",
            "golden inputs are sent to both sides' model servers: name them in source.endpoint and"
            " target.endpoint, or remove the gates with a dataset",
            at=".gates",
        ),
        Rule(
            f"{_ABORTS} || self.?afterCompletion.?source.orValue('Keep') != 'ScaleToZero'"
            " || has(self.source.workload)",
            "afterCompletion.source ScaleToZero needs to know what to scale: name the source's Deployment,"
            " StatefulSet or InferenceService in source.workload, or leave it at Keep",
            at=".afterCompletion",
        ),
        Rule(
            "self.?attempt.orValue(1) >= oldSelf.?attempt.orValue(1)",
            "attempt never falls: leave it, or raise it by one to try again (omitted it counts as 1)",
            at=".attempt",
        ),
        Rule(
            "self.?attempt.orValue(1) <= oldSelf.?attempt.orValue(1) + 1",
            "attempt rises by one at a time",
            at=".attempt",
        ),
        Rule(
            f"!({_RAISES}) || !{_ABORTS}",
            "a new attempt cannot start while abort is set: remove abort in the same edit",
            at=".abort",
        ),
    )

    profile: Profile = Profile.VLLM
    """Whose metric names are read; a side may override it. Custom: those in spec.custom."""
    custom: CustomMetrics | None = None
    """PromQL for servers that no profile knows; with profile Custom only."""
    source: Side
    """Where the traffic is now."""
    target: Side
    """Where the traffic shall go."""
    traffic: Traffic
    """The one route whose weights are moved."""
    steps: (
        Annotated[
            list[Step],
            Field(min_length=1, max_length=64),
            STEPS_SHADOW_FIRST,
            STEPS_MIRROR_MORE,
            STEPS_RISE,
            STEPS_END_AT_ALL,
            STEPS_SOAK_LAST,
            STEPS_APPROVALS_DIFFER,
        ]
        | None
    ) = None
    """The way to 100 %, in order. Omitted: weights 1, 5, 10, 25, 50, 75 and 100, then a soak of 1h. Steps already done are frozen."""
    windows: Annotated[list[Window], Field(min_length=1, max_length=MAX_WINDOWS)] | None = None
    """When the target's weight may rise. Outside all of them gates and guards go on, and so does the way back. Omitted: always."""
    analysis: Analysis = Analysis()
    """When to look, and how much evidence a verdict needs."""
    gates: (
        Annotated[list[Gate], Field(min_length=1, max_length=16), keyed_by("name"), GATES_DIFFER]
        | None
    ) = None
    """Judgements that must pass before each next step, comparing the target with the source. Omitted: the profile's latency gates and the error rate."""
    guards: Guards = Field(default_factory=Guards)
    """Limits whose breach rolls back at once; all are on unless disabled, but queue and kvCache, which are on where they are configured."""
    capacity: Capacity | None = None
    """How much the servers can take: a weight that would need more is held back, never rolled back. Omitted: not looked at."""
    warm_up: WarmUp | None = None
    """Requests sent to the target before its first weight, their answers discarded. Needs target.endpoint. Omitted: none."""
    after_completion: AfterCompletion | None = None
    """What happens to the source once the last step has passed. Omitted: it is kept as it is."""


ApiVersion = Literal["cutover.dev/v1alpha1"]
