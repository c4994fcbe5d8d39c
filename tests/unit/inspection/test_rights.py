"""What a run does on API servers is asked for, each once; nothing is asked for that it does not do."""

from typing import Any

from cutover.api.clusters import ClusterRef
from cutover.api.status import Plan
from cutover.clusters.answers import Answer, Failed, Ok, Reason
from cutover.clusters.connection import Connection
from cutover.decide.observation import Refusal
from cutover.decide.readings import Gap
from cutover.decide.surroundings import Denied, Rights
from cutover.inspection.rights import KEPT, REVIEWS, SEEN_LATER, ask_rights, rights_of
from cutover.traffic.layout import Kind
from tests.fakes.plans import planned, spec

ROUTE = Kind("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute")
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llama"}
ISVC = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "name": "llama"}


def plan(source_workload: Any = DEPLOYMENT, **more: Any) -> Plan:
    given = spec(
        **more,
        gates=[
            {
                "name": "golden",
                "parity": {
                    "dataset": {"configMapKeyRef": {"name": "golden"}},
                    "protocol": "OpenAIChat",
                },
            }
        ],
    )
    for side, workload in (("source", source_workload), ("target", ISVC)):
        given[side] |= {"workload": workload, "endpoint": {"url": f"http://{side}:8000"}}
    return planned(given)


class Server:
    """An API server's reviews: what is in ``denied`` (verbs) is not allowed."""

    name = "cluster of Secret inference/gke-usc1"

    def __init__(self, *denied: str, answers: bool = True) -> None:
        self.denied = denied
        self.answers = answers
        self.asked: list[dict[str, str]] = []

    async def post(self, path: str, body: Any, *, deadline: float) -> Answer:
        assert path == REVIEWS
        assert deadline < 5
        attributes = body["spec"]["resourceAttributes"]
        self.asked.append(attributes)
        if not self.answers:
            return Failed(0, Reason.UNREACHABLE, "no answer")
        return Ok({"status": {"allowed": attributes["verb"] not in self.denied}})


async def asked(server: Server, of: Plan | None = None) -> Rights | Gap:
    async def connect(ref: ClusterRef) -> Connection | Refusal:
        return server  # type: ignore[return-value]

    return await ask_rights(list(rights_of(of or plan(), "inference", [ROUTE])), connect)


def test_every_route_that_is_moved_is_asked_for() -> None:
    second = {
        "name": "chat-proxy",
        "sourceBackend": {"name": "a"},
        "targetBackend": {"name": "b"},
    }
    proxies = Kind("projectcontour.io", "v1", "httpproxies", "HTTPProxy")
    both = plan(traffic={"additionalRoutes": [{"contourHTTPProxy": second}]})
    rights = [(one.verb, one.resource, one.name) for one in rights_of(both, "ns", [ROUTE, proxies])]
    for resource, name in (("httproutes", "llama-chat"), ("httpproxies", "chat-proxy")):
        assert {("get", resource, name), ("patch", resource, name)} <= set(rights)
        assert {("list", resource, ""), ("watch", resource, "")} <= set(rights)


async def test_everything_that_the_run_does_is_asked_once() -> None:
    server = Server()
    assert await asked(server) == Rights(7)
    short = {(one["verb"], one["group"], one["resource"], one.get("name")) for one in server.asked}
    gateway = ROUTE.group
    assert short == {
        ("get", gateway, "httproutes", "llama-chat"),
        ("patch", gateway, "httproutes", "llama-chat"),
        ("list", gateway, "httproutes", None),
        ("watch", gateway, "httproutes", None),
        ("get", "apps", "deployments", "llama"),
        ("get", "serving.kserve.io", "inferenceservices", "llama"),
        ("get", "", "configmaps", "golden"),
    }


async def test_what_is_denied_is_named_with_its_cluster() -> None:
    found = await asked(Server("patch", "watch"))
    assert isinstance(found, Rights)
    where = "in namespace inference of the cluster of Secret inference/gke-usc1"
    assert set(found.denied) == {
        Denied(f"patch httproutes.gateway.networking.k8s.io llama-chat {where}"),
        Denied(f"watch httproutes.gateway.networking.k8s.io {where}", SEEN_LATER),
    }


async def test_a_server_that_does_not_answer_denies_nothing() -> None:
    assert isinstance(await asked(Server(answers=False)), Gap)


async def scaling(*paused: str, denied: tuple[str, ...] = (), of: Any = DEPLOYMENT) -> Rights:
    wish = plan(afterCompletion={"source": "ScaleToZero"}, source_workload=of)
    rights = list(rights_of(wish, "inference", [ROUTE], paused))
    server = Server(*denied)

    async def connect(ref: ClusterRef) -> Connection | Refusal:
        return server  # type: ignore[return-value]

    found = await ask_rights(rights, connect)
    assert isinstance(found, Rights)
    return found


def kept(found: Rights) -> set[str]:
    where = " in namespace inference of the cluster of Secret inference/gke-usc1"
    return {one.what.removesuffix(where) for one in found.denied if one.without == KEPT}


async def test_scaling_the_source_down_at_the_end_is_asked_for_where_it_is_wanted() -> None:
    lists = {"list horizontalpodautoscalers.autoscaling", "list scaledobjects.keda.sh"}
    assert kept(await scaling("scaler", denied=("list",))) == lists
    assert kept(await scaling(denied=("patch",))) == {"patch deployments.apps llama"}
    assert kept(await scaling("scaler", denied=("patch",))) == {
        "patch deployments.apps llama",
        "patch scaledobjects.keda.sh scaler",
    }
    assert "patch scaledobjects.keda.sh" in kept(await scaling("", denied=("patch",)))


async def test_of_kserves_kinds_no_autoscaler_is_listed() -> None:
    denied = kept(await scaling(denied=("list", "patch"), of=ISVC))
    assert denied == {"patch inferenceservices.serving.kserve.io llama"}
