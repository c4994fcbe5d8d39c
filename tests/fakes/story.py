"""A rollout told line by line: when, the target's share on the route, who, what and why."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

from cutover.api.status import Status
from tests.fakes.route import Change, share
from tests.fakes.world import World


class Story:
    """Watches a world and writes down what a person could have seen."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lines: list[str] = []
        self._changes = self._events = 0
        self._phase = self._said = ""
        self._told: object = None
        world.watchers.append(self._watch)

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    def do(self, who: str, what: str, deed: Callable[[World], object]) -> None:
        """Somebody does something now."""
        self._line(who, what)
        self.world.do(deed)

    def at(self, seconds: float, who: str, what: str, deed: Callable[[World], object]) -> None:
        """Somebody does something later."""

        def told(world: World) -> None:
            self._line(who, what)
            deed(world)

        self.world.at(seconds, told)

    def _watch(self, world: World) -> None:
        route = world.route
        for change in route.changes[self._changes :]:
            self._line("route" if change.who == "cutover" else change.who, describe(change))
        self._changes = len(route.changes)
        status = world.status
        if str(status.phase or "") != self._phase:
            self._line("phase", f"{self._phase or 'new'} → {status.phase or 'lost'}")
            self._phase = str(status.phase or "")
        for _, said in world.events[self._events :]:
            self._line("WARNING" if said.warning else "event", f"{said.reason}: {said.message}")
        self._events = len(world.events)
        told = _what_matters(status)
        if told != self._told and status.message not in ("", self._said):
            self._line("says", status.message)
            self._said = status.message
        self._told = told
        if world.rollouts.object is None and self.lines and not self.lines[-1].endswith("gone"):
            self._line("phase", "the object is gone")

    def _line(self, who: str, what: str) -> None:
        seconds = int(self.world.since_start / timedelta(seconds=1))
        clock = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        weight = f"{self.world.route.highest:g} %" if self.world.route.exists else "-"
        self.lines.append(f"{clock} {weight:>6}  {who:<9} {what}".rstrip())


def describe(change: Change) -> str:
    """What a write did to the route."""
    told: list[str] = []
    if change.after != change.before:
        numbers = ", ".join(f"{rule.source}/{rule.target}" for rule in change.after)
        word = "raised" if change.raises else "lowered" if change.lowers else "rewritten"
        told.append(f"{word} to {numbers}")
    if change.mirror_after != change.mirror_before:
        percent = change.mirror_after
        told.append(f"mirrors {percent} % to the target" if percent else "mirrors no more")
    if change.claim_after != change.claim_before:
        if change.claim_after is None:
            told.append("claim removed")
        elif '"goingBack"' in change.claim_after:
            told.append("the claim says why")
        else:
            told.append("claimed" if change.claim_before is None else "claim renewed")
    return ", ".join(told)


def _what_matters(status: Status) -> object:
    stalled = [one.reason for one in status.conditions if one.type == "Stalled"]
    pause = status.pause
    return (
        status.phase,
        status.step and status.step.index,
        pause and (pause.cause, pause.acknowledged),
        stalled,
        bool(status.trouble),
        status.weights.applied,
        status.summary.verdict,
        [one.reason for one in status.conditions if one.type == "Accepted"],
    )


def writes_of(world: World, since: int = 0) -> list[int]:
    """The target's largest share after each of the operator's writes of weights, in percent."""
    return [
        round(max(share(rule) for rule in change.after))
        for change in world.route.changes[since:]
        if change.who == "cutover" and change.after != change.before
    ]


def weights_written(world: World) -> list[int]:
    """The same, without repetitions."""
    shares = writes_of(world)
    return [*shares[:1], *(after for before, after in pairwise(shares) if before != after)]
