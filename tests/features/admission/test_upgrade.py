"""A stored rollout that a later, stricter version would refuse can still be stopped and deleted.

The stricter version is the committed definition under a group of its own, tightened after the
object was stored, so that the other tests keep theirs.
"""

import copy
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx
import pytest
import yaml

from tests.features.admission.rollouts import (
    DEFINITION,
    Json,
    Rollouts,
    install_definition,
    refusals,
    spec,
)

pytestmark = pytest.mark.lab

GATE = {"metric": "TimeToFirstToken", "threshold": "1s", "maxAbove": "40%", "margin": "2.5%"}
FINALIZER = "cutover.dev/rollback"


def stricter_gate(schema: Json) -> None:
    gate = schema["properties"]["spec"]["properties"]["gates"]["items"]["properties"]["latency"]
    gate["properties"]["maxAbove"]["x-kubernetes-validations"].append(
        {"rule": "!self.startsWith('4')", "message": "at most 30%"}
    )


def stricter_spec(schema: Json) -> None:
    schema["properties"]["spec"]["x-kubernetes-validations"].append(
        {
            "rule": "(has(self.abort) && self.abort) || self.profile == 'Custom'",
            "message": "only Custom",
        }
    )


def stricter_structure(schema: Json) -> None:
    analysis = schema["properties"]["spec"]["properties"]["analysis"]
    analysis["properties"]["minRequests"] |= {"minimum": 1000, "default": 1000}
    analysis["default"]["minRequests"] = 1000
    schema["properties"]["spec"]["properties"]["profile"]["enum"] = ["Custom"]
    schema["properties"]["spec"]["properties"]["profile"]["default"] = "Custom"


class Upgrade:
    """A definition of its own, and how it is made stricter."""

    def __init__(self, rollouts: Rollouts) -> None:
        self.group = f"upgrade-{uuid.uuid4().hex[:8]}.example.com"
        self.rollouts = replace(rollouts, group=self.group)
        self._document: Json = yaml.safe_load(DEFINITION.read_text())
        self._document["metadata"]["name"] = self.definition
        self._document["spec"]["group"] = self.group
        self._document["spec"]["names"] |= {"shortNames": [], "categories": []}
        install_definition(rollouts.cluster, self._document)

    @property
    def definition(self) -> str:
        return f"migrationrollouts.{self.group}"

    def tighten(self, change: Callable[[Json], None]) -> None:
        tightened = copy.deepcopy(self._document)
        change(tightened["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
        install_definition(self.rollouts.cluster, tightened)

    def remove(self) -> None:
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
        self.rollouts.cluster.call("DELETE", path + self.definition)


@pytest.fixture
def upgrade(rollouts: Rollouts) -> Iterator[Upgrade]:
    made = Upgrade(rollouts)
    yield made
    made.remove()


def until_in_force(rollouts: Rollouts, edit: Json) -> httpx.HTTPStatusError:
    """The API server serves a changed schema a moment after it has accepted it."""
    for _ in range(200):
        try:
            rollouts.create(edit, dry_run=True)
        except httpx.HTTPStatusError as refused:
            if refused.response.status_code == 422:
                return refused
    raise AssertionError("the stricter definition never came into force")


@pytest.mark.parametrize("change", [stricter_gate, stricter_spec, stricter_structure])
def test_a_rollout_that_is_no_longer_admitted_can_be_stopped_and_deleted(
    change: Callable[[Json], None], upgrade: Upgrade
) -> None:
    rollouts = upgrade.rollouts
    edit = spec({"gates": [{"name": "latency", "latency": GATE}]})
    name = rollouts.stored(edit, {"phase": "Progressing", "leaderEpoch": 1})
    rollouts.edit(name, {"metadata": {"finalizers": [FINALIZER]}})
    plan = rollouts.read(name)["spec"] | {
        "generation": 1,
        "operatorVersion": "0.1.0",
        "attempt": 1,
        "steps": [{"weight": 100}],
    }
    rollouts.write_status(name, {"plan": plan})

    upgrade.tighten(change)
    assert refusals(until_in_force(rollouts, edit))

    rollouts.write_status(name, {"phase": "RollingBack", "leaderEpoch": 2})
    rollouts.write_status(name, {"plan": plan | {"generation": 2}})
    rollouts.edit(name, spec({"abort": True}))
    rollouts.edit(name, {"metadata": {"annotations": {"note": "still editable"}}})
    rollouts.delete(name)
    assert rollouts.read(name)["metadata"]["deletionTimestamp"]
    rollouts.write_status(name, {"phase": "RolledBack"})
    rollouts.edit(name, {"metadata": {"finalizers": []}})
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        rollouts.read(name)
