"""One thing that is looked at before the first step, and what came of it."""

from collections.abc import Iterable
from dataclasses import dataclass

from cutover.api.preflight import MAX_CHECKS, CheckState, PreflightCheck
from cutover.decide.observation import Refusal

LONGEST = 512


@dataclass(frozen=True, slots=True)
class Check:
    """``message`` is one sentence: what is so, or what is wrong, where, and what to do."""

    name: str
    state: CheckState
    message: str
    reason: str = ""
    """CamelCase, of what did not pass."""
    awaited: bool = False
    """It is being asked: the first step waits for the answer."""

    @property
    def holds_back(self) -> bool:
        """Whether the first step does not begin because of it."""
        return self.awaited or self.state is CheckState.FAILED

    @property
    def refusal(self) -> Refusal:
        """The same as what keeps the rollout back."""
        return Refusal(self.reason or "PreflightFailed", self.message)


def passed(name: str, message: str) -> Check:
    """It is as it should be."""
    return Check(name, CheckState.PASSED, message)


def failed(name: str, reason: str, message: str) -> Check:
    """Nothing begins until it is mended."""
    return Check(name, CheckState.FAILED, message, reason)


def warned(name: str, reason: str, message: str) -> Check:
    """A person should know."""
    return Check(name, CheckState.WARNING, message, reason)


def unknown(name: str, reason: str, message: str) -> Check:
    """It cannot be told, and nothing waits for it."""
    return Check(name, CheckState.UNKNOWN, message, reason)


def awaited(name: str, reason: str, message: str) -> Check:
    """It is being asked, and the first step waits for the answer."""
    return Check(name, CheckState.UNKNOWN, message, reason, awaited=True)


def of_refusal(name: str, refusal: Refusal | None, good: str) -> Check:
    """Failed with that refusal, or passed where there is none."""
    return passed(name, good) if refusal is None else failed(name, refusal.reason, refusal.message)


def told(checks: Iterable[Check]) -> list[PreflightCheck]:
    """The list as the status keeps it; of too many those go first that passed."""
    kept = list(checks)
    while len(kept) > MAX_CHECKS:
        spare = next((one for one in kept if one.state is CheckState.PASSED), kept[-1])
        kept.remove(spare)
    return [
        PreflightCheck(name=one.name[:80], state=one.state, message=_short(one.message))
        for one in kept
    ]


def _short(message: str) -> str:
    return message if len(message) <= LONGEST else f"{message[: LONGEST - 1]}…"
