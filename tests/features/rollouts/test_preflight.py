"""Before the first step: everything that is wrong is named at once, by the phase and by the command."""

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import yaml

from tests.features.rollouts.stage import FAST, RESOURCE, Stage
from tests.lab import OPERATOR, Cluster
from tests.lab.agent import Workload

pytestmark = pytest.mark.lab

Json = dict[str, Any]
COMMAND = Path(sys.executable).with_name("cutover")
LISTS = (
    "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes",
    RESOURCE + "/namespaces/{}/migrationrollouts",
    "/apis/events.k8s.io/v1/namespaces/{}/events",
    "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
    "/apis/apps/v1/namespaces/{}/deployments",
    "/api/v1/namespaces/{}/secrets",
    "/api/v1/namespaces/{}/configmaps",
    "/api/v1/namespaces/{}/services",
)


def versions(cluster: Cluster, namespace: str) -> dict[str, str]:
    """Every object and its version."""
    lists = LISTS if cluster.name == "source" else LISTS[1:]
    return {
        f"{path} {one['metadata']['name']}": one["metadata"]["resourceVersion"]
        for path in lists
        for one in cluster.call("GET", path.format(namespace))["items"]
    }


def cpu_seconds() -> float:
    """Of all programs that this process has run to their end."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def is_served(stage: Stage) -> bool:
    """An API server that has just got a definition lists its objects a little later (429)."""
    try:
        for cluster in (stage.lab.source, stage.lab.target):
            versions(cluster, stage.namespace)
    except httpx.HTTPStatusError:
        return False
    return True


def run(stage: Stage, what: str, user: str = "admin") -> tuple[int, Json, float]:
    """Run the command as a person does: exit code, its checks by name, seconds."""
    kubeconfig = stage.folder / f"{user.rsplit(':', 1)[-1]}.kubeconfig"
    kubeconfig.write_text(stage.cluster.kubeconfig_for(user=user, namespace=stage.namespace))
    where = f"--kubeconfig={kubeconfig}"
    command = [str(COMMAND), "preflight", what, where, "--output=json", "--timeout=30"]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    seconds = time.monotonic() - began
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    return done.returncode, {one["name"]: one for one in told["checks"]}, seconds


def write(stage: Stage, **changes: Any) -> str:
    file = stage.folder / "rollout.yaml"
    file.write_text(yaml.safe_dump(stage.manifest(**changes)))
    return str(file)


def deployment(name: str) -> Json:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}


def far_target(stage: Stage, **more: Any) -> Json:
    kubeconfig = stage.lab.target.kubeconfig_for(user=OPERATOR, namespace=stage.namespace)
    stage.secret("gke-usc1", kubeconfig)
    return stage.target_side() | {"endpoint": {"url": stage.slot.target.url}} | more


@pytest.fixture
def pods(stage: Stage) -> Iterator[Workload]:
    """The target's Deployment, with a pod template that names a Secret which is not there."""
    lab = stage.lab
    with lab.workload(lab.target, stage.namespace, "llama-gke", stage.slot.target) as workload:
        container = {"name": "server", "envFrom": [{"secretRef": {"name": "llama-auth"}}]}
        patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
        headers = {"Content-Type": "application/strategic-merge-patch+json"}
        lab.target.call("PATCH", workload.path, patch, headers)
        yield workload


def make_secret(cluster: Cluster, namespace: str, name: str) -> None:
    metadata = {"name": name, "namespace": namespace}
    cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})


def test_a_good_rollout_passes_every_check_from_a_file_and_as_stored(stage: Stage) -> None:
    stage.send()
    stage.wait_source_answers()
    target = far_target(stage)
    analysis = {**FAST, "maxDuration": "2h"}
    file = write(stage, target=target, analysis=analysis)
    code, checks, _ = run(stage, file)
    assert code == 0, checks
    assert {one["state"] for one in checks.values()} == {"Passed"}, checks
    assert checks["model"]["message"] == "the target serves tiny"
    stage.apply(target=target, analysis=analysis)
    before = versions(stage.cluster, stage.namespace)
    code, stored, _ = run(stage, stage.name)
    assert code == 0, stored
    assert set(stored) == set(checks)
    assert versions(stage.cluster, stage.namespace) == before


