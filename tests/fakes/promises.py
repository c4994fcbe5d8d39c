"""What must hold after every turn, whatever happens. Told from the world, not from the operator's words."""

from collections.abc import Callable
from datetime import datetime, timedelta

from cutover.api.gates import OnFail, Run
from cutover.api.quantities import parse_duration
from cutover.api.status import Phase, Plan, Status
from cutover.api.steps import Step
from cutover.api.verdict import Verdict
from cutover.decide.record import from_status
from cutover.decide.route import Claim, RouteSeen
from cutover.decide.transitions import FINISHED, MOVED, allowed
from cutover.decide.weights import weights_at
from cutover.traffic.claim import from_text
from tests.fakes.process import Look
from tests.fakes.route import Change
from tests.fakes.world import World

LARGEST = 64 * 1024
"""Bytes of a status; an object in etcd may have 1.5 MiB."""
LONGEST_SLEEP = timedelta(minutes=10)

Promise = Callable[[World], None]


class Writes:
    """The operator's writes to the route, each with the look that it came from."""

    def __init__(self, judge: Callable[[World, Change, Look], None]) -> None:
        self._judge = judge
        self._read = 0

    def __call__(self, world: World) -> None:
        new, self._read = world.route.changes[self._read :], len(world.route.changes)
        for change in new:
            if change.who == "cutover":
                assert world.acting is not None
                self._judge(world, change, world.acting)


def raises_are_earned(slack: timedelta = timedelta(0)) -> Promise:
    """Every raise is the step that the stored status names, on a fresh Pass of every gate.

    ``slack``: by how much clocks have been set forward.
    """
    began: list[datetime] = []

    def judge(world: World, change: Change, look: Look) -> None:
        if not change.raises:
            return
        stored = look.seen.status
        plan, step = stored.plan, stored.step
        assert plan is not None
        assert step is not None
        weight = plan.steps[step.index].weight
        assert weight is not None, f"a {step.kind} step raised the weight"
        assert stored.weights.desired == weight, "the intent was not stored first"
        assert stored.leader_epoch == look.seen.identity.epoch
        assert change.after == weights_at(from_status(stored.original), weight)
        asked = look.seen.commands
        assert not (asked.abort or asked.paused or asked.deleting or stored.pause)
        assert stored.phase in (Phase.PROGRESSING, Phase.SOAKING)
        assert not change.mirror_after, "mirrored beside a weight"
        before = stored.weights.applied or 0
        _assert_passed_before_traffic(look, plan)
        if before:
            _assert_proven(look, plan)
            if not slack:
                _assert_counted(world, plan, before)
            own = _step_of(plan, before)
            due = parse_duration(own.settle or plan.analysis.settle) + parse_duration(
                own.min_duration or plan.analysis.min_duration
            )
            assert world.now - began[-1] >= due - slack, "the step was cut short"
        began.append(world.now)

    return Writes(judge)


def _assert_counted(world: World, plan: Plan, before: int) -> None:
    counted = world.sides.target.between(world.taken_at, world.now).total
    coarser = min(4.0, max(1.0, 10.0 / before))
    own = _step_of(plan, before)
    needed = own.min_requests or plan.analysis.min_requests
    asked = [gate for gate in plan.gates if own.gates is None or gate.name in own.gates]
    if any(gate.counts_requests and gate.on_fail is not OnFail.REPORT for gate in asked):
        assert counted >= needed / coarser * 0.99, "raised on too few requests"


def _step_of(plan: Plan, weight: int) -> Step:
    """The step that a weight belongs to."""
    return next(one for one in plan.steps if one.weight is not None and one.weight >= weight)


def _assert_passed_before_traffic(look: Look, plan: Plan) -> None:
    passed = {one.name for one in look.decision.status.gates if one.verdict is Verdict.PASS}
    for gate in plan.gates:
        if gate.run is Run.BEFORE_TRAFFIC and gate.on_fail is not OnFail.REPORT:
            assert gate.name in passed, f"raised although {gate.name} has not passed"


def _assert_proven(look: Look, plan: Plan) -> None:
    gates = {gate.name: gate for gate in look.decision.status.gates}
    own = _step_of(plan, look.decision.status.weights.applied or 0)
    fresh = 2 * parse_duration(plan.analysis.interval) + timedelta(minutes=1)
    for gate in plan.gates:
        if gate.on_fail is OnFail.REPORT or gate.run is Run.BEFORE_TRAFFIC:
            continue
        if own.gates is not None and gate.name not in own.gates:
            continue
        found = gates[gate.name]
        assert found.verdict is Verdict.PASS, f"raised although {gate.name} says {found.verdict}"
        assert found.looked_at is not None
        assert timedelta(0) <= look.seen.now - found.looked_at <= fresh, "raised on an old Pass"
    assert isinstance(look.seen.route, RouteSeen)
    assert look.seen.route.accepted, "raised before the gateway had the last weight"


