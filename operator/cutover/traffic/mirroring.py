"""PURE: entries of an object's lists that copy requests to the target, ours told from everybody else's.

The claim says that we mirror, and how much; it is written with the entries, in one patch. So while it
says so, the rule's entry that names the target is ours, and without it none is: a route that has such an
entry already is refused, since both would be the same to the gateway.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.decide.route import RuleMirror

Entry = Mapping[str, Any]
Operation = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Copying:
    """One entry that copies requests to the target."""

    index: int
    percent: int


@dataclass(frozen=True, slots=True)
class Spot:
    """Where one rule's entries stand, and those of them that copy to the target."""

    rule: int
    pointer: str
    """JSON pointer to the list."""
    entries: Sequence[Entry] | None
    """As they stand; None: the rule has no such list."""
    copies: tuple[Copying, ...]
    entry: Mapping[int, Entry]
    """What our entry looks like, by percent from 1 to 100."""

    def ours(self, claimed: int) -> Copying | None:
        """The entry that is ours where the claim says that we mirror so much.

        Somebody may have added another one since: ours is the last of the share that we wrote, and one whose
        share was changed is ours only where there is no other.
        """
        if not claimed:
            return None
        exact = [one for one in self.copies if one.percent == claimed]
        if exact:
            return exact[-1]
        return self.copies[0] if len(self.copies) == 1 else None

    def seen(self, claimed: int) -> RuleMirror:
        """What the decision sees of it."""
        ours = self.ours(claimed)
        return RuleMirror(self.rule, ours.percent if ours is not None else 0)

    def written(self, claimed: int, percent: int) -> list[Operation]:
        """Bring our entry to ``percent`` (0: none), tested against what was seen; others stay.

        The list goes with its last entry, as it came with its first: a rule that had an empty list of
        filters has none afterwards, which means the same.
        """
        ours = self.ours(claimed)
        if (ours.percent if ours is not None else 0) == percent:
            return []
        if ours is None:
            return self._added(self.entry[percent])
        at = f"{self.pointer}/{ours.index}"
        stands = self.entries[ours.index] if self.entries is not None else None
        tested = _operation("test", at, stands)
        if percent:
            return [tested, _operation("replace", at, self.entry[percent])]
        alone = self.entries is not None and len(self.entries) == 1
        if alone:
            return [
                _operation("test", self.pointer, list(self.entries or ())),
                {"op": "remove", "path": self.pointer},
            ]
        return [tested, {"op": "remove", "path": at}]

    def _added(self, entry: Entry) -> list[Operation]:
        if self.entries is None:
            absent = _operation("test", self.pointer, None)
            return [absent, _operation("add", self.pointer, [entry])]
        return [_operation("add", f"{self.pointer}/-", entry)]


@dataclass(frozen=True, slots=True)
class Mirroring:
    """What one object can mirror, and does."""

    spots: tuple[Spot, ...] = ()
    refusal: str | None = None
    """Why its kind can mirror nothing, in words that follow on ``spec.steps mirrors requests, and``; None: it can."""
    coarse: str | None = None
    """The data plane that copies all requests even where fewer are asked for; None: none is known to."""

    def refused(self, claimed: int) -> str | None:
        """Why nothing may be mirrored, where the claim says that we mirror ``claimed`` percent."""
        if self.refusal is not None or claimed:
            return self.refusal
        theirs = next((one.rule for one in self.spots if one.copies), None)
        if theirs is None:
            return None
        return (
            f"rule {theirs} of the route has a mirror to the target already that is not this rollout's:"
            " remove it, or the shadow steps"
        )

    def refused_share(self, percents: Sequence[int]) -> str | None:
        """Why one of the shares cannot be mirrored."""
        fewer = next((percent for percent in percents if percent < 100), None)
        if fewer is None or self.coarse is None:
            return None
        return (
            f"{self.coarse} copies every request where {fewer} % are asked for: mirror 100%, or remove that"
            " shadow step"
        )


NO_MIRRORING = Mirroring()


def _operation(kind: str, path: str, value: Any) -> Operation:
    return {"op": kind, "path": path, "value": value}
