"""How does the whole lab come up, stay up and go down?

One process starts every part, writes `lab.json` when all are healthy, and ends them all on
SIGTERM, when the process named as its owner ends, or when one of them dies. Killed itself, the
kernel ends its children.
"""

import fcntl
import json
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import FrameType

import yaml

from tests.lab import apiserver, gateway, parts, prometheus
from tests.lab.children import Child, ChildFailedError, kill_all
from tests.lab.cluster import Cluster
from tests.lab.credentials import Credentials, kubeconfig
from tests.lab.description import ClusterDescription, Description, SlotDescription
from tests.lab.gateway import GatewayPorts
from tests.lab.ports import free_listener_port, free_ports

PROGRAMS = ("kube-apiserver", "kubectl", "etcd", "contour", "prometheus", "gateway-crds")
SIDES = ("source", "target")
HEALTHY_WITHIN = 60.0


@dataclass(frozen=True)
class Plan:
    folder: Path
    slots: int
    scrape: str
    processes: int


class Supervisor:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._folder = plan.folder
        self._children: list[Child] = []
        self._programs = parts.ensure(PROGRAMS)
        self._credentials = Credentials.make(self._folder / "credentials")
        numbers = iter(free_ports(12 + plan.processes + 2 * plan.slots))
        self._etcd_port, self._prometheus_port = next(numbers), next(numbers)
        self._etcd_peer_port = next(numbers)
        self._api_ports = {side: next(numbers) for side in SIDES}
        self._gateway = GatewayPorts(
            listener=free_listener_port(),
            xds=next(numbers),
            stats=next(numbers),
            health=next(numbers),
            debug=next(numbers),
            metrics=next(numbers),
            admin=next(numbers),
            own_admin=next(numbers),
        )
        controls = [next(numbers) for _ in range(plan.processes)]
        self._slots = [
            SlotDescription(k, controls[k % plan.processes], next(numbers), next(numbers))
            for k in range(plan.slots)
        ]

    def start(self) -> Description:
        """Everything that can start at once does; Contour needs its resources first."""
        self._start_clusters()
        self._start_fleet()
        self._start_prometheus()
        source = self._cluster("source")
        for side in SIDES:
            self._wait(f"kube-apiserver-{side}", partial(self._api_ready, side))
        prepare_source(source, self._programs["gateway-crds"], self._gateway)
        envoy = gateway.start_envoy(self._programs["contour"], self._folder, self._gateway)
        self._children.append(envoy)
        contour = self._programs["contour"]
        self._children.append(
            gateway.start_contour(contour, self._folder, source.kubeconfig, self._gateway)
        )
        for side in SIDES:
            prepare_people(self._cluster(side))
        admin = f"http://127.0.0.1:{self._gateway.admin}"
        self._wait("envoy", lambda: gateway.served_port(admin) is not None)
        url = self._prometheus_url
        everything = 2 * len(self._slots) + 1
        self._wait("prometheus", lambda: prometheus.count_up(url) == everything)
        return self._describe(gateway.served_port(admin) or 0)

    def watch(self, owner: int | None) -> None:
        """Until asked to stop; a part that ends by itself ends the lab."""
        descriptors = [os.pidfd_open(child.pid) for child in self._children]
        if owner is not None:
            descriptors.append(os.pidfd_open(owner))
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        poll.poll()
        for child in self._children:
            if not child.running:
                raise child.failure(f"ended with code {child.process.returncode}")

    def stop(self) -> None:
        (self._folder / "lab.json").unlink(missing_ok=True)
        kill_all(self._children)

    def _start_clusters(self) -> None:
        program, etcd = self._programs["kube-apiserver"], self._programs["etcd"]
        folder, port = self._folder, self._etcd_port
        self._children.append(apiserver.start_etcd(etcd, folder, port, self._etcd_peer_port))
        for side, api_port in self._api_ports.items():
            self._children.append(
                apiserver.start_apiserver(
                    program,
                    side,
                    folder,
                    self._credentials,
                    etcd_port=port,
                    port=api_port,
                )
            )
            server, ca = f"https://127.0.0.1:{api_port}", self._credentials.ca.read_text()
            path = folder / f"{side}.kubeconfig"
            path.write_text(kubeconfig(server, ca, self._credentials.tokens["admin"]))
            path.chmod(0o600)

    def _start_fleet(self) -> None:
        for control in sorted({slot.control for slot in self._slots}):
            own = [asdict(slot) for slot in self._slots if slot.control == control]
            spec = self._folder / f"fleet-{control}.json"
            spec.write_text(json.dumps({"control": control, "slots": own}))
            command = [sys.executable, "-m", "tests.lab.fleet", str(spec)]
            self._children.append(Child("fleet", command, self._folder / f"fleet-{control}.log"))

    def _start_prometheus(self) -> None:
        targets = [target for slot in self._slots for target in slot.targets()]
        stats = self._gateway.stats
        prometheus.write_config(self._folder, self._plan.scrape, targets, stats)
        program, port = self._programs["prometheus"], self._prometheus_port
        self._children.append(prometheus.start_prometheus(program, self._folder, port))

    @property
    def _prometheus_url(self) -> str:
        return f"http://127.0.0.1:{self._prometheus_port}"

    def _api_ready(self, side: str) -> bool:
        return apiserver.is_ready(self._api_ports[side], self._credentials)

    def _wait(self, what: str, healthy: Callable[[], bool]) -> None:
        """Until healthy; any child that ended meanwhile is the reason to give."""
        deadline = time.monotonic() + HEALTHY_WITHIN
        while not healthy():
            for child in self._children:
                if not child.running:
                    raise child.failure(f"ended with code {child.process.returncode}")
            if time.monotonic() > deadline:
                named = [child for child in self._children if child.name == what]
                raise named[0].failure(f"was not healthy within {HEALTHY_WITHIN:.0f} s")
            time.sleep(0.05)

    def _cluster(self, side: str) -> Cluster:
        return Cluster.described(self._describe_cluster(side))

    def _describe_cluster(self, side: str) -> ClusterDescription:
        return ClusterDescription(
            name=side,
            server=f"https://127.0.0.1:{self._api_ports[side]}",
            kubeconfig=str(self._folder / f"{side}.kubeconfig"),
            ca=str(self._credentials.ca),
            tokens=self._credentials.tokens,
            kubectl=str(self._programs["kubectl"]),
        )

    def _describe(self, served_port: int) -> Description:
        return Description(
            folder=str(self._folder),
            pid=os.getpid(),
            source=self._describe_cluster("source"),
            target=self._describe_cluster("target"),
            gateway_url=f"http://127.0.0.1:{served_port}",
            gateway_stats_port=self._gateway.stats,
            envoy_admin=f"http://127.0.0.1:{self._gateway.admin}",
            prometheus_url=self._prometheus_url,
            scrape=self._plan.scrape,
            etcd_port=self._etcd_port,
            slots=self._slots,
            programs={name: str(path) for name, path in self._programs.items()},
        )


