"""How does a test make a route for a slot, and what happened to its weights?"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx

from tests.lab import background, gateway
from tests.lab.cluster import Cluster
from tests.lab.servers import Slot

SERVED_WITHIN = 20.0


class Weights(NamedTuple):
    source: int
    target: int


class Change(NamedTuple):
    at: float
    """Wall clock, when the watch told it."""
    source: int
    target: int

    @property
    def weights(self) -> Weights:
        return Weights(self.source, self.target)


@dataclass(frozen=True)
class Route:
    """An HTTPRoute and its two ExternalName Services, `<name>-source` and `<name>-target`."""

    cluster: Cluster
    gateway_url: str
    namespace: str
    name: str
    host: str
    slot: Slot

    @property
    def source_backend(self) -> str:
        return f"{self.name}-source"

    @property
    def target_backend(self) -> str:
        return f"{self.name}-target"

    @property
    def path(self) -> str:
        group = "/apis/gateway.networking.k8s.io/v1"
        return f"{group}/namespaces/{self.namespace}/httproutes/{self.name}"

    def read(self) -> dict[str, Any]:
        return self.cluster.call("GET", self.path)

    def weights(self) -> Weights:
        return weights_of(self.read(), self.source_backend, self.target_backend)

    def set_weights(self, source: int, target: int) -> None:
        """As somebody else would with a JSON Patch: in every rule."""
        wanted = {self.source_backend: source, self.target_backend: target}
        patch = [
            {"op": "replace", "path": f"/spec/rules/{r}/backendRefs/{b}/weight", "value": wanted[n]}
            for r, rule in enumerate(self.read()["spec"]["rules"])
            for b, backend in enumerate(rule.get("backendRefs", []))
            if (n := backend["name"]) in wanted
        ]
        headers = {"Content-Type": "application/json-patch+json"}
        self.cluster.call("PATCH", self.path + "?fieldManager=lab", patch, headers)

    def delete(self) -> None:
        self.cluster.call("DELETE", self.path)

    def is_served(self) -> bool:
        """Whether a server answers through Envoy; GET /health is no inference request and not counted.

        Envoy answers 404 until it knows the route, and 500 until Contour knows the route's Services.
        """
        headers = {"Host": self.host}
        try:
            answer = httpx.get(
                f"{self.gateway_url}/health", headers=headers, timeout=5, trust_env=False
            )
        except httpx.TransportError:
            return False
        return "x-served-by" in answer.headers

    def wait_served(self) -> None:
        wait_for(self.is_served, f"Envoy did not serve {self.host}", SERVED_WITHIN)

    def watch(self) -> "WeightLog":
        return WeightLog(self.cluster, self.path, self.source_backend, self.target_backend)


def make_route(
    cluster: Cluster,
    gateway_url: str,
    namespace: str,
    name: str,
    slot: Slot,
    *,
    backends_order: Sequence[str] = ("source", "target"),
    third_backend: tuple[str, int] | None = None,
    rules: int = 1,
    host: str | None = None,
    weights: tuple[int, int] = (100, 0),
) -> Route:
    """`third_backend` is a name and a weight; it is served by the source's server."""
    host = host or f"{name}.{namespace}.example"
    route = Route(cluster, gateway_url, namespace, name, host, slot)
    ports = {"source": slot.source.port, "target": slot.target.port}
    shares = {"source": weights[0], "target": weights[1]}
    cluster.ensure_namespace(namespace)
    references = []
    for side in backends_order:
        backend = f"{name}-{side}"
        cluster.apply(external_service(namespace, backend, f"{side}.localhost", ports[side]))
        references.append({"name": backend, "port": ports[side], "weight": shares[side]})
    if third_backend is not None:
        third, weight = third_backend
        service = external_service(namespace, third, "source.localhost", ports["source"])
        cluster.apply(service)
        references.append({"name": third, "port": ports["source"], "weight": weight})
    cluster.apply(http_route(namespace, name, host, references, rules))
    route.wait_served()
    return route


