"""PURE: Contour's HTTPProxy: the services of its routes, and whether Contour took it.

Two traps: a route whose weights are all 0 or absent is even traffic, and a mirror is no backend.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from cutover.api.proxies import ContourHttpProxy, ServiceRef
from cutover.decide.route import RuleWeights
from cutover.traffic.conditions import condition_refusal
from cutover.traffic.layout import Found, Kind, Object, Operation, Place, Problem, weights_written
from cutover.traffic.listed import Rule, Spelling, Wanted, find_places
from cutover.traffic.mirroring import Mirroring

_NO_MIRRORS: Final = Mirroring(
    refusal="mirrors of an HTTPProxy are not written by this operator:"
    " let an HTTPRoute carry the traffic, or remove the shadow steps"
)
WEIGHTS_UNSET: Final = "WeightsUnset"

_KIND: Final = Kind("projectcontour.io", "v1", "httpproxies", "HTTPProxy", "install Contour")


@dataclass(frozen=True, slots=True)
class HttpProxyLayout:
    """``spec.routes[].services[].weight``."""

    wanted: ContourHttpProxy
    kind = _KIND
    owned = ("f:spec", "f:routes")

    @property
    def name(self) -> str:
        """Name of the HTTPProxy."""
        return self.wanted.name

    @property
    def field(self) -> str:
        """Where a spec names it."""
        return self.wanted.field

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
        spelling = Spelling(self.field, "services", ("name", "port"), absent=0, is_copy=_is_mirror)
        places, problem = find_places(rules, sides, spelling, self.wanted.rules)
        refused = condition_refusal(seen, "Valid", "Contour")
        return Found(places, problem or _even(places), refused, mirroring=_NO_MIRRORS)

    def numbers(self, place: Place, wanted: RuleWeights) -> Sequence[Operation]:
        """Write both weights."""
        return weights_written(place, wanted)


def _wanted(service: ServiceRef, field: str) -> Wanted:
    port = f" port {service.port}" if service.port is not None else ""
    return Wanted(f"Service {service.name}{port}", field, partial(_is_meant, service))


def _is_meant(service: ServiceRef, found: Mapping[str, Any]) -> bool:
    return found.get("name") == service.name and service.port in (None, found.get("port"))


def _is_mirror(found: Mapping[str, Any]) -> bool:
    return bool(found.get("mirror"))


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