def prepare_source(source: Cluster, definitions: Path, ports: GatewayPorts) -> None:
    documents = [
        document
        for path in sorted(definitions.glob("*.yaml"))
        for document in yaml.load_all(path.read_text(), yaml.CSafeLoader)
        if document
    ]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(source.apply, documents))
    deadline = time.monotonic() + HEALTHY_WITHIN
    while not all(source.is_established(doc["metadata"]["name"]) for doc in documents):
        if time.monotonic() > deadline:
            raise ChildFailedError("The custom resource definitions were not established in time")
        time.sleep(0.05)
    for manifest in gateway.manifests(ports):
        source.apply(manifest)


READERS = ("bob", "viewer")


def prepare_people(cluster: Cluster) -> None:
    """`view` and `edit` are aggregated by a controller that does not run here: bind their parts."""
    grants = [(who, "system:aggregate-to-view") for who in (*READERS, "alice")]
    grants += [("alice", "system:aggregate-to-edit"), ("gitops", "cluster-admin")]
    for who, role in grants:
        name = f"lab-{who}-{role.rpartition(':')[2]}"
        cluster.apply(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": name},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": role,
                },
                "subjects": [
                    {"kind": "User", "name": who, "apiGroup": "rbac.authorization.k8s.io"}
                ],
            }
        )


def up(plan: Plan, owner: int | None = None) -> None:
    """Run the lab until SIGTERM; called in a process of its own."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    plan.folder.mkdir(parents=True, exist_ok=True)
    with claimed(plan.folder):
        _run(plan, owner)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """One lab per folder, beginning with empty clusters and no metrics."""
    with (folder / "supervisor.pid").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ChildFailedError(
                f"A lab is up in {folder} already, its process id is {lock.read()}"
            ) from None
        had_a_lab = lock.tell() > 0
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        (folder / "lab.json").unlink(missing_ok=True)
        for storage in ("etcd", "prometheus") if had_a_lab else ():
            shutil.rmtree(folder / storage, ignore_errors=True)
        yield


def _run(plan: Plan, owner: int | None) -> None:
    began = time.monotonic()
    supervisor = None
    try:
        supervisor = Supervisor(plan)
        description = supervisor.start()
        description.write(plan.folder / "lab.json")
        seconds = time.monotonic() - began
        print(f"lab: up after {seconds:.1f} s, {plan.folder / 'lab.json'}", flush=True)
        supervisor.watch(owner)
    except KeyboardInterrupt:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    finally:
        if supervisor is not None:
            supervisor.stop()
