"""What share of the requests that both sides count is the target's: by its weight, or by a mirror."""

from cutover.api.status import Status
from cutover.api.steps import Step


def mirrored(status: Status) -> int:
    """Percent of the requests that the gateway copies to the target by our wish; 0: none."""
    return status.weights.mirrored or 0


def target_share(status: Status) -> float:
    """The target's share of the requests counted, in percent (0 to 100).

    A weight takes from the source what it gives the target. A mirror takes nothing: of 100 requests the
    source gets all and the target, beside them, ``p`` copies, which makes ``p`` of ``100 + p``. Whatever is
    said of evidence at a weight holds at this share: at 100 % mirrored both sides count alike, as at weight 50.
    """
    copies = mirrored(status)
    return _of_copies(copies) if copies else float(status.weights.applied or 0)


def share_of(step: Step) -> float:
    """The same while that step lasts; 0 for steps that move nothing."""
    if step.shadow is not None:
        return _of_copies(step.shadow.parts)
    return float(step.weight or 0)


def is_judged_on_requests(step: Step) -> bool:
    """Whether the step brings requests or copies of them to the target, and waits for what they prove."""
    return share_of(step) > 0


def _of_copies(percent: int) -> float:
    return 100.0 * percent / (100.0 + percent)
