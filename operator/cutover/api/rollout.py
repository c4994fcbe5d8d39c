"""The whole object: what is written, what is reported, and the rules that need both.

A rule here may only compare old with new. A static one, added by an upgrade, would make the API
server refuse status writes of objects that were stored before it.
"""

from typing import Final

from cutover.api.rules import Rule, ruled_by
from cutover.api.spec import Spec
from cutover.api.status import Phase, Status
from cutover.api.traffic import ROUTERS
from cutover.api.wire import Wire

UNDER_WAY: Final = (
    Phase.PREFLIGHT,
    Phase.SHADOWING,
    Phase.PROGRESSING,
    Phase.SOAKING,
    Phase.ROLLING_BACK,
)
"""While a rollout is in one of these, what it moves cannot be exchanged under it."""

_PHASE = "self.?status.phase.orValue('')"
_FREE = (
    f"!({_PHASE} in [{', '.join(repr(phase.value) for phase in UNDER_WAY)}])"
    " || self.spec.?abort.orValue(false)"
)


def _fixed(field: str, path: str, *optional: str) -> Rule:
    same = [f"self.spec.{path} == oldSelf.spec.{path}", *map(_same, optional)]
    return Rule(
        f"{_FREE} || ({' && '.join(same)})",
        f"{field} cannot change from Preflight to RollingBack: set abort: true in the same edit"
        " to put the traffic back first, or make a new MigrationRollout",
        at=f".spec.{field}",
    )


def _same(path: str) -> str:
    """Compare without ``.?``: behind it CEL's cost estimate knows no length."""
    new, old = f"self.spec.{path}", f"oldSelf.spec.{path}"
    return f"(has({new}) ? has({old}) && {new} == {old} : !has({old}))"


class MigrationRollout(Wire):
    """Moves the traffic of an AI inference service from a source to a target, step by step.

    Between steps it judges the target against the source, and it puts the traffic back by itself
    when a limit is broken. To stop one: set spec.abort to true, or delete it.
    """

    model_config = ruled_by(
        Rule(
            "self.spec.?attempt.orValue(1) <= oldSelf.spec.?attempt.orValue(1)"
            f" || {_PHASE} == '{Phase.ROLLED_BACK}'",
            "attempt can be raised only once status.phase is RolledBack:"
            " wait for the rollback, or abort it first",
            at=".spec.attempt",
        ),
        _fixed("source.cluster", "source.cluster"),
        _fixed("target.cluster", "target.cluster"),
        _fixed("traffic", "traffic.cluster", *(f"traffic.{one}" for one in ROUTERS)),
    )

    spec: Spec
    status: Status = Status()
