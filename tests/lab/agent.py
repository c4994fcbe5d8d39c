"""Who keeps a Deployment true where no kubelet runs?

`with lab.workload(cluster, namespace, name, server, replicas=2) as workload:` makes a Deployment
that stands for one of the slot's servers, and an agent for it. The server runs as long as
`spec.replicas` is not 0, and `status.readyReplicas` says whether it answers: scaling to zero, a
crash (`server.set(refuse=True)`) and a cold start are real. There are no Pods.
"""

import asyncio
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import httpx

from tests.lab import background
from tests.lab.cluster import Cluster
from tests.lab.routes import wait_for
from tests.lab.servers import ModelServer

TICK = 0.2
TRUE_WITHIN = 20.0


class Workload:
    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        name: str,
        server: ModelServer,
        *,
        replicas: int = 1,
        cold_start: float = 0.0,
    ) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.name = name
        self.server = server
        self._replicas = replicas
        self._cold_start = cold_start
        self._running = True
        self._task: Future[None] | None = None

    @property
    def path(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{self.name}"

    def read(self) -> dict[str, Any]:
        return self.cluster.call("GET", self.path)

    @property
    def ready_replicas(self) -> int:
        return int(self.read().get("status", {}).get("readyReplicas", 0))

    def scale(self, replicas: int) -> None:
        headers = {"Content-Type": "application/merge-patch+json"}
        patch = {"spec": {"replicas": replicas}}
        self.cluster.call("PATCH", f"{self.path}/scale?fieldManager=lab", patch, headers)

    def wait_ready(self, replicas: int) -> None:
        wait_for(
            lambda: self.ready_replicas == replicas,
            f"{self.name} had not {replicas} ready replicas",
            TRUE_WITHIN,
        )

    def __enter__(self) -> Self:
        self.cluster.ensure_namespace(self.namespace)
        self.cluster.apply(deployment(self.namespace, self.name, self._replicas))
        self._task = background.start(self._keep())
        self.wait_ready(self._replicas)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
        background.run(self.server.set(refuse=False))
        self.cluster.call("DELETE", self.path)

    async def _keep(self) -> None:
        """An API server that is away only delays it."""
        options: dict[str, Any] = {"headers": self.cluster.headers, "verify": self.cluster.tls}
        async with (
            httpx.AsyncClient(base_url=self.cluster.server, trust_env=False, **options) as api,
            httpx.AsyncClient(base_url=self.server.url, trust_env=False, timeout=1) as probe,
        ):
            while True:
                with suppress(httpx.HTTPError, KeyError, ValueError):
                    await self._make_true(api, probe)
                await asyncio.sleep(TICK)

    async def _make_true(self, api: httpx.AsyncClient, probe: httpx.AsyncClient) -> None:
        current = (await api.get(self.path)).raise_for_status().json()
        desired = int(current["spec"].get("replicas", 1))
        if self._running and desired == 0:
            self._running = False
            await self.server.set(refuse=True)
        elif not self._running and desired > 0:
            await asyncio.sleep(self._cold_start)
            await self.server.restart()
            await self.server.set(refuse=False)
            self._running = True
        ready = desired if desired and await answers(probe) else 0
        status = status_of(desired, ready, current["metadata"]["generation"])
        if any(current.get("status", {}).get(name, 0) != value for name, value in status.items()):
            headers = {"Content-Type": "application/merge-patch+json"}
            url = f"{self.path}/status?fieldManager=lab-agent"
            await api.patch(url, json={"status": status}, headers=headers)


async def answers(probe: httpx.AsyncClient) -> bool:
    try:
        return (await probe.get("/health")).status_code == 200
    except httpx.TransportError:
        return False


def status_of(desired: int, ready: int, generation: int) -> dict[str, int]:
    return {
        "observedGeneration": generation,
        "replicas": desired,
        "updatedReplicas": desired,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "unavailableReplicas": desired - ready,
    }


def deployment(namespace: str, name: str, replicas: int) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "server", "image": "lab.invalid/model-server:1"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
