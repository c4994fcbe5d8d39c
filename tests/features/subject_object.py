"""One object of any kind that a rollout can move, on a real API server with its own definition, and its router."""

import uuid
from copy import deepcopy
from functools import partial

from cutover.clusters.connection import Connection
from cutover.decide.observation import Refusal
from cutover.ports import Conflict, RouteChange, Written
from cutover.traffic.layout import Layout
from cutover.traffic.layouts import layout_of
from cutover.traffic.object import ObjectRouter
from cutover.traffic.seen import ObjectSeen
from tests.fakes.routers import ROUTED, Json, Routed
from tests.lab import Cluster, parts
from tests.lab.routes import wait_for

DEFINITIONS = {
    "istio-crds": "virtualservices.networking.istio.io",
    "external-dns-crds": "dnsendpoints.externaldns.k8s.io",
    "traefik-crds": "traefikservices.traefik.io",
}


def define(cluster: Cluster) -> None:
    """Install the definitions of other projects beside those of Gateway API and Contour."""
    for folder in parts.ensure(DEFINITIONS).values():
        cluster.kubectl("apply", "--server-side", f"--filename={folder}")
    for definition in DEFINITIONS.values():
        wait_for(partial(cluster.is_established, definition), definition, 30)


class Thing:
    """One object of some kind, and its router under test."""

    def __init__(
        self, cluster: Cluster, connection: Connection, routed: Routed, layout: Layout
    ) -> None:
        self.cluster = cluster
        self.namespace = f"routers-{uuid.uuid4().hex[:8]}"
        self.routed = routed
        self.layout = layout
        self.router = ObjectRouter(connection, self.namespace, layout)
        cluster.ensure_namespace(self.namespace)
        self.document = deepcopy(routed.document)
        self.document["metadata"]["namespace"] = self.namespace

    def create(self) -> "Thing":
        self.cluster.call("POST", self.collection, self.document)
        return self

    @property
    def collection(self) -> str:
        return self.layout.kind.collection(self.namespace)

    def read(self) -> Json:
        return self.cluster.call("GET", f"{self.collection}/chat")

    def patch(self, *operations: Json) -> None:
        headers = {"Content-Type": "application/json-patch+json"}
        self.cluster.call(
            "PATCH", f"{self.collection}/chat?fieldManager=somebody", operations, headers
        )

    async def look(self) -> ObjectSeen:
        seen = await self.router.look()
        assert isinstance(seen, ObjectSeen), seen
        return seen

    async def write(self, change: RouteChange) -> None:
        """As a reconciler would: controllers write statuses between looks and writes."""
        written: object = Conflict("")
        while isinstance(written, Conflict):
            written = await self.router.write(await self.look(), change)
        assert isinstance(written, Written), written


async def unmade(
    cluster: Cluster, connection: Connection, kind: str, routed: Routed | None = None
) -> Thing:
    """Return the subject; the object itself is not there yet."""
    routed = routed or ROUTED[kind]
    layout = await layout_of(routed.wanted, connection)
    assert not isinstance(layout, Refusal)
    assert layout.kind == routed.made().kind, "the API server names the plural"
    return Thing(cluster, connection, routed, layout)


async def made(cluster: Cluster, connection: Connection, kind: str) -> Thing:
    return (await unmade(cluster, connection, kind)).create()
