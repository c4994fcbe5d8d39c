"""PURE: any object with weights: the rollout says where its numbers stand, and nothing else is known of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from cutover.api.patching import PatchAcceptance, PatchRoute, WeightNumber
from cutover.traffic.conditions import condition_refusal
from cutover.traffic.layout import (
    BACKEND_NOT_FOUND,
    Entry,
    Found,
    Kind,
    Object,
    Place,
    Problem,
    weights_written,
)
from cutover.traffic.standing import (
    ABSENT,
    number_at,
    number_inside,
    parsed,
    parts_of,
    value_at,
)

NUMBER_MISSING = "NumberMissing"
SCALE_DIFFERS = "ScaleDiffers"


@dataclass(frozen=True, slots=True)
class PatchLayout:
    """The numbers at the pointers of a ``patch``."""

    wanted: PatchRoute
    kind: Kind

    @property
    def owned(self) -> Sequence[str]:
        """The way to the target's number, as far as it leads through no list."""
        parts = parts_of(self.wanted.inside or self.wanted.target.pointer)
        return [f"f:{part}" for part in takewhile(lambda part: not part.isdecimal(), parts)]

    def find(self, seen: Object) -> Found:
        """Read the numbers and what has to stand beside them."""
        target = self._number(seen, self.wanted.target, "target")
        source = self._number(seen, self.wanted.source, "source") if self.wanted.source else None
        for found in (target, source):
            if isinstance(found, Problem):
                return Found((), found)
        assert isinstance(target, Entry)  # noqa: S101 - the loop saw to it
        assert source is None or isinstance(source, Entry)  # noqa: S101 - likewise
        whole = self.wanted.scale
        rest = max(0, (whole or 0) - target.weight) if source is None else 0
        place = Place(0, () if source is None else (source,), (target,), rest=rest)
        refused = "" if self.wanted.accepted is None else _refusal(seen, self.wanted.accepted)
        return Found((place,), self._mismatch(place), refused, whole)

    numbers = staticmethod(weights_written)

    def _number(self, seen: Object, wanted: WeightNumber, side: str) -> Entry | Problem:
        inside = self.wanted.inside
        if inside is None:
            entry = number_at(seen, wanted.pointer)
            within: Any = seen
        else:
            entry = number_inside(seen, inside, parts_of(wanted.pointer))
            within = parsed(value_at(seen, parts_of(inside)))
        where = f"{self.kind.name} {self.wanted.name}"
        if entry is None:
            return Problem(
                NUMBER_MISSING,
                f"{where} has no whole number at {wanted.pointer}{f' in {inside}' if inside else ''}: write one"
                f" there{', 0 for the target,' if side == 'target' else ''} or correct"
                f" {self.wanted.field}.{side}.pointer",
            )
        tests = []
        for test in wanted.tests or ():
            value = value_at(within, parts_of(test.pointer))
            if _text(value) != test.value:
                return Problem(
                    BACKEND_NOT_FOUND,
                    f"{where} has {_text(value)} at {test.pointer}, not {test.value}: the number beside it"
                    f" may belong to another backend; correct {self.wanted.field}.{side}",
                )
            tests.append((test.pointer, value))
        return entry if inside else replace(entry, tests=tuple(tests))

    def _mismatch(self, place: Place) -> Problem | None:
        """The numbers do not add up to the scale, so that nobody knows what they mean."""
        whole, one = self.wanted.scale, place.weights
        if whole is None or one.source + one.target == whole:
            return None
        return Problem(
            SCALE_DIFFERS,
            f"the weights of {self.kind.name} {self.wanted.name} are {one.source} and {one.target}, which do not add"
            f" up to {self.wanted.field}.scale {whole}: correct the numbers or the scale",
        )


def _refusal(seen: Object, wanted: PatchAcceptance) -> str:
    generation = seen["metadata"].get("generation") or 0
    if wanted.observed_generation is not None:
        observed = value_at(seen, parts_of(wanted.observed_generation))
        if not isinstance(observed, int) or observed < generation:
            return "its controller has not answered yet for the newest change"
    if wanted.condition is not None:
        return condition_refusal(seen, wanted.condition, "its controller")
    assert wanted.pointer is not None  # noqa: S101 - the definition's rule
    found = _text(value_at(seen, parts_of(wanted.pointer)))
    return "" if found == wanted.value else f"{wanted.pointer} is {found}, not {wanted.value}"


def _text(value: Any) -> str:
    """What stands in the object, as a spec would write it."""
    if value is ABSENT:
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else str(value)
