"""What the chart lets the operator scale to zero, on a real API server with KEDA's and KServe's own definitions.

As the operator's ServiceAccount under the rendered Role and nothing else; other hands are those of a GitOps tool.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import yaml

from cutover.api import SCALED_DOWN
from cutover.api.clusters import ClusterRef
from cutover.api.sides import Workload
from cutover.api.status import Plan
from cutover.clusters.connection import Connection
from cutover.clusters.scaling import PAUSED, STOP, ScalableWorkload
from cutover.decide.observation import Mark, WorkloadSeen
from cutover.decide.surroundings import Rights, Surroundings
from cutover.decide.surveying import surroundings_checks
from cutover.inspection import inspector, rights
from cutover.inspection.inspector import PlanInspector
from cutover.ports import Conflict, Written
from cutover.replay.replayer import Replays
from tests.fakes.plans import planned, spec
from tests.features.connecting import connected
from tests.features.install.conftest import Helm, Json
from tests.lab import Cluster, Lab, parts
from tests.lab.children import Child
from tests.lab.routes import wait_for

pytestmark = pytest.mark.lab

IMAGE = "--set=image.repository=image.invalid/cutover,image.tag=0.1.0"
NAMESPACE = "namespace-of-one-test"
GIT = "git"
"""The field manager that made everything."""
AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
TEMPLATE: Json = {
    "metadata": {"labels": {"app": "chat"}},
    "spec": {"containers": [{"name": "server", "image": "image.invalid/llama:1"}]},
}
CHAT: Json = {"replicas": 4, "selector": {"matchLabels": {"app": "chat"}}, "template": TEMPLATE}
RAW = {"serving.kserve.io/deploymentMode": "Standard", "serving.kserve.io/autoscalerClass": "hpa"}


def thing(version: str, kind: str, spec: Json, **annotations: str) -> Json:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": "chat", "annotations": {"team": "chat", **annotations}},
        "spec": deepcopy(spec),
    }


def scaled_object(kind: str, **annotations: str) -> Json:
    """A minimum of one replica, as KEDA's would be for a server that takes long to load a model."""
    trigger = {"type": "prometheus", "metadata": {"serverAddress": "http://p", "threshold": "5"}}
    scaling = {
        "scaleTargetRef": {"kind": kind, "name": "chat"} | ({"apiVersion": "apps/v1"}),
        "minReplicaCount": 1,
        "maxReplicaCount": 8,
        "triggers": [trigger],
    }
    return thing("keda.sh/v1alpha1", "ScaledObject", scaling, **annotations)


def hpa(least: int) -> Json:
    scaling = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"},
        "minReplicas": least,
        "maxReplicas": 8,
        "metrics": [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 80},
                },
            }
        ],
    }
    return thing("autoscaling/v2", "HorizontalPodAutoscaler", scaling)


def bare(document: Json) -> Json:
    return document | {"metadata": {"name": "chat"}}


DEPLOYMENT = thing("apps/v1", "Deployment", CHAT)
INFERENCE_SERVICE = thing(
    "serving.kserve.io/v1beta1",
    "InferenceService",
    {"predictor": {"minReplicas": 2, "maxReplicas": 5, "model": {"modelFormat": {"name": "vllm"}}}},
    **RAW,
)
LLM: Json = {"model": {"uri": "hf://meta-llama/Llama-3", "name": "llama"}, "replicas": 3}
SOURCES: dict[str, list[Json]] = {
    "Deployment with a HorizontalPodAutoscaler": [DEPLOYMENT, hpa(2)],
    "Deployment with a ScaledObject": [DEPLOYMENT, scaled_object("Deployment")],
    "Deployment with a ScaledObject, nothing annotated": [
        bare(DEPLOYMENT),
        bare(scaled_object("Deployment")),
    ],
    "StatefulSet with a ScaledObject held at 2": [
        thing("apps/v1", "StatefulSet", CHAT | {"serviceName": "chat"}),
        scaled_object("StatefulSet", **{PAUSED: "2"}),
    ],
    "InferenceService": [INFERENCE_SERVICE],
    "InferenceService that was told to run": [
        INFERENCE_SERVICE | {"metadata": {"name": "chat", "annotations": {**RAW, STOP: "false"}}}
    ],
    "LLMInferenceService": [thing("serving.kserve.io/v1alpha2", "LLMInferenceService", LLM)],
    "LLMInferenceService of the version before": [
        thing("serving.kserve.io/v1alpha1", "LLMInferenceService", LLM)
    ],
}
LONG = [pytest.param(one, marks=pytest.mark.long) for one in SOURCES if one.startswith("LLM")]
"""Their definition is 2 MiB, over which an API server thinks for seconds at every write."""
QUICK = [one for one in SOURCES if not one.startswith("LLM")]


