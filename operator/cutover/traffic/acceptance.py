"""PURE: whether the gateways took a route of Gateway API as it is written now."""

from collections.abc import Mapping, Sequence
from typing import Any

_GROUP = "gateway.networking.k8s.io"
Key = tuple[str, str, str, str, str, int | None]


def refusal(route: Mapping[str, Any]) -> str:
    """Say why the route is not accepted; empty when every parent accepted this generation."""
    metadata, spec = route["metadata"], route.get("spec") or {}
    namespace = metadata["namespace"]
    wanted = {_key(each, namespace): each for each in spec.get("parentRefs") or ()}
    if not wanted:
        return "the route names no gateway: add one to spec.parentRefs"
    answers: dict[Key, list[Mapping[str, Any]]] = {key: [] for key in wanted}
    for answer in (route.get("status") or {}).get("parents") or ():
        answers.get(_key(answer.get("parentRef") or {}, namespace), []).append(answer)
    for key, given in answers.items():
        name = _called(wanted[key])
        if not given:
            return f"{name} has not answered yet"
        for answer in given:
            why = _refusal_of(answer.get("conditions") or (), metadata.get("generation") or 0)
            if why:
                return f"{name} {why}"
    return ""


def _key(reference: Mapping[str, Any], namespace: str) -> Key:
    return (
        reference.get("group", _GROUP),
        reference.get("kind") or "Gateway",
        reference.get("namespace") or namespace,
        reference.get("name") or "",
        reference.get("sectionName") or "",
        reference.get("port"),
    )


def _called(reference: Mapping[str, Any]) -> str:
    section = reference.get("sectionName")
    listener = f" listener {section}" if section else ""
    return f"{reference.get('kind') or 'Gateway'} {reference.get('name')}{listener}"


def _refusal_of(conditions: Sequence[Mapping[str, Any]], generation: int) -> str:
    by_type = {condition.get("type"): condition for condition in conditions}
    for wanted in ("Accepted", "ResolvedRefs"):
        condition = by_type.get(wanted)
        if condition is None or (condition.get("observedGeneration") or 0) < generation:
            return "has not answered yet for the newest change"
        if condition.get("status") != "True":
            return f"says {wanted}={condition.get('status')}{_words(condition)}"
    partial = by_type.get("PartiallyInvalid")
    if partial is not None and partial.get("status") == "True":
        return f"took only a part of it{_words(partial)}"
    return ""


def _words(condition: Mapping[str, Any]) -> str:
    message = " ".join(str(condition.get("message") or "").split())[:300]
    reason = condition.get("reason") or ""
    return f" ({reason}: {message})" if message else f" ({reason})"
