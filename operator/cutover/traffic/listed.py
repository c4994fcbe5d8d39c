"""PURE: rules that list their backends, each with a weight: where the two are, and what is wrong when they are not.

Most kinds are so: HTTPRoute, GRPCRoute, HTTPProxy, TraefikService, an ALB's forward action.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.traffic import coverage
from cutover.traffic.coverage import Named, Words
from cutover.traffic.layout import RULE_NOT_COVERED, Entry, Place, Problem, pointer

Backend = Mapping[str, Any]
"""One element of a rule's list of backends."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the object."""

    at: tuple[str | int, ...]
    """Path of its list of backends."""
    backends: Sequence[Backend]
    name: str = ""
    """As its author calls it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One side's backend as the rollout names it."""

    called: str
    """As a person would call it: ``Service llama-chat``."""
    field: str
    """Of the rollout's spec, without the path before it."""
    is_meant: Callable[[Backend], bool]
    """Whether a backend of the object is this one."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a kind spells its lists of backends."""

    field: str
    """Where the rollout's spec names the route."""
    list_name: str
    """What the list is called: ``backendRefs``."""
    identifying: tuple[str, ...]
    """The fields by which a backend is told from the others."""
    absent: int
    """What a weight that is not there means."""
    is_copy: Callable[[Backend], bool] = lambda _backend: False
    """Whether a backend only gets copies of requests (a mirror) and so has no share."""


def find_places(
    rules: Sequence[Rule],
    sides: tuple[Wanted, Wanted],
    spelling: Spelling,
    meant: Sequence[int] | None = None,
) -> tuple[tuple[Place, ...], Problem | None]:
    """Return the rules that name both backends, and the first problem; ``meant``: of these rules alone.

    The places are returned beside a problem too: a rollback has to be able to use them.
    """
    listed = f"{spelling.field}.rules"
    named = [
        Named(
            _place(index, rule, sides, spelling),
            _called(index, rule),
            "" if meant is None else listed,
        )
        for index, rule in enumerate(rules)
        if meant is None or index in meant
    ]
    beyond = [index for index in meant or () if index >= len(rules)]
    if beyond:
        return coverage.whole(named), Problem(
            RULE_NOT_COVERED,
            f"{listed} lists rule {min(beyond)}, but the route has only"
            f" {len(rules)} (counted from 0): correct the list",
        )
    return coverage.whole(named), coverage.problem(named, _words(sides, spelling))


def _words(sides: tuple[Wanted, Wanted], spelling: Spelling) -> Words:
    source, target = sides
    return Words(
        source=source.called,
        target=target.called,
        source_field=f"{spelling.field}.{source.field}",
        target_field=f"{spelling.field}.{target.field}",
        missing=f"add it to {spelling.list_name} with weight 0",
        narrower=f"list the rules meant in {spelling.field}.rules",
        closer=f"name the backend's port in {spelling.field}",
    )


def _place(index: int, rule: Rule, sides: tuple[Wanted, Wanted], spelling: Spelling) -> Place:
    sources: list[Entry] = []
    targets: list[Entry] = []
    others = 0
    for position, backend in enumerate(rule.backends):
        if spelling.is_copy(backend):
            continue
        entry = _entry((*rule.at, position), backend, spelling)
        if sides[0].is_meant(backend):
            sources.append(entry)
        elif sides[1].is_meant(backend):
            targets.append(entry)
        else:
            others += entry.weight
    return Place(index, tuple(sources), tuple(targets), others)


def _entry(at: tuple[str | int, ...], backend: Backend, spelling: Spelling) -> Entry:
    tests = [(pointer((*at, key)), backend[key]) for key in spelling.identifying if key in backend]
    weight = backend.get("weight")
    number = spelling.absent if weight is None else int(weight)
    return Entry(pointer((*at, "weight")), number, tuple(tests))


def _called(index: int, rule: Rule) -> str:
    return f"rule {index} ({rule.name})" if rule.name else f"rule {index}"
