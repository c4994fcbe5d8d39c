"""MigrationRollouts on a real API server: status, finalizer, epochs, Events."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml

from cutover.api import FINALIZER
from cutover.clusters.connection import Connection
from cutover.clusters.events import Events
from cutover.clusters.rollouts import ApiRollouts
from cutover.ports import Conflict, Notice, NotWritten, Object, Written
from tests.features.admission.rollouts import DEFINITION, MINIMAL, install_definition
from tests.features.connecting import connected
from tests.lab import Cluster, Lab

pytestmark = pytest.mark.lab


class Rollouts:
    """One stored rollout, and the port under test."""

    def __init__(self, cluster: Cluster, own: Connection) -> None:
        self.cluster = cluster
        self.namespace = f"rollouts-{uuid.uuid4().hex[:8]}"
        cluster.ensure_namespace(self.namespace)
        self.events = Events(own, "cutover-test")
        self.port = ApiRollouts(own, self.events, [self.namespace])
        self.path = f"/apis/cutover.dev/v1alpha1/namespaces/{self.namespace}/migrationrollouts"
        self.create("chat")

    def create(self, name: str, **status: Any) -> None:
        self.cluster.call("POST", self.path, {**MINIMAL, "metadata": {"name": name}})
        if status:
            headers = {"Content-Type": "application/merge-patch+json"}
            self.cluster.call("PATCH", f"{self.path}/{name}/status", {"status": status}, headers)

    async def get(self) -> Object:
        rollout = await self.port.get(self.namespace, "chat")
        assert rollout is not None
        assert not isinstance(rollout, NotWritten), rollout
        return rollout

    def listed_events(self) -> list[dict[str, Any]]:
        path = f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events"
        items: list[dict[str, Any]] = self.cluster.call("GET", path)["items"]
        return items


@pytest.fixture
async def rollouts(clusters: tuple[Cluster, Cluster]) -> AsyncIterator[Rollouts]:
    install_definition(clusters[0], yaml.safe_load(DEFINITION.read_text()))
    async with connected(clusters[0]) as own:
        yield Rollouts(clusters[0], own)


async def test_the_status_is_replaced_whole(rollouts: Rollouts) -> None:
    first = {"phase": "Pending", "message": "one", "attempt": 1}
    assert isinstance(await rollouts.port.write_status(await rollouts.get(), first), Written)
    second = {"phase": "Progressing", "leaderEpoch": 3}
    before = await rollouts.get()
    written = await rollouts.port.write_status(before, second)
    now = await rollouts.get()
    assert now["status"] == second
    assert written == Written(now["metadata"]["resourceVersion"])
    assert now["spec"] == before["spec"]


async def test_a_status_is_not_written_over_somebody_elses(rollouts: Rollouts) -> None:
    read = await rollouts.get()
    await rollouts.port.write_status(read, {"phase": "Pending"})
    late = await rollouts.port.write_status(read, {"phase": "Completed"})
    assert isinstance(late, Conflict)
    assert (await rollouts.get())["status"] == {"phase": "Pending"}


async def test_a_status_of_an_older_leader_is_refused(rollouts: Rollouts) -> None:
    await rollouts.port.write_status(await rollouts.get(), {"leaderEpoch": 4})
    stale = await rollouts.port.write_status(await rollouts.get(), {"leaderEpoch": 3})
    assert isinstance(stale, NotWritten)
    assert stale.reason == "Refused"


async def test_the_finalizer_comes_and_goes_alone(rollouts: Rollouts) -> None:
    read = await rollouts.get()
    assert isinstance(await rollouts.port.set_finalizer(read, present=True), Written)
    assert isinstance(await rollouts.port.set_finalizer(read, present=True), Conflict)
    headers = {"Content-Type": "application/merge-patch+json"}
    both = {"metadata": {"finalizers": [FINALIZER, "example.com/other"]}}
    rollouts.cluster.call("PATCH", f"{rollouts.path}/chat", both, headers)
    assert isinstance(
        await rollouts.port.set_finalizer(await rollouts.get(), present=False), Written
    )
    left = await rollouts.get()
    assert left["metadata"]["finalizers"] == ["example.com/other"]
    unchanged = await rollouts.port.set_finalizer(left, present=False)
    assert unchanged == Written(left["metadata"]["resourceVersion"])


async def test_a_rollout_that_is_gone(rollouts: Rollouts) -> None:
    read = await rollouts.get()
    rollouts.cluster.call("DELETE", f"{rollouts.path}/chat")
    assert await rollouts.port.get(rollouts.namespace, "chat") is None
    written = await rollouts.port.write_status(read, {})
    assert isinstance(written, NotWritten)
    assert written.reason == "Gone"


async def test_an_api_server_without_the_kind_says_nothing_about_a_rollout(
    rollouts: Rollouts, lab: Lab
) -> None:
    with lab.private_cluster() as bare:
        async with connected(bare.cluster) as elsewhere:
            answer = await ApiRollouts(elsewhere, rollouts.events).get("default", "chat")
    assert isinstance(answer, NotWritten)


async def test_the_largest_epoch_of_all(rollouts: Rollouts) -> None:
    assert await rollouts.port.largest_epoch() == 0
    rollouts.create("older", leaderEpoch=7)
    rollouts.create("newer", leaderEpoch=12)
    assert await rollouts.port.largest_epoch() == 12


async def test_an_event_said_again_is_counted(rollouts: Rollouts) -> None:
    rollout = await rollouts.get()
    for _ in range(3):
        await rollouts.port.post(rollout, Notice("RolledBack", "errors above 1 %", warning=True))
    restarted = Events(rollouts.events._own, "cutover-test-2")
    await restarted.post(rollout, Notice("RolledBack", "errors above 1 %", warning=True))
    await rollouts.port.post(rollout, Notice("Completed", "x" * 2000))
    again, once = sorted(rollouts.listed_events(), key=lambda event: "series" not in event)
    assert (again["reason"], again["series"]["count"], again["type"]) == (
        "RolledBack",
        4,
        "Warning",
    )
    assert (once["reason"], len(once["note"]), once["type"]) == ("Completed", 1024, "Normal")
    shown = rollouts.cluster.kubectl("describe", "mro", "chat", "-n", rollouts.namespace)
    assert "errors above 1 %" in shown


async def test_an_event_that_cannot_be_posted_is_logged(
    rollouts: Rollouts, clusters: tuple[Cluster, Cluster], caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(clusters[0], "erin") as own:
        await Events(own, "x").post(await rollouts.get(), Notice("Paused", "by hand"))
    assert "could not be posted (Paused)" in caplog.text
