"""How do the tests of admission write, edit and read rollouts?"""

import copy
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.lab import Cluster

ROOT = Path(__file__).parents[3]
DEFINITION = ROOT / "crds/cutover.dev_migrationrollouts.yaml"
MINIMAL: dict[str, Any] = yaml.safe_load((ROOT / "manifests/examples/minimal.yaml").read_text())
GROUP = "cutover.dev"
DRY_RUN = "?dryRun=All&fieldValidation=Strict"

Json = dict[str, Any]


def install_definition(cluster: Cluster, document: Json) -> None:
    """Apply the definition and wait until its objects are served."""
    text = yaml.safe_dump(document)
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", input=text)
    names, group = document["spec"]["names"], document["spec"]["group"]
    deadline = time.monotonic() + 60
    while True:
        try:
            cluster.call("GET", f"/apis/{group}/v1alpha1/{names['plural']}?limit=1")
        except httpx.HTTPStatusError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@dataclass(frozen=True)
class Refusal:
    """What the API server said: the field blamed (list indexes left out) and the sentence."""

    field: str
    says: str


@dataclass(frozen=True)
class Rollouts:
    """The rollouts of one namespace; an edit is a merge patch."""

    cluster: Cluster
    namespace: str
    group: str = GROUP

    def create(self, edit: Json, *, dry_run: bool = False) -> Json:
        document = merged(MINIMAL, edit)
        document["apiVersion"] = f"{self.group}/v1alpha1"
        document["metadata"] = {"name": f"case-{uuid.uuid4().hex[:12]}"}
        query = DRY_RUN if dry_run else "?fieldValidation=Strict"
        return self.cluster.call("POST", self._path() + query, document)

    def edit(self, name: str, edit: Json, *, dry_run: bool = False) -> Json:
        query = DRY_RUN if dry_run else "?fieldValidation=Strict"
        return self._patch(self._path(name) + query, edit)

    def write_status(self, name: str, status: Json, *, dry_run: bool = False) -> Json:
        query = "?dryRun=All" if dry_run else ""
        return self._patch(f"{self._path(name)}/status{query}", {"status": status})

    def read(self, name: str) -> Json:
        return self.cluster.call("GET", self._path(name))

    def delete(self, name: str) -> None:
        self.cluster.call("DELETE", self._path(name))

    def stored(self, edit: Json, status: Json | None = None) -> str:
        name: str = self.create(edit)["metadata"]["name"]
        if status:
            self.write_status(name, status)
        return name

    def _patch(self, path: str, edit: Json) -> Json:
        headers = {"Content-Type": "application/merge-patch+json"}
        return self.cluster.call("PATCH", path, edit, headers)

    def _path(self, name: str = "") -> str:
        path = f"/apis/{self.group}/v1alpha1/namespaces/{self.namespace}/migrationrollouts"
        return f"{path}/{name}" if name else path


def refusals(error: httpx.HTTPStatusError) -> list[Refusal]:
    causes = error.response.json().get("details", {}).get("causes", [])
    return [Refusal(re.sub(r"\[\d+\]", "[]", c["field"]), c["message"]) for c in causes]


def merged(document: Json, edit: Json) -> Json:
    """RFC 7396: null removes, lists are replaced."""
    out = copy.deepcopy(document)
    for key, value in edit.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict):
            below = out.get(key)
            out[key] = merged(below if isinstance(below, dict) else {}, value)
        else:
            out[key] = value
    return out


def at(path: str, value: Any) -> Json:
    """A merge patch that sets one field, named by its path."""
    for part in reversed(path.split(".")):
        value = {part: value}
    result: Json = value
    return result


def spec(edit: Json) -> Json:
    return {"spec": edit}


def rules_of(schema: Json, path: str = "") -> Iterator[tuple[str, str]]:
    """Every rule of a schema: the path that carries it, and its sentence."""
    for rule in schema.get("x-kubernetes-validations", []):
        yield path, rule["message"]
    for name, child in schema.get("properties", {}).items():
        yield from rules_of(child, f"{path}.{name}".lstrip("."))
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            yield from rules_of(schema[keyword], f"{path}[]")
