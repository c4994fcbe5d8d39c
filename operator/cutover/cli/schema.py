"""What admission would say of an object: the definition's schema and its rules, without a cluster.

Nothing of the resource is known here. The schema is the one that ``cutover.crd`` generates; this is
the part of the API server that applies defaults, structure and rules. Rules that compare old with
new are left out: there is no old.
"""

import copy
import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cutover.cli.cel import CelError, escaped, holds, matches

Schema = Mapping[str, Any]

_WORD: Final = {
    "object": "a mapping of fields",
    "array": "a list",
    "string": "text (in quotes, where it looks like a number or true)",
    "integer": "a whole number (without quotes)",
    "boolean": "true or false (without quotes)",
}
_COUNTED: Final = {
    "Properties": ("entry", "entries"),
    "Items": ("entry", "entries"),
    "Length": ("character", "characters"),
}
_PYTHON: Final = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that admission would refuse."""

    path: str
    says: str


def findings(value: Any, schema: Schema, path: str = "") -> list[Finding]:
    """Return what is wrong with the value; nothing if it would be admitted."""
    return list(_check(with_defaults(value, schema), schema, path))


def with_defaults(value: Any, schema: Schema) -> Any:
    """Return the value as it would be stored: defaults filled in, nulls dropped."""
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        out = {key: each for key, each in value.items() if each is not None}
        for key, child in known.items():
            if key not in out and "default" in child:
                out[key] = copy.deepcopy(child["default"])
        return {k: with_defaults(v, known[k]) if k in known else v for k, v in out.items()}
    if isinstance(value, dict) and "additionalProperties" in schema:
        child = schema["additionalProperties"]
        return {k: with_defaults(v, child) for k, v in value.items() if v is not None}
    if isinstance(value, list) and "items" in schema:
        return [with_defaults(each, schema["items"]) for each in value]
    return value


def _check(value: Any, schema: Schema, path: str) -> Iterator[Finding]:
    kind = schema["type"]
    # True is an int in Python, and nowhere else.
    if not isinstance(value, _PYTHON[kind]) or (kind == "integer" and isinstance(value, bool)):
        yield Finding(path, f"must be {_WORD[kind]}")
        return
    found = [*_CHECKS[kind](value, schema, path)] if kind in _CHECKS else []
    broken = [*_rules(value, schema, path, unsound=bool(found))]
    # A rule's sentence tells a person what to write; a pattern beside it would only repeat it.
    yield from () if kind == "string" and broken else found
    yield from broken


def _check_object(value: dict[str, Any], schema: Schema, path: str) -> Iterator[Finding]:
    yield from _size(value, schema, path, "Properties")
    if "additionalProperties" in schema:
        for key, each in value.items():
            yield from _check(each, schema["additionalProperties"], _below(path, key))
        return
    known = schema.get("properties")
    if known is None:
        return
    for key in schema.get("required", ()):
        if key not in value:
            yield Finding(_below(path, key), "is missing, and it is required")
    for key, each in value.items():
        if key in known:
            yield from _check(each, known[key], _below(path, key))
        else:
            yield Finding(_below(path, key), _unknown(key, known))


def _unknown(key: str, known: Mapping[str, Schema]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    meant = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    return f"there is no such field: {meant}"


def _check_array(value: list[Any], schema: Schema, path: str) -> Iterator[Finding]:
    yield from _size(value, schema, path, "Items")
    for index, each in enumerate(value):
        yield from _check(each, schema["items"], f"{path}[{index}]")
    kind = schema.get("x-kubernetes-list-type")
    keys = schema.get("x-kubernetes-list-map-keys", [])
    seen: list[Any] = []
    for index, each in enumerate(value):
        identity = each
        if kind == "map":
            identity = [each.get(key) for key in keys] if isinstance(each, dict) else each
        if kind in ("set", "map") and identity in seen:
            what = f"the same {' and '.join(keys)}" if kind == "map" else "the same value"
            yield Finding(f"{path}[{index}]", f"an earlier entry has {what}")
        seen.append(identity)


def _check_string(value: str, schema: Schema, path: str) -> Iterator[Finding]:
    yield from _size(value, schema, path, "Length")
    if value not in schema.get("enum", (value,)):
        yield Finding(path, f'"{value}" is unknown: write {_either(schema["enum"])}')
    if "pattern" in schema and not matches(schema["pattern"], value):
        yield Finding(path, f'"{value}" has not the form {schema["pattern"]}')


def _check_integer(value: int, schema: Schema, path: str) -> Iterator[Finding]:
    if value < schema.get("minimum", value):
        yield Finding(path, f"must be at least {schema['minimum']}")
    if value > schema.get("maximum", value):
        yield Finding(path, f"must be at most {schema['maximum']}")


_CHECKS: Final[Mapping[str, Any]] = {
    "object": _check_object,
    "array": _check_array,
    "string": _check_string,
    "integer": _check_integer,
}


def _size(
    value: Sequence[Any] | Mapping[str, Any], schema: Schema, path: str, keyword: str
) -> Iterator[Finding]:
    one, more = _COUNTED[keyword]
    least, most = schema.get(f"min{keyword}", 0), schema.get(f"max{keyword}")
    if len(value) < least:
        yield Finding(path, f"must have at least {least} {one if least == 1 else more}")
    if most is not None and len(value) > most:
        yield Finding(path, f"must have at most {most} {one if most == 1 else more}")


def _rules(value: Any, schema: Schema, path: str, *, unsound: bool) -> Iterator[Finding]:
    """Apply the rules; one that stumbles over what is found wrong already adds nothing."""
    seen = _for_rules(value, schema)
    for rule in schema.get("x-kubernetes-validations", ()):
        if "oldSelf" in rule["rule"]:
            continue
        blamed = path + rule.get("fieldPath", "")
        try:
            if not holds(rule["rule"], seen):
                yield Finding(blamed, rule["message"])
        except CelError as error:
            if not unsound:
                yield Finding(blamed, f"{rule['message']} ({error})")


def _for_rules(value: Any, schema: Schema) -> Any:
    """Spell the fields' names as rules do."""
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        return {escaped(k): _for_rules(v, known[k]) for k, v in value.items() if k in known}
    if isinstance(value, dict) and "additionalProperties" in schema:
        return {k: _for_rules(v, schema["additionalProperties"]) for k, v in value.items()}
    if isinstance(value, list) and "items" in schema:
        return [_for_rules(each, schema["items"]) for each in value]
    if isinstance(value, str):
        return value.replace("\0", "\x01")  # the CEL runtime would take it for the text's end
    return value


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
