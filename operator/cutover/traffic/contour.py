"""PURE: Contour's HTTPProxy: the services of its routes, and whether Contour took it.

Two traps: a route whose weights are all 0 or absent is even traffic, and a mirror is no backend.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from cutover.api.proxies import ContourHttpProxy, ServiceRef
from cutover.traffic.conditions import condition_refusal
from cutover.traffic.layout import (
    Found,
    Kind,
    Object,
    Place,
    Problem,
    pointer,
    weights_written,
)
from cutover.traffic.limits import HTTP_PROXY
from cutover.traffic.listed import Rule, Spelling, Wanted, find_places
from cutover.traffic.mirroring import Copying, Mirroring, Spot

WEIGHTS_UNSET: Final = "WeightsUnset"
ALL: Final = 100

_KIND: Final = Kind("projectcontour.io", "v1", "httpproxies", "HTTPProxy", "install Contour")


@dataclass(frozen=True, slots=True)
class HttpProxyLayout:
    """``spec.routes[].services[].weight``."""

    wanted: ContourHttpProxy
    kind = _KIND
    owned = ("f:spec", "f:routes")

    def find(self, seen: Object) -> Found:
        """Read the routes that name both Services, and Contour's condition Valid."""
        routes = (seen.get("spec") or {}).get("routes") or ()
        rules = [
            Rule(("spec", "routes", index, "services"), route.get("services") or ())
            for index, route in enumerate(routes)
        ]
        sides = (
            _wanted(self.wanted.source_backend, "sourceBackend"),
            _wanted(self.wanted.target_backend, "targetBackend"),
        )
        spelling = Spelling(
            self.wanted.field, "services", ("name", "port"), absent=0, is_copy=_is_mirror
        )
        places, problem = find_places(rules, sides, spelling, self.wanted.rules)
        refused = condition_refusal(seen, "Valid", "Contour")
        mirroring = self._mirroring(routes, places)
        unlimited = any(
            not (routes[place.rule].get("timeoutPolicy") or {}).get("response") for place in places
        )
        limit = HTTP_PROXY if unlimited else None
        return Found(
            places, problem or _even(places), refused, mirroring=mirroring, answer_limit=limit
        )

    def _mirroring(self, routes: Sequence[Object], places: Sequence[Place]) -> Mirroring:
        """A mirror is one more service of the route; Contour takes one, with a weight in percent."""
        target = self.wanted.target_backend
        for place in places:
            services = routes[place.rule]["services"]
            if any(_is_mirror(one) and not _is_meant(target, one) for one in services):
                why = f"route {place.rule} has a mirror already, and Contour takes one alone"
                return Mirroring(refusal=f"{why}: remove it, or the shadow steps")
        return Mirroring(tuple(_spot(one.rule, routes[one.rule], target) for one in places))

    numbers = staticmethod(weights_written)


def _wanted(service: ServiceRef, field: str) -> Wanted:
    port = f" port {service.port}" if service.port is not None else ""
    return Wanted(f"Service {service.name}{port}", field, partial(_is_meant, service))


def _is_meant(service: ServiceRef, found: Mapping[str, Any]) -> bool:
    return found.get("name") == service.name and service.port in (None, found.get("port"))


def _is_mirror(found: Mapping[str, Any]) -> bool:
    return bool(found.get("mirror"))


def _spot(index: int, route: Object, target: ServiceRef) -> Spot:
    services = route["services"]
    meant = [(at, one) for at, one in enumerate(services) if _is_meant(target, one)]
    backend = next(one for _, one in meant if not _is_mirror(one))
    copies = [Copying(at, int(one.get("weight") or ALL)) for at, one in meant if _is_mirror(one)]
    named = {key: backend[key] for key in ("name", "port", "protocol") if key in backend}
    at = pointer(("spec", "routes", index, "services"))
    return Spot(index, at, services, tuple(copies), _Mirrors(named))


class _Mirrors(Mapping[int, Object]):
    """Our mirror, by percent: without a weight it copies everything."""

    def __init__(self, service: Object) -> None:
        self._service = service

    def __getitem__(self, percent: int) -> Object:
        share = {"weight": percent} if percent < ALL else {}
        return {**self._service, "mirror": True, **share}

    def __iter__(self) -> Iterator[int]:
        return iter(range(1, ALL + 1))

    def __len__(self) -> int:
        return ALL


def _even(places: Sequence[Place]) -> Problem | None:
    for place in places:
        one = place.weights
        if one.source + one.target + one.others == 0:
            return Problem(
                WEIGHTS_UNSET,
                f"every weight of route {place.rule} is 0 or absent, which Contour reads as even traffic, so"
                " that the target has its share already: give the source's service a weight, for example 100",
            )
    return None
