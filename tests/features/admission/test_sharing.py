"""Git and people write the same rollout without taking each other's words away."""

import uuid
from collections.abc import Iterator

import pytest
import yaml

from tests.features.admission.rollouts import MINIMAL, Json, Rollouts, merged
from tests.lab import KubectlError

pytestmark = pytest.mark.lab

APPROVALS = [
    {"weight": 5},
    {"approval": {"name": "a"}},
    {"approval": {"name": "b"}},
    {"weight": 100},
]
GIT = merged(MINIMAL, {"spec": {"steps": APPROVALS, "approved": [{"name": "a", "attempt": 1}]}})


class Shared:
    """One rollout; each manager applies its own part of it."""

    def __init__(self, rollouts: Rollouts) -> None:
        self.rollouts = rollouts
        self.name = f"shared-{uuid.uuid4().hex[:12]}"
        self.metadata = {"name": self.name, "namespace": rollouts.namespace}

    def apply(self, manager: str, document: Json, *more: str) -> None:
        whole = {"apiVersion": MINIMAL["apiVersion"], "kind": MINIMAL["kind"], **document}
        text = yaml.safe_dump(whole | {"metadata": self.metadata})
        arguments = "--server-side", f"--field-manager={manager}", "--filename=-"
        self.rollouts.cluster.kubectl("apply", *arguments, *more, input=text)

    def apply_client_side(self, document: Json) -> None:
        text = yaml.safe_dump(document | {"metadata": self.metadata})
        self.rollouts.cluster.kubectl("apply", "--filename=-", input=text)

    @property
    def spec(self) -> Json:
        spec: Json = self.rollouts.read(self.name)["spec"]
        return spec


@pytest.fixture
def shared(rollouts: Rollouts) -> Iterator[Shared]:
    one = Shared(rollouts)
    yield one
    rollouts.delete(one.name)


PERSON: Json = {"spec": {"abort": True, "paused": True, "approved": [{"name": "b", "attempt": 1}]}}


def test_a_sync_from_git_keeps_what_a_person_has_said(shared: Shared) -> None:
    shared.apply("argocd", GIT)
    shared.apply("cutover-cli", PERSON)
    shared.apply("argocd", GIT)
    assert (shared.spec["abort"], shared.spec["paused"]) == (True, True)
    assert [each["name"] for each in shared.spec["approved"]] == ["a", "b"]


def test_a_person_takes_back_only_what_they_have_said(shared: Shared) -> None:
    shared.apply("argocd", GIT)
    shared.apply("cutover-cli", PERSON)
    shared.apply("cutover-cli", {"spec": {"paused": True}})
    assert "abort" not in shared.spec
    assert [each["name"] for each in shared.spec["approved"]] == ["a"]


def test_what_git_says_is_gits(shared: Shared) -> None:
    shared.apply("argocd", merged(GIT, {"spec": {"paused": False}}))
    with pytest.raises(KubectlError, match=r'conflict with "argocd".*\.spec\.paused'):
        shared.apply("cutover-cli", {"spec": {"paused": True}})
    with pytest.raises(KubectlError, match=r"\.spec\.source\.prometheus\.matchers"):
        matchers = {"prometheus": {"matchers": {"namespace": "other"}}}
        shared.apply("cutover-cli", {"spec": {"source": matchers}})


def test_a_client_side_apply_keeps_what_a_person_has_patched(shared: Shared) -> None:
    git = merged(MINIMAL, {"spec": {"steps": APPROVALS}})
    shared.apply_client_side(git)
    shared.rollouts.edit(shared.name, PERSON)
    shared.apply_client_side(git)
    assert shared.spec["abort"] is True
    assert shared.spec["approved"] == [{"name": "b", "attempt": 1}]
