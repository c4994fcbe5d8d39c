"""What the rule of a gate tells of one look; the status keeps it."""

from dataclasses import dataclass

from cutover.api.status import EvidenceSums, JudgedOnce, ReplayStatus
from cutover.api.verdict import Verdict
from cutover.decide.observation import Gap, Missing
from cutover.judge.verdict import Judgement


@dataclass(frozen=True, slots=True)
class Told:
    """A judgement, and what must be kept for the next look."""

    judgement: Judgement
    evidence: EvidenceSums | None = None
    breaches: int | None = None
    """Of a query gate: looks in a row that found its bound broken."""
    judged: JudgedOnce | None = None
    """What a gate that is judged once has said of this evidence."""
    replay: ReplayStatus | None = None


def missing_verdict(gap: Gap) -> Judgement:
    """A gap is never a Pass: nothing in the window may yet come, everything else could not be looked at."""
    verdict = Verdict.INCONCLUSIVE if gap.missing is Missing.NO_DATA else Verdict.ERROR
    return Judgement(verdict=verdict, reason=gap.missing.value, message=gap.message)