def define(cluster: Cluster, part: str, plural: str, group: str) -> None:
    """Create it: at megabytes a server-side apply takes an API server several times as long."""
    file, name = parts.ensure([part])[part] / f"{group}_{plural}.yaml", f"{plural}.{group}"
    said = cluster.kubectl("create", f"--filename={file}", check=False)
    assert "created" in said or "AlreadyExists" in said, said
    wait_for(partial(cluster.is_established, name), name, 180)


@pytest.fixture(scope="module")
def cluster(clusters: tuple[Cluster, Cluster]) -> Cluster:
    source = clusters[0]
    define(source, "keda-crds", "scaledobjects", "keda.sh")
    define(source, "kserve-crds", "inferenceservices", "serving.kserve.io")
    return source


@pytest.fixture(scope="module")
def roles(helm: Helm) -> dict[bool, str]:
    """What the chart renders for one namespace, with and without ``rbac.scaleSource``."""
    found = {}
    for scales in (True, False):
        value = f"--set=watchNamespaces={{{NAMESPACE}}},serviceAccount.name={NAMESPACE}"
        rendered = helm.template(IMAGE, value, f"--set=rbac.scaleSource={str(scales).lower()}")
        ours = [one for one in rendered if one["metadata"].get("namespace") == NAMESPACE]
        assert {one["kind"] for one in ours} == {"Role", "RoleBinding"}
        found[scales] = yaml.safe_dump_all(ours)
    return found


@dataclass
class Place:
    """A namespace in which the operator may do what the chart says."""

    cluster: Cluster
    namespace: str
    connection: Connection

    def make(self, document: Json, manager: str = GIT, *, force: bool = False) -> Json:
        """Apply it server-side, as GitOps tools do."""
        path = f"{self.collection(document)}/chat?fieldManager={manager}"
        headers = {"Content-Type": "application/apply-patch+yaml"}
        given = f"{path}&force=true" if force else path
        return self.cluster.call("PATCH", given, document, headers)

    def read(self, document: Json) -> Json:
        return self.cluster.call("GET", f"{self.collection(document)}/chat")

    def collection(self, document: Json) -> str:
        plural = document["kind"].lower() + "s"
        return f"/apis/{document['apiVersion']}/namespaces/{self.namespace}/{plural}"

    def workload(self, document: Json) -> ScalableWorkload:
        named = Workload(api_version=document["apiVersion"], kind=document["kind"], name="chat")
        return ScalableWorkload(self.connection, self.namespace, named)

    async def rights(self, document: Json) -> Rights:
        """What preflight finds out about a rollout whose source this is."""
        found = await asking(self, document).rights()
        assert isinstance(found, Rights), found
        return found


def asking(place: Place, document: Json) -> PlanInspector:
    async def connect(_: ClusterRef) -> Connection:
        return place.connection

    return PlanInspector(plan(document), place.namespace, connect, cast("Replays", None))


def plan(document: Json) -> Plan:
    given: dict[str, Any] = spec(afterCompletion={"source": "ScaleToZero"})
    named = {"apiVersion": document["apiVersion"], "kind": document["kind"], "name": "chat"}
    given["source"] |= {"workload": named}
    return planned(given)


