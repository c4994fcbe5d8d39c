"""What may a test kill without disturbing the others? A Prometheus or a cluster of its own."""

import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab import apiserver, prometheus
from tests.lab.children import Child
from tests.lab.cluster import Cluster
from tests.lab.credentials import Credentials, kubeconfig
from tests.lab.description import Description
from tests.lab.ports import free_ports

_numbers = itertools.count(1)


class PrivateProcess:
    """Comes back on its port and with its storage after `kill` and `restart`."""

    def __init__(self) -> None:
        self._child: Child | None = None

    def start(self) -> Self:
        self._child = self._spawn()
        return self

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()

    def restart(self) -> None:
        self.kill()
        self.start()

    def freeze(self) -> None:
        """SIGSTOP: connections are accepted, nothing is answered."""
        if self._child is not None:
            self._child.freeze()

    def thaw(self) -> None:
        if self._child is not None:
            self._child.thaw()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def _spawn(self) -> Child:
        raise NotImplementedError


class PrivatePrometheus(PrivateProcess):
    """Scrapes the slots named, and an Envoy by the port that has its counters; its first scrape comes some 5.6 s
    after each start."""

    def __init__(
        self, lab: Description, slots: Iterable[int], scrape: str, envoy: int | None = None
    ) -> None:
        super().__init__()
        self._folder = Path(lab.folder)
        self._program = Path(lab.programs["prometheus"])
        self._name = f"prometheus-{os.getpid()}-{next(_numbers)}"
        self._port = free_ports(1)[0]
        self._targets = [target for number in slots for target in lab.slots[number].targets()]
        prometheus.write_config(self._folder, scrape, self._targets, envoy, self._name)
        self._count = len(self._targets) + (envoy is not None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def wait_scraped(self) -> None:
        """Until every target that answers was scraped by this run of it."""
        assert self._child is not None
        self._child.wait_until(lambda: prometheus.count_up(self.url) == self._count)

    def _spawn(self) -> Child:
        child = prometheus.start_prometheus(self._program, self._folder, self._port, self._name)
        child.wait_until(lambda: prometheus.is_ready(self.url))
        return child


class PrivateCluster(PrivateProcess):
    """An API server with a prefix of its own in the lab's etcd, the lab's users, and more flags if need be."""

    def __init__(self, lab: Description, flags: Sequence[str] = ()) -> None:
        super().__init__()
        self._lab = lab
        self._flags = flags
        self._name = f"private-{os.getpid()}-{next(_numbers)}"
        self._port = free_ports(1)[0]
        folder = Path(lab.folder)
        self._credentials = Credentials(folder / "credentials", dict(lab.source.tokens))
        path = folder / f"{self._name}.kubeconfig"
        ca, token = self._credentials.ca.read_text(), self._credentials.tokens["admin"]
        path.write_text(kubeconfig(self.url, ca, token))
        path.chmod(0o600)
        self.cluster = Cluster(
            name=self._name,
            server=self.url,
            ca_pem=ca,
            kubeconfig=path,
            kubectl_program=Path(lab.programs["kubectl"]),
            tokens=self._credentials.tokens,
        )

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    def _spawn(self) -> Child:
        child = apiserver.start_apiserver(
            Path(self._lab.programs["kube-apiserver"]),
            self._name,
            Path(self._lab.folder),
            self._credentials,
            etcd_port=self._lab.etcd_port,
            port=self._port,
            flags=self._flags,
        )
        child.wait_until(lambda: apiserver.is_ready(self._port, self._credentials), 60)
        return child
