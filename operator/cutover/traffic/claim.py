"""PURE: the annotation by which a rollout says that it moves a route's weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cutover.decide.observation import Identity
from cutover.decide.route import Claim, GoingBack, RuleWeights

MAX_TEXT = 4096
"""Characters; sixteen rules with the largest weights, told twice, still fit."""
MAX_MESSAGE = 512
LAST_RULE = 127
"""The largest index of a rule."""

Weight = Annotated[int, Field(ge=0, le=1_000_000)]
Text = Annotated[str, Field(min_length=1, max_length=253)]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why the annotation says nothing, in a few words."""

    why: str


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class _Rule(_Strict):
    rule: Annotated[int, Field(ge=0, le=LAST_RULE)]
    source: Weight
    target: Weight
    others: Annotated[int, Field(ge=0, le=16_000_000)] = 0


class _GoingBack(_Strict):
    reason: Annotated[str, Field(min_length=1, max_length=128)]
    message: Annotated[str, Field(max_length=MAX_MESSAGE)] = ""


class _Version(_Strict):
    v: int


class _ClaimV1(_Strict):
    """Version 1. Fields may be added; what is here keeps its meaning."""

    v: Annotated[int, Field(ge=1, le=1)]
    cluster: Text
    namespace: Text
    name: Text
    uid: Text
    attempt: Annotated[int, Field(ge=1)]
    epoch: Annotated[int, Field(ge=0)]
    original: Annotated[list[_Rule], Field(max_length=128)]
    going_back: Annotated[_GoingBack | None, Field(alias="goingBack")] = None
    mirror: Annotated[int, Field(ge=1, le=100)] | None = None
    """Percent of the requests that are mirrored to the target; absent: none."""
    written: Annotated[list[_Rule], Field(max_length=128)] | None = None


def to_text(claim: Claim) -> str:
    """Write a claim as compact JSON; equal claims have equal texts."""
    back = claim.going_back
    return _ClaimV1(
        v=1,
        cluster=claim.cluster,
        namespace=claim.namespace,
        name=claim.name,
        uid=claim.uid,
        attempt=claim.attempt,
        epoch=claim.epoch,
        mirror=claim.mirror or None,
        original=_told(claim.original),
        written=_told(claim.written) or None,
        goingBack=back and _GoingBack(reason=back.reason, message=back.message[:MAX_MESSAGE]),
    ).model_dump_json(by_alias=True, exclude_none=True)


def from_text(text: str) -> Claim | Unreadable:
    """Read the annotation; anything but a whole claim of a known version is unreadable."""
    if len(text) > MAX_TEXT:
        return Unreadable(f"it is longer than {MAX_TEXT} characters")
    try:
        read = _ClaimV1.model_validate_json(text)
    except ValidationError as error:
        return Unreadable(_why(text, error))
    found = read.going_back
    back = GoingBack(found.reason, found.message) if found else None
    return Claim(
        cluster=read.cluster,
        namespace=read.namespace,
        name=read.name,
        uid=read.uid,
        attempt=read.attempt,
        epoch=read.epoch,
        original=_read(read.original),
        going_back=back,
        mirror=read.mirror or 0,
        written=_read(read.written or ()),
    )


def _told(rules: Sequence[RuleWeights]) -> list[_Rule]:
    return [
        _Rule(rule=each.rule, source=each.source, target=each.target, others=each.others)
        for each in rules
    ]


def _read(rules: Sequence[_Rule]) -> tuple[RuleWeights, ...]:
    return tuple(RuleWeights(each.rule, each.source, each.target, each.others) for each in rules)


def is_ours(claim: Claim | None, identity: Identity) -> bool:
    """Tell whether this very rollout holds the claim: same cluster, same object, whatever epoch."""
    return claim is not None and (claim.cluster, claim.uid) == (identity.cluster, identity.uid)


def _why(text: str, error: ValidationError) -> str:
    try:
        version = _Version.model_validate_json(text).v
    except ValidationError:
        return "it is no JSON object with a version"
    if version != 1:
        return f"it has version {version}, written by another version of Cutover"
    fields = sorted({".".join(str(part) for part in each["loc"]) for each in error.errors()})
    return f"{', '.join(fields)[:200]} missing or wrong"
