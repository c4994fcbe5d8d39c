"""One operator process: observe, decide, act, report, as the real reconciler does it.

A turn is a generator that stops before and after each effect on the world; to kill the process is
to drop the generator and with it everything that was only in memory.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from cutover import api
from cutover.act.route import act, lost_race, went_wrong
from cutover.act.source import act_on_source
from cutover.api.status import Phase, Plan, Status
from cutover.decide.decision import Decision, Hold, RollBack, StartSource, StopSource
from cutover.decide.health import Streaks, lasting
from cutover.decide.looking import Wanted, wanted
from cutover.decide.observation import (
    ClaimOwner,
    Commands,
    Health,
    Identity,
    Observation,
    Probes,
    Refusal,
    ReplaySeen,
)
from cutover.decide.plan import read_commands, resolve
from cutover.decide.publishing import worth_writing
from cutover.decide.readings import Reading, SideReading, Values
from cutover.decide.rollout import decide
from cutover.decide.route import Route, RouteSeen
from cutover.errors import LeadershipLost
from cutover.observe.beside import counted, going_on, resumed
from cutover.ports import Conflict, NotWritten, WriteResult, Written
from tests.fakes.plans import GATES, METRICS, OPERATOR_VERSION
from tests.fakes.rollouts import NAME, NAMESPACE

if TYPE_CHECKING:
    from tests.fakes.world import World

CLUSTER = "c-1"
OUT_OF_REACH = timedelta(seconds=1)
ROLLBACK_AGAIN = timedelta(milliseconds=250)
Turn = Generator[str, None, timedelta | None]


@dataclass
class Memory:
    """What is lost when the process dies."""

    rollout: Mapping[str, Any] = field(default_factory=dict)
    last_full_look: datetime | None = None
    scrape_seconds: float | None = None
    last_written: datetime | None = None
    latched: tuple[str, str] | None = None
    trouble: str = ""
    raced: bool = False
    probed: Probes | None = None
    streaks: Streaks | None = None
    replays: dict[str, tuple[datetime, ReplaySeen]] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """What one turn saw and chose; kept for the promises."""

    seen: Observation
    want: Wanted
    decision: Decision


class Process:
    """An operator that leads with an epoch. Its clock may be wrong."""

    def __init__(self, world: "World", epoch: int, *, skew: timedelta = timedelta(0)) -> None:
        self.world = world
        self.epoch = epoch
        self.skew = skew
        self.leads = True
        self.memory = Memory()
        self.looks: list[Look] = []

    @property
    def now(self) -> datetime:
        return self.world.now + self.skew

    def may_write(self) -> bool:
        return self.leads

    def turn(self) -> Turn:
        """One turn; yields the name of each point at which the process may be killed."""
        memory = self.memory
        rollout = self.world.rollouts.get()
        if isinstance(rollout, NotWritten):
            if memory.latched is None:
                return OUT_OF_REACH
            rollout = memory.rollout
        if rollout is None:
            self.memory = Memory()
            return None
        memory.rollout = rollout
        look = self._look(rollout)
        decision = look.decision
        self.looks = [*self.looks, look][-3:]
        if decision.status.phase is Phase.ROLLING_BACK and memory.latched is None:
            rollback = decision.status.rollback
            assert rollback is not None
            memory.latched = (rollback.reason, rollback.message)
        yield "decided"
        self.world.acting = look
        result = self._act(look)
        memory.trouble, memory.raced = went_wrong(result), lost_race(decision.action, result)
        yield "acted"
        written = yield from self._report(rollout, look)
        yield "reported"
        return self._next(decision, result, written)

    def run(self, turn: Turn) -> timedelta | None:
        """Play a turn to its end."""
        while True:
            try:
                next(turn)
            except StopIteration as end:
                delay: timedelta | None = end.value
                return delay

    # --- observe --------------------------------------------------------------------------------

    def _look(self, rollout: Mapping[str, Any]) -> Look:
        commands, status, draft = _take_apart(rollout)
        plan = status.plan or (draft if isinstance(draft, Plan) else None)
        memory, now = self.memory, self.now
        want = wanted(
            status,
            commands,
            plan,
            now=now,
            last_full_look=memory.last_full_look,
            scrape_seconds=memory.scrape_seconds,
            latched=memory.latched is not None,
        )
        route = _at_once(self.world.route.look()) if want.route else None
        source = target = None
        if want.windows:
            source, target = self._readings(want)
        if want.long_window is not None:
            memory.last_full_look = now
        reason, message = memory.latched or (None, "")
        seen = Observation(
            now=now,
            identity=Identity(
                CLUSTER,
                NAMESPACE,
                NAME,
                rollout["metadata"]["uid"],
                self.epoch,
                OPERATOR_VERSION,
            ),
            commands=commands,
            status=status,
            status_lost=commands.has_finalizer and status.phase is None,
            draft=draft,
            route=route,
            claim_owner=self._owner(route),
            source=source,
            target=target,
            long_window=want.long_window,
            health=self._health(want, status, plan, target),
            values=self.world.sides.values(plan.gates) if plan and want.long_window else Values(),
            replays=self._replays(want),
            results={
                one.gate: self.world.results[one.gate]
                for one in want.results
                if one.gate in self.world.results
            },
            workload=_at_once(self.world.workload.look()) if want.workload else None,
            latched=reason,
            latched_message=message,
            trouble=memory.trouble,
            raced=memory.raced,
        )
        return Look(seen, want, decide(seen))

    def _health(
        self, want: Wanted, status: Status, plan: Plan | None, read: Reading | None
    ) -> Health:
        """What the target's endpoint and both workloads have said by now."""
        if want.health is None or plan is None:
            self.memory.probed, self.memory.streaks = None, None
            return Health()
        before_now = self.memory.streaks or (
            going_on(status.queue, status, self.now),
            going_on(status.kv_cache, status, self.now),
        )
        self.memory.streaks = lasting(before_now, read, plan, self.now)
        target, at = self.world.sides.target, self.now
        if target.probed is not None:
            before = self.memory.probed or resumed(status, at)
            self.memory.probed = counted(before, target.probed, at)
        return Health(
            source_replicas=self.world.sides.source.replicas_at(at),
            target_replicas=target.replicas_at(at),
            probes=self.memory.probed,
            queue=self.memory.streaks[0],
            kv_cache=self.memory.streaks[1],
        )

    def _replays(self, want: Wanted) -> Mapping[str, ReplaySeen]:
        """Golden inputs that were asked since the last look; what is not wanted is forgotten."""
        known, self.memory.replays = self.memory.replays, {}
        endpoints = self.world.endpoints
        for one in want.replays:
            at, seen = known.get(one.gate, (self.now, ReplaySeen(one.about, one.fold)))
            if seen.about != one.about:
                at, seen = self.now, ReplaySeen(one.about, one.fold)
            if endpoints.problem is not None:
                seen = replace(seen, problem=endpoints.problem)
            elif not seen.finished:
                waited = (self.now - at).total_seconds()
                fold, finished = endpoints.went_on(seen.fold, waited, one.repeat)
                seen = ReplaySeen(one.about, fold, finished)
            self.memory.replays[one.gate] = (self.now, seen)
        return {gate: seen for gate, (_, seen) in self.memory.replays.items()}

    def _readings(self, want: Wanted) -> tuple[Reading, Reading]:
        sides = self.world.sides
        found = [sides.read(one, self.world.now, want.windows) for one in sides.servers]
        for reading in found:
            if isinstance(reading, SideReading) and reading.scrape_seconds:
                self.memory.scrape_seconds = reading.scrape_seconds
        return found[0], found[1]

    def _owner(self, route: Route | None) -> ClaimOwner | None:
        claim = route.claim if isinstance(route, RouteSeen) else None
        if claim is None or claim.name == NAME:
            return None
        return ClaimOwner(self.world.owner_alive)

    # --- act and report -------------------------------------------------------------------------

    def _act(self, look: Look) -> WriteResult | None:
        if look.decision.status.plan is None or isinstance(look.decision.action, Hold):
            return None
        action, seen = look.decision.action, look.seen
        try:
            if isinstance(action, StopSource | StartSource):
                writing = act_on_source(action, self.world.workload, seen.workload, self)
                return cast("WriteResult", _at_once(writing))
            result: WriteResult | None = _at_once(act(action, self.world.route, seen.route, self))
        except LeadershipLost:
            return NotWritten("NotLeading", "the Lease has run out")
        return result

    def _report(
        self, rollout: Mapping[str, Any], look: Look
    ) -> Generator[str, None, WriteResult | None]:
        if not self.leads:
            return NotWritten("NotLeading", "the Lease has run out")
        rollouts, decision, seen = self.world.rollouts, look.decision, look.seen
        result: WriteResult | None = None
        if decision.finalizer is True and not seen.commands.has_finalizer:
            result = rollouts.set_finalizer(rollout, present=True)
            if not isinstance(result, Written):
                return result
            rollout = _at(rollout, result)
            yield "finalizer set"
        if worth_writing(seen.status, decision.status, seen.now, self.memory.last_written):
            result = rollouts.write_status(rollout, _on_wire(decision.status))
            if not isinstance(result, Written):
                return result
            rollout = _at(rollout, result)
            self.memory.last_written = seen.now
            yield "status written"
        for said in decision.said:
            self.world.said(said)
        if decision.finalizer is False and seen.commands.has_finalizer:
            result = rollouts.set_finalizer(rollout, present=False)
        return result

    def _next(
        self, decision: Decision, result: WriteResult | None, written: WriteResult | None
    ) -> timedelta | None:
        memory = self.memory
        if memory.latched is not None and decision.status.phase is Phase.ROLLED_BACK:
            memory.latched = memory.latched if isinstance(written, NotWritten) else None
        if isinstance(decision.action, RollBack) and isinstance(result, NotWritten):
            return ROLLBACK_AGAIN
        if isinstance(result, Conflict) or isinstance(written, Conflict):
            return timedelta(0)
        if isinstance(result, NotWritten) or isinstance(written, NotWritten):
            return ROLLBACK_AGAIN if memory.latched is not None else OUT_OF_REACH
        return decision.look_again


