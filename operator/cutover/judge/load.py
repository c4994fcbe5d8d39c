"""When a comparison of two sides is one of their loads.

A server that works on more requests at a time answers each more slowly, so a comparison is only as good
as the loads are alike. But a rollout makes them differ on purpose: at 5 % the target has a nineteenth of
the source's, and later steps take that away by themselves. And a slow target has more requests running
because it is slow. So a comparison is refused only in the direction in which the load speaks for its
outcome, and only where more is sent to each server as well:

- a Fail, where each of the target's servers has and gets more than three times what one of the source's does;
- a Pass, where it would have and get less than a third with equal shares of the traffic: a target of three
  times as many servers. What the small weight takes off is given back by the steps that follow.
"""

from dataclasses import dataclass

from cutover.judge.evidence import Count

APART = 3.0
"""How many times as much is too different (reference/domain.md §D.1)."""

UNEQUAL = (
    "too different to compare, waits; even out the number of servers, or set"
    " spec.analysis.allowLoadMismatch"
)
"""What is said of such loads, after both numbers."""


@dataclass(frozen=True, slots=True)
class SideLoad:
    """One side's load, for each of its servers."""

    running: float
    """Requests being served."""
    requests: float
    """Requests finished since the evidence began."""


@dataclass(frozen=True, slots=True)
class Load:
    """Both sides' loads at a weight (percent, between 0 and 100) that leaves something on both."""

    source: SideLoad
    target: SideLoad
    weight: float

    @property
    def target_is_fuller(self) -> bool:
        """The load alone may make the target look worse: it proves no Fail."""
        return self._more(self.target, self.source, 1.0)

    @property
    def target_is_emptier(self) -> bool:
        """The load alone may make the target look better, and later steps do not change that: it proves no Pass."""
        return self._more(self.source, self.target, self.weight / (100.0 - self.weight))

    def _more(self, one: SideLoad, other: SideLoad, share: float) -> bool:
        """Whether one side has and gets too much more, after both were brought to equal shares."""
        return (
            one.running * share > APART * other.running
            and one.requests * share > APART * other.requests
        )

    @property
    def words(self) -> str:
        """Both numbers, for a sentence."""
        numbers = (
            f"{_number(self.target.running)} requests run on each target server,"
            f" {_number(self.source.running)} on each of the source"
        )
        if self.target_is_emptier:
            equal = self.target.running * (100.0 - self.weight) / self.weight
            return f"{numbers} ({_number(equal)} with equal shares of the traffic)"
        return numbers


def load_of(
    running: tuple[float, float],
    servers: tuple[float, float],
    finished: tuple[Count, Count],
    weight: float,
) -> Load | None:
    """Source first. None where either side has no server or all the traffic: nothing can be compared."""
    if not 0.0 < weight < 100.0 or min(servers) < 1.0:
        return None
    source, target = (
        SideLoad(run / many, count.total / many)
        for run, many, count in zip(running, servers, finished, strict=True)
    )
    return Load(source, target, weight)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"
