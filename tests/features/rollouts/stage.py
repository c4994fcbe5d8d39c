"""A stage for one rollout on real parts: its namespace, its route, live traffic, an operator of its own.

What happens is observed where a user could: at the API server, at the gateway, in the traffic log.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx

from tests.lab import OPERATOR, Change, Cluster, Lab, Route, Slot, Traffic, WeightLog
from tests.lab.children import die_with
from tests.lab.ports import free_ports

RESOURCE = "/apis/cutover.dev/v1alpha1"
FAST = {
    "interval": "1s",
    "guardInterval": "1s",
    "settle": "1s",
    "minDuration": "2s",
    "maxDuration": "3m",
}
"""Durations alone differ from what a user would write: evidence and thresholds are the real ones."""

STAYING = FAST | {"minDuration": "10m", "maxDuration": "15m"}
"""The first weight is left only downwards, however long a busy machine takes to do the harm."""

RATE = 150
REPOSITORY = Path(__file__).parents[3]


class Operator:
    """`python -m cutover`, as a ServiceAccount with the Role that is installed."""

    def __init__(
        self,
        kubeconfig: str,
        namespace: str,
        folder: Path,
        name: str = "operator",
        watching: Sequence[str] = (),
    ) -> None:
        self.port = free_ports(1)[0]
        self.namespace = namespace
        self.watched = ",".join(watching) or namespace
        """The namespaces to watch; empty: all."""
        self._kubeconfig = folder / f"{name}.kubeconfig"
        self._kubeconfig.write_text(kubeconfig)
        self.log = folder / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.program: Sequence[str] = ("-m", "cutover")

    def start(self) -> Self:
        command = [
            *(sys.executable, *self.program, f"--listen=127.0.0.1:{self.port}"),
            *(f"--lease-namespace={self.namespace}", "--log-format=text"),
            *([f"--watch-namespaces={self.watched}"] if self.watched else []),
        ]
        environment = {**os.environ, "KUBECONFIG": str(self._kubeconfig), "PYTHONSAFEPATH": "1"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=partial(die_with, os.getpid()),  # noqa: PLW1509 - two system calls, no lock
            )
        return self

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """As a node that loses power would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def stop(self) -> int | None:
        """End it as Kubernetes would; return the exit code."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            code = self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait(10)
        self.process = None
        return code

    def metrics(self) -> str:
        return httpx.get(f"http://127.0.0.1:{self.port}/metrics", trust_env=False).text


@dataclass
class Stage:
    """Everything that one test needs around one rollout."""

    lab: Lab
    slot: Slot
    namespace: str
    folder: Path
    route: Route
    log: WeightLog
    stack: ExitStack
    name: str = "chat"
    prometheus: str = ""
    operator: Operator | None = None
    traffic: Traffic | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    # --- the parts ------------------------------------------------------------------------------

    @property
    def cluster(self) -> Cluster:
        return self.lab.source

    def send(self, rate: float = RATE, **options: Any) -> Traffic:
        """Live traffic through the gateway until the end of the test."""
        traffic = Traffic(
            self.lab,
            self.route.host,
            rate=rate,
            log=self.folder / f"traffic-{self.namespace}.log",
            **options,
        )
        self.traffic = self.stack.enter_context(traffic)
        return self.traffic

    def run_operator(
        self,
        server: str | None = None,
        name: str = "operator",
        watching: Sequence[str] = (),
        program: Sequence[str] = ("-m", "cutover"),
    ) -> Operator:
        """An operator for this namespace alone; ``server`` may be a proxy before the API server."""
        kubeconfig = self.cluster.kubeconfig_for(
            user=OPERATOR, server=server, namespace=self.namespace
        )
        operator = Operator(kubeconfig, self.namespace, self.folder, name, watching)
        operator.program = program
        operator.start()
        self.stack.callback(operator.stop)
        self.operator = operator
        return operator

    # --- the rollout ----------------------------------------------------------------------------

    def spec(self, **changes: Any) -> dict[str, Any]:
        """The smallest useful spec with quick durations, changed at its top level."""
        spec: dict[str, Any] = {
            "source": {"prometheus": self._prometheus("source")},
            "target": {"prometheus": self._prometheus("target")},
            "traffic": {
                "httpRoute": {
                    "name": self.route.name,
                    "sourceBackend": {"name": self.route.source_backend},
                    "targetBackend": {"name": self.route.target_backend},
                }
            },
            "steps": [{"weight": 25}, {"weight": 100}],
            "analysis": dict(FAST),
        }
        spec.update(changes)
        return {key: value for key, value in spec.items() if value is not None}

    def _prometheus(self, side: str) -> dict[str, Any]:
        return {
            "address": self.prometheus or self.lab.prometheus.url,
            "matchers": {"slot": str(self.slot.number), "side": side},
        }

    def manifest(self, **changes: Any) -> dict[str, Any]:
        return {
            "apiVersion": "cutover.dev/v1alpha1",
            "kind": "MigrationRollout",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": self.spec(**changes),
        }

    def apply(self, **changes: Any) -> None:
        """Create or change the rollout as a person would."""
        self.cluster.apply(self.manifest(**changes))

    @property
    def path(self) -> str:
        return f"{RESOURCE}/namespaces/{self.namespace}/migrationrollouts/{self.name}"

    def patch(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A merge patch as somebody else than who applied it."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return self.cluster.call("PATCH", f"{self.path}?fieldManager=oncall", body, headers)

    def get(self) -> dict[str, Any] | None:
        try:
            return self.cluster.call("GET", self.path)
        except httpx.HTTPStatusError as error:
            if error.response.status_code == 404:
                return None
            raise

    @property
    def status(self) -> dict[str, Any]:
        return (self.get() or {}).get("status") or {}

    @property
    def phase(self) -> str:
        return str(self.status.get("phase", ""))

    def condition(self, kind: str) -> dict[str, Any]:
        for one in self.status.get("conditions") or []:
            if one["type"] == kind:
                return dict(one)
        return {}

    def delete(self) -> None:
        self.cluster.call("DELETE", self.path)

    def events(self) -> list[dict[str, Any]]:
        path = f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events"
        return list(self.cluster.call("GET", path)["items"])

    def free_lease(self) -> None:
        """Say for a dead operator that it leads no more, as a person in a hurry would: saves 15 s."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/cutover"
        headers = {"Content-Type": "application/merge-patch+json"}
        self.cluster.call("PATCH", path, {"spec": {"holderIdentity": ""}}, headers)

    # --- what a test does often -----------------------------------------------------------------

    def begin(self, **changes: Any) -> None:
        """Traffic, an operator and the rollout."""
        self.send()
        self.run_operator()
        self.apply(**changes)

    def secret(
        self, name: str, kubeconfig: str, *, labelled: bool = True, key: str = "kubeconfig"
    ) -> None:
        """A kubeconfig Secret as `kubectl create secret` and `kubectl label` make it."""
        self.cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "name": name,
                    "namespace": self.namespace,
                    "labels": {"cutover.dev/use": "true"} if labelled else {},
                },
                "stringData": {key: kubeconfig},
            }
        )

    def target_side(self, secret: str = "gke-usc1", **prometheus: Any) -> dict[str, Any]:
        """`spec.target` on another cluster, as in the smallest useful rollout."""
        return {
            "cluster": {"kubeconfigSecretRef": {"name": secret}},
            "prometheus": self._prometheus("target") | prometheus,
        }

    @property
    def targets(self) -> list[int]:
        """The target's weights on the route, one after another."""
        return [weights.target for weights in self.log.history]

    # --- waiting --------------------------------------------------------------------------------

    def wait(self, what: str, until: Callable[[], Any], seconds: float = 60) -> Any:
        """Wait until something is true; a timeout tells the story so far."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            found = until()
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(f"not within {seconds:g} s: {what}\n{self.story()}")

    def wait_phase(self, *phases: str, seconds: float = 90) -> str:
        return str(
            self.wait(
                f"phase {' or '.join(phases)}",
                lambda: self.phase if self.phase in phases else "",
                seconds,
            )
        )

    def wait_weight(self, target: int, seconds: float = 60) -> Change:
        """Wait until the route gives the target so much; return when and how."""

        def there() -> Change | None:
            last = self.log.changes[-1]
            return last if last.target == target else None

        found = self.wait(f"weight {target}", there, seconds)
        assert isinstance(found, Change)
        return found

    def wait_source_answers(self, requests: int = 50, seconds: float = 30) -> None:
        """Wait until so many requests in a row, sent from now on, were answered by the source."""
        traffic = self.traffic
        assert traffic is not None
        since = time.time()

        def answered() -> bool:
            last = traffic.records(since)[-requests:]
            return len(last) == requests and all(r.ok and r.side == "source" for r in last)

        self.wait(f"{requests} requests in a row answered by the source", answered, seconds)

    def wait_condition(self, kind: str, status: str, seconds: float = 30) -> dict[str, Any]:
        """Wait for a condition and return it."""
        return dict(
            self.wait(
                f"condition {kind}={status}",
                lambda: one if (one := self.condition(kind)).get("status") == status else None,
                seconds,
            )
        )

    def wait_event(self, reason: str, seconds: float = 30) -> dict[str, Any]:
        """Wait for an Event with that reason about the rollout."""
        return dict(
            self.wait(
                f"an Event {reason}",
                lambda: next((e for e in self.events() if e.get("reason") == reason), None),
                seconds,
            )
        )

    def wait_gone(self, seconds: float = 30) -> None:
        self.wait("the rollout is gone", lambda: self.get() is None, seconds)

    def story(self) -> str:
        """What a person would look at first."""
        status = self.status
        gates = [f"  {g['name']}: {g['verdict']} {g['message']}" for g in status.get("gates") or []]
        history = [
            f"  {t['at']} {t['from']} -> {t['to']} {t['reason']} {t.get('message', '')}"
            for t in status.get("history") or []
        ]
        log = self.operator.log.read_text()[-3000:] if self.operator else "(no operator)"
        lines = [
            f"phase {status.get('phase')}: {status.get('message')}",
            f"weights on the route: {self.log.history}",
            *gates,
            *history,
            log,
        ]
        return "\n".join(lines)


def install(lab: Lab) -> None:
    """The definition and the operator's Role, as the manifests say, on both clusters."""
    for cluster in (lab.source, lab.target):
        cluster.ensure_namespace("cutover-system")
        cluster.kubectl(
            *("apply", "--server-side", "--force-conflicts"),
            *("-f", str(REPOSITORY / "crds" / "cutover.dev_migrationrollouts.yaml")),
            *("-f", str(REPOSITORY / "manifests" / "operator" / "service-account.yaml")),
            *("-f", str(REPOSITORY / "manifests" / "operator" / "roles.yaml")),
        )
    cluster = lab.source
    while not cluster.is_established("migrationrollouts.cutover.dev"):
        pass


def allow_lease(lab: Lab, namespace: str) -> None:
    """Each stage's operator leads for itself, so its Lease lies in the stage's namespace."""
    name = OPERATOR.rsplit(":", 1)[1]
    lab.source.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "cutover-leader", "namespace": namespace},
            "rules": [
                {
                    "apiGroups": ["coordination.k8s.io"],
                    "resources": ["leases"],
                    "verbs": ["get", "create", "update"],
                }
            ],
        }
    )
    lab.source.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "cutover-leader", "namespace": namespace},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": "cutover-leader",
            },
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "cutover-system"}],
        }
    )
