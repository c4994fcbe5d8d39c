"""Git writes too: whole rollouts beside Argo CD and Flux as they are set up in manifests/, and as they are not."""

import copy
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cutover.api import CLAIM
from cutover.cli.ownership import MANAGER
from tests.features.gitops import SSA, ArgoCd, Flux, Json, Tool, documented, in_git, owned
from tests.features.rollouts.stage import RESOURCE, Stage
from tests.features.rollouts.test_foreign_hands import again_and_again
from tests.lab import Lab

pytestmark = pytest.mark.lab
_numbers = itertools.count(1)

LONG = pytest.mark.long
ARGO = pytest.mark.part("argo-cd")
Make = Callable[[Stage, Path], Tool]

WELL_SET_UP: dict[str, Make] = {
    "flux": lambda s, at: Flux.set_up(s.cluster, at, documented("flux")["spec"]["ignore"]),
    "argocd": lambda s, at: ArgoCd.set_up(s.cluster, at, ignored_by_argo_cd()),
    "argocd-client-side": lambda s, at: ArgoCd.set_up(
        s.cluster, at, ignored_by_argo_cd(), server_side=False
    ),
}
NOT_SET_UP: dict[str, Make] = {
    "flux": lambda s, at: Flux.set_up(s.cluster, at),
    "argocd": lambda s, at: ArgoCd.set_up(s.cluster, at),
}


def ignored_by_argo_cd() -> list[Json]:
    found: list[Json] = documented("argocd")["spec"]["ignoreDifferences"]
    return found


def each(tools: dict[str, Make]) -> list[Any]:
    """Flux in every run, Argo CD in the long one, since its packages take minutes to build."""
    return [one if one == "flux" else pytest.param(one, marks=[LONG, ARGO]) for one in tools]


def at_25(stage: Stage, git: Json, tool: Tool) -> None:
    """A route that came from Git, and a rollout on it that holds at 25 %."""
    tool.sync(git)
    stage.begin(steps=[{"weight": 25}, {"approval": {"name": "go-live"}}, {"weight": 100}])
    stage.wait_weight(25)
    stage.wait("applied", lambda: stage.status["weights"].get("applied") == 25)


@pytest.mark.parametrize("name", each(WELL_SET_UP))
def test_a_tool_that_is_set_up_as_documented_disturbs_nothing(
    name: str, stage: Stage, tmp_path: Path
) -> None:
    tool = WELL_SET_UP[name](stage, tmp_path)
    git = in_git(stage.route.read())
    at_25(stage, git, tool)
    # A JSON Patch on one weight makes its writer own the whole list, because the list is atomic.
    assert owned(stage.route.read(), "cutover")[0]["f:spec"] == {"f:rules": {}}
    for _ in range(3):
        tool.sync(git)
    assert stage.targets == [0, 25]
    assert stage.condition("Paused")["status"] == "False"

    with again_and_again(lambda: tool.heal(git), 2) as done:
        stage.wait("synced", lambda: len(done) > 1)
        stage.patch({"spec": {"approved": [{"name": "go-live", "attempt": 1}]}})
        stage.wait_phase("Completed")
    assert stage.targets == [0, 25, 100]
    assert "TrafficOverridden" not in {one["reason"] for one in stage.status["history"]}


@pytest.mark.parametrize("name", each(NOT_SET_UP))
def test_a_sync_of_the_old_weights_is_an_emergency_stop_with_the_tools_name(
    name: str, stage: Stage, tmp_path: Path
) -> None:
    tool = NOT_SET_UP[name](stage, tmp_path)
    git = in_git(stage.route.read())
    at_25(stage, git, tool)
    claim = stage.route.read()["metadata"]["annotations"][CLAIM]
    tool.sync(git)
    paused = stage.wait_condition("Paused", "True")
    assert paused["reason"] == "EmergencyStop"
    assert tool.manager in paused["message"]
    assert stage.targets == [0, 25, 0]
    assert stage.route.read()["metadata"]["annotations"][CLAIM] == claim


