"""Which rollouts there are."""

import asyncio
from typing import Any

import pytest

from cutover import roster as module
from cutover.clusters.answers import Answer, Failed, Ok, Reason
from cutover.queue import RESYNC, Queue
from cutover.roster import Roster
from tests.unit.shell.clock import Clock

GONE = Failed(404, Reason.NOT_FOUND, "404 page not found")
SILENT = Failed(0, Reason.UNREACHABLE, "no answer")
OURS = Ok({"groups": [{"name": "apps"}, {"name": "cutover.dev"}]})


class Api:
    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def get(self, path: str) -> Answer:
        return self.answers["groups" if path == "/apis" else "kinds"]

    async def list_all(self, path: str, *, deadline: float) -> Answer:
        assert deadline == module.LIST_DEADLINE
        self.asked.append(path)
        return self.answers["rollouts"]


def rollout(name: str, **status: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"metadata": {"namespace": "ns", "name": name}}
    return made | ({"status": status} if status else {})


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"groups": OURS, "kinds": Ok({"resources": [{"name": "migrationrollouts"}]})}, True),
        ({"groups": OURS, "kinds": Ok({"resources": [{"name": "others"}]})}, False),
        ({"groups": OURS, "kinds": GONE}, False),
        ({"groups": Ok({"groups": [{"name": "apps"}]})}, False),
        ({"groups": GONE}, GONE),
        ({"groups": SILENT}, SILENT),
        ({"groups": OURS, "kinds": SILENT}, SILENT),
    ],
)
async def test_whether_the_kind_is_known(answers: dict[str, Answer], expected: object) -> None:
    """Only an API server that answers can say that it does not know the kind."""
    assert await Roster(Api(**answers), []).is_installed() == expected


async def test_the_namespaces_watched_are_listed() -> None:
    api = Api(rollouts=Ok({"items": [rollout("a")]}))
    one = Roster(api, ["x", "y"])
    assert await one.read() == [rollout("a")] * 2
    assert api.asked == [
        "/apis/cutover.dev/v1alpha1/namespaces/x/migrationrollouts",
        "/apis/cutover.dev/v1alpha1/namespaces/y/migrationrollouts",
    ]
    await Roster(api, []).read()
    assert api.asked[-1] == "/apis/cutover.dev/v1alpha1/migrationrollouts"


async def test_the_highest_epoch() -> None:
    listed = [rollout("a"), rollout("b", leaderEpoch=4), rollout("c", leaderEpoch=2)]
    one = Roster(Api(rollouts=Ok({"items": listed})), [])
    assert await one.highest_epoch() == 4
    assert one.known == [("ns", "a"), ("ns", "b"), ("ns", "c")]
    assert await Roster(Api(rollouts=Ok({"items": []})), []).highest_epoch() == 0
    assert await Roster(Api(rollouts=SILENT), []).highest_epoch() is None


async def test_a_resync_queues_all_there_are_and_outlives_an_outage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api = Api(rollouts=SILENT)
    queue, clock = Queue(Clock()), Clock()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            api.answers["rollouts"] = Ok({"items": [rollout("a"), rollout("b")]})
        if len(slept) > 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await Roster(api, []).resync(queue)
    assert slept == [RESYNC, module.RETRY, module.RETRY, RESYNC]
    assert ("ns", "a") in queue
    assert ("ns", "b") in queue
    due = queue.next_due()
    assert due is not None
    assert clock.now <= due <= clock.now + module.SPREAD
