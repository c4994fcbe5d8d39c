"""The Lease on a real API server, with what its fakes in tests/unit/shell claim about it."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable

import pytest
import yaml

from cutover.clusters.connection import Connection
from cutover.election import Election, Timing
from cutover.errors import LeadershipLost
from cutover.roster import Roster
from tests.features.admission.rollouts import DEFINITION, Rollouts, install_definition
from tests.features.connecting import connected
from tests.lab import Cluster, Lab

pytestmark = pytest.mark.lab

TIMING = Timing(duration=6.0, renew=4.0, retry=1.0)


@pytest.fixture(scope="module")
def source(clusters: tuple[Cluster, Cluster]) -> Cluster:
    install_definition(clusters[0], yaml.safe_load(DEFINITION.read_text()))
    return clusters[0]


@pytest.fixture
def namespace(source: Cluster) -> str:
    name = f"election-{uuid.uuid4().hex[:8]}"
    source.ensure_namespace(name)
    return name


@pytest.fixture
async def connection(source: Cluster) -> AsyncIterator[Connection]:
    async with connected(source) as opened:
        yield opened


@pytest.fixture
def candidate(connection: Connection, namespace: str) -> Callable[..., Election]:
    def make(name: str, through: Connection = connection) -> Election:
        roster = Roster(connection, [namespace])
        return Election(through, namespace, roster.highest_epoch, identity=name, timing=TIMING)

    return make


def lease(cluster: Cluster, namespace: str) -> dict[str, object]:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/cutover"
    spec: dict[str, object] = cluster.call("GET", path)["spec"]
    return spec


def delete_lease(cluster: Cluster, namespace: str) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/cutover"
    cluster.call("DELETE", path)


@contextlib.asynccontextmanager
async def holding(election: Election) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(election.hold())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_make_renew_release_take(
    candidate: Callable[..., Election], source: Cluster, namespace: str
) -> None:
    a, b = candidate("a"), candidate("b")
    assert await a.win() == 1
    assert lease(source, namespace)["holderIdentity"] == "a"
    first = lease(source, namespace)["renewTime"]
    assert await a.attempt()
    assert lease(source, namespace)["renewTime"] != first
    assert not await b.attempt()
    await a.release()
    assert not a.may_write()
    assert lease(source, namespace).get("holderIdentity") == ""
    assert lease(source, namespace)["leaseTransitions"] == 1
    assert await b.attempt()
    assert (b.epoch, lease(source, namespace)["leaseTransitions"]) == (2, 2)


async def test_of_many_that_start_at_once_one_leads(candidate: Callable[..., Election]) -> None:
    candidates = [candidate(f"process-{number}") for number in range(8)]
    await asyncio.gather(*(one.attempt() for one in candidates))
    await asyncio.gather(*(one.attempt() for one in candidates))
    assert sum(one.may_write() for one in candidates) == 1


async def test_a_crashed_leader_is_followed(candidate: Callable[..., Election]) -> None:
    a, b = candidate("a"), candidate("b")
    await a.win()
    last = time.monotonic()
    assert not await b.attempt()
    assert await b.win() == 2
    assert time.monotonic() - last > TIMING.duration - 0.5
    assert not a.may_write()


async def test_a_deleted_lease_stays_with_its_leader(
    candidate: Callable[..., Election], source: Cluster, namespace: str
) -> None:
    Rollouts(source, namespace).stored({}, {"leaderEpoch": 4})
    a, b = candidate("a"), candidate("b")
    assert await a.win() == 5
    async with holding(a) as hold:
        delete_lease(source, namespace)
        for _ in range(8):
            assert not await b.attempt()
            await asyncio.sleep(0.5)
        assert not hold.done()
        assert a.may_write()
        assert lease(source, namespace)["holderIdentity"] == "a"
        assert lease(source, namespace)["leaseTransitions"] == 5


async def test_a_recreated_lease_locks_nobody_out(
    candidate: Callable[..., Election], source: Cluster, namespace: str
) -> None:
    rollouts = Rollouts(source, namespace)
    name = rollouts.stored({}, {"leaderEpoch": 7})
    began = time.monotonic()
    a = candidate("a")
    assert await a.win() == 8
    assert time.monotonic() - began > TIMING.duration
    rollouts.write_status(name, {"leaderEpoch": a.epoch})
    with pytest.raises(Exception, match="leaderEpoch never falls"):
        rollouts.write_status(name, {"leaderEpoch": 1})


@pytest.mark.parametrize("fault", ["refuse", "hang", "reset", "500"])
async def test_a_leader_cut_off_stops_before_the_next_one_starts(
    candidate: Callable[..., Election], source: Cluster, lab: Lab, fault: str
) -> None:
    with lab.proxy(source) as proxy:
        async with connected(source, server=proxy.url) as through:
            a, b = candidate("a", through), candidate("b")
            await a.win()
            async with holding(a) as hold:
                await asyncio.sleep(1.5)
                assert a.may_write()
                proxy.fail(status=500) if fault == "500" else getattr(proxy, fault)()
                winning = asyncio.create_task(b.win())
                while a.may_write():
                    assert not winning.done()
                    await asyncio.sleep(0.02)
                stopped = time.monotonic()
                async with asyncio.timeout(20):
                    await winning
                assert time.monotonic() - stopped > TIMING.duration - TIMING.renew - 0.5
                async with asyncio.timeout(20):
                    with pytest.raises(LeadershipLost):
                        await hold


async def test_short_trouble_is_outlived(
    candidate: Callable[..., Election], source: Cluster, lab: Lab
) -> None:
    with lab.proxy(source) as proxy:
        async with connected(source, server=proxy.url) as through:
            a = candidate("a", through)
            await a.win()
            async with holding(a) as hold:
                proxy.lose_answers("leases", method="PUT", count=1)
                await asyncio.sleep(2)
                proxy.fail("leases", status=503, count=2)
                await asyncio.sleep(5)
                assert a.may_write()
                assert not hold.done()
                assert a.epoch == 1


async def test_whoever_may_not_touch_leases_follows_and_says_so(
    candidate: Callable[..., Election],
    source: Cluster,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    async with connected(source, "viewer") as through:
        a = candidate("a", through)
        assert not await a.attempt()
        assert "forbids GET" in caplog.text
