"""What is foreseen of a plan at a given rate: what each gate needs, whether it fits, what it would notice."""

from collections.abc import Mapping
from dataclasses import dataclass

from cutover.foresight.chances import SURE
from cutover.foresight.early import Early


@dataclass(frozen=True, slots=True)
class GateOutlook:
    """One gate in one step. Shares 0-1, times in seconds since the weight was set."""

    gate: str
    requests: float | None
    """Target requests that a Pass needs; None: no Pass is in sight."""
    median: float | None
    """Half of the steps have passed by then; None: not within ``maxDuration``."""
    nine_in_ten: float | None
    pass_chance: float
    """Of passing within ``maxDuration``."""
    fits: bool
    sees_from: float | None
    """The smallest share of bad target requests that fails it 9 times in 10; None: none."""
    note: str = ""
    """What it would notice, or that it only reports, of a gate that counts no bad requests."""


@dataclass(frozen=True, slots=True)
class StepOutlook:
    """One step. Times in seconds."""

    number: int
    """From 1."""
    description: str
    weight: int
    """Percent; 0: the step mirrors."""
    target_rate: float
    """Requests a second on the target."""
    gates: tuple[GateOutlook, ...]
    median: float
    """Half of the steps are over by then; infinite: not within ``maxDuration``."""
    nine_in_ten: float
    pass_chance: float
    """Of every gate passing within ``maxDuration``."""
    guards_after: float | None
    """Until the guards have requests enough to say anything; None: never, within their longest window."""
    first_fit: int | None = None
    """Where it does not fit: the smallest weight (percent) that does with the step's own gates and durations."""
    mirrored: int = 0
    """Copies of a hundred requests that a shadow step sends to the target; 0: it is a weight."""

    @property
    def fits(self) -> bool:
        return self.pass_chance >= SURE


@dataclass(frozen=True, slots=True)
class Outlook:
    """The whole plan."""

    rate: float
    assumed: Mapping[str, float]
    """By gate: the source's share of bad requests, 0-1."""
    steps: tuple[StepOutlook, ...]
    """The weights, and the shadow steps before them."""
    waits: float
    """Seconds of pauses and soak."""
    approvals: tuple[str, ...]
    median: float
    nine_in_ten: float
    """Seconds from the first weight to the end, pauses and soak included; infinite: it does not fit."""
    early: tuple[Early, ...] = ()
    """Gates that are judged before any traffic."""

    @property
    def fits(self) -> bool:
        return all(step.fits for step in self.steps)

    @property
    def first_fit(self) -> int | None:
        """The smallest weight (percent) that fits, of the first step that does not."""
        return next((step.first_fit for step in self.steps if not step.fits), None)

    def seen_from(self, gate: str) -> float | None:
        """The smallest share that any step sees."""
        found = [one.sees_from for step in self.steps for one in step.gates if one.gate == gate]
        return min((share for share in found if share is not None), default=None)