def _at_once(coroutine: Any) -> Any:
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a fake must not wait")


def _at(rollout: Mapping[str, Any], written: Written) -> Mapping[str, Any]:
    metadata = {**rollout["metadata"], "resourceVersion": written.resource_version}
    return {**rollout, "metadata": metadata}


def _on_wire(status: Status) -> dict[str, Any]:
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


class _Cached:
    """The parsed parts of an object, found again by identity: parsing takes longer than deciding."""

    status: tuple[Any, Status] = (None, Status())
    draft: tuple[Any, int, Plan | Refusal] | None = None


def _take_apart(rollout: Mapping[str, Any]) -> tuple[Commands, Status, Plan | Refusal]:
    annotations = rollout["metadata"].get("annotations") or {}
    keep = annotations.get(api.ON_DELETE) == "Keep"
    commands = read_commands(rollout, finalizer=api.FINALIZER, keep=keep)
    return commands, _status(rollout.get("status")), _draft(rollout)


def _status(raw: Any) -> Status:
    if raw is None:
        return Status()
    if _Cached.status[0] is not raw:
        try:
            _Cached.status = (raw, Status.model_validate(raw))
        except ValidationError:
            _Cached.status = (raw, Status())
    return _Cached.status[1]


def _draft(rollout: Mapping[str, Any]) -> Plan | Refusal:
    spec, generation = rollout["spec"], rollout["metadata"]["generation"]
    cached = _Cached.draft
    if cached is None or cached[0] is not spec or cached[1] != generation:
        draft = resolve(
            rollout,
            operator_version=OPERATOR_VERSION,
            default_gates=GATES,
            metrics=METRICS,
        )
        _Cached.draft = cached = (spec, generation, draft)
    return cached[2]
