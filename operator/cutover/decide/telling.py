"""What the rule of a gate tells of one look; the status keeps it."""

from dataclasses import dataclass

from cutover.api.evidence import EvidenceSums, GateStatus, JudgedOnce, ReplayStatus
from cutover.api.verdict import Verdict
from cutover.decide.readings import Gap, Missing
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


def as_before(before: GateStatus) -> Judgement:
    """Nothing was read at this look, as while paused and after a restart: what was known still is."""
    return Judgement(
        before.verdict,
        before.reason,
        before.message,
        value=before.value,
        bound=before.bound,
        source_count=before.source_count or 0.0,
        target_count=before.target_count or 0.0,
        final=before.final,
        pauses=before.pauses,
        unit=before.unit,
    )
