"""The chart installs what kubectl apply -k does, refuses what it does not know, keeps the rollouts."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import pytest
import yaml

from tests.features.install.conftest import CHART, ROOT, Helm, Json, may, values
from tests.lab import Cluster, Lab

pytestmark = pytest.mark.lab

IMAGE = "--set=image.repository=image.invalid/cutover,image.tag=0.1.0"
OPERATOR = "system:serviceaccount:cutover-system:cutover"
DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/migrationrollouts.cutover.dev"


@pytest.fixture(scope="module")
def cluster(bare_cluster: Callable[[], Cluster]) -> Cluster:
    started = bare_cluster()
    for namespace in ("cutover-system", "inference", "staging", "shared"):
        started.ensure_namespace(namespace)
    return started


def of_kind(documents: Iterable[Json], kind: str) -> list[Json]:
    return [document for document in documents if document["kind"] == kind]


@pytest.mark.parametrize("name", ["everything", "namespaced"])
def test_lint_is_clean(name: str, helm: Helm) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART, *values(name))


@pytest.mark.parametrize("name", ["everything", "namespaced"])
def test_an_api_server_accepts_what_is_rendered(name: str, helm: Helm, cluster: Cluster) -> None:
    rendered = helm.template(*values(name))
    served = [
        each for each in rendered if not each["apiVersion"].startswith("monitoring.coreos.com")
    ]
    arguments = "apply", "--dry-run=server", "--validate=strict", "-f=-"
    said = cluster.kubectl(*arguments, input=yaml.safe_dump_all(served))
    assert said.count("(server dry run)") == len(served)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "at '/image/repository': minLength: got 0, want 1"),
        (["--set=image.repository=x"], "at '/image/tag': minLength: got 0, want 1"),
        ([IMAGE, "--set=image.digest=latest"], "at '/image/digest'"),
        ([IMAGE, "--set=replica=3"], "additional properties 'replica' not allowed"),
        ([IMAGE, "--set=log.level=verbose"], "at '/log/level'"),
        ([IMAGE, "--set=watchNamespaces={Not_one}"], "at '/watchNamespaces/0'"),
        ([IMAGE, "--set=replicas=0"], "at '/replicas'"),
        ([IMAGE, "--set=identityServers={https://a.example}"], "at '/identityServers/0'"),
    ],
)
def test_a_value_it_cannot_use_is_refused(arguments: list[str], words: str, helm: Helm) -> None:
    assert words in helm("template", CHART, *arguments, check=False)


def test_it_grants_what_the_manifests_grant(helm: Helm) -> None:
    rendered = helm.template(IMAGE)
    files = ("operator/roles.yaml", "people/roles.yaml")
    plain = [
        document
        for file in files
        for document in yaml.safe_load_all((ROOT / "manifests" / file).read_text())
    ]
    for kind in ("ClusterRole", "Role"):
        granted = {each["metadata"]["name"]: each["rules"] for each in of_kind(rendered, kind)}
        assert granted == {each["metadata"]["name"]: each["rules"] for each in of_kind(plain, kind)}


def test_profiles_and_the_operators_identity_are_switched_on_by_values(helm: Helm) -> None:
    rule = {
        "apiGroups": ["multicluster.x-k8s.io"],
        "resources": ["clusterprofiles"],
        "verbs": ["get"],
    }
    manifests = (ROOT / "manifests/cluster-profiles/roles.yaml").read_text()
    assert next(yaml.safe_load_all(manifests))["rules"] == [rule]
    on = ("--set=clusterProfiles=true", "--set=identityServers={*.eks.amazonaws.com,10.0.0.7}")
    for arguments, wanted in (((), False), (on, True)):
        rendered = helm.template(IMAGE, *arguments)
        (role,) = (
            each
            for each in of_kind(rendered, "ClusterRole")
            if each["metadata"]["name"].endswith("-operator")
        )
        assert (rule in role["rules"]) is wanted
        container = of_kind(rendered, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
        variables = {each["name"]: each.get("value") for each in container["env"]}
        servers = "*.eks.amazonaws.com,10.0.0.7" if wanted else None
        assert variables.get("CUTOVER_IDENTITY_SERVERS") == servers
    namespaced = helm.template(
        IMAGE, "--set=watchNamespaces={a}", "--set=secretNamespaces={argocd}", *on
    )
    places = {
        each["metadata"]["namespace"]
        for each in of_kind(namespaced, "Role")
        if rule in each["rules"]
    }
    assert places == {"a", "argocd"}


def test_its_pods_are_confined_as_the_manifests_pods_are(helm: Helm) -> None:
    text = (ROOT / "manifests/operator/deployment.yaml").read_text()
    plain = yaml.safe_load(text)["spec"]["template"]["spec"]
    rendered = of_kind(helm.template(IMAGE), "Deployment")[0]["spec"]["template"]["spec"]
    ours, theirs = plain["containers"][0], rendered["containers"][0]
    for name in ("securityContext", "startupProbe", "livenessProbe", "readinessProbe", "resources"):
        assert theirs[name] == ours[name], name
    for name in ("securityContext", "volumes", "terminationGracePeriodSeconds"):
        assert rendered[name] == plain[name], name


def test_its_alerts_are_the_manifests_alerts(helm: Helm) -> None:
    plain = yaml.safe_load((ROOT / "manifests/prometheus/rules.yaml").read_text())
    rendered = of_kind(helm.template(*values("everything")), "PrometheusRule")[0]
    assert rendered["spec"] == plain["spec"]


def test_every_alert_is_a_query_that_prometheus_understands(lab: Lab) -> None:
    rules = yaml.safe_load((ROOT / "manifests/prometheus/rules.yaml").read_text())
    for rule in rules["spec"]["groups"][0]["rules"]:
        query = {"query": rule["expr"]}
        answer = httpx.get(f"{lab.prometheus.url}/api/v1/query", params=query, trust_env=False)
        assert answer.json()["status"] == "success", rule["alert"]


def test_every_metric_of_an_alert_exists() -> None:
    source = (ROOT / "operator/cutover/telemetry.py").read_text()
    text = (ROOT / "manifests/prometheus/rules.yaml").read_text()
    named = set(re.findall(r"\b(cutover_[a-z_]+)\b", text))
    assert named
    for metric in named:
        assert f'"{metric}"' in source, metric


@pytest.mark.parametrize(
    ("value", "variable", "content"),
    [
        ("watchNamespaces={a,b}", "CUTOVER_WATCH_NAMESPACES", "a,b"),
        ("secretNamespaces={shared}", "CUTOVER_SECRET_NAMESPACES", "shared"),
        ("allowInsecureTls=true", "CUTOVER_ALLOW_INSECURE_TLS", "true"),
        ("log.level=debug", "CUTOVER_LOG_LEVEL", "debug"),
        ("log.format=text", "CUTOVER_LOG_FORMAT", "text"),
    ],
)
def test_a_setting_reaches_the_operator(
    value: str, variable: str, content: str, helm: Helm
) -> None:
    from cutover.settings import read_settings

    deployment = of_kind(helm.template(IMAGE, f"--set={value}"), "Deployment")[0]
    entries = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    environment = {each["name"]: each.get("value", "cutover-system") for each in entries}
    assert environment[variable] == content
    read_settings([], environment)


NAMESPACED: list[tuple[str, str, str, bool]] = [
    ("patch", "cutover.dev/migrationrollouts", "inference", True),
    ("patch", "cutover.dev/migrationrollouts", "staging", True),
    ("get", "cutover.dev/migrationrollouts", "shared", False),
    ("list", "cutover.dev/migrationrollouts", "", False),
    ("patch", "gateway.networking.k8s.io/httproutes", "inference", True),
    ("patch", "networking.istio.io/virtualservices", "inference", True),
    ("patch", "externaldns.k8s.io/dnsendpoints", "inference", True),
    ("patch", "gateway.networking.k8s.io/httproutes", "shared", False),
    ("patch", "projectcontour.io/httpproxies", "inference", True),
    ("patch", "split.example.com/trafficsplits", "inference", True),
    ("patch", "split.example.com/trafficsplits", "shared", False),
    ("patch", "networking.k8s.io/ingresses", "shared", False),
    ("get", "/secrets", "shared", True),
    ("list", "/secrets", "shared", False),
    ("get", "/secrets", "kube-system", False),
    ("get", "apps/deployments", "inference", True),
    ("get", "serving.kserve.io/inferenceservices", "staging", True),
    ("get", "apps/deployments", "shared", False),
    ("list", "apps/deployments", "inference", False),
    ("patch", "apps/deployments", "inference", False),
    ("create", "coordination.k8s.io/leases", "cutover-system", True),
]


def test_a_namespaced_operator_may_do_nothing_elsewhere(
    bare_cluster: Callable[[], Cluster], helm: Helm
) -> None:
    cluster = bare_cluster()
    for namespace in ("cutover-system", "inference", "staging", "shared"):
        cluster.ensure_namespace(namespace)
    rendered = helm.template(*values("namespaced"))
    assert not of_kind(rendered, "ClusterRole") + of_kind(rendered, "ClusterRoleBinding")
    text = yaml.safe_dump_all(rendered)
    cluster.kubectl("apply", "-f=-", input=text)
    for verb, resource, namespace, expected in NAMESPACED:
        allowed = may(cluster, OPERATOR, verb, resource, namespace)
        assert allowed is expected, f"{verb} {resource} in {namespace or 'all namespaces'}"


def test_installing_upgrading_and_uninstalling_keeps_every_rollout(
    helm: Helm, cluster: Cluster
) -> None:
    release = (
        "cutover",
        str(CHART),
        "--namespace=cutover-system",
        f"--kubeconfig={cluster.kubeconfig}",
    )
    no_wait = "--wait=hookOnly"
    notes = helm("install", *release, IMAGE, no_wait)
    assert '{"spec": {"abort": true}}' in notes
    order = ["kubectl delete mro --all", "helm uninstall cutover", "kubectl delete crd"]
    places = [notes.index(command) for command in order]
    assert places == sorted(places)

    for _ in range(200):
        if cluster.is_established("migrationrollouts.cutover.dev"):
            break
    generation = cluster.call("GET", DEFINITION)["metadata"]["generation"]
    helm("upgrade", *release, IMAGE, no_wait, "--set=log.level=debug")
    assert cluster.call("GET", DEFINITION)["metadata"]["generation"] == generation

    cluster.kubectl("apply", f"-f={ROOT / 'manifests/examples/minimal.yaml'}")
    helm("uninstall", "cutover", *release[2:], "--wait=hookOnly")
    gone: Any = cluster.kubectl("get", "deployments", "-n=cutover-system", "-o=name")
    assert gone == ""
    assert "llama-chat" in cluster.kubectl("get", "mro", "-n=inference", "-o=name")
    helm("install", *release, IMAGE, no_wait)
    assert "llama-chat" in cluster.kubectl("get", "mro", "-n=inference", "-o=name")
