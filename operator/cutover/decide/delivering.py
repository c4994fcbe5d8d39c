"""Whether requests show the declared weight, or the mirror: by the gateway's counters or by both sides' servers'."""

from cutover.api.status import Baseline, Plan, Status
from cutover.decide.fulllook import FullLook, window_of
from cutover.decide.readings import Gap, Missing, Reading, WindowReading
from cutover.decide.share import mirrored
from cutover.judge import split


def counted_requests(plan: Plan, window: WindowReading) -> float | Gap:
    """Requests of one side, by whoever counts what is delivered."""
    if not plan.traffic.counted_at_gateway:
        return window.requests
    if window.gateway is None:
        return Gap(Missing.NO_DATA, "the gateway was not asked about this window")
    return window.gateway if isinstance(window.gateway, Gap) else window.gateway.requests


def with_delivery(plan: Plan, status: Status, look: FullLook) -> Status:
    """Hold the counters against the declared weight, or against what is mirrored.

    Nothing is concluded before ``settle`` is over, since what the source still answers then was sent
    before; nor from too few requests, so that what was proven of this weight stays proven; nor of
    weights that somebody else left, which may differ from rule to rule.
    """
    counts: list[float] = []
    for side, reading in (("source", look.source), ("target", look.target)):
        found = _counted(plan, reading, look.window)
        if found is None:
            return status
        if isinstance(found, Gap):
            return _unknown(plan, status, side, found)
        counts.append(found)
    result = _judged(plan, status, look, (counts[0], counts[1]))
    update: dict[str, object] = {}
    if look.gathering and result.ok is not None and status.weights.standing is None:
        update |= {
            "delivery_ok": result.ok,
            "delivery_message": "" if result.ok else result.message,
        }
    elif status.weights.delivery_ok is None:
        update["delivery_message"] = ""
    if result.delivered is not None:
        update |= {"delivered": result.delivered, "delivered_at": look.now}
    return _updated(status, update)


def _counted(plan: Plan, reading: Reading, seconds: float) -> float | Gap | None:
    """Requests of one side; None: the side was not read. Nothing in the window is no request there."""
    window = window_of(reading, seconds)
    if not isinstance(window, WindowReading):
        return None
    found = counted_requests(plan, window)
    return 0.0 if isinstance(found, Gap) and found.missing is Missing.NO_DATA else found


def _unknown(plan: Plan, status: Status, side: str, gap: Gap) -> Status:
    """Say why nothing can be said: a gateway that tells nothing is told of nowhere else."""
    if not plan.traffic.counted_at_gateway or status.weights.delivery_ok is not None:
        return status
    where = "" if gap.message.startswith("at the gateway: ") else "at the gateway: "
    message = f"the delivered weight cannot be told; {where}{side}: {gap.message}"
    return _updated(status, {"delivery_message": message[:1024]})


def _judged(plan: Plan, status: Status, look: FullLook, counts: tuple[float, float]) -> split.Split:
    at_gateway = plan.traffic.counted_at_gateway
    copies = mirrored(status)
    judge = split.judge_mirror if copies else split.judge_split
    return judge(
        float(copies or status.weights.applied or 0),
        *counts,
        seconds=look.window,
        baseline=None if at_gateway else _baseline(status.baseline),
        gateway=at_gateway,
    )


def _baseline(baseline: Baseline | None) -> split.Baseline | None:
    if baseline is None:
        return None
    return split.Baseline(baseline.source_rate, baseline.target_rate)


def _updated(status: Status, update: dict[str, object]) -> Status:
    return status.model_copy(update={"weights": status.weights.model_copy(update=update)})
