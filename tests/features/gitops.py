"""Argo CD and Flux without their controllers: their own packages, told to look at one object from Git once.

What calls them is in `tests/lab/modules/flux/main.go` and `tests/lab/modules/argo-cd/main.go`.
"""

import copy
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from tests.lab import Cluster, parts

Json = dict[str, Any]
MANIFESTS = Path(__file__).parents[2] / "manifests"
SSA = "kustomize.toolkit.fluxcd.io/ssa"
RUN_SECONDS = 120


class ToolError(Exception):
    """The tool could not do what it was told to; the message is what it said."""


class Tool(Protocol):
    """Brings a manifest from Git to the cluster, again and again."""

    manager: str

    def sync(self, git: Json) -> None:
        """What it does when a person or a commit makes it run."""

    def heal(self, git: Json) -> bool:
        """What it does by itself every so often; whether it wrote anything."""


def documented(tool: str) -> Json:
    """Our own manifest of a tool's object, for routes that are called chat."""
    file = "argocd/application.yaml" if tool == "argocd" else "flux/kustomization.yaml"
    document: Json = yaml.safe_load((MANIFESTS / file).read_text().replace("llama-chat", "chat"))
    return document


@dataclass
class Flux:
    """One Kustomization with one object."""

    cluster: Cluster
    kustomization: Path
    manager: str = "kustomize-controller"

    @classmethod
    def set_up(cls, cluster: Cluster, folder: Path, ignored: Sequence[Json] = ()) -> "Flux":
        """As our manifest says, with other rules of what is ignored."""
        document = documented("flux")
        document["spec"]["ignore"] = [*ignored]
        return cls(cluster, _written(document, folder / "kustomization.yaml"))

    def sync(self, git: Json) -> None:
        self.heal(git)

    def heal(self, git: Json) -> bool:
        program = parts.ensure(["flux"])["flux"]
        changes = _run(
            [program, f"--kubeconfig={self.cluster.kubeconfig}"],
            [f"--kustomization={self.kustomization}"],
            git,
        )
        return bool(set(changes.values()) & {"created", "configured"})


@dataclass
class ArgoCd:
    """One Application with one object."""

    cluster: Cluster
    application: Path
    manager: str = "argocd-controller"

    @classmethod
    def set_up(
        cls,
        cluster: Cluster,
        folder: Path,
        ignored: Sequence[Json] = (),
        *,
        server_side: bool = True,
        options: Sequence[str] = (),
        without: Sequence[str] = (),
    ) -> "ArgoCd":
        """As our manifest says, with other rules of what is ignored, more options of a sync or fewer."""
        document = documented("argocd")
        spec = document["spec"]
        spec["ignoreDifferences"] = [*ignored]
        said = spec["syncPolicy"]["syncOptions"]
        left_out = (*without, *(() if server_side else ("ServerSideApply=true",)))
        assert set(left_out) <= set(said)
        kept = [one for one in said if one not in left_out]
        spec["syncPolicy"]["syncOptions"] = [*kept, *options]
        if not server_side:
            del document["metadata"]["annotations"]
        return cls(cluster, _written(document, folder / "application.yaml"))

    def sync(self, git: Json) -> None:
        assert self._run(git, "--sync=always")["phase"] == "Succeeded"

    def heal(self, git: Json) -> bool:
        return bool(self._run(git, "--sync=out-of-sync")["status"] == "OutOfSync")

    def differs(self, git: Json) -> bool:
        """Whether the Application is shown OutOfSync."""
        return bool(self._run(git)["status"] == "OutOfSync")

    def _run(self, git: Json, *arguments: str) -> Json:
        program = parts.ensure(["argo-cd"])["argo-cd"]
        return _run(
            [program, f"--kubeconfig={self.cluster.kubeconfig}"],
            [f"--application={self.application}", *arguments],
            git,
        )


def _written(document: Json, path: Path) -> Path:
    path.write_text(yaml.safe_dump(document))
    return path


def _run(program: Sequence[str | Path], arguments: Sequence[str], git: Json) -> Json:
    done = subprocess.run(
        [*program, *arguments],
        input=json.dumps(git),
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    if done.returncode:
        raise ToolError(done.stderr.strip())
    answer: Json = json.loads(done.stdout)
    return answer


def in_git(live: Json) -> Json:
    """An object as Git has it: with what a person writes and no more."""
    kept = {key: live["metadata"][key] for key in ("name", "namespace")}
    kept |= {key: live["metadata"][key] for key in ("annotations",) if key in live["metadata"]}
    rest = {k: v for k, v in live.items() if k not in ("metadata", "status")}
    return copy.deepcopy({**rest, "metadata": kept})


def owned(live: Json, manager: str) -> list[Json]:
    """What a manager owns of an object (fieldsV1), the status aside."""
    return [
        entry["fieldsV1"]
        for entry in live["metadata"]["managedFields"]
        if entry["manager"] == manager and "subresource" not in entry
    ]
