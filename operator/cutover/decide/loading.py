"""How much each server of both sides has to do, as a full look shows it."""

from dataclasses import replace

from cutover.api.gates import Gate
from cutover.api.status import Plan, Status
from cutover.api.verdict import Verdict
from cutover.decide.fulllook import FullLook, both_windows
from cutover.decide.readings import Gap, Gauges, Reading
from cutover.decide.share import target_share
from cutover.decide.telling import Told
from cutover.judge.drift import DriftReason
from cutover.judge.evidence import Count
from cutover.judge.load import UNEQUAL, Load, load_of
from cutover.judge.terms import Reason


def load_seen(status: Status, look: FullLook) -> Load | None:
    """Both sides' loads; None where they cannot be told: then a comparison stands as it is."""
    windows = both_windows(look)
    if isinstance(windows, Gap):
        return None
    finished = [window.requests for window in windows]
    numbers = [_numbers(one) for one in (look.source, look.target)]
    if any(isinstance(one, Gap) for one in finished) or None in numbers:
        return None
    (source_running, source_servers), (target_running, target_servers) = (
        one for one in numbers if one is not None
    )
    source, target = (Count(one) for one in finished if not isinstance(one, Gap))
    return load_of(
        (source_running, target_running),
        (source_servers, target_servers),
        (source, target),
        target_share(status),
    )


def with_load(plan: Plan, gate: Gate, told: Told, load: Load | None) -> Told:
    """Let no drift verdict count for which the loads speak; latency and error gates weigh them themselves."""
    judgement = told.judgement
    if load is None or gate.traffic_drift is None or plan.analysis.allow_load_mismatch:
        return told
    fails = judgement.verdict is Verdict.FAIL and load.target_is_fuller
    passes = judgement.verdict is Verdict.PASS and load.target_is_emptier
    if judgement.pauses or not (fails or passes) or judgement.reason == DriftReason.REPORTED_ONLY:
        return told
    seen = judgement.message.partition(";")[0]
    message = f"{seen}; {load.words}: {UNEQUAL}"
    return replace(
        told,
        judgement=replace(
            judgement,
            verdict=Verdict.INCONCLUSIVE,
            reason=Reason.LOAD_DIFFERS,
            message=message,
            requests_missing=None,
        ),
    )


def running_each(reading: Reading) -> float | None:
    """Requests being served on each server of one side."""
    numbers = _numbers(reading)
    return None if numbers is None or numbers[1] < 1 else numbers[0] / numbers[1]


def _numbers(reading: Reading) -> tuple[float, float] | None:
    if isinstance(reading, Gap):
        return None
    gauges: Gauges = reading.gauges
    if isinstance(gauges.running, Gap) or isinstance(gauges.instances, Gap):
        return None
    return gauges.running, gauges.instances
