"""Gateways: what they count of each backend. ``backend`` writes the matchers that tell one from all others."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cutover.api.routes import BackendRef
from cutover.api.traffic import GatewayProfile
from cutover.metrics import promql
from cutover.metrics.profiles.names import MILLISECONDS, Counter, Latency, Names

# fmt: off
_ENVOY_EDGES: Final = (
    .0005, .001, .005, .01, .025, .05, .1, .25, .5, 1., 2.5, 5., 10., 30., 60., 300., 600., 1800., 3600.,
)
# fmt: on
_WHOLE: Final = "Until the last byte came from the server; a stream's whole length."

ENVOY: Final = Names(
    # By code, as the failures are; born with its first answer, where "completed" stands at zero.
    requests=(
        (Counter("envoy_cluster_upstream_rq", late=True),),
        (Counter("envoy_cluster_upstream_rq_completed"),),
    ),
    errors=(Counter("envoy_cluster_upstream_rq", 'envoy_response_code=~"5.."', late=True),),
    heartbeat="envoy_cluster_upstream_rq_total",
    sent=Counter("envoy_cluster_upstream_rq_total"),
    latencies={
        "EndToEnd": Latency(
            "envoy_cluster_upstream_rq_time",
            _ENVOY_EDGES,
            f"{_WHOLE} A retry is one more.",
            unit=MILLISECONDS,
        ),
    },
    cannot=(
        "Copies of requests (mirroring) count as requests of the backend that they are sent to.",
        "Histograms come up to one flush interval (5 s) after the counters.",
    ),
)

ISTIO: Final = Names(
    # 0: the connection broke before there was any answer.
    requests=((Counter("istio_requests_total", 'reporter="source"', late=True),),),
    errors=(
        Counter("istio_requests_total", 'reporter="source",response_code=~"5..|0"', late=True),
    ),
    heartbeat="istio_build",
    latencies={
        "EndToEnd": Latency(
            "istio_request_duration_milliseconds",
            _ENVOY_EDGES,
            f"{_WHOLE} With all of its retries a request is one.",
            only='reporter="source"',
            unit=MILLISECONDS,
        ),
    },
    cannot=(
        "Counts at the caller's proxy (reporter=source), so that failed connections count.",
        "Copies of requests (mirroring) count nowhere: shadow steps are judged by the servers.",
        "destination_service_namespace is the Service's or ServiceEntry's from Istio 1.23 on.",
    ),
)

TRAEFIK: Final = Names(
    requests=((Counter("traefik_service_requests_total", late=True),),),
    errors=(Counter("traefik_service_requests_total", 'code=~"5..|0"', late=True),),
    heartbeat="traefik_config_last_reload_success",
    latencies={
        "EndToEnd": Latency(
            "traefik_service_request_duration_seconds",
            (0.1, 0.3, 1.2, 5.0),
            "Only four edges unless more are configured; a threshold moves to one of them.",
        ),
    },
    cannot=(
        "Needs metrics.prometheus.addServicesLabels (on unless switched off).",
        "Where a ServiceMonitor renames service to exported_service: set sourceMatchers, targetMatchers.",
    ),
)


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway's names, and how its series name a backend."""

    names: Names
    backends: Callable[[Sequence[BackendRef], str], str] | None
    """From a side's backends, one of each route, and the routes' namespace to PromQL matchers; None: that cannot be
    told from a route."""
    labelled: str
    """How a backend is named, in words."""


def _namespace(backend: BackendRef, namespace: str) -> str:
    return backend.namespace or namespace


def _contour(backends: Sequence[BackendRef], namespace: str) -> str:
    """Contour's AltStatName: ``<namespace>_<service>_<port>``."""
    named = {(f"{_namespace(one, namespace)}_{one.name}_", one.port): None for one in backends}
    if len(named) == 1:
        [(name, port)] = named
        if port is not None:
            return f'envoy_cluster_name="{name}{port}"'
    every = "|".join(f"{_literal(name)}{_port(port)}" for name, port in named)
    return f'envoy_cluster_name=~"{every}"'


def _istio(backends: Sequence[BackendRef], namespace: str) -> str:
    """Of one namespace: a plan whose backends are in several says itself by which labels they are told."""
    return ",".join(
        (
            _any_of("destination_service_name", [one.name for one in backends]),
            _any_of(
                "destination_service_namespace", [_namespace(one, namespace) for one in backends]
            ),
        )
    )


def _traefik(backends: Sequence[BackendRef], namespace: str) -> str:
    """``[…-]<namespace>-<service>[-http]-<port>@kubernetes…``: the spelling differs by version and provider."""
    named = {
        f"{_literal(f'{_namespace(one, namespace)}-{one.name}')}(-http)?-{_port(one.port)}": None
        for one in backends
    }
    every = next(iter(named)) if len(named) == 1 else f"({'|'.join(named)})"
    return f'service=~"(.*-)?{every}@kubernetes.*"'


def _any_of(label: str, values: Sequence[str]) -> str:
    known = list(dict.fromkeys(values))
    if len(known) == 1:
        return f'{label}="{known[0]}"'
    return f'{label}=~"{"|".join(_literal(one) for one in known)}"'


def _port(port: int | None) -> str:
    return "[0-9]+" if port is None else str(port)


def _literal(text: str) -> str:
    """Escape for a regular expression inside a PromQL string."""
    return promql.quoted(re.escape(text).replace(r"\-", "-"))[1:-1]


GATEWAYS: Final[Mapping[GatewayProfile, Gateway]] = {
    GatewayProfile.CONTOUR: Gateway(
        ENVOY, _contour, "envoy_cluster_name is namespace, service and port"
    ),
    GatewayProfile.ENVOY_GATEWAY: Gateway(
        ENVOY,
        None,
        "envoy_cluster_name is httproute/NAMESPACE/ROUTE/rule/N for all backends of a rule together,"
        " and …/backend/M for each only where every backendRef carries a filter",
    ),
    GatewayProfile.ISTIO: Gateway(
        ISTIO, _istio, "destination_service_name and destination_service_namespace"
    ),
    GatewayProfile.TRAEFIK: Gateway(TRAEFIK, _traefik, "service is namespace, service and port"),
}
