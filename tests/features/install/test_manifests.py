"""kubectl apply -k manifests installs the operator, with no permission that it does not need."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cutover.api.rollout import MigrationRollout
from cutover.clusters.access import Access
from cutover.clusters.kubeconfig import parse
from cutover.crd import openapi_schema
from tests.features.install.conftest import ROOT, Json, may
from tests.lab import OPERATOR, Cluster

MANIFESTS = ROOT / "manifests"
EXAMPLES = sorted(MANIFESTS.glob("examples/*.yaml"))

BareCluster = Callable[[], Cluster]


@pytest.fixture(scope="module")
def installed(bare_cluster: BareCluster) -> Cluster:
    cluster = bare_cluster()
    apply_until_accepted(cluster, "-k", str(MANIFESTS))
    cluster.ensure_namespace("inference")
    return cluster


def apply_until_accepted(cluster: Cluster, *arguments: str) -> None:
    cluster.kubectl("apply", *arguments)
    for _ in range(100):
        if cluster.is_established("migrationrollouts.cutover.dev"):
            return
    raise AssertionError("the definition was never established")


@pytest.mark.lab
def test_installing_twice_changes_nothing(installed: Cluster) -> None:
    assert installed.kubectl("diff", "-k", str(MANIFESTS)) == ""
    server_side = "apply", "--server-side", "--force-conflicts", "-k", str(MANIFESTS)
    installed.kubectl(*server_side)
    definition = (
        "get",
        "crd",
        "migrationrollouts.cutover.dev",
        "-o",
        "jsonpath={.metadata.generation}",
    )
    before = installed.kubectl(*definition)
    installed.kubectl(*server_side)
    assert installed.kubectl(*definition) == before
    assert (
        installed.kubectl("diff", "--server-side", "--force-conflicts", "-k", str(MANIFESTS)) == ""
    )


@pytest.mark.lab
def test_two_replicas_run_confined(installed: Cluster) -> None:
    path = "/apis/apps/v1/namespaces/cutover-system/deployments/cutover"
    spec = installed.call("GET", path)["spec"]
    pod = spec["template"]["spec"]
    container = pod["containers"][0]
    assert spec["replicas"] == 2
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    namespace = installed.call("GET", "/api/v1/namespaces/cutover-system")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.lab
def test_a_pod_of_it_passes_the_restricted_pod_security(installed: Cluster) -> None:
    """The namespace enforces it: the API server itself is asked."""
    path = "/apis/apps/v1/namespaces/cutover-system/deployments/cutover"
    template = installed.call("GET", path)["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] = template["metadata"] | {"name": "probe", "namespace": "cutover-system"}
    installed.call("POST", "/api/v1/namespaces/cutover-system/pods?dryRun=All", pod)


@pytest.mark.lab
def test_selectors_find_the_pods(installed: Cluster) -> None:
    base = "/namespaces/cutover-system"
    deployment = installed.call("GET", f"/apis/apps/v1{base}/deployments/cutover")["spec"]
    labels = deployment["template"]["metadata"]["labels"].items()
    budget = installed.call("GET", f"/apis/policy/v1{base}/poddisruptionbudgets/cutover")
    service = installed.call("GET", f"/api/v1{base}/services/cutover")
    monitor = yaml.safe_load((MANIFESTS / "prometheus/pod-monitor.yaml").read_text())
    for selector in (
        deployment["selector"]["matchLabels"],
        budget["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
        monitor["spec"]["selector"]["matchLabels"],
    ):
        assert selector
        assert selector.items() <= labels


NEEDED = [
    ("get list watch patch", "cutover.dev/migrationrollouts", "inference", ""),
    ("patch", "cutover.dev/migrationrollouts/status", "inference", ""),
    ("get list watch patch", "gateway.networking.k8s.io/httproutes", "inference", ""),
    ("get list watch patch", "networking.istio.io/virtualservices", "inference", ""),
    ("get list watch patch", "externaldns.k8s.io/dnsendpoints", "inference", ""),
    ("get list watch patch", "gateway.networking.k8s.io/grpcroutes", "inference", ""),
    ("get list watch patch", "projectcontour.io/httpproxies", "inference", ""),
    ("get list watch patch", "traefik.io/traefikservices", "inference", ""),
    ("get list watch patch", "networking.k8s.io/ingresses", "inference", ""),
    ("get", "/secrets", "inference", "gke-usc1"),
    ("get", "/configmaps", "inference", "llama-golden"),
    ("get", "apps/deployments", "inference", "llama-chat"),
    ("get", "apps/statefulsets", "inference", "llama-chat"),
    ("get", "serving.kserve.io/inferenceservices", "inference", "llama-chat"),
    ("get", "serving.kserve.io/llminferenceservices", "inference", "llama-chat"),
    ("get create patch", "events.k8s.io/events", "inference", ""),
    ("get", "/namespaces", "", "kube-system"),
    ("create", "coordination.k8s.io/leases", "cutover-system", ""),
    ("get update", "coordination.k8s.io/leases", "cutover-system", "cutover"),
]
FORBIDDEN = [
    ("create update delete deletecollection", "cutover.dev/migrationrollouts", "inference", ""),
    ("create update delete", "gateway.networking.k8s.io/httproutes", "inference", ""),
    ("create update delete", "networking.istio.io/virtualservices", "inference", ""),
    ("get patch", "networking.istio.io/destinationrules", "inference", ""),
    ("create update delete", "externaldns.k8s.io/dnsendpoints", "inference", ""),
    ("create update delete", "networking.k8s.io/ingresses", "inference", ""),
    ("get patch", "networking.k8s.io/networkpolicies", "inference", ""),
    ("get patch", "gateway.networking.k8s.io/gateways", "inference", ""),
    ("list watch create update patch delete", "/secrets", "inference", ""),
    ("list", "/secrets", "", ""),
    ("list watch create update patch delete", "/configmaps", "inference", ""),
    ("get list create delete", "/pods", "inference", ""),
    ("create", "/pods/exec", "inference", ""),
    ("list watch create update patch delete", "apps/deployments", "inference", ""),
    ("get patch", "apps/deployments/scale", "inference", "llama-chat"),
    ("get", "apps/replicasets", "inference", ""),
    ("list patch", "serving.kserve.io/inferenceservices", "inference", ""),
    ("get update", "coordination.k8s.io/leases", "cutover-system", "another"),
    ("create update", "coordination.k8s.io/leases", "kube-system", "cutover"),
    ("get", "/namespaces", "", "inference"),
    ("impersonate", "/users", "", "admin"),
    ("create", "/serviceaccounts/token", "cutover-system", "cutover"),
    ("escalate bind", "rbac.authorization.k8s.io/clusterroles", "", ""),
]


def each_verb(table: list[tuple[str, str, str, str]]) -> list[Any]:
    return [
        pytest.param(verb, *rest, id=" ".join(part for part in (verb, *rest) if part))
        for verbs, *rest in table
        for verb in verbs.split()
    ]


@pytest.mark.lab
@pytest.mark.parametrize(("verb", "resource", "namespace", "name"), each_verb(NEEDED))
def test_the_operator_may_do_what_it_does(
    verb: str, resource: str, namespace: str, name: str, installed: Cluster
) -> None:
    assert may(installed, OPERATOR, verb, resource, namespace, name=name)


@pytest.mark.lab
@pytest.mark.parametrize(("verb", "resource", "namespace", "name"), each_verb(FORBIDDEN))
def test_the_operator_may_do_nothing_else(
    verb: str, resource: str, namespace: str, name: str, installed: Cluster
) -> None:
    assert not may(installed, OPERATOR, verb, resource, namespace, name=name)


@pytest.mark.lab
@pytest.mark.parametrize(
    ("role", "allowed", "refused"),
    [
        ("cutover-view", "get list watch", "create patch delete"),
        ("cutover-edit", "get list watch create update patch delete", "deletecollection"),
        ("cutover-approve", "get list watch patch", "create update delete"),
    ],
)
def test_people_get_the_role_they_need(
    role: str, allowed: str, refused: str, installed: Cluster
) -> None:
    namespace = f"people-{role}"
    installed.ensure_namespace(namespace)
    bind = "create", "rolebinding", "people", f"--clusterrole={role}", "--user=someone"
    installed.kubectl(*bind, f"--namespace={namespace}")
    resource = "cutover.dev/migrationrollouts"
    for verb in allowed.split():
        assert may(installed, "someone", verb, resource, namespace), verb
    for verb in refused.split():
        assert not may(installed, "someone", verb, resource, namespace), verb
    assert not may(installed, "someone", "patch", f"{resource}/status", namespace)


# --- examples ------------------------------------------------------------------------------------


def rollouts_of(path: Path) -> list[Json]:
    documents = yaml.safe_load_all(path.read_text())
    return [each for each in documents if each["kind"] == "MigrationRollout"]


@pytest.mark.lab
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("way", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_applying_an_example_again_changes_nothing(
    path: Path, way: tuple[str, ...], installed: Cluster
) -> None:
    apply = "apply", *way, f"--filename={path}"
    installed.kubectl(*apply)
    names = [document["metadata"]["name"] for document in rollouts_of(path)]
    assert names
    base = "/apis/cutover.dev/v1alpha1/namespaces/inference/migrationrollouts"
    before = [installed.call("GET", f"{base}/{name}")["metadata"] for name in names]
    installed.kubectl(*apply)
    after = [installed.call("GET", f"{base}/{name}")["metadata"] for name in names]
    assert [m["generation"] for m in after] == [m["generation"] for m in before]
    assert [m["resourceVersion"] for m in after] == [m["resourceVersion"] for m in before]
    assert installed.kubectl("diff", *way, f"--filename={path}") == ""
    installed.kubectl("delete", "--wait=false", f"--filename={path}")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_operator_reads_an_example_as_the_api_server_does(path: Path) -> None:
    for document in rollouts_of(path):
        MigrationRollout.model_validate(document)


def test_the_smallest_example_is_the_documented_one() -> None:
    text = (MANIFESTS / "examples/minimal.yaml").read_text()
    document = yaml.safe_load(text)
    assert set(document["spec"]) == {"source", "target", "traffic"}
    assert len([line for line in text.splitlines() if not line.startswith("#")]) == 9


def paths(schema: Json, path: str = "") -> set[str]:
    found = {path}
    for name, child in schema.get("properties", {}).items():
        found |= paths(child, f"{path}.{name}")
    if "items" in schema:
        found |= paths(schema["items"], f"{path}[]")
    return found


def used(value: Any, path: str = "") -> set[str]:
    found = {path}
    if isinstance(value, dict):
        for name, child in value.items():
            found |= used(child, f"{path}.{name}")
    if isinstance(value, list):
        for child in value:
            found |= used(child, f"{path}[]")
    return found


def test_the_examples_show_every_field() -> None:
    shown: set[str] = set()
    for path in EXAMPLES:
        for document in rollouts_of(path):
            shown |= used(document["spec"])
    places = (".source", ".traffic.gateway")
    sides = {"gpuMatchers", "basicAuth", "authorization", "tlsConfig", "headersFrom"}
    missing = {
        field
        for field in paths(openapi_schema()["properties"]["spec"]) - shown
        # One more route is written as the first is.
        if field.replace(".traffic.additionalRoutes[].", ".traffic.") not in shown
        if not any(f"{place}.prometheus.{name}" in field for place in places for name in sides)
        and not field.startswith(
            (".source.cluster.", ".traffic.cluster.", ".target.profile", ".warmUp.dataset.")
        )
        and not (
            field.startswith(".source.endpoint.tlsConfig") or field == ".target.endpoint.healthPath"
        )
    }
    assert not missing, "show these in manifests/examples/full.yaml"


# --- another cluster -----------------------------------------------------------------------------


@pytest.mark.lab
def test_the_remote_roles_and_script_give_a_kubeconfig_that_may_move_routes_and_see_workloads(
    bare_cluster: BareCluster, tmp_path: Path
) -> None:
    remote = bare_cluster()
    remote.ensure_namespace("inference")
    remote.kubectl("apply", "-k", str(MANIFESTS / "remote"))
    (tmp_path / "kubectl").symlink_to(remote.kubectl_program)
    text = subprocess.run(
        [str(MANIFESTS / "remote/kubeconfig.sh"), "inference", "1h"],
        env=os.environ
        | {"KUBECONFIG": str(remote.kubeconfig), "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    access = parse(text, "the script's output")
    assert isinstance(access, Access), access
    assert access.server == remote.server
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(text)
    kubectl = f"--kubeconfig={kubeconfig}"
    assert "Major" in remote.kubectl(kubectl, "get", "--raw", "/version").title()
    user = "system:serviceaccount:inference:cutover-remote"
    assert user in remote.kubectl(kubectl, "auth", "whoami")
    routes = (
        "gateway.networking.k8s.io/httproutes",
        "networking.istio.io/virtualservices",
        "externaldns.k8s.io/dnsendpoints",
    )
    for verb in ("get", "list", "watch", "patch"):
        for route in routes:
            assert may(remote, user, verb, route, "inference")
            assert not may(remote, user, verb, route, "default")
        assert not may(remote, user, verb, "/secrets", "inference")
    for workload in ("apps/deployments", "serving.kserve.io/inferenceservices"):
        assert may(remote, user, "get", workload, "inference")
        assert not may(remote, user, "get", workload, "default")
        assert not may(remote, user, "patch", workload, "inference")
    results = "ticket-router-eval"
    assert not may(remote, user, "get", "/configmaps", "inference", name=results)
    remote.kubectl("apply", "-n=inference", f"-f={MANIFESTS / 'remote/results.yaml'}")
    assert may(remote, user, "get", "/configmaps", "inference", name=results)
    assert not may(remote, user, "get", "/configmaps", "inference", name="another")
    assert not may(remote, user, "list", "/configmaps", "inference")