@LONG
@ARGO
@pytest.mark.parametrize("name", NOT_SET_UP)
def test_a_resumed_rollout_puts_back_a_git_that_demands_more_at_most_five_times(
    name: str, stage: Stage, tmp_path: Path
) -> None:
    tool = NOT_SET_UP[name](stage, tmp_path)
    git = in_git(stage.route.read())
    at_25(stage, git, tool)
    tool.sync(git)
    stage.wait_condition("Paused", "True")
    stage.patch({"spec": {"paused": True}})
    stage.wait("acknowledged", lambda: (stage.status.get("pause") or {}).get("acknowledged", False))
    stage.patch({"spec": {"paused": None}})
    stage.wait_weight(25)
    stage.wait("applied", lambda: stage.status["weights"].get("applied") == 25)
    more = copy.deepcopy(git)
    for backend, weight in zip(more["spec"]["rules"][0]["backendRefs"], (40, 60), strict=True):
        backend["weight"] = weight
    while not (contested := _paused_for(stage, "TrafficContested")):
        tool.sync(more)
        stage.wait(
            "put back, or given up",
            lambda: stage.targets[-1] == 25 or _paused_for(stage, "TrafficContested"),
        )
    assert tool.manager in contested
    fought = stage.targets[4:]
    assert fought == [60, 25] * (len(fought) // 2) + [60], "it fights no longer"
    assert 2 <= len(fought) // 2 <= 5, "a try that lost a race against the gateway counts too"
    stage.patch({"spec": {"abort": True}})
    stage.wait_phase("RolledBack")
    assert stage.targets[-1] == 0


def _paused_for(stage: Stage, reason: str) -> str:
    one = stage.condition("Paused")
    return str(one["message"]) if one.get("reason") == reason else ""


def test_a_claim_that_somebody_takes_away_is_put_back_and_moves_no_weight(
    stage: Stage, tmp_path: Path
) -> None:
    """A sync with Replace=true, or `kubectl replace`: the whole object is written, without our annotation."""
    at_25(stage, in_git(stage.route.read()), Flux.set_up(stage.cluster, tmp_path))
    live = stage.route.read()
    del live["metadata"]["annotations"][CLAIM]
    stage.cluster.call("PUT", f"{stage.route.path}?fieldManager=argocd-controller", live)
    stage.wait(
        "claimed again", lambda: CLAIM in stage.route.read()["metadata"].get("annotations", {})
    )
    assert stage.condition("Paused")["status"] == "False"
    stage.patch({"spec": {"abort": True}})
    stage.wait_phase("RolledBack")
    assert stage.targets == [0, 25, 0]
    assert stage.route.weights() == (100, 0)


# --- the rollout itself ---------------------------------------------------------------------------


@pytest.fixture
def rollout(installed: Lab) -> tuple[Lab, Json, str]:
    namespace = f"git-{next(_numbers)}"
    installed.source.ensure_namespace(namespace)
    name = f"chat-{next(_numbers)}"
    manifest = {
        "apiVersion": "cutover.dev/v1alpha1",
        "kind": "MigrationRollout",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "source": {"prometheus": {"address": "http://p:9090", "matchers": {"c": "a"}}},
            "target": {"prometheus": {"address": "http://p:9090", "matchers": {"c": "b"}}},
            "traffic": {
                "httpRoute": {
                    "name": "chat",
                    "sourceBackend": {"name": "a"},
                    "targetBackend": {"name": "b"},
                }
            },
        },
    }
    installed.source.apply(manifest)
    return installed, manifest, f"{RESOURCE}/namespaces/{namespace}/migrationrollouts/{name}"


def _say(lab: Lab, path: str, manager: str, spec: Json, *, apply: bool) -> None:
    name, namespace = path.rsplit("/", 1)[1], path.split("/")[5]
    kind = "apply-patch+yaml" if apply else "merge-patch+json"
    whole = {
        "apiVersion": "cutover.dev/v1alpha1",
        "kind": "MigrationRollout",
        "metadata": {"name": name, "namespace": namespace},
    }
    body = {**(whole if apply else {}), "spec": spec}
    headers = {"Content-Type": f"application/{kind}"}
    lab.source.call("PATCH", f"{path}?fieldManager={manager}", body, headers)


@pytest.mark.parametrize(
    ("manager", "apply", "policy", "stays"),
    [
        (MANAGER, True, None, True),  # kubectl cutover pause
        (
            "kubectl-patch",
            False,
            None,
            False,
        ),  # kubectl patch: Flux takes it for its own, and undoes it
        ("kubectl-patch", False, "Merge", True),
        ("kubectl-edit", False, "Merge", True),
    ],
)
def test_what_a_person_says_survives_flux(
    rollout: tuple[Lab, Json, str],
    manager: str,
    *,
    apply: bool,
    policy: str | None,
    stays: bool,
    tmp_path: Path,
) -> None:
    lab, git, path = rollout
    if policy is not None:
        git["metadata"]["annotations"] = {SSA: policy}
    flux = Flux.set_up(lab.source, tmp_path)
    flux.sync(git)
    _say(lab, path, manager, {"paused": True}, apply=apply)
    flux.sync(git)
    spec: dict[str, Any] = lab.source.call("GET", path)["spec"]
    assert spec.get("paused", False) is stays


@LONG
@ARGO
@pytest.mark.parametrize("server_side", [True, False])
@pytest.mark.parametrize(("manager", "apply"), [(MANAGER, True), ("kubectl-patch", False)])
def test_what_a_person_says_survives_argo_cd(
    rollout: tuple[Lab, Json, str], manager: str, *, apply: bool, server_side: bool, tmp_path: Path
) -> None:
    lab, git, path = rollout
    argo = ArgoCd.set_up(lab.source, tmp_path, server_side=server_side)
    argo.sync(git)
    _say(lab, path, manager, {"paused": True}, apply=apply)
    assert not argo.heal(git)
    git["metadata"]["labels"] = {"team": "chat"}
    argo.sync(git)
    live = lab.source.call("GET", path)
    assert live["spec"]["paused"] is True
    assert live["metadata"]["labels"]["team"] == "chat"
