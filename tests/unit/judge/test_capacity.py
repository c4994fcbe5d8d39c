"""Projected load against what the ready servers can take."""

import pytest

from cutover.judge.capacity import Room, projected, shortfall
from cutover.judge.guards import critical_xid

ROOM = Room(replicas=2, concurrency=256, headroom=0.8)


def test_requests_in_flight_grow_with_the_weight() -> None:
    assert projected(40.0, 25.0, 50.0) == 80.0
    assert projected(400.0, 100.0, 1.0) == 4.0
    assert ROOM.most_running == pytest.approx(409.6)


@pytest.mark.parametrize(
    ("running", "kv_cache", "words"),
    [
        (409.0, 0.8, None),
        (
            410.0,
            0.1,
            "about 410 requests would run at a time, and 2 ready replicas of 256 each take 410",
        ),
        (10.0, 0.81, "about 81 % of the KV cache of the fullest server would be in use"),
        (None, None, None),
        (900.0, None, "bring up 5 replicas"),
    ],
)
def test_what_does_not_fit_is_said_with_its_numbers(
    running: float | None, kv_cache: float | None, words: str | None
) -> None:
    found = shortfall(ROOM, running=running, kv_cache=kv_cache, weight=50.0)
    if words is None:
        assert found is None
    else:
        assert found is not None
        assert words in found.message


def test_no_ready_replica_takes_nothing() -> None:
    found = shortfall(Room(0, 256, 0.8), running=1.0, kv_cache=None, weight=5.0)
    assert found is not None
    assert "0 ready replicas of 256 each take 0" in found.message


def test_of_several_gpus_the_first_is_named_and_the_others_are_counted() -> None:
    breach = critical_xid({}, {"b GPU 1": 79, "a GPU 0": 48, "c GPU 2": 31}, {48, 79})
    assert breach is not None
    assert breach.message.startswith("a GPU 0 of the target reports XID 48 (and 1 more), which")
