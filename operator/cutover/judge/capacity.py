"""Would the servers that are ready have room for more requests? A projection, never a verdict.

Requests in flight grow in proportion to the weight (Little's law at equal service times), and so does
the KV cache that they hold.
"""

from dataclasses import dataclass

from cutover.judge.wording import count, percent


@dataclass(frozen=True, slots=True)
class Room:
    """What one side's ready servers can take."""

    replicas: int
    concurrency: int
    """Requests that one server works on at a time."""
    headroom: float
    """Share of it, and of the KV cache, that may be expected to be used, 0-1."""

    @property
    def most_running(self) -> float:
        """Requests that all of them may be expected to work on."""
        return self.headroom * self.replicas * self.concurrency


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What is missing, in one sentence."""

    message: str


def projected(running: float, weight: float, following: float) -> float:
    """Return what ``running`` (a number of requests or a share of a cache) becomes at another weight."""
    return running * following / weight


def shortfall(
    room: Room, *, running: float | None, kv_cache: float | None, weight: float
) -> Shortfall | None:
    """Say why the projected load does not fit; None: it does, as far as it is known.

    ``running`` requests and ``kv_cache`` (share of the fullest server's, 0-1) are projected to ``weight``.
    """
    servers = f"{room.replicas} ready replica{'s' if room.replicas != 1 else ''}"
    if running is not None and running > room.most_running:
        needed = _replicas(running, room)
        return Shortfall(
            f"at {weight:g} % about {count(running)} requests would run at a time, and {servers} of"
            f" {room.concurrency} each take {count(room.most_running)} with a headroom of"
            f" {percent(room.headroom)}: bring up {needed} replicas, or raise spec.capacity"
        )
    if kv_cache is not None and kv_cache > room.headroom:
        return Shortfall(
            f"at {weight:g} % about {percent(kv_cache)} of the KV cache of the fullest server would be in"
            f" use, and the headroom is {percent(room.headroom)}: bring up more than {servers}, or raise"
            " spec.capacity.headroom"
        )
    return None


def _replicas(running: float, room: Room) -> int:
    each = room.headroom * room.concurrency
    return -int(-running // each)
