"""What Argo CD and Flux do to one object, request by request, without Argo CD and Flux.

Both are what their sources say, reduced to one object. Argo CD 3.6: `controller/sync.go` `normalizeTargetResources`,
`util/argo/normalizers/diff_normalizer.go`. Flux: `ssa/manager_apply.go` and `ssa/patch.go` of fluxcd/pkg
as kustomize-controller 1.9 calls them.
"""

import copy
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import yaml

from tests.lab import Cluster

Json = dict[str, Any]
MANIFESTS = Path(__file__).parents[3] / "manifests"
SSA = "kustomize.toolkit.fluxcd.io/ssa"


class Tool(Protocol):
    """Brings a manifest from Git to the cluster, again and again."""

    manager: str

    def sync(self, git: Json) -> None:
        """Apply, whether anything differs or not."""

    def differs(self, git: Json) -> bool:
        """Whether it would apply by itself: something that is not ignored is not as in Git."""


def documented(tool: str, kind: str = "HTTPRoute") -> Sequence[str]:
    """Paths that our own manifests tell the tool to leave alone."""
    if tool == "argocd":
        spec = yaml.safe_load((MANIFESTS / "argocd/application.yaml").read_text())["spec"]
        options = set(spec["syncPolicy"]["syncOptions"])
        assert {"RespectIgnoreDifferences=true", "ApplyOutOfSyncOnly=true"} <= options
        rules = [(one["kind"], one["jqPathExpressions"]) for one in spec["ignoreDifferences"]]
    else:
        spec = yaml.safe_load((MANIFESTS / "flux/kustomization.yaml").read_text())["spec"]
        rules = [(one["target"]["kind"], one["paths"]) for one in spec["ignore"]]
    return next(list(paths) for of, paths in rules if of == kind)


# --- Argo CD ------------------------------------------------------------------------------------


@dataclass
class ArgoCd:
    """One Application with one object; ``ignored`` as in jqPathExpressions, respected while syncing."""

    cluster: Cluster
    path: str
    server_side: bool = True
    ignored: Sequence[str] = ()
    manager: str = "argocd-controller"

    def sync(self, git: Json) -> None:
        target = self.target(git, self.cluster.call("GET", self.path))
        how = ["--server-side", "--force-conflicts"] if self.server_side else []
        self.cluster.kubectl(
            *("apply", f"--field-manager={self.manager}", *how, "-f", "-"), input=json.dumps(target)
        )

    def target(self, git: Json, live: Json) -> Json:
        """What is applied: Git's manifest with the live values of what is ignored.

        What is ignored in a list drags the whole list along, since the lists of a custom resource have no
        merge key: see `docs/gitops.md`.
        """
        if not self.ignored:
            return git
        normalized = _merge_patch(self._without(live), live)
        return _merged(self._without(git), normalized)

    def differs(self, git: Json) -> bool:
        """Whether the Application is shown OutOfSync."""
        live = self._without(self.cluster.call("GET", self.path))
        return not _holds(live, self._without(git))

    def _without(self, value: Json) -> Json:
        value = copy.deepcopy(value)
        for expression in self.ignored:
            parts = [part for part in re.split(r"\.|(\[\])\??", expression) if part]
            _delete(value, parts)
        return value


def _delete(value: Any, parts: Sequence[str]) -> None:
    """``del(.a[]?.b)`` of jq, for expressions of names and ``[]`` alone."""
    head, *rest = parts
    if head == "[]":
        for each in value if isinstance(value, list) else ():
            _delete(each, rest)
    elif isinstance(value, dict) and head in value:
        if rest:
            _delete(value[head], rest)
        else:
            del value[head]


def _merge_patch(before: Json, after: Json) -> Json:
    """RFC 7396, as far as nothing is removed: lists are replaced whole."""
    patch: Json = {}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            inner = _merge_patch(old, value)
            patch |= {key: inner} if inner else {}
        elif value != old:
            patch[key] = value
    return patch


def _merged(value: Json, patch: Json) -> Json:
    value = dict(value)
    for key, each in patch.items():
        old = value.get(key)
        both = isinstance(each, dict) and isinstance(old, dict)
        value[key] = _merged(dict(old or {}), each) if both else each
    return value


