"""PURE: the mirrors of a VirtualService's http rule, which copy its requests to more destinations.

Istio takes `mirror` or `mirrors` in one rule, not both, and knows neither for tls and tcp.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from cutover.traffic.mirroring import Copying, Entry, Mirroring, Spot

_ALL: Final = 100
_IDENTIFYING: Final = ("host", "subset", "port")

Destination = Mapping[str, Any]
IsTarget = Callable[[Destination], bool]


class _Mirrors(Mapping[int, Entry]):
    """Our entry, by percent."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination

    def __getitem__(self, percent: int) -> Entry:
        return {"destination": dict(self._destination), "percentage": {"value": percent}}

    def __iter__(self) -> Iterator[int]:
        return iter(range(1, _ALL + 1))

    def __len__(self) -> int:
        return _ALL


def mirroring(
    rules: Sequence[tuple[int, str, int, Mapping[str, Any]]], is_target: IsTarget
) -> Mirroring:
    """Say where the copies of the rules meant stand: each rule's number, list, index and content."""
    spots: list[Spot] = []
    for number, kind, index, content in rules:
        if kind != "http":
            return Mirroring(
                refusal=f"rule {kind}/{index} is meant, of which Istio copies nothing: list the http rules alone in"
                " spec.traffic.virtualService.rules, or remove the shadow steps"
            )
        if content.get("mirror"):
            return Mirroring(
                refusal=f"rule {kind}/{index} has a mirror, beside which Istio takes no mirrors: write it as an entry"
                " of mirrors, or remove the shadow steps"
            )
        spots.append(_spot(number, index, content, is_target))
    return Mirroring(tuple(spots))


def _spot(number: int, index: int, rule: Mapping[str, Any], is_target: IsTarget) -> Spot:
    entries = rule.get("mirrors")
    target = next(
        one["destination"] for one in rule["route"] if is_target(one.get("destination") or {})
    )
    copies = [
        Copying(position, _percent(one))
        for position, one in enumerate(entries or ())
        if is_target(one.get("destination") or {})
    ]
    named = {key: target[key] for key in _IDENTIFYING if key in target}
    return Spot(number, f"/spec/http/{index}/mirrors", entries, tuple(copies), _Mirrors(named))


def _percent(mirror: Mapping[str, Any]) -> int:
    """Without a percentage Istio copies everything."""
    value = (mirror.get("percentage") or {}).get("value")
    return _ALL if value is None else round(float(value))
