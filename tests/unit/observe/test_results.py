"""Evaluations made elsewhere are read beside the looks: none waits for them, and none is asked in vain."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from cutover.api.clusters import ClusterRef
from cutover.api.status import Plan
from cutover.decide.observation import ResultsWanted
from cutover.decide.readings import Gap, Missing
from cutover.observe.memory import Memory
from cutover.observe.results import attend_results, forget_results
from cutover.ports import Adapters
from tests.unit.decide.test_holdout import RESULTS, in_force

WANTED = ResultsWanted("quality", "eval-a", "eval-b")
PLAN: Plan = in_force({"name": "quality", "holdout": RESULTS})
PLACE = ("ns", "ns/chat")


class Cluster:
    """ConfigMaps by name; reading takes until the test lets it go on."""

    def __init__(self) -> None:
        self.held: dict[str, Mapping[str, str] | Gap] = {"eval-a": {"v": "1"}, "eval-b": {"v": "2"}}
        self.read: list[tuple[str, ClusterRef]] = []
        self.open = asyncio.Event()

    async def config_map(
        self, ref: ClusterRef, name: str, namespace: str, holder: str
    ) -> Mapping[str, str] | Gap:
        assert (namespace, holder) == PLACE
        self.read.append((name, ref))
        await self.open.wait()
        found = self.held[name]
        if isinstance(found, dict) and "fault" in found:
            raise RuntimeError("boom")
        return found


def look(memory: Memory, cluster: Cluster, *wanted: ResultsWanted) -> Mapping[str, Any]:
    return attend_results(memory, wanted, PLAN, PLACE, cast("Adapters", cluster))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_look_takes_what_was_read_last_and_reads_on() -> None:
    memory, cluster = Memory(), Cluster()
    assert look(memory, cluster, WANTED) == {}
    await settle()
    assert look(memory, cluster, WANTED) == {}, "still being read, and not twice at a time"
    assert [name for name, _ in cluster.read] == ["eval-a", "eval-b"]
    cluster.open.set()
    await settle()
    assert look(memory, cluster, WANTED) == {"quality": ({"v": "1"}, {"v": "2"})}
    cluster.held["eval-b"] = Gap(Missing.UNREACHABLE, "gone")
    await settle()
    found = look(memory, cluster, WANTED)
    assert found == {"quality": ({"v": "1"}, Gap(Missing.UNREACHABLE, "gone"))}
    forget_results(memory)


async def test_each_side_is_read_in_its_own_cluster() -> None:
    memory, cluster = Memory(), Cluster()
    look(memory, cluster, WANTED)
    await settle()
    assert dict(cluster.read) == {"eval-a": PLAN.source.cluster, "eval-b": PLAN.target.cluster}
    assert PLAN.source.cluster != PLAN.target.cluster
    forget_results(memory)


async def test_what_is_wanted_no_longer_is_broken_off() -> None:
    memory, cluster = Memory(), Cluster()
    look(memory, cluster, WANTED)
    (task,) = [one.task for one in memory.results.values()]
    assert look(memory, cluster) == {}
    await asyncio.wait({task})
    assert task.cancelled()
    assert memory.results == {}


async def test_a_fault_of_ours_is_a_gap_and_tried_again() -> None:
    memory, cluster = Memory(), Cluster()
    cluster.open.set()
    cluster.held["eval-a"] = {"fault": "yes"}
    look(memory, cluster, WANTED)
    await settle()
    source, _ = look(memory, cluster, WANTED)["quality"]
    assert isinstance(source, Gap)
    cluster.held["eval-a"] = {"v": "1"}
    await settle()
    assert look(memory, cluster, WANTED)["quality"][0] == {"v": "1"}
    forget_results(memory)