def _holds(live: Any, git: Any) -> bool:
    """Whether all that Git says is so; what it leaves out does not count."""
    if isinstance(git, dict) and isinstance(live, dict):
        return all(_holds(live.get(key), each) for key, each in git.items())
    if isinstance(git, list) and isinstance(live, list):
        return len(live) == len(git) and all(map(_holds, live, git))
    return bool(live == git)


# --- Flux ---------------------------------------------------------------------------------------


@dataclass
class Flux:
    """One Kustomization with one object; ``ignored`` as in ``spec.ignore[].paths``."""

    cluster: Cluster
    path: str
    ignored: Sequence[str] = ()
    manager: str = "kustomize-controller"
    taken_over: list[str] = field(default_factory=list)
    """Managers whose fields became Flux's own."""

    def sync(self, git: Json) -> None:
        live = self.cluster.call("GET", self.path)
        annotations = {
            **live["metadata"].get("annotations", {}),
            **git["metadata"].get("annotations", {}),
        }
        if annotations.get(SSA) in ("IfNotPresent", "Ignore"):
            return
        if annotations.get(SSA) != "Merge":
            live = self._clean_up(live)
        self.cluster.call(
            "PATCH",
            f"{self.path}?fieldManager={self.manager}&force=true",
            self._payload(git, live),
            {"Content-Type": "application/apply-patch+yaml"},
        )

    def differs(self, git: Json) -> bool:
        live = self.cluster.call("GET", self.path)
        tried = self.cluster.call(
            "PATCH",
            f"{self.path}?fieldManager={self.manager}&force=true&dryRun=All",
            git,
            {"Content-Type": "application/apply-patch+yaml"},
        )
        return self._compared(tried) != self._compared(live)

    def _compared(self, value: Json) -> Json:
        value = copy.deepcopy(value)
        for pointer in self.ignored:
            _remove(value, pointer.split("/")[1:])
        metadata = value["metadata"]
        return {
            "spec": value["spec"],
            "labels": metadata.get("labels"),
            "annotations": metadata.get("annotations"),
        }

    def _payload(self, git: Json, live: Json) -> Json:
        """Adopt the live values of what is ignored: no other manager applies, Cutover patches."""
        payload = copy.deepcopy(git)
        for pointer in self.ignored:
            *way, last = [int(p) if p.isdecimal() else p for p in pointer.split("/")[1:]]
            to: Any = payload
            found: Any = live
            for part in way:
                to, found = to[part], found[part]
            to[last] = found[last]
        return payload

    def _clean_up(self, live: Json) -> Json:
        """Take over what kubectl wrote: a manager is kubectl where its name begins so."""
        kept: list[Json] = []
        mine: list[Json] = []
        for entry in live["metadata"]["managedFields"]:
            applied = entry["operation"] == "Apply"
            old = entry["manager"].startswith("kubectl") or (
                not applied and entry["manager"].startswith((self.manager, "before-first-apply"))
            )
            is_mine = applied and entry["manager"] == self.manager
            subresource = "subresource" in entry
            (mine if not subresource and (old or is_mine) else kept).append(entry)
            if old and not subresource:
                self.taken_over.append(entry["manager"])
        if not self.taken_over:
            return live
        fields: Json = {}
        for entry in mine:
            fields = _united(fields, entry["fieldsV1"])
        whole = {**mine[0], "manager": self.manager, "operation": "Apply", "fieldsV1": fields}
        patch = [{"op": "replace", "path": "/metadata/managedFields", "value": [*kept, whole]}]
        if "kubectl.kubernetes.io/last-applied-configuration" in live["metadata"].get(
            "annotations", {}
        ):
            last = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"
            patch.insert(0, {"op": "remove", "path": last})
        headers = {"Content-Type": "application/json-patch+json"}
        return self.cluster.call(
            "PATCH", f"{self.path}?fieldManager={self.manager}", patch, headers
        )


def _remove(value: Any, way: Sequence[str]) -> None:
    *parts, last = way
    for part in parts:
        value = value[int(part)] if isinstance(value, list) else value[part]
    value.pop(last, None)


def _united(one: Json, other: Json) -> Json:
    return {
        key: _united(one.get(key, {}), other.get(key, {})) for key in dict.fromkeys((*one, *other))
    }


def owned(live: Json, manager: str) -> list[Json]:
    """What a manager owns of an object (fieldsV1), the status aside."""
    return [
        entry["fieldsV1"]
        for entry in live["metadata"]["managedFields"]
        if entry["manager"] == manager and "subresource" not in entry
    ]
