"""Whose field it is: what server-side apply makes of several writers.

An apply states *all* that its manager wants. What ``cutover-cli`` stated before and leaves out
now is removed, so every write carries over what it owns already.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

MANAGER: Final = "cutover-cli"
"""Not ``kubectl-…``: Flux takes over whatever a manager with that prefix stated, and then removes it."""

_FROM_GIT: Final = ("argocd", "kustomize-controller", "helm", "flux", "fleet", "config-sync")
_BY_HAND: Final = ("kubectl",)


def owned_spec(rollout: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the spec that the last apply of ours stated."""
    spec = rollout.get("spec") or {}
    for entry in (rollout.get("metadata") or {}).get("managedFields") or []:
        mine = entry.get("manager") == MANAGER and entry.get("operation") == "Apply"
        if mine and not entry.get("subresource"):
            return _owned_fields(spec, (entry.get("fieldsV1") or {}).get("f:spec") or {})
    return {}


def _owned_fields(value: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    names = {key[2:]: key for key in fields if key.startswith("f:")}
    return {name: _owned(value[name], fields[key]) for name, key in names.items() if name in value}


def _owned(value: Any, fields: Mapping[str, Any]) -> Any:
    """Cut out of ``value`` what ``fields`` (fieldsV1) name; a leaf is owned whole."""
    inner = [key for key in fields if key != "."]
    if inner and isinstance(value, Mapping):
        return _owned_fields(value, fields)
    if inner and isinstance(value, list):
        return [one for one in value if any(_is_entry(one, key) for key in inner)]
    return value


def _is_entry(one: Any, key: str) -> bool:
    """Whether a list's entry is the one that ``k:{…}`` (its keys) or ``v:…`` (itself) names."""
    named = json.loads(key[2:])
    if key.startswith("v:"):
        return bool(one == named)
    return isinstance(one, Mapping) and all(one.get(k) == v for k, v in named.items())


def refusal(causes: Sequence[Mapping[str, str]], force: str) -> str:
    """Say who owns the fields and what to do; ``force`` is the command that overrides."""
    fields = sorted({cause.get("field", "").lstrip(".") for cause in causes})
    managers = sorted({_manager(cause.get("message", "")) for cause in causes})
    owned = f"{' and '.join(fields)} {'is' if len(fields) == 1 else 'are'} owned by"
    return (
        f"{owned} {' and '.join(managers)}: {_advice(managers)}, or override it now with: {force}"
    )


def _advice(managers: Sequence[str]) -> str:
    if any(manager.startswith(_FROM_GIT) for manager in managers):
        return "change it in Git, or the next sync undoes it"
    if all(manager.startswith(_BY_HAND) for manager in managers):
        return "somebody set it with kubectl, change it there"
    return "change it there"


def _manager(message: str) -> str:
    """Take the name out of: conflict with "argocd-controller" using cutover.dev/v1alpha1."""
    quoted = message.split('"')
    return quoted[1] if len(quoted) > 2 else message
