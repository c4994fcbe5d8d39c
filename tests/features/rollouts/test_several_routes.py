"""Several routes move together on real parts: all or none upwards, each by itself on the way back."""

import json
from functools import partial
from typing import Any

import pytest

from cutover.api import CLAIM
from tests.features.rollouts.stage import Stage
from tests.lab import Route

pytestmark = pytest.mark.lab


def _named(route: Route) -> dict[str, Any]:
    return {
        "name": route.name,
        "sourceBackend": {"name": route.source_backend},
        "targetBackend": {"name": route.target_backend},
    }


def _is_free(route: Route) -> bool:
    return CLAIM not in (route.read()["metadata"].get("annotations") or {})


def _together(stage: Stage) -> tuple[Route, dict[str, Any]]:
    """A second route in the same namespace, and the traffic section that names both."""
    second = stage.lab.route(stage.namespace, "embed", stage.slot)
    first = stage.spec()["traffic"]
    return second, {**first, "additionalRoutes": [{"httpRoute": _named(second)}]}


def _forbid_more_than_60(stage: Stage, route: Route) -> None:
    """A policy of the cluster: this route's target may not have more than 60."""
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": f"careful-{stage.namespace}"},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["gateway.networking.k8s.io"],
                        "apiVersions": ["*"],
                        "operations": ["UPDATE"],
                        "resources": ["httproutes"],
                        "resourceNames": [route.name],
                    }
                ]
            },
            "validations": [
                {
                    "expression": (
                        "object.metadata.namespace != '" + stage.namespace + "'"
                        " || !object.spec.rules.exists(r, r.backendRefs.exists(b,"
                        " b.name.endsWith('-target') && b.weight > 60))"
                    ),
                    "message": "embeddings stay mostly where they are",
                }
            ],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": f"careful-{stage.namespace}"},
        "spec": {
            "policyName": f"careful-{stage.namespace}",
            "validationActions": ["Deny"],
        },
    }
    for one in (policy, binding):
        stage.cluster.kubectl("apply", "-f", "-", input=json.dumps(one))
        kind = str(one["kind"]).lower()
        stage.stack.callback(
            stage.cluster.kubectl, "delete", kind, f"careful-{stage.namespace}", check=False
        )


def test_two_routes_move_together_through_a_whole_rollout(stage: Stage) -> None:
    second, traffic = _together(stage)
    with second.watch() as log:
        stage.begin(traffic=traffic)
        stage.wait_phase("Completed")
        assert stage.targets == [0, 25, 100]
        assert [weights.target for weights in log.history] == [0, 25, 100]
    for route in (stage.route, second):
        stage.wait("its claim is released", partial(_is_free, route))


def test_where_one_cannot_be_raised_neither_is_and_a_rollback_puts_both_back(stage: Stage) -> None:
    second, traffic = _together(stage)
    _forbid_more_than_60(stage, second)
    with second.watch() as log:
        stage.begin(traffic=traffic)
        stage.wait("refused", lambda: "embeddings stay" in stage.status.get("message", ""), 180)
        assert stage.status["message"].startswith("25 % on target, step 2 of 2: HTTPRoute embed: ")
        assert stage.targets == [0, 25], "the first was not raised, not even for a moment"
        stage.patch({"spec": {"abort": True}})
        stage.wait_phase("RolledBack")
        assert stage.targets == [0, 25, 0]
        assert [weights.target for weights in log.history] == [0, 25, 0]
