"""The spec with every default resolved, and what is said when it cannot be."""

from typing import Any

import pytest

from cutover.api import FINALIZER
from cutover.api.status import Plan
from cutover.decide.observation import Commands, Refusal
from cutover.decide.plan import edit_refusal, edited, read_commands, resolve
from tests.fakes.plans import GATES, METRICS, spec


def _rollout(given: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    meta = {"namespace": "inference", "name": "llama-chat", "generation": 7, **metadata}
    return {"metadata": meta, "spec": given}


def _resolve(given: dict[str, Any]) -> Plan | Refusal:
    return resolve(_rollout(given), operator_version="9.9", default_gates=GATES, metrics=METRICS)


def _plan(given: dict[str, Any]) -> Plan:
    plan = _resolve(given)
    assert isinstance(plan, Plan)
    return plan


def test_what_is_omitted_becomes_what_an_expert_would_choose() -> None:
    plan = _plan(spec())
    assert [step.description for step in plan.steps] == [
        "weight 1", "weight 5", "weight 10", "weight 25", "weight 50", "weight 75", "weight 100",
        "soak 1h",
    ]  # fmt: skip
    assert [gate.name for gate in plan.gates] == ["first-token", "errors"]
    assert (plan.generation, plan.attempt, plan.operator_version) == (7, 1, "9.9")


def test_what_is_given_stays() -> None:
    gates = [{"name": "mine", "errorRate": {"max": "2%", "ratio": "3"}}]
    plan = _plan(spec([{"weight": 100}], gates=gates, attempt=3))
    assert [gate.name for gate in plan.gates] == ["mine"]
    assert [step.weight for step in plan.steps] == [100]
    assert plan.attempt == 3


def _with(path: str, value: Any) -> dict[str, Any]:
    given = spec([{"weight": 100}])
    at: Any = given
    *way, last = path.split(".")
    for part in way:
        at = at.setdefault(part, {})
    at[last] = value
    return given


UNUSABLE = [
    pytest.param(
        _with("steps", [{"weight": 5, "gates": ["errors", "queue"]}, {"weight": 100}]),
        "UnknownGate",
        "step 1 (weight 5) names gate queue, which is none that is judged at each step; those are:"
        " first-token, errors",
        id="step-names-unknown-gate",
    ),
    pytest.param(
        _with("steps", [{"pause": {"duration": "1m"}, "settle": "1m"}, {"weight": 100}]),
        "InvalidSpec",
        "step 1 (pause 1m) is no weight step",
        id="pause-with-settle",
    ),
    pytest.param(
        _with("steps", [{"weight": 5, "minDuration": "2h"}, {"weight": 100}]),
        "InvalidSpec",
        "step 1 (weight 5), with spec.analysis: minDuration 2h is longer than maxDuration 60m",
        id="step-never-over",
    ),
    pytest.param(_with("steps", [{"weight": 50}]), "InvalidSpec", "never reaches 100", id="ends-early"),
    pytest.param(_with("steps", []), "InvalidSpec", "spec.steps cannot be used", id="no-steps"),
    pytest.param(
        _with("steps", [{"weight": 50}, {"weight": 50}, {"weight": 100}]),
        "InvalidSpec", "raise the weight", id="level",
    ),
    pytest.param(
        _with("steps", [{"soak": {"duration": "1h"}}, {"weight": 100}]),
        "InvalidSpec", "one soak, as its last step", id="soak-first",
    ),
    pytest.param(
        _with("steps", [{"weight": 101}]), "InvalidSpec", "spec.steps[0].weight", id="over-100"
    ),
    pytest.param(_with("target", None), "InvalidSpec", "spec.target cannot be used", id="no-target"),
    pytest.param(
        _with("analysis.minDuration", "2h"), "InvalidSpec", "longer than maxDuration", id="min-max"
    ),
    pytest.param(_with("profile", "Custom"), "InvalidSpec", "spec.custom", id="custom-without"),
    pytest.param(
        _with("gates", [{"name": "x", "latency": {
            "metric": "Nonsense", "threshold": "1s", "maxAbove": "5%", "margin": "1%"}}]),
        "UnknownMetric", "it knows: TimeToFirstToken, EndToEnd", id="unknown-metric",
    ),
    pytest.param(_with("gates", [{"name": "x"}]), "InvalidSpec", "gate x needs", id="empty-gate"),
    pytest.param(
        _with("traffic.cluster", {"namespace": "kube-system"}),
        "NamespaceNotAllowed", "spec.traffic.cluster.namespace is kube-system", id="namespace",
    ),
    pytest.param(_with("source.prometheus", None), "InvalidSpec", "source.prometheus", id="no-prom"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "reason", "says"), UNUSABLE)
def test_what_cannot_be_tried_is_said_in_one_sentence(
    given: dict[str, Any], reason: str, says: str
) -> None:
    refusal = _resolve(given)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == reason
    assert says in refusal.message
    assert "\n" not in refusal.message


def test_a_foreign_cluster_may_name_its_own_namespace() -> None:
    cluster = {"kubeconfigSecretRef": {"name": "gke"}, "namespace": "elsewhere"}
    assert isinstance(_resolve(_with("target.cluster", cluster)), Plan)


# --- commands -----------------------------------------------------------------------------------


def _commands(given: Any, **metadata: Any) -> Commands:
    return read_commands(_rollout(given, **metadata), finalizer=FINALIZER, keep=False)


def test_commands_are_read_as_they_are() -> None:
    commands = _commands(
        {"attempt": 2, "paused": True, "abort": True, "approved": [{"name": "go", "attempt": 2}]},
        finalizers=[FINALIZER],
        deletionTimestamp="2026-03-02T08:00:00Z",
    )
    assert commands == Commands(
        generation=7,
        attempt=2,
        paused=True,
        abort=True,
        approved=frozenset({("go", 2)}),
        deleting=True,
        has_finalizer=True,
    )


@pytest.mark.parametrize(
    "given",
    [
        {},
        None,
        "nonsense",
        {"attempt": 0, "paused": "yes", "abort": 1, "approved": "go"},
        {"attempt": "2", "approved": [None, "go", {"name": "go"}, {"name": "go", "attempt": "1"}]},
    ],
)
def test_a_field_of_the_wrong_type_is_as_if_absent(given: Any) -> None:
    assert _commands(given) == Commands(generation=7)


# --- edits --------------------------------------------------------------------------------------

STEPS: list[dict[str, Any]] = [
    {"weight": 10},
    {"pause": {"duration": "1m"}},
    {"weight": 50},
    {"weight": 100},
]


@pytest.mark.parametrize(
    ("steps", "executed", "refused"),
    [
        pytest.param(STEPS, 2, None, id="same"),
        pytest.param([*STEPS[:2], {"weight": 70}, {"weight": 100}], 2, None, id="future"),
        pytest.param([*STEPS[:3], {"weight": 60}, {"weight": 100}], 3, None, id="inserted"),
        pytest.param([*STEPS[:2], {"weight": 100}], 3, "step 3 (weight 50)", id="current-removed"),
        pytest.param([{"weight": 20}, *STEPS[1:]], 1, "step 1 (weight 10)", id="first"),
        pytest.param([STEPS[0], *STEPS[2:]], 2, "step 2 (pause 1m)", id="pause-removed"),
        pytest.param([{"weight": 5}, *STEPS], 1, "step 1 (weight 10)", id="put-before"),
        pytest.param([{"weight": 100}], 4, "step 1 (weight 10)", id="shorter-than-the-past"),
    ],
)
def test_an_edit_may_change_the_future_alone(
    steps: list[dict[str, Any]], executed: int, refused: str | None
) -> None:
    refusal = edit_refusal(_plan(spec(STEPS)), _plan(spec(steps)), executed)
    if refused is None:
        assert refusal is None
    else:
        assert refusal is not None
        assert refusal.reason == "RewritesPast"
        assert refused in refusal.message


@pytest.mark.parametrize(
    ("path", "value", "fixed"),
    [
        ("source.cluster", {"kubeconfigSecretRef": {"name": "other"}}, True),
        ("target.cluster", {"kubeconfigSecretRef": {"name": "other"}}, True),
        ("traffic.httpRoute.name", "other", True),
        ("traffic.onOverride", "Pause", False),
        ("traffic.delivery", {"check": "Report"}, False),
        ("source.prometheus.address", "http://other:9090", False),
    ],
)
def test_what_is_moved_cannot_be_exchanged_under_way(path: str, value: Any, fixed: bool) -> None:
    before, after = _plan(_with("steps", STEPS)), _with("steps", STEPS)
    at: Any = after
    *way, last = path.split(".")
    for part in way:
        at = at[part] if part in at else at.setdefault(part, {})
    at[last] = value
    draft = _plan(after)
    refusal = edit_refusal(before, draft, 1)
    assert (refusal is not None and refusal.reason == "ImmutableWhileMoving") is fixed
    assert edited(before, draft)


def test_commands_alone_are_no_edit() -> None:
    before, after = _plan(spec(STEPS)), _plan(spec(STEPS, paused=True, approved=[], attempt=2))
    assert not edited(before, after.model_copy(update={"generation": 8}))