def external_service(namespace: str, name: str, target: str, port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "type": "ExternalName",
            "externalName": target,
            "ports": [{"name": "http", "port": port}],
        },
    }


def http_route(
    namespace: str, name: str, host: str, references: list[dict[str, Any]], rules: int
) -> dict[str, Any]:
    """The first rule matches every path, the others /rule-1 and so on."""
    paths = ["/", *(f"/rule-{number}" for number in range(1, rules))]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "parentRefs": [{"name": gateway.NAME, "namespace": gateway.NAMESPACE}],
            "hostnames": [host],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": path}}],
                    "backendRefs": references,
                }
                for path in paths
            ],
        },
    }


def weights_of(route: dict[str, Any], source: str, target: str) -> Weights:
    """Of the first rule that names both backends."""
    for rule in route["spec"]["rules"]:
        found = {b["name"]: int(b.get("weight", 1)) for b in rule.get("backendRefs", [])}
        if source in found and target in found:
            return Weights(found[source], found[target])
    raise LookupError(f"No rule of {route['metadata']['name']} names both {source} and {target}")


def wait_for(condition: Callable[[], bool], otherwise: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{otherwise} within {seconds:.0f} s")
        time.sleep(0.02)


class WeightLog:
    """Every change of a route's weights, from a watch: `with route.watch() as log: … log.changes`.

    The first entry is what was there. If the watch breaks it goes on from the last version seen,
    so nothing between is lost.
    """

    def __init__(self, cluster: Cluster, path: str, source: str, target: str) -> None:
        self.changes: list[Change] = []
        self.writes = 0
        """Versions of the object seen after the first, including those that kept the weights; what the gateway
        writes into its status is none."""
        self._cluster = cluster
        self._path = path
        self._names = (source, target)
        self._version = ""
        self._content: object = None
        self._task: Future[None] | None = None

    @property
    def history(self) -> list[Weights]:
        return [change.weights for change in self.changes]

    def start(self) -> Self:
        self._see(self._cluster.call("GET", self._path))
        self.writes = 0
        self._task = background.start(self._watch())
        return self

    def stop(self) -> None:
        """Raises what ended the watch, if anything did."""
        if self._task is not None and not self._task.cancel():
            self._task.result()

    def wait_for(self, target_weight: int, seconds: float = 30) -> Change:
        """The last change, once it says this target weight."""
        wait_for(
            lambda: self.changes[-1].target == target_weight,
            f"The weights {self.history} did not reach {target_weight}",
            seconds,
        )
        return self.changes[-1]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _see(self, route: dict[str, Any]) -> None:
        meta = route["metadata"]
        self._version = meta["resourceVersion"]
        content = (meta.get("generation"), meta.get("annotations"), meta.get("labels"))
        if content != self._content:
            self._content = content
            self.writes += 1
        weights = weights_of(route, *self._names)
        if not self.changes or self.changes[-1].weights != weights:
            self.changes.append(Change(time.time(), *weights))

    async def _watch(self) -> None:
        collection, _, name = self._path.rpartition("/")
        cluster = self._cluster
        async with httpx.AsyncClient(
            base_url=cluster.server,
            verify=cluster.tls,
            headers=cluster.headers,
            timeout=httpx.Timeout(10, read=None),
            trust_env=False,
        ) as client:
            while True:
                query = f"watch=true&fieldSelector=metadata.name={name}"
                query += f"&resourceVersion={self._version}"
                try:
                    async with client.stream("GET", f"{collection}?{query}") as answer:
                        async for line in answer.aiter_lines():
                            self._hear(json.loads(line))
                except (httpx.HTTPError, ValueError):
                    await asyncio.sleep(0.2)

    def _hear(self, event: dict[str, Any]) -> None:
        if event["type"] in ("ADDED", "MODIFIED"):
            self._see(event["object"])
