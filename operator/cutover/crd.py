"""The pydantic models as a CustomResourceDefinition.

``python -m cutover.crd`` prints it, with ``--chart`` as a template of the Helm chart. ``crds/`` and
the chart hold the output; a test fails when they are stale.

Kubernetes wants a *structural* schema: no ``$ref``, no unions, no null. What has no structural form
raises here instead of being dropped. The status is what the operator recorded, not what a user asks
for: there the spec's models lose their rules, bounds and defaults, so that a stricter version can
still write the status of an object that it would no longer admit.
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final, TypeAlias

import yaml

from cutover.api import (
    GROUP,
    KIND,
    PLURAL,
    SHORT_NAME,
    VERSION,
    analysis,
    capacity,
    completion,
    custom,
    expressions,
    gates,
    golden,
    guards,
    patching,
    proxies,
    routes,
    sides,
    spec,
    steps,
    traffic,
    windows,
)
from cutover.api.rollout import MigrationRollout
from cutover.api.rules import KEY as RULES

Schema: TypeAlias = dict[str, Any]

HEADER: Final = (
    "# Generated from the models in operator/cutover/api by `make generate`; do not edit.\n"
)
CHART_SWITCH: Final = ("{{- if .Values.crds.install }}\n", "{{- end }}\n")

DROPPED: Final = frozenset({"title", "$defs", "const"})
KNOWN: Final = (
    "description",
    "type",
    "format",
    "default",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    RULES,
    "items",
    "additionalProperties",
    "required",
    "properties",
)
"""Keywords that have a structural form, in the order in which they are written."""

ASKED_ONLY: Final = frozenset(
    {RULES, "required", "enum", "pattern", "minLength", "minItems", "minProperties", "minimum"}
    | {"maxLength", "maxItems", "maxProperties"}
    | {"maximum", "description", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"}
    | {"x-kubernetes-map-type"}
)
"""Keywords that bind users; not what the status records of the spec."""

WRITTEN_BY_USERS: Final = (
    analysis,
    capacity,
    completion,
    custom,
    expressions,
    gates,
    golden,
    guards,
    patching,
    proxies,
    routes,
    sides,
    spec,
    steps,
    traffic,
    windows,
)
"""The modules whose models stand in the spec."""

COLUMNS: Final = (
    ("Phase", "string", ".status.summary.phase", 0, "Phase, or Paused"),
    ("Step", "string", ".status.summary.step", 0, "Step in force, of how many"),
    (
        "Weight",
        "integer",
        ".status.summary.weight",
        0,
        "Percent of the traffic wanted on the target",
    ),
    ("Delivered", "string", ".status.summary.delivered", 0, "What request counters show"),
    ("Verdict", "string", ".status.summary.verdict", 0, "Worst verdict of the gates"),
    ("Message", "string", ".status.summary.message", 0, "What is going on, in one clause"),
    ("Age", "date", ".metadata.creationTimestamp", 0, "Time since creation"),
    ("Source", "string", ".status.summary.source", 1, "Cluster of the source"),
    ("Target", "string", ".status.summary.target", 1, "Cluster of the target"),
    ("Attempt", "integer", ".status.attempt", 1, "Which try this is"),
)


class NotStructuralError(ValueError):
    """A model says something that no structural schema can say."""


def definition(annotations: Mapping[str, str] | None = None) -> Schema:
    """Return the CustomResourceDefinition."""
    metadata: Schema = {"name": f"{PLURAL}.{GROUP}"}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": [SHORT_NAME],
                "categories": ["all"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "jsonPath": path, "description": says}
                        | ({"priority": priority} if priority else {})
                        for name, kind, path, priority, says in COLUMNS
                    ],
                    "schema": {"openAPIV3Schema": openapi_schema()},
                    "subresources": {"status": {}},
                }
            ],
        },
    }


def openapi_schema() -> Schema:
    """Return the structural schema of the whole object."""
    raw = MigrationRollout.model_json_schema()
    properties = raw["properties"]
    return _structural(
        raw
        | {
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"type": "object"},
                "spec": _inlined(properties["spec"], raw["$defs"]),
                "status": _without(
                    _inlined(properties["status"], raw["$defs"], change=_recorded), {"default"}
                ),
            },
        },
        "",
    )


def render(*, chart: bool = False) -> str:
    """Return the definition as YAML, plain or as a template of the chart."""
    if not chart:
        return HEADER + _as_yaml(definition())
    text = _as_yaml(definition({"helm.sh/resource-policy": "keep"}))
    if "{{" in text:
        raise NotStructuralError("a description holds {{, which Helm would take for a template")
    before, after = CHART_SWITCH
    return HEADER + before + text + after


def _inlined(
    schema: Schema,
    models: Mapping[str, Schema],
    *,
    change: Callable[[str, Schema], Schema] = lambda _, model: model,
    inside: tuple[str, ...] = (),
) -> Schema:
    """Put every model in the place of its reference, and take null out of what is optional."""
    out = dict(schema)
    if "anyOf" in out:
        some = [choice for choice in out.pop("anyOf") if choice != {"type": "null"}]
        if len(some) != 1:
            raise NotStructuralError(
                f"{inside[-1:]}: a union of {len(some)} has no structural form"
            )
        if out.get("default", ...) is None:
            del out["default"]
        out = _merged(some[0], out)
    if reference := out.pop("$ref", None):
        name = reference.removeprefix("#/$defs/")
        if name in inside:
            raise NotStructuralError(f"{name} contains itself, which no structural schema can say")
        model = _inlined(models[name], models, change=change, inside=(*inside, name))
        return _merged(change(name, model), out)
    return _over_children(out, lambda each: _inlined(each, models, change=change, inside=inside))


def _merged(model: Schema, field: Schema) -> Schema:
    """Add what is said about a field to what is said about its type; the field's words win."""
    both = model.get(RULES, []) + field.get(RULES, [])
    return model | field | ({RULES: both} if both else {})


