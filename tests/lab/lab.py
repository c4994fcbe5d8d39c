"""How does a test, the demo or a benchmark get a lab that is up?"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.lab import gateway
from tests.lab.agent import Workload
from tests.lab.children import ChildFailedError, tail
from tests.lab.cluster import Cluster
from tests.lab.description import Description
from tests.lab.private import PrivateCluster, PrivatePrometheus
from tests.lab.proxy import FaultProxy, ProxyTls
from tests.lab.routes import Route, Weights, make_route
from tests.lab.servers import ModelServer, Slot

ROOT = Path(__file__).parents[2]
UP_WITHIN = 1800.0
"""With a cold cache the parts are built first."""
_own: dict[int, subprocess.Popen[bytes]] = {}
"""Supervisors that this process started; another process may end them."""


@dataclass(frozen=True)
class GatewayAddress:
    url: str
    name: str = gateway.NAME
    namespace: str = gateway.NAMESPACE


@dataclass(frozen=True)
class PrometheusAddress:
    url: str
    scrape: str


class Lab:
    def __init__(self, description: Description) -> None:
        self.description = description
        self.folder = Path(description.folder)
        self.gateway = GatewayAddress(description.gateway_url)
        self.prometheus = PrometheusAddress(description.prometheus_url, description.scrape)
        self.envoy_admin = description.envoy_admin
        self.slots = [Slot.described(slot) for slot in description.slots]

    @classmethod
    @contextmanager
    def start(cls, folder: Path, slots: int = 8, scrape: str = "1s") -> Iterator["Lab"]:
        """A lab that lives as long as the block, and never longer than this process."""
        pid = spawn(folder, slots, scrape, owner=os.getpid())
        try:
            yield cls.attach(folder)
        finally:
            shut_down(pid)

    @classmethod
    def attach(cls, folder: Path) -> "Lab":
        """A lab that another process has started there."""
        return cls(Description.read(folder / "lab.json"))

    @cached_property
    def source(self) -> Cluster:
        """Where the operator lives: Gateway API, Contour and the routes are here."""
        return Cluster.described(self.description.source)

    @cached_property
    def target(self) -> Cluster:
        return Cluster.described(self.description.target)

    def slot(self, number: int) -> Slot:
        return self.slots[number]

    def program(self, name: str) -> Path:
        """A part that the lab runs, such as etcd."""
        return Path(self.description.programs[name])

    def route(
        self,
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
        """Make the route, its Services and its namespace; returns when Envoy serves it."""
        return make_route(
            self.source,
            self.gateway.url,
            namespace,
            name,
            slot,
            backends_order=backends_order,
            third_backend=third_backend,
            rules=rules,
            host=host,
            weights=weights,
        )

    def proxy(self, upstream: Cluster | str) -> FaultProxy:
        """In front of a cluster's API server, or of any URL on this machine such as Prometheus'.

        A context manager; `cluster.kubeconfig_for(user, server=proxy.url)` leads through it.
        """
        if isinstance(upstream, str):
            return FaultProxy(upstream)
        folder = self.folder / "credentials"
        tls = ProxyTls(folder / "ca.crt", folder / "server.crt", folder / "server.key")
        return FaultProxy(upstream.server, tls)

    def private_prometheus(
        self, slots: Iterable[Slot], scrape: str | None = None, envoy: int | None = None
    ) -> PrivatePrometheus:
        """A context manager: `.url`, `.wait_scraped()`, `.kill()`, `.restart()`, `.freeze()`."""
        numbers = [slot.number for slot in slots]
        return PrivatePrometheus(
            self.description, numbers, scrape or self.description.scrape, envoy
        )

    def private_cluster(self, *flags: str) -> PrivateCluster:
        """A context manager: `.cluster`, `.kill()`, `.restart()`, `.freeze()`, `.thaw()`."""
        return PrivateCluster(self.description, flags)

    def workload(
        self,
        cluster: Cluster,
        namespace: str,
        name: str,
        server: ModelServer,
        *,
        replicas: int = 1,
        cold_start: float = 0.0,
    ) -> Workload:
        """A context manager: a Deployment that stands for the server, see `tests.lab.agent`."""
        return Workload(cluster, namespace, name, server, replicas=replicas, cold_start=cold_start)

    def weights(self, namespace: str, name: str) -> Weights:
        route = Route(self.source, self.gateway.url, namespace, name, "", self.slots[0])
        return route.weights()


def spawn(folder: Path, slots: int, scrape: str, owner: int, processes: int = 1) -> int:
    """Start a supervisor and wait until its lab is healthy; returns its process id."""
    folder.mkdir(parents=True, exist_ok=True)
    options = [f"--dir={folder}", f"--slots={slots}", f"--scrape={scrape}"]
    options += [f"--owner={owner}", f"--processes={processes}"]
    log = folder / "supervisor.log"
    with log.open("ab") as output:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "tests.lab", "up", *options],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if sys.stderr.isatty() else output,
            start_new_session=True,
        )
    _own[supervisor.pid] = supervisor
    deadline = time.monotonic() + UP_WITHIN
    while not is_described(folder, supervisor.pid):
        if supervisor.poll() is not None:
            raise ChildFailedError(f"The lab did not come up (logs: {folder}):\n{tail(log, 40)}")
        if time.monotonic() > deadline:
            shut_down(supervisor.pid)
            raise ChildFailedError(f"The lab was not up within {UP_WITHIN:.0f} s (logs: {folder})")
        time.sleep(0.05)
    return supervisor.pid


def is_described(folder: Path, pid: int) -> bool:
    """Whether lab.json is there and that supervisor's own."""
    try:
        return Description.read(folder / "lab.json").pid == pid
    except FileNotFoundError:
        return False


def shut_down(pid: int, patience: float = 20) -> None:
    """Ask a supervisor to end, and wait; its children end with it, whatever happens to it."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    deadline = time.monotonic() + patience
    while is_alive(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one of our own that has ended is collected."""
    if pid in _own:
        return _own[pid].poll() is None
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
