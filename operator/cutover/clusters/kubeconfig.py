"""PURE: the text of a kubeconfig becomes an `Access`, or a sentence that says why it cannot be used."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from cutover.clusters.access import Access, Unusable, UnusableError, read_access

MAX_TEXT = 64 * 1024
"""Characters; dense YAML of this size takes a second, and the quick parser dies of deep nesting."""


def parse(text: str, where: str, *, allow_insecure: bool = False) -> Access | Unusable:
    """Read the current context; ``where`` names the Secret and key, or the file, in sentences."""
    try:
        cluster, user = _current(load(text))
        return read_access(cluster, user, allow_insecure=allow_insecure)
    except UnusableError as unusable:
        return Unusable(f"{where}: {unusable}")


def user_of(text: str, context: str | None) -> Mapping[str, Any]:
    """Return the user of a context alone; raises UnusableError."""
    document = load(text)
    return _current(document | {"current-context": context} if context else document)[1]


def entries_in_use(document: object) -> tuple[dict[str, Any], ...]:
    """Return the cluster and the user of the current context; nothing where `parse` would refuse."""
    try:
        return _current(document) if isinstance(document, dict) else ()
    except UnusableError:
        return ()


def load(text: str) -> dict[str, Any]:
    """Read the document; raises UnusableError."""
    if len(text) > MAX_TEXT:
        raise UnusableError(
            f"the kubeconfig has more than {MAX_TEXT // 1024} KiB: keep only the context in use"
        )
    try:
        document = json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError):
        document = None  # the parser's own words would quote the content
    if not isinstance(document, dict) or "clusters" not in document:
        raise UnusableError("this is no kubeconfig: it must be YAML with clusters, users, contexts")
    return document


def _current(document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    name = document.get("current-context")
    if not isinstance(name, str) or not name:
        raise UnusableError("the kubeconfig has no current-context: set it")
    context = _named(document, "contexts", "context", name)
    cluster = _named(document, "clusters", "cluster", context.get("cluster"))
    return cluster, _named(document, "users", "user", context.get("user"))


def _named(document: Mapping[str, Any], plural: str, singular: str, name: object) -> dict[str, Any]:
    entries = document.get(plural)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("name") == name and name:
            content = entry.get(singular)
            if isinstance(content, dict):
                return content
    raise UnusableError(
        f"the current context names a {singular} that is not among the {plural}: add it"
    )
