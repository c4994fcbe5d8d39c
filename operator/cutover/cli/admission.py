"""What admission says of a MigrationRollout: its envelope, and its definition's schema and rules."""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cutover.api import GROUP, KIND, VERSION
from cutover.cli.schema import Finding, Schema, findings
from cutover.crd import openapi_schema

LONGEST_NAME: Final = 253
NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def refusals(rollout: Mapping[str, Any]) -> list[Finding]:
    """Return what a cluster with this version's definition would refuse in a new object."""
    envelope = list(_envelope(rollout))
    content = {key: each for key, each in rollout.items() if key != "status"}
    return envelope + [
        each for each in findings(content, _schema()) if each.path not in ("apiVersion", "kind")
    ]


@functools.cache
def _schema() -> Schema:
    return openapi_schema()


def _envelope(rollout: Mapping[str, Any]) -> Iterator[Finding]:
    for field, right in (("apiVersion", f"{GROUP}/{VERSION}"), ("kind", KIND)):
        if rollout.get(field) != right:
            yield Finding(field, f"write {field}: {right}")
    metadata = rollout.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if name is None:
        if not (isinstance(metadata, Mapping) and metadata.get("generateName")):
            yield Finding("metadata.name", "is missing, and it is required")
    elif not isinstance(name, str) or len(name) > LONGEST_NAME or not NAME.fullmatch(name):
        yield Finding(
            "metadata.name",
            f'"{name}" is no name: write small letters, digits, - and ., at most {LONGEST_NAME}',
        )
