"""What share of the requests that both sides count is the target's: by its weight, or by a mirror."""

from cutover.api.status import Status


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
    if copies:
        return 100.0 * copies / (100.0 + copies)
    return float(status.weights.applied or 0)
