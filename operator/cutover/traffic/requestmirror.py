"""PURE: Gateway API's RequestMirror filter, which copies a rule's requests to one more backend."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from cutover.traffic.mirroring import Copying, Spot

TYPE: Final = "RequestMirror"
_REFERENCE: Final = ("group", "kind", "name", "namespace", "port")

_COPIES_ALL: Final = {"projectcontour.io/": "Contour (1.33)"}
"""Gateways, by the beginning of their controllers' names, that copy every request whatever ``percent`` says."""
_COPIES_IN_HTTP_1: Final = {"projectcontour.io/": "Contour (1.33)"}
"""Those whose copies of gRPC's calls are no HTTP/2."""

Rule = Mapping[str, Any]


class _Filters(Mapping[int, Mapping[str, Any]]):
    """Our filter, by percent; all of the requests are written without one, which the oldest versions know."""

    def __init__(self, backend: Mapping[str, Any]) -> None:
        self._backend = backend

    def __getitem__(self, percent: int) -> Mapping[str, Any]:
        mirror: dict[str, Any] = {"backendRef": dict(self._backend)}
        if percent < 100:
            mirror["percent"] = percent
        return {"type": TYPE, "requestMirror": mirror}

    def __iter__(self) -> Any:
        return iter(range(1, 101))

    def __len__(self) -> int:
        return 100


def spots(
    rules: Sequence[Rule], meant: Sequence[int], is_target: Callable[[Mapping[str, Any]], bool]
) -> tuple[Spot, ...]:
    """Say where the filters of the rules ``meant`` stand; each of them names the target among its backends."""
    return tuple(_spot(index, rules[index], is_target) for index in meant)


def _spot(index: int, rule: Rule, is_target: Callable[[Mapping[str, Any]], bool]) -> Spot:
    filters = rule.get("filters")
    backend = next(one for one in rule["backendRefs"] if is_target(one))
    found = [
        Copying(position, _percent(one["requestMirror"]))
        for position, one in enumerate(filters or ())
        if one.get("type") == TYPE and is_target(one["requestMirror"].get("backendRef") or {})
    ]
    reference = {name: backend[name] for name in _REFERENCE if name in backend}
    pointer = f"/spec/rules/{index}/filters"
    return Spot(index, pointer, filters, tuple(found), _Filters(reference))


def _percent(mirror: Mapping[str, Any]) -> int:
    percent, fraction = mirror.get("percent"), mirror.get("fraction")
    if percent is not None:
        return int(percent)
    if fraction is not None:
        share = float(fraction["numerator"]) / float(fraction.get("denominator") or 100)
        return round(100 * share)
    return 100


def ignores_percent(route: Mapping[str, Any]) -> str | None:
    """Name the gateway of the route that would copy all requests where some are asked for; None: none is known to."""
    return _gateway(route, _COPIES_ALL)


def cannot_copy_calls(route: Mapping[str, Any]) -> str | None:
    """Say why copies of a GRPCRoute's calls would reach no gRPC server; None: nothing is known to speak against it."""
    gateway = _gateway(route, _COPIES_IN_HTTP_1)
    if gateway is None:
        return None
    return (
        f"{gateway} sends the copies of a GRPCRoute's calls as HTTP/1.1, which gRPC servers do not answer: remove"
        " the shadow steps"
    )


def _gateway(route: Mapping[str, Any], known: Mapping[str, str]) -> str | None:
    for parent in (route.get("status") or {}).get("parents") or ():
        controller = str(parent.get("controllerName") or "")
        for prefix, gateway in known.items():
            if controller.startswith(prefix):
                return gateway
    return None
