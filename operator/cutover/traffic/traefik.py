"""PURE: Traefik's TraefikService with a weighted round robin. It has no status: nothing says that Traefik took it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from cutover.api.proxies import TraefikServiceRef, TraefikWeighted
from cutover.traffic.layout import Found, Kind, Object, weights_written
from cutover.traffic.listed import Rule, Spelling, Wanted, find_places
from cutover.traffic.mirroring import Mirroring

_KIND: Final = Kind(
    "traefik.io", "v1alpha1", "traefikservices", "TraefikService", "install Traefik"
)
_NO_MIRRORS: Final = Mirroring(
    refusal="mirroring by a TraefikService is not written by this operator:"
    " let an HTTPRoute carry the traffic, or remove the shadow steps"
)


@dataclass(frozen=True, slots=True)
class TraefikLayout:
    """``spec.weighted.services[].weight``."""

    wanted: TraefikWeighted
    kind = _KIND
    owned = ("f:spec", "f:weighted", "f:services")

    def find(self, seen: Object) -> Found:
        """Read the one list of services."""
        weighted = (seen.get("spec") or {}).get("weighted") or {}
        rule = Rule(("spec", "weighted", "services"), weighted.get("services") or ())
        namespace = seen["metadata"]["namespace"]
        sides = (
            _wanted(self.wanted.source_backend, "sourceBackend", namespace),
            _wanted(self.wanted.target_backend, "targetBackend", namespace),
        )
        spelling = Spelling(
            self.wanted.field,
            "spec.weighted.services",
            ("kind", "name", "namespace", "port"),
            absent=1,
        )
        return Found(*find_places([rule], sides, spelling), mirroring=_NO_MIRRORS)

    numbers = staticmethod(weights_written)


def _wanted(backend: TraefikServiceRef, field: str, namespace: str) -> Wanted:
    port = f" port {backend.port}" if backend.port is not None else ""
    called = f"{backend.kind or 'Service'} {backend.name}{port}"
    return Wanted(called, field, partial(_is_meant, backend, namespace))


def _is_meant(backend: TraefikServiceRef, namespace: str, found: Mapping[str, Any]) -> bool:
    return (
        found.get("name") == backend.name
        and (found.get("kind") or "Service") == (backend.kind or "Service")
        and (found.get("namespace") or namespace) == (backend.namespace or namespace)
        and (backend.port is None or str(found.get("port")) == str(backend.port))
    )