class _EmptyRegistry(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def registry() -> Iterator[str]:
    """A registry that has no image."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _EmptyRegistry)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


VIEWER = "system:serviceaccount:cutover-system:viewer"
LOOKS: Json = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}


def allow_to_look(cluster: Cluster) -> None:
    """A person who may read everything and write nothing."""
    rbac = "rbac.authorization.k8s.io"
    name = {"metadata": {"name": "preflight-viewer"}}
    role = {"kind": "ClusterRole", "name": "preflight-viewer", "apiGroup": rbac}
    subject = {"kind": "ServiceAccount", "name": "viewer", "namespace": "cutover-system"}
    cluster.apply({"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "rules": [LOOKS]} | name)
    binding = {"kind": "ClusterRoleBinding", "roleRef": role, "subjects": [subject]}
    cluster.apply({"apiVersion": f"{rbac}/v1"} | binding | name)


WRONG: Mapping[str, str] = {
    "target weight": "already sends 10 % to the target",
    "weights": "25",
    "sides": "select the same series",
    "gate broken": "parse error",
    "source workload": "there is no Deployment",
    "target servers": "has no ready replica",
    "permissions": "patch httproutes.gateway.networking.k8s.io",
    "model": "the target other",
    "pod references": "Secret llama-auth (does not exist)",
    "golden set of golden": "does not exist",
}
WARNED: Mapping[str, str] = {
    "images": "does not have it",
    "feasible": "needs about",
}


def test_ten_things_that_are_wrong_are_all_named_in_one_run_that_changes_nothing(
    make_stage: Any, registry: str, record_property: Any
) -> None:
    stage: Stage = make_stage(third_backend=("third", 1), weights=(9, 1))
    lab = stage.lab
    stage.send()
    allow_to_look(stage.cluster)
    golden = {"configMapKeyRef": {"name": "no-such-golden-set"}}
    spec = stage.spec()
    both = {"slot": str(stage.slot.number)}
    source = spec["source"] | {
        "workload": deployment("no-such-workload"),
        "endpoint": {"url": stage.slot.source.url},
    }
    source["prometheus"] = source["prometheus"] | {"matchers": both}
    target = far_target(stage, workload=deployment("llama-gke"))
    gates = [
        {"name": "errors", "errorRate": {"max": "1%", "ratio": "2"}},
        {"name": "broken", "query": {"expr": "sum(", "max": "1"}},
        {"name": "golden", "parity": {"dataset": golden, "protocol": "OpenAIChat"}},
    ]
    analysis = {**FAST, "minRequests": 1_000_000}
    file = write(stage, source=source, target=target, gates=gates, analysis=analysis)
    with lab.workload(lab.target, stage.namespace, "llama-gke", stage.slot.target) as workload:
        container = {
            "name": "server",
            "image": f"{registry}/llama:1",
            "envFrom": [{"secretRef": {"name": "llama-auth"}}],
        }
        patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
        headers = {"Content-Type": "application/strategic-merge-patch+json"}
        lab.target.call("PATCH", workload.path, patch, headers)
        asyncio.run(stage.slot.target.set(model="other", ready=False))
        stage.wait("the target is not ready", lambda: not workload.ready_replicas)
        stage.wait("the new definition is served", lambda: is_served(stage))
        before = [versions(one, stage.namespace) for one in (lab.source, lab.target)]
        spent = cpu_seconds()
        code, checks, seconds = run(stage, file, VIEWER)
        after = [versions(one, stage.namespace) for one in (lab.source, lab.target)]
    record_property("preflight_seconds", seconds)
    print(
        f"preflight of ten wrong things: {seconds:.2f} s, {cpu_seconds() - spent:.2f} s of them CPU"
    )
    failed = {name for name, one in checks.items() if one["state"] == "Failed"}
    assert failed == set(WRONG), json.dumps(checks, indent=1)
    for name, text in {**WRONG, **WARNED}.items():
        assert text in checks[name]["message"], checks[name]
    assert {checks[name]["state"] for name in WARNED} == {"Warning"}
    assert code == 1
    assert after == before


def test_the_phase_names_what_is_wrong_and_goes_on_by_itself_once_mended(
    stage: Stage, pods: Workload
) -> None:
    stage.send()
    asyncio.run(stage.slot.target.set(model="other"))
    stage.run_operator()
    source = stage.spec()["source"] | {"endpoint": {"url": stage.slot.source.url}}
    target = far_target(stage, workload=deployment(pods.name))
    stage.apply(source=source, target=target)

    def failing() -> set[str]:
        told = stage.status.get("preflight") or []
        return {one["name"] for one in told if one["state"] == "Failed"}

    stage.wait("both are named", lambda: failing() == {"model", "pod references"})
    assert stage.phase == "Preflight"
    assert "(and 1 more: see status.preflight)" in stage.status["message"]
    for reason in ("ModelDiffers", "ReferenceMissing"):
        assert stage.wait_event(reason)["type"] == "Warning"
    assert stage.targets == [0]
    asyncio.run(stage.slot.target.set(model="tiny"))
    make_secret(stage.lab.target, stage.namespace, "llama-auth")
    stage.wait_weight(25)
    assert not failing()


@pytest.mark.long
def test_a_slow_service_is_told_so_and_omitted_steps_begin_where_they_fit(stage: Stage) -> None:
    stage.send(rate=20)
    stage.wait_source_answers(requests=200)
    stage.run_operator()
    stage.apply(steps=None, analysis={**FAST, "maxDuration": "2m"})
    stage.wait_phase("Progressing")
    assert "step 1 (weight 1), at the source's" in stage.wait_event("TooFewRequests")["note"]
    weights = [step["weight"] for step in stage.status["plan"]["steps"] if "weight" in step]
    assert weights[0] > 1
    assert weights == sorted(weights)
    assert weights[-1] == 100
    feasible = stage.condition("Feasible")
    assert (feasible["status"], feasible["reason"]) == ("True", "StepsFit"), feasible
    assert f"(weight {weights[0]})" in feasible["message"]
    stage.wait_weight(weights[0])
