"""Gates on a number that any PromQL gives."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from cutover.api.quantities import Number
from cutover.api.rules import A_NUMBER, Rule, ruled_by
from cutover.api.wire import Wire


class Of(StrEnum):
    """Whose number is held against the bounds."""

    TARGET = "Target"
    SOURCE = "Source"
    RATIO = "Ratio"


class Reduce(StrEnum):
    """How several numbers become one."""

    MAX = "Max"
    MIN = "Min"
    SUM = "Sum"
    AVG = "Avg"


class QueryGate(Wire):
    """A number stays within bounds; it comes without statistics, so a bound must be broken for some looks in a row."""

    model_config = ruled_by(
        Rule(
            "has(self.max) || has(self.min)",
            "a query gate needs a bound: set max, min or both",
        ),
        Rule(
            "!has(self.max) || !has(self.min) || double(self.min) <= double(self.max)",
            "min must not be above max, or nothing ever passes: exchange them",
            at=".min",
        ),
        Rule(
            "!has(self.of) || self.of != 'Ratio' || self.expr.contains('$matchers')",
            "of: Ratio needs $matchers in expr, as in sum(my_gauge{$matchers}): without it the source"
            " would be compared with itself",
            at=".expr",
        ),
    )

    expr: Annotated[str, Field(min_length=1, max_length=2048)]
    """PromQL giving one number, or several with reduce. $matchers is filled with the side's matchers, $window with the time since the step's evidence began (10m before there is traffic). Asked at every full look of the side's Prometheus, which has 2s to answer."""
    of: Of | None = None
    """Whose number is held against the bounds: Target, Source, or Ratio, the target's as a multiple of the source's. Omitted: Target."""
    reduce: Reduce | None = None
    """How several numbers become one: Max, Min, Sum or Avg. Omitted: several numbers are no answer, and the gate says so."""
    max: Annotated[Number, A_NUMBER] | None = None
    """The number may be at most this, such as "3"; with of: Ratio at most so many times the source's. Omitted: no upper bound."""
    min: Annotated[Number, A_NUMBER] | None = None
    """The number must be at least this; with of: Ratio at least so many times the source's. Omitted: no lower bound."""
    breaches: Annotated[int, Field(ge=1, le=20)] | None = None
    """How many looks in a row must find a bound broken before that is a Fail, 1 to 20. Omitted: 3."""

    @property
    def whose(self) -> Of:
        """Whose number is held against the bounds."""
        return self.of or Of.TARGET

    @property
    def looks_to_fail(self) -> int:
        """How many looks in a row must find a bound broken."""
        return self.breaches or 3
