"""Every rule refuses what it should, with its sentence, and lets its neighbour pass."""

from collections.abc import Iterator

import httpx
import pytest

from cutover.api.rollout import UNDER_WAY
from cutover.api.status import Phase
from cutover.crd import openapi_schema
from tests.features.admission.case import Case
from tests.features.admission.cases import STATIC
from tests.features.admission.rollouts import Json, Rollouts, at, refusals, rules_of, spec
from tests.features.admission.transitions import TRANSITIONS

pytestmark = pytest.mark.lab


def named(cases: list[Case]) -> list[object]:
    return [pytest.param(case, id=f"{case.id} - {case.sentence[:30]}") for case in cases]


def assert_refused(error: httpx.HTTPStatusError, case: Case) -> None:
    assert error.response.status_code == 422, error
    blamed = case.blamed or case.carrier
    found = [r for r in refusals(error) if case.sentence in r.says]
    assert found, error.response.json()["message"]
    assert found[0].field == blamed


@pytest.mark.parametrize("case", named(STATIC))
def test_what_a_rule_is_about_is_refused_with_a_sentence(case: Case, rollouts: Rollouts) -> None:
    for edit in case.refused:
        with pytest.raises(httpx.HTTPStatusError) as refused:
            rollouts.create(edit, dry_run=True)
        assert_refused(refused.value, case)
    for edit in case.admitted:
        rollouts.create(edit, dry_run=True)


@pytest.mark.parametrize("case", named(TRANSITIONS))
def test_a_forbidden_change_is_refused_with_a_sentence(case: Case, rollouts: Rollouts) -> None:
    assert case.stored is not None
    name = rollouts.stored(case.stored, case.status)
    change = rollouts.write_status if case.edits_status else rollouts.edit
    for edit in case.refused:
        with pytest.raises(httpx.HTTPStatusError) as refused:
            change(name, edit, dry_run=True)
        assert_refused(refused.value, case)
    for edit in case.admitted:
        change(name, edit, dry_run=True)
    rollouts.delete(name)


def test_every_rule_of_the_definition_has_a_case() -> None:
    rules = list(rules_of(openapi_schema()))
    untested = [
        f"{path or 'root'}: {sentence}"
        for path, sentence in rules
        if not any(c.carrier == path and c.sentence in sentence for c in STATIC + TRANSITIONS)
    ]
    assert not untested, "add a case to cases.py for:\n" + "\n".join(untested)
    assert all(case.refused and case.admitted for case in STATIC + TRANSITIONS)


def test_no_case_is_about_a_rule_that_is_gone() -> None:
    rules = list(rules_of(openapi_schema()))
    for case in STATIC + TRANSITIONS:
        assert any(case.carrier == path and case.sentence in says for path, says in rules), case.id


def test_static_rules_stay_off_the_root_and_the_status() -> None:
    for path, rule in _rules_with_text(openapi_schema()):
        if path == "" or path.startswith("status"):
            assert "oldSelf" in rule, f"{path or 'root'}: {rule} would lock stored objects out"


def _rules_with_text(schema: Json) -> Iterator[tuple[str, str]]:
    for path in ("", "status"):
        node = schema["properties"]["status"] if path else schema
        yield from ((path, rule["rule"]) for rule in node.get("x-kubernetes-validations", []))
    status_rules = list(rules_of(schema["properties"]["status"], "status"))
    assert len(status_rules) == 1, "a rule below status would refuse what the operator recorded"


@pytest.mark.parametrize("phase", [None, *Phase])
def test_what_moves_is_fixed_exactly_while_it_moves(
    phase: Phase | None, rollouts: Rollouts
) -> None:
    name = rollouts.stored({}, {"phase": phase.value} if phase else None)
    moves = [
        at("spec.source.cluster.namespace", "elsewhere"),
        at("spec.target.cluster.namespace", "elsewhere"),
        at("spec.traffic.httpRoute.name", "other"),
    ]
    for move in moves:
        if phase in UNDER_WAY:
            with pytest.raises(httpx.HTTPStatusError, match="cannot change from Preflight"):
                rollouts.edit(name, move, dry_run=True)
        else:
            rollouts.edit(name, move, dry_run=True)
        rollouts.edit(name, {"spec": move["spec"] | {"abort": True}}, dry_run=True)
    rollouts.delete(name)


@pytest.mark.parametrize("phase", list(Phase))
def test_an_attempt_starts_only_after_a_rollback(phase: Phase, rollouts: Rollouts) -> None:
    name = rollouts.stored({}, {"phase": phase.value})
    if phase is Phase.ROLLED_BACK:
        rollouts.edit(name, spec({"attempt": 2}), dry_run=True)
    else:
        with pytest.raises(httpx.HTTPStatusError, match=r"only once .* is RolledBack"):
            rollouts.edit(name, spec({"attempt": 2}), dry_run=True)
    rollouts.delete(name)


def test_all_else_stays_editable_under_way(rollouts: Rollouts) -> None:
    name = rollouts.stored({}, {"phase": "Progressing"})
    for edit in (
        {"steps": [{"weight": 10}, {"weight": 100}]},
        {"analysis": {"interval": "10s", "maxDuration": "2h"}},
        {"gates": [{"name": "errors", "errorRate": {"max": "2%", "ratio": "3"}}]},
        {"guards": {"disabled": ["LatencyBurst"]}},
        {"paused": True},
        {"abort": True},
        {"approved": [{"name": "go-live", "attempt": 1}]},
        {"traffic": {"onOverride": "Pause", "delivery": {"check": "Report"}}},
        {"target": {"prometheus": {"address": "https://other.example"}}},
    ):
        rollouts.edit(name, spec(edit))
    rollouts.delete(name)


STRUCTURE = [
    ("no matchers", at("spec.source.prometheus.matchers", {"cluster": None}), "matchers"),
    (
        "nine matchers",
        at("spec.source.prometheus.matchers", {f"l{n}": "x" for n in range(9)}),
        "matchers",
    ),
    ("weight 0", spec({"steps": [{"weight": 0}, {"weight": 100}]}), "weight"),
    ("weight 101", spec({"steps": [{"weight": 101}]}), "weight"),
    ("no steps", spec({"steps": []}), "steps"),
    ("no gates", spec({"gates": []}), "gates"),
    ("attempt 0", spec({"attempt": 0}), "attempt"),
    ("unknown profile", spec({"profile": "Nosuch"}), "profile"),
    ("few requests", at("spec.analysis.minRequests", 49), "minRequests"),
    ("guard twice", at("spec.guards.disabled", ["ErrorBurst", "ErrorBurst"]), "disabled"),
    (
        "approval twice",
        at("spec.approved", [{"name": "go", "attempt": 1}, {"name": "go", "attempt": 1}]),
        "approved",
    ),
]


@pytest.mark.parametrize(
    ("edit", "field"), [pytest.param(edit, field, id=name) for name, edit, field in STRUCTURE]
)
def test_bounds_and_enums_are_refused_at_the_field(
    edit: Json, field: str, rollouts: Rollouts
) -> None:
    with pytest.raises(httpx.HTTPStatusError) as refused:
        rollouts.create(edit, dry_run=True)
    assert any(field in each.field for each in refusals(refused.value)), refused.value


def test_an_unknown_field_is_refused_when_asked_for_strictness(rollouts: Rollouts) -> None:
    with pytest.raises(httpx.HTTPStatusError, match=r"unknown field .*intervall"):
        rollouts.create(at("spec.analysis.intervall", "30s"), dry_run=True)
