"""What a person got wrong is said at once, with the field and the fix; mended, the rollout goes on."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.features.rollouts.stage import Stage
from tests.lab import OPERATOR
from tests.lab.ports import free_ports

pytestmark = pytest.mark.lab

Json = dict[str, Any]
SECRET = "gke-usc1"


def _good(stage: Stage) -> str:
    return stage.lab.target.kubeconfig_for(user=OPERATOR, namespace=stage.namespace)


def _kubeconfig(stage: Stage, change: Callable[[Json], None]) -> str:
    document: Json = yaml.safe_load(_good(stage))
    change(document)
    return yaml.safe_dump(document)


def _other_ca(document: Json) -> None:
    certificate = "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n"
    encoded = base64.b64encode(certificate.encode()).decode()
    document["clusters"][0]["cluster"]["certificate-authority-data"] = encoded


def _no_ca(document: Json) -> None:
    """Without one the system's are asked, and none of them has signed the lab's certificate."""
    document["clusters"][0]["cluster"].pop("certificate-authority-data", None)


def _exec(document: Json) -> None:
    run = {"apiVersion": "client.authentication.k8s.io/v1", "command": "aws"}
    document["users"][0]["user"] = {"exec": run}


def _nothing(stage: Stage) -> Json:
    return {"target": stage.target_side(SECRET)}


def _secret(text: Callable[[Stage], str], *, labelled: bool = True) -> Callable[[Stage], Json]:
    def spoil(stage: Stage) -> Json:
        stage.secret(SECRET, text(stage), labelled=labelled)
        return _nothing(stage)

    return spoil


def _mend_secret(stage: Stage) -> Json:
    stage.secret(SECRET, _good(stage))
    return _nothing(stage)


def _route(stage: Stage, **changes: Any) -> Json:
    route = {**stage.spec()["traffic"]["httpRoute"], **changes}
    return {"traffic": {"httpRoute": route}}


def _side(stage: Stage, side: str, **changes: Any) -> Json:
    spec = stage.spec()[side]
    return {side: {"prometheus": {**spec["prometheus"], **changes}}}


def _as_meant(stage: Stage) -> Json:
    del stage
    return {}


_CUSTOM = {
    "profile": "Custom",
    "custom": {
        "requests": "sum(increase(embed_requests_total{$matchers}[$window]))",
        "errors": 'sum(increase(embed_requests_total{code=~"5..",$matchers}[$window]))',
    },
    "gates": [{"name": "errors", "errorRate": {"max": "1%", "ratio": "2"}}],
}


@dataclass(frozen=True)
class Fault:
    spoil: Callable[[Stage], Json]
    condition: str
    says: tuple[str, ...]
    mend: Callable[[Stage], Json] = _as_meant


FAULTS = {
    "route that does not exist": Fault(
        lambda stage: _route(stage, name="chatt"),
        "Accepted",
        ("spec.traffic.httpRoute.name", "chatt", "create"),
    ),
    "backend that is not on the route": Fault(
        lambda stage: _route(stage, targetBackend={"name": "chat-gke"}),
        "Accepted",
        ("targetBackend", "chat-gke"),
    ),
    "Secret that does not exist": Fault(
        _nothing,
        "TargetReachable",
        ("spec.target.cluster", SECRET, "does not exist", "create it"),
        _mend_secret,
    ),
    "Secret that is no kubeconfig": Fault(
        _secret(lambda _: "nonsense"),
        "TargetReachable",
        ("spec.target.cluster", SECRET, "kubeconfig"),
        _mend_secret,
    ),
    "Secret that is not labelled for use": Fault(
        _secret(_good, labelled=False),
        "TargetReachable",
        ("spec.target.cluster", "kubectl label secret", "cutover.dev/use=true"),
        _mend_secret,
    ),
    "CA that cannot be read": Fault(
        _secret(lambda stage: _kubeconfig(stage, _other_ca)),
        "TargetReachable",
        ("spec.target.cluster", SECRET, "certificate-authority-data"),
        _mend_secret,
    ),
    "CA that is another": Fault(
        _secret(lambda stage: _kubeconfig(stage, _no_ca)),
        "TargetReachable",
        ("spec.target.cluster", "certificate", "certificate-authority-data"),
        _mend_secret,
    ),
    "kubeconfig that runs a command": Fault(
        _secret(lambda stage: _kubeconfig(stage, _exec)),
        "TargetReachable",
        ("spec.target.cluster", "exec", "token"),
        _mend_secret,
    ),
    "Prometheus address where nobody listens": Fault(
        lambda stage: _side(stage, "source", address=f"http://127.0.0.1:{free_ports(1)[0]}"),
        "AnalysisHealthy",
        ("spec.source.prometheus", "http://127.0.0.1:"),
    ),
    "Prometheus address of something else": Fault(
        lambda stage: _side(stage, "target", address=stage.lab.gateway.url),
        "AnalysisHealthy",
        ("spec.target.prometheus", "Prometheus"),
    ),
    "metric that the servers do not have": Fault(
        lambda _: _CUSTOM,
        "AnalysisHealthy",
        ("has no embed_requests_total", "is the profile Custom right"),
    ),
    "metric that the profile cannot tell": Fault(
        lambda _: {
            "gates": [
                {
                    "name": "first-tokens",
                    "latency": {
                        "metric": "TimeToFirstTokens",
                        "threshold": "1s",
                        "maxAbove": "5%",
                        "margin": "2%",
                    },
                }
            ]
        },
        "Accepted",
        ("first-tokens", "TimeToFirstTokens", "it knows: ", "TimeToFirstToken"),
    ),
    "typo in the matchers": Fault(
        lambda stage: _side(stage, "target", matchers={"slot": "1OO", "side": "target"}),
        "AnalysisHealthy",
        ("spec.target.prometheus.matchers", "1OO"),
    ),
}


ABOUT = {
    "the route and the gates": [
        fault for fault, wrong in FAULTS.items() if wrong.condition == "Accepted"
    ],
    "credentials": [
        fault for fault, wrong in FAULTS.items() if wrong.condition == "TargetReachable"
    ],
    "metrics": [fault for fault, wrong in FAULTS.items() if wrong.condition == "AnalysisHealthy"],
}
assert sorted(fault for some in ABOUT.values() for fault in some) == sorted(FAULTS)


@pytest.mark.parametrize("about", ABOUT)
def test_each_is_named_with_its_field_and_its_fix_and_the_rollout_waits_unharmed(
    about: str, make_stage: Callable[..., Stage]
) -> None:
    """One operator and one pair of servers, a rollout for each fault."""
    first = make_stage()
    stages = {fault: make_stage(slot=first.slot) for fault in ABOUT[about]}
    first.send()
    first.run_operator(watching=[stage.namespace for stage in stages.values()])
    for fault, stage in stages.items():
        stage.operator = first.operator
        stage.apply(**FAULTS[fault].spoil(stage))
    for fault, stage in stages.items():
        _waits_unharmed(stage, FAULTS[fault])
    for fault, stage in stages.items():
        stage.apply(**FAULTS[fault].mend(stage))
    for stage in stages.values():
        stage.wait_weight(25)
        assert stage.targets == [0, 25]


def _waits_unharmed(stage: Stage, wrong: Fault) -> None:
    condition = stage.wait_condition(wrong.condition, "False", seconds=60)
    event = stage.wait_event(condition["reason"], seconds=20)
    assert event["type"] == "Warning"
    for text in (condition["message"], event["note"], stage.status["message"]):
        assert not [word for word in wrong.says if word not in text], text
    assert stage.phase in ("Pending", "Preflight")
    assert stage.log.writes == 0, "the route was written"