def _over_children(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    out = dict(schema)
    if "properties" in out:
        out["properties"] = {name: change(each) for name, each in out["properties"].items()}
    for nested in ("items", "additionalProperties"):
        if isinstance(out.get(nested), dict):
            out[nested] = change(out[nested])
    return out


def _without(schema: Schema, keywords: AbstractSet[str]) -> Schema:
    """Drop the keywords at every depth (not the properties that are called the same)."""
    kept = {keyword: value for keyword, value in schema.items() if keyword not in keywords}
    return _over_children(kept, lambda each: _without(each, keywords))


def _recorded(name: str, model: Schema) -> Schema:
    asked = any(
        getattr(getattr(module, name, None), "__module__", None) == module.__name__
        for module in WRITTEN_BY_USERS
    )
    return _without(model, ASKED_ONLY) if asked else model


def _structural(schema: Schema, path: str, *, in_list: bool = False) -> Schema:
    """Say in Kubernetes' dialect what pydantic said in JSON Schema's."""
    out = {keyword: value for keyword, value in schema.items() if keyword not in DROPPED}
    _check(out, path, in_list=in_list)
    if "const" in schema:
        out["enum"] = [schema["const"]]
    if out["type"] == "integer":
        out["format"] = "int64"
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in out:
            out |= {bound: out[exclusive], exclusive: True}
    if "default" in out:
        out["default"] = _without_null(out["default"])
    if "description" in out:
        out["description"] = _described(out)
    if "properties" in out:
        out["properties"] = {
            name: _structural(each, f"{path}.{name}", in_list=in_list)
            for name, each in out["properties"].items()
        }
    for keyword in ("items", "additionalProperties"):
        if keyword in out:
            out[keyword] = _structural(out[keyword], f"{path}[]", in_list=True)
    return dict(sorted(out.items(), key=lambda entry: KNOWN.index(entry[0])))


def _check(schema: Schema, path: str, *, in_list: bool) -> None:
    if unknown := schema.keys() - set(KNOWN):
        raise NotStructuralError(f"{path}: {', '.join(sorted(unknown))} has no structural form")
    if "type" not in schema:
        raise NotStructuralError(f"{path}: has no type")
    if in_list and "default" in schema:
        raise NotStructuralError(f"{path}: a default inside a list is not kept on re-applying")


def _without_null(default: Any) -> Any:
    if not isinstance(default, dict):
        return default
    return {name: _without_null(value) for name, value in default.items() if value is not None}


def _described(schema: Schema) -> str:
    text = re.sub(r"(?<!\n)\n(?!\n)", " ", schema["description"]).replace("``", "")
    default = schema.get("default")
    return text if default is None or isinstance(default, dict) else f"{text} Default: {default}."


def _as_yaml(document: Schema) -> str:
    return yaml.dump(document, Dumper=_NoAliases, sort_keys=False, allow_unicode=True, width=110)


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the base class names it
        return True


def main() -> None:
    """Print the definition."""
    arguments = argparse.ArgumentParser(prog="python -m cutover.crd", description=main.__doc__)
    arguments.add_argument("--chart", action="store_true", help="as a template of the Helm chart")
    sys.stdout.write(render(chart=arguments.parse_args().chart))


if __name__ == "__main__":
    main()
