"""One HTTPRoute on a real API server: how it is made, changed by others, and looked at."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any

from cutover.api.routes import HttpRoute
from cutover.clusters.connection import Connection
from cutover.decide.route import Claim, RuleWeights
from cutover.ports import Conflict, RouteChange, Written
from cutover.traffic.gatewayapi import gateway_layout
from cutover.traffic.object import ObjectRouter
from cutover.traffic.seen import ObjectSeen
from tests.features.connecting import connected
from tests.lab import Cluster
from tests.lab.cluster import path_of

GATEWAY = {"name": "lab", "namespace": "lab-gateway"}
MINE = Claim("cl", "ns", "chat", "u-1", 1, 3, (RuleWeights(0, 100, 0),))
THEIRS = replace(MINE, uid="u-2", name="other")
IGNORED = ("managedFields", "resourceVersion", "generation")


class Subject:
    """One route, how somebody else changes it, and the router under test."""

    def __init__(self, cluster: Cluster, connection: Connection, **spec: Any) -> None:
        self.cluster = cluster
        self.namespace = f"router-{uuid.uuid4().hex[:8]}"
        cluster.ensure_namespace(self.namespace)
        self.wanted = HttpRoute.model_validate(
            {"name": "chat", "sourceBackend": {"name": "a"}, "targetBackend": {"name": "b"}, **spec}
        )
        self.connection = connection
        self.router = ObjectRouter(connection, self.namespace, gateway_layout(self.wanted))

    @property
    def path(self) -> str:
        return path_of(self.document([]))

    def document(self, rules: list[dict[str, Any]], **metadata: Any) -> dict[str, Any]:
        return {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "chat", "namespace": self.namespace, **metadata},
            "spec": {
                "parentRefs": [GATEWAY],
                "hostnames": [f"{self.namespace}.example"],
                "rules": rules,
            },
        }

    def create(self, *rules: dict[str, Any], **metadata: Any) -> None:
        self.cluster.call(
            "POST", self.path.rpartition("/")[0], self.document(list(rules), **metadata)
        )

    def read(self) -> dict[str, Any]:
        return self.cluster.call("GET", self.path)

    def merge(self, change: dict[str, Any], manager: str = "lab", subresource: str = "") -> None:
        headers = {"Content-Type": "application/merge-patch+json"}
        path = f"{self.path}{subresource}?fieldManager={manager}"
        self.cluster.call("PATCH", path, change, headers)

    def annotate(self, name: str, value: str | None) -> None:
        self.merge({"metadata": {"annotations": {name: value}}})

    def weights(self) -> list[int]:
        return [b["weight"] for r in self.read()["spec"]["rules"] for b in r["backendRefs"]]

    async def write(self, change: RouteChange) -> None:
        """As a reconciler would: Contour's answers come between looks and writes."""
        written: object = Conflict("")
        while isinstance(written, Conflict):
            written = await self.router.write(await self.look(), change)
        assert isinstance(written, Written), written

    async def look(self) -> ObjectSeen:
        seen = await self.router.look()
        assert isinstance(seen, ObjectSeen), seen
        return seen


def rule(*backends: str | dict[str, Any], **fields: Any) -> dict[str, Any]:
    references = [{"name": b} if isinstance(b, str) else b for b in backends]
    return {"backendRefs": [{"port": 80, **each} for each in references], **fields}


PAIR = rule({"name": "a", "weight": 100}, {"name": "b", "weight": 0})


def change(target: int, *, claim: Claim | None = MINE, pinned: bool = True) -> RouteChange:
    return RouteChange((RuleWeights(0, 100 - target, target),), claim, pinned)


def bare(document: dict[str, Any]) -> dict[str, Any]:
    """A copy without what every write changes."""
    metadata = {k: v for k, v in document["metadata"].items() if k not in IGNORED}
    return deepcopy({"metadata": metadata, "spec": document["spec"]})


Make = Callable[..., Subject]


@asynccontextmanager
async def subjects(cluster: Cluster) -> AsyncIterator[Make]:
    async with connected(cluster) as connection:
        yield lambda **spec: Subject(cluster, connection, **spec)


async def accepted(router: ObjectRouter) -> ObjectSeen:
    return await settled(router, lambda seen: seen.accepted)


async def settled(
    router: ObjectRouter, wanted: Callable[[ObjectSeen], bool], seconds: float = 10
) -> ObjectSeen:
    """Look until the gateway has said what is wanted."""
    deadline = time.monotonic() + seconds
    while True:
        seen = await router.look()
        assert isinstance(seen, ObjectSeen), seen
        if wanted(seen):
            return seen
        assert time.monotonic() < deadline, seen.acceptance
        await asyncio.sleep(0.02)
