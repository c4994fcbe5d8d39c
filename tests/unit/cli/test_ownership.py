"""What an apply must state again, and whose field it is."""

import pytest

from cutover.cli.ownership import MANAGER, owned_spec, refusal
from tests.unit.cli.sights import Json


def managed(fields: Json, spec: Json, **entry: str) -> Json:
    written = {"manager": MANAGER, "operation": "Apply", "fieldsV1": {"f:spec": fields}} | entry
    other = written | {"manager": "argocd-controller", "fieldsV1": {"f:spec": {"f:steps": {}}}}
    return {"metadata": {"managedFields": [other, written]}, "spec": spec}


APPROVED = [{"name": "a", "attempt": 1}, {"name": "b", "attempt": 1}, {"name": "a", "attempt": 2}]


@pytest.mark.parametrize(
    ("fields", "owned"),
    [
        ({}, {}),
        ({"f:paused": {}}, {"paused": True}),
        ({"f:paused": {}, "f:abort": {}}, {"paused": True}),
        (
            {
                "f:approved": {
                    'k:{"attempt":1,"name":"b"}': {".": {}, "f:attempt": {}, "f:name": {}}
                }
            },
            {"approved": [APPROVED[1]]},
        ),
        (
            {
                "f:approved": {
                    'k:{"attempt":1,"name":"a"}': {".": {}},
                    'k:{"attempt":2,"name":"a"}': {".": {}},
                }
            },
            {"approved": [APPROVED[0], APPROVED[2]]},
        ),
        ({"f:analysis": {".": {}, "f:interval": {}}}, {"analysis": {"interval": "30s"}}),
        (
            {"f:guards": {"f:disabled": {'v:"ErrorBurst"': {}}}},
            {"guards": {"disabled": ["ErrorBurst"]}},
        ),
    ],
)
def test_what_was_stated_before_is_stated_again(fields: Json, owned: Json) -> None:
    spec = {
        "paused": True,
        "approved": APPROVED,
        "steps": [],
        "analysis": {"interval": "30s", "settle": "2m"},
        "guards": {"disabled": ["ErrorBurst", "LatencyBurst"]},
    }
    assert owned_spec(managed(fields, spec)) == owned


def test_only_an_apply_of_our_own_counts() -> None:
    fields: Json = {"f:paused": {}}
    spec = {"paused": True}
    assert owned_spec(managed(fields, spec, operation="Update")) == {}
    assert owned_spec(managed(fields, spec, subresource="status")) == {}
    assert owned_spec({"metadata": {}, "spec": spec}) == {}


def cause(manager: str, field: str = ".spec.abort") -> dict[str, str]:
    return {"field": field, "message": f'conflict with "{manager}" using cutover.dev/v1alpha1'}


@pytest.mark.parametrize(
    ("causes", "sentence"),
    [
        (
            [cause("argocd-controller")],
            "spec.abort is owned by argocd-controller: change it in Git, or the next sync undoes it",
        ),
        (
            [cause("kubectl-edit"), cause("kubectl-edit", ".spec.attempt")],
            "spec.abort and spec.attempt are owned by kubectl-edit: somebody set it with kubectl, change it there",
        ),
        (
            [cause("my-robot")],
            "spec.abort is owned by my-robot: change it there",
        ),
    ],
)
def test_a_refusal_names_the_owner_and_the_way(causes: list[dict[str, str]], sentence: str) -> None:
    told = refusal(causes, "again --force")
    assert told == f"{sentence}, or override it now with: again --force"