@pytest.fixture
async def make_place(
    cluster: Cluster, roles: dict[bool, str]
) -> AsyncIterator[Callable[..., Awaitable[Place]]]:
    """Only the Role of a new namespace is installed; the rest of the chart is not."""
    async with AsyncExitStack() as stack:

        async def make(*, scales: bool) -> Place:
            namespace = f"scale-{uuid.uuid4().hex[:8]}"
            cluster.ensure_namespace(namespace)
            cluster.kubectl("apply", "-f=-", input=roles[scales].replace(NAMESPACE, namespace))
            user = f"system:serviceaccount:cutover-system:{namespace}"
            connection = await stack.enter_async_context(connected(cluster, user))
            return Place(cluster, namespace, connection)

        yield make


@pytest.fixture
async def place(make_place: Callable[..., Awaitable[Place]]) -> Place:
    """Where the chart was told ``rbac.scaleSource: true``."""
    return await make_place(scales=True)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with other tests answers all the same."""
    monkeypatch.setattr(rights, "DEADLINE", 60.0)
    monkeypatch.setattr(inspector, "A_MOMENT", 60.0)


def content(found: Json) -> Json:
    """All that people wrote."""
    meta = found["metadata"]
    named = {key: meta.get(key) for key in ("annotations", "labels")}
    return {"spec": found["spec"], **named}


async def looked(workload: ScalableWorkload) -> WorkloadSeen:
    seen = await workload.look()
    assert isinstance(seen, WorkloadSeen), seen
    return seen


async def stopped(workload: ScalableWorkload) -> WorkloadSeen:
    """Scale it down as the decision does, and look again."""
    seen = await looked(workload)
    mark = Mark("inference/llama", "u-1", AT, seen.replicas, seen.before)
    assert isinstance(await workload.stop(seen, mark), Written)
    return await looked(workload)


@pytest.mark.parametrize("source", [*QUICK, *LONG])
async def test_what_the_chart_grants_ends_a_source_and_brings_it_back_as_it_was(
    source: str, place: Place
) -> None:
    documents = SOURCES[source]
    if source.startswith("LLM"):
        define(place.cluster, "kserve-crds", "llminferenceservices", "serving.kserve.io")
    before = [content(place.make(one)) for one in documents]
    assert (await place.rights(documents[0])).denied == ()
    workload = place.workload(documents[0])
    seen = await stopped(workload)
    assert seen.stopped
    assert all(one.holds for one in seen.autoscalers)
    assert len(seen.autoscalers) == len(documents) - 1
    for one in documents:
        found = place.read(one)
        annotations = found["metadata"]["annotations"]
        match one["kind"]:
            case "Deployment" | "StatefulSet":
                assert found["spec"]["replicas"] == 0
            case "ScaledObject":
                assert annotations[PAUSED] == "0"
            case "HorizontalPodAutoscaler":
                assert SCALED_DOWN not in annotations
                continue
            case _:
                assert annotations[STOP] == "true"
        assert SCALED_DOWN in annotations
    assert isinstance(await workload.start(seen, "u-1"), Written)
    assert [content(place.read(one)) for one in documents] == before


async def test_without_that_value_everything_that_is_missing_is_named_before_anything_begins(
    make_place: Callable[..., Awaitable[Place]],
) -> None:
    plain = await make_place(scales=False)
    where = f"in namespace {plain.namespace} of the cluster of the test"
    deployment, scaler = SOURCES["Deployment with a ScaledObject"]
    plain.make(deployment)
    plain.make(scaler)
    found = await plain.rights(deployment)
    assert [one.what for one in found.denied] == [
        f"patch deployments.apps chat {where}",
        f"list horizontalpodautoscalers.autoscaling {where}",
        f"list scaledobjects.keda.sh {where}",
        f"patch scaledobjects.keda.sh {where}",
    ]
    told, *_ = surroundings_checks(Surroundings(rights=found), plan(deployment))
    assert told.name == "permissions"
    assert (told.state, told.reason, told.holds_back) == ("Warning", "PermissionMissing", False)
    assert f"patch scaledobjects.keda.sh {where}: the source is kept as it is" in told.message
    found = await plain.rights(INFERENCE_SERVICE)
    assert [one.what for one in found.denied] == [
        f"patch inferenceservices.serving.kserve.io chat {where}"
    ]


async def test_who_applies_the_replicas_from_git_is_refused_and_told_who_has_them(
    place: Place,
) -> None:
    place.make(DEPLOYMENT)
    workload = place.workload(DEPLOYMENT)
    assert (await stopped(workload)).stopped
    with pytest.raises(httpx.HTTPStatusError, match=r'conflict with .{0,2}"cutover') as refused:
        place.make(DEPLOYMENT)
    assert refused.value.response.status_code == 409
    assert "spec.replicas" in refused.value.response.text
    without = deepcopy(DEPLOYMENT)
    del without["spec"]["replicas"]
    assert place.make(without)["spec"]["replicas"] == 0
    seen = await looked(workload)
    place.make(DEPLOYMENT, force=True)
    assert isinstance(await workload.start(seen, "u-1"), Conflict)
    assert isinstance(await workload.start(await looked(workload), "u-1"), Written)
    found = place.read(DEPLOYMENT)
    assert found["spec"]["replicas"] == 4
    assert SCALED_DOWN not in found["metadata"]["annotations"]


async def test_a_scaled_object_that_somebody_changed_meanwhile_is_looked_at_again(
    place: Place,
) -> None:
    deployment, scaler = SOURCES["Deployment with a ScaledObject"]
    place.make(deployment)
    place.make(scaler)
    workload = place.workload(deployment)
    seen = await looked(workload)
    place.make(scaled_object("Deployment", **{PAUSED: "1"}), force=True)
    mark = Mark("inference/llama", "u-1", AT, seen.replicas)
    assert isinstance(await workload.stop(seen, mark), Conflict)
    assert place.read(deployment)["spec"]["replicas"] == 4
    seen = await stopped(workload)
    assert isinstance(await workload.start(seen, "u-1"), Written)
    assert place.read(scaler)["metadata"]["annotations"][PAUSED] == "1"


def test_no_autoscaler_can_be_paused_by_a_minimum_of_none(place: Place) -> None:
    """So it is left as it is: it rests by itself while its target has no replicas."""
    with pytest.raises(httpx.HTTPStatusError, match="must be greater than or equal to 1"):
        place.make(hpa(0))


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_kubernetes_own_autoscaler_leaves_none_alone_and_goes_on_once_they_are_back(
    place: Place, lab: Lab, tmp_path: Path
) -> None:
    """The controller itself; where nobody has built it yet, that takes a minute."""
    deployment, scaler = SOURCES["Deployment with a HorizontalPodAutoscaler"]
    place.make(deployment)
    place.make(scaler)
    program = parts.ensure(["kube-controller-manager"])["kube-controller-manager"]
    command: list[str | Path] = [
        program,
        f"--kubeconfig={place.cluster.kubeconfig}",
        "--controllers=horizontal-pod-autoscaler-controller",
        "--horizontal-pod-autoscaler-sync-period=1s",
        "--leader-elect=false",
        "--secure-port=0",
    ]
    controller = Child("kube-controller-manager", command, tmp_path / "controller-manager.log")

    def active() -> str:
        conditions = place.read(scaler).get("status", {}).get("conditions") or []
        return next((one["reason"] for one in conditions if one["type"] == "ScalingActive"), "")

    try:
        wait_for(lambda: active() == "FailedGetResourceMetric", "it scales", 120)
        workload = place.workload(deployment)
        seen = await stopped(workload)
        wait_for(lambda: active() == "ScalingDisabled", "it rests", 120)
        assert place.read(deployment)["spec"]["replicas"] == 0
        assert isinstance(await workload.start(seen, "u-1"), Written)
        wait_for(lambda: active() == "FailedGetResourceMetric", "it scales again", 120)
        assert place.read(deployment)["spec"]["replicas"] == 4
    finally:
        controller.kill()