def mirrors_are_meant() -> Promise:
    """Copies are what the stored shadow step says, the claim says so too, and a rollback begins none."""

    def judge(_: World, change: Change, look: Look) -> None:
        claim = from_text(change.claim_after) if change.claim_after is not None else None
        said = claim.mirror if isinstance(claim, Claim) else 0
        assert said == change.mirror_after, "the claim does not say what is mirrored"
        if change.mirror_after <= change.mirror_before:
            return
        stored = look.seen.status
        assert stored.plan is not None
        assert stored.step is not None
        shadow = stored.plan.steps[stored.step.index].shadow
        assert shadow is not None, f"a {stored.step.kind} step mirrored"
        assert change.mirror_after == shadow.parts
        assert stored.phase is Phase.SHADOWING
        assert stored.leader_epoch == look.seen.identity.epoch
        asked = look.seen.commands
        assert not (asked.abort or asked.paused or asked.deleting or stored.pause)
        assert not stored.weights.applied, "mirrored beside a weight"
        if change.mirror_before:
            assert all(one.verdict is Verdict.PASS for one in look.decision.status.gates)

    return Writes(judge)


def weight_only_falls_on_rollback() -> Promise:
    """From the decision to roll back until a higher attempt nothing of ours raises the target.

    A status that is lost after the end takes the memory of it along.
    """
    rolling: set[int | None] = set()

    def judge(_: World, change: Change, look: Look) -> None:
        attempt = look.decision.status.attempt
        if attempt in rolling:
            assert not change.raises, "raised during a rollback"
        if look.decision.status.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK):
            assert not change.raises, "a rollback raised a weight"
            assert change.mirror_after <= change.mirror_before, "a rollback mirrored more"
            rolling.add(attempt)

    writes = Writes(judge)

    def check(world: World) -> None:
        if not world.rollouts.status:
            rolling.clear()
        writes(world)

    return check


def phases_follow_the_table() -> Promise:
    """The history is a chain of allowed transitions, and what is final stays."""
    last: list[Status] = [Status()]

    def check(world: World) -> None:
        if not world.rollouts.status:
            last[0] = Status()
            return
        status = world.status
        known = last[0].history[-1].at if last[0].history else None
        phase = last[0].phase
        for entry in status.history:
            if known is not None and entry.at <= known and entry in last[0].history:
                continue
            before, after = Phase(entry.from_phase) if entry.from_phase else None, entry.to_phase
            assert allowed(before, Phase(after)), f"{before} -> {after}"
            phase = Phase(after)
        assert status.phase in (phase, last[0].phase)
        if last[0].phase is Phase.COMPLETED:
            assert status.phase is Phase.COMPLETED
        if last[0].phase is Phase.ROLLED_BACK and status.phase is not Phase.ROLLED_BACK:
            assert (status.attempt or 1) > (last[0].attempt or 1)
        last[0] = status

    return check


def status_is_bounded(world: World) -> None:
    """What is stored fits its own schema, and is small."""
    if world.rollouts.status:
        status = Status.model_validate(world.rollouts.status)
        assert len(status.model_dump_json(by_alias=True)) < LARGEST
        assert len(status.looks) <= 10
        assert len(status.history) <= 20


def somebody_watches(world: World) -> None:
    """While the target may have traffic of ours, the operator comes back by itself."""
    if world.rollouts.object is None or not world.running:
        return
    status = world.status
    for one in world.running:
        if one.suspended is None and one.crash_after is None and status.phase in MOVED:
            assert one.due is not None, f"{status.phase} and nobody looks again"
            assert one.due - world.now <= LONGEST_SLEEP
    if status.phase in FINISHED and world.rollouts.finalizers:
        assert all(one.due is not None or one.suspended for one in world.running)


def epoch_never_falls() -> Promise:
    """Neither in the status nor in the claim of one rollout."""
    highest = [0]

    def check(world: World) -> None:
        epoch = world.rollouts.status.get("leaderEpoch") or 0
        assert epoch >= highest[0] or not world.rollouts.status
        highest[0] = max(epoch, highest[0])

    return check


def watch_all(world: World, *, slack: timedelta = timedelta(0)) -> None:
    """Hold every promise against this world from now on."""
    world.watchers += [
        raises_are_earned(slack),
        mirrors_are_meant(),
        weight_only_falls_on_rollback(),
        phases_follow_the_table(),
        status_is_bounded,
        somebody_watches,
        epoch_never_falls(),
    ]
