"""The way to 100 %, one step after the other."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from cutover.api.names import Label
from cutover.api.quantities import Duration, Share, parse_share
from cutover.api.rules import AS_SET, WHOLE_PERCENT, Rule, exactly_one, ruled_by, within
from cutover.api.wire import Wire


class Shadow(Wire):
    """Copies of requests go to the target, which nobody sees the answers of."""

    percent: Annotated[Share, WHOLE_PERCENT] | None = None
    """How many of the requests are mirrored to the target, a whole percentage from 1% to 100%. Less than 100% needs a gateway that can choose. Omitted: 100%."""
    duration: Annotated[Duration, within("1s", "24h")]
    """How long they are mirrored at least, settle included, 1s to 24h; until every gate passes."""

    @property
    def parts(self) -> int:
        """How many of a hundred requests are mirrored."""
        return round(100 * parse_share(self.percent)) if self.percent is not None else 100


class Pause(Wire):
    """Wait, watched by the guards."""

    duration: Annotated[Duration, within("1s", "720h", named="30 days")]
    """How long to wait, 1s to 720h (30 days)."""


class Approval(Wire):
    """Wait for a person."""

    name: Label
    """The name that spec.approved must carry for the rollout to go on."""


class Soak(Wire):
    """The target has everything; the way back is still open."""

    duration: Annotated[Duration, within("1s", "720h", named="30 days")]
    """How long to watch, 1s to 720h (30 days)."""


class StepKind(StrEnum):
    """What a step is."""

    SHADOW = "shadow"
    WEIGHT = "weight"
    PAUSE = "pause"
    APPROVAL = "approval"
    SOAK = "soak"


OVERRIDES: Final = ("settle", "minDuration", "maxDuration", "minRequests", "gates")
"""What a weight step may have of its own."""


class Step(Wire):
    """One step; exactly one of its fields is set."""

    model_config = ruled_by(
        exactly_one(
            "shadow",
            "weight",
            "pause",
            "approval",
            "soak",
            says="a step does one thing: set exactly one of shadow, weight, pause, approval and soak",
        ),
        Rule(
            f"has(self.weight) || !({' || '.join(f'has(self.{one})' for one in OVERRIDES)})",
            f"{', '.join(OVERRIDES)} belong to a weight step, and hold until the next weight: move them there",
        ),
        Rule(
            "!has(self.minDuration) || !has(self.maxDuration)"
            " || duration(self.minDuration) <= duration(self.maxDuration)",
            "minDuration must not be longer than maxDuration: lower minDuration or raise maxDuration",
            at=".minDuration",
        ),
    )

    shadow: Shadow | None = None
    """Mirror requests to the target while users see the source's answers alone; before every other step. A router or gateway that cannot mirror is refused before the rollout begins."""
    weight: Annotated[int, Field(ge=1, le=100)] | None = None
    """Share of the traffic for the target, in percent, 1 to 100; held until every gate passes."""
    settle: Annotated[Duration, within("0s", "1h")] | None = None
    """With weight: instead of analysis.settle while this weight is in force."""
    min_duration: Annotated[Duration, within("0s", "24h")] | None = None
    """With weight: instead of analysis.minDuration while this weight is in force."""
    max_duration: Annotated[Duration, within("1s", "168h", named="7 days")] | None = None
    """With weight: instead of analysis.maxDuration while this weight is in force."""
    min_requests: Annotated[int, Field(ge=50, le=1_000_000)] | None = None
    """With weight: instead of analysis.minRequests while this weight is in force; a quarter of it at weight 1, half at weight 5, all from weight 10."""
    gates: Annotated[list[Label], Field(min_length=1, max_length=16), AS_SET] | None = None
    """With weight: names of the gates that are judged while this weight is in force; gates that run BeforeTraffic are not named here. Guards watch at every step. Omitted: all."""
    pause: Pause | None = None
    """Wait for a time, watched by the guards."""
    approval: Approval | None = None
    """Wait until a person adds the name to spec.approved."""
    soak: Soak | None = None
    """Keep watching with all traffic on the target; the last step. Rollback is still possible."""

    @property
    def kind(self) -> StepKind:
        """Which of the fields is set."""
        if self.shadow is not None:
            return StepKind.SHADOW
        if self.weight is not None:
            return StepKind.WEIGHT
        if self.pause is not None:
            return StepKind.PAUSE
        if self.approval is not None:
            return StepKind.APPROVAL
        return StepKind.SOAK

    @property
    def description(self) -> str:
        """The step in two or three words."""
        if self.shadow is not None:
            return f"shadow {self.shadow.parts}%"
        if self.weight is not None:
            return f"weight {self.weight}"
        if self.pause is not None:
            return f"pause {self.pause.duration}"
        if self.approval is not None:
            return f"approval {self.approval.name}"
        return f"soak {self.soak.duration}" if self.soak is not None else "empty"


MOST_SHADOWS: Final = 3

STEPS_SHADOW_FIRST = Rule(
    f"self.filter(s, has(s.shadow)).size() <= {MOST_SHADOWS} && "
    + " && ".join(
        f"(self.filter(s, has(s.shadow)).size() < {one} || has(self[{one - 1}].shadow))"
        for one in range(1, MOST_SHADOWS + 1)
    ),
    f"shadow steps come first, at most {MOST_SHADOWS} of them: put them before every other step",
)


def _mirrors_more(before: int, after: int) -> str:
    """Compare two shadow steps, without ``orValue``: behind it CEL's cost estimate knows no length."""
    one, other = f"self[{before}].shadow", f"self[{after}].shadow"
    numbers = [f"int({each}.percent.replace('%', ''))" for each in (one, other)]
    return (
        f"(has({one}.percent) && ((!has({other}.percent) && {one}.percent != '100%')"
        f" || (has({other}.percent) && {' < '.join(numbers)})))"
    )


STEPS_MIRROR_MORE = Rule(
    " && ".join(
        f"(size(self) <= {one} || !has(self[{one - 1}].shadow) || !has(self[{one}].shadow)"
        f" || {_mirrors_more(one - 1, one)})"
        for one in range(1, MOST_SHADOWS)
    ),
    "each shadow step must mirror more than the one before (percent, 100% where omitted):"
    " put the smaller one first",
)
STEPS_RISE = Rule(
    "self.filter(s, has(s.weight)).map(s, s.weight).isSorted()"
    " && self.all(s, !has(s.weight) || self.exists_one(t, has(t.weight) && t.weight == s.weight))",
    "weights must rise from step to step: put the smaller weight first and write each weight once",
)
STEPS_END_AT_ALL = Rule(
    "self.exists(s, has(s.weight) && s.weight == 100)",
    "the last weight must be 100: add a step weight: 100",
)
STEPS_SOAK_LAST = Rule(
    "!self.exists(s, has(s.soak))"
    " || (has(self[size(self) - 1].soak) && self.exists_one(s, has(s.soak)))",
    "write at most one soak, as the last step",
)
STEPS_APPROVALS_DIFFER = Rule(
    "self.all(s, !has(s.approval)"
    " || self.exists_one(t, has(t.approval) && t.approval.name == s.approval.name))",
    "two approval steps have the same name: give each its own, so that one yes counts for one step",
)
