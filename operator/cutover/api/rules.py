"""Rules that the API server enforces, each with a sentence that says what to do.

They are CEL and travel in the generated CustomResourceDefinition. Where a rule sits decides what
it can lock out: the API server skips a rule whose part of the object an edit leaves alone, so a
static rule sits on the property it reads and the root has only rules that compare old with new.
A rule on ``spec`` itself steps aside for ``abort``: a rollout that a later, stricter version would
refuse can still be stopped.
"""

from dataclasses import dataclass
from typing import Final

from pydantic import ConfigDict, GetJsonSchemaHandler
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cutover.api.quantities import (
    DURATION_PATTERN,
    NUMBER_PATTERN,
    RATIO_PATTERN,
    SHARE_PATTERN,
)

KEY: Final = "x-kubernetes-validations"


@dataclass(frozen=True)
class Rule:
    """One rule; as a field's annotation or, through ``ruled_by``, of a whole model."""

    cel: str
    says: str
    at: str | None = None
    """Path of the field to blame, where it is not the one that carries the rule."""

    def as_schema(self) -> JsonDict:
        """Return the entry of ``x-kubernetes-validations``."""
        path = {"fieldPath": self.at} if self.at else {}
        return {"rule": self.cel, "message": self.says, **path}

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the rule to the annotated field's schema."""
        schema = handler(core_schema)
        schema[KEY] = [*schema.get(KEY, []), self.as_schema()]
        return schema


@dataclass(frozen=True)
class Structural:
    """Kubernetes' own keywords (``x-kubernetes-…``), as a field's annotation."""

    keywords: tuple[tuple[str, str | tuple[str, ...]], ...]

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the keywords to the annotated field's schema."""
        return handler(core_schema) | {f"x-kubernetes-{k}": v for k, v in self.keywords}


AS_SET: Final = Structural((("list-type", "set"),))
WHOLE: Final = Structural((("map-type", "atomic"),))
"""The map has one owner: a key added by a second manager would change its meaning."""


def keyed_by(*keys: str) -> Structural:
    """Entries are told apart by these fields, so that two managers may own one entry each."""
    return Structural((("list-type", "map"), ("list-map-keys", keys)))


ONE_OWNER: Final = ConfigDict(json_schema_extra={"x-kubernetes-map-type": "atomic"})
"""A model whose fields belong together, as a reference's do: managers own it whole."""


def ruled_by(*rules: Rule, one_owner: bool = False) -> ConfigDict:
    """Rules of a whole model; ``one_owner``: managers own it whole, as `ONE_OWNER` says."""
    owner: JsonDict = {"x-kubernetes-map-type": "atomic"} if one_owner else {}
    return ConfigDict(json_schema_extra={KEY: [rule.as_schema() for rule in rules], **owner})


def within(shortest: str, longest: str, *, named: str = "") -> Rule:
    """Bounds of a duration; ``named`` is how people call the longest."""
    return Rule(
        f"self.matches(r'{DURATION_PATTERN}')"
        f" && duration(self) >= duration('{shortest}') && duration(self) <= duration('{longest}')",
        f"write a duration from {shortest} to {longest}{f' ({named})' if named else ''},"
        " such as 30s, 5m or 1h30m",
    )


BELOW_ALL: Final = Rule(
    f"self.matches(r'{SHARE_PATTERN}') && !self.startsWith('100')",
    "write a share from 0% to less than 100%, such as 5% or 0.1%",
)
SOME_BELOW_ALL: Final = Rule(
    f"self.matches(r'{SHARE_PATTERN}') && !self.startsWith('100') && self.matches('[1-9]')",
    "write a share of more than 0% and less than 100%, such as 5% or 0.1%:"
    " no sample can prove a difference of nothing",
)
SOME: Final = Rule(
    f"self.matches(r'{SHARE_PATTERN}') && self.matches('[1-9]')",
    "write a share of more than 0% and at most 100%, such as 80%",
)
WHOLE_PERCENT: Final = Rule(
    "self.matches('^([1-9][0-9]?|100)%$')",
    "write a whole percentage from 1% to 100%, such as 10%",
)
TIMES: Final = Rule(
    f"self.matches(r'{RATIO_PATTERN}') && double(self) >= 1.0 && double(self) <= 100.0",
    "write how many times the source's share is allowed, a number from 1 to 100 in quotes,"
    ' such as "2" or "1.5"',
)
SOME_DISTANCE: Final = Rule(
    f"self.matches(r'{RATIO_PATTERN}') && double(self) > 0.0 && double(self) <= 100.0",
    "write how far apart the two sides may be, a number above 0 and up to 100 in quotes,"
    ' such as "0.2": no sample can prove a difference of nothing',
)


A_NUMBER: Final = Rule(
    f"self.matches(r'{NUMBER_PATTERN}')",
    'write a decimal number in quotes, such as "3", "0.5" or "-2"',
)


def exactly_one(*fields: str, says: str) -> Rule:
    """Exactly one of the fields is set."""
    return Rule(f"[{', '.join(f'has(self.{f})' for f in fields)}].exists_one(x, x)", says)
