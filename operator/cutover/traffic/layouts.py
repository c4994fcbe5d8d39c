"""Which layout belongs to the router that a rollout names; only `patch` may have to ask the API server for it."""

from typing import assert_never

from cutover.api.dns import DnsEndpoint
from cutover.api.istio import VirtualService
from cutover.api.patching import PatchRoute
from cutover.api.proxies import AlbIngress, ContourHttpProxy, NginxCanary, TraefikWeighted
from cutover.api.routes import GrpcRoute, HttpRoute
from cutover.api.traffic import Route
from cutover.clusters.answers import Failed, Ok
from cutover.clusters.connection import Connection
from cutover.decide.observation import Refusal
from cutover.traffic.contour import HttpProxyLayout
from cutover.traffic.dnsendpoint import DnsEndpointLayout
from cutover.traffic.gatewayapi import gateway_layout
from cutover.traffic.ingress import AlbLayout, NginxLayout
from cutover.traffic.layout import Kind, Layout
from cutover.traffic.patching import PatchLayout
from cutover.traffic.traefik import TraefikLayout
from cutover.traffic.virtualservice import VirtualServiceLayout


async def layout_of(route: Route, connection: Connection) -> Layout | Refusal:
    """Return the layout of the one route that is named."""
    match route:
        case HttpRoute() | GrpcRoute():
            return gateway_layout(route)
        case VirtualService():
            return VirtualServiceLayout(route)
        case DnsEndpoint():
            return DnsEndpointLayout(route)
        case ContourHttpProxy():
            return HttpProxyLayout(route)
        case TraefikWeighted():
            return TraefikLayout(route)
        case AlbIngress():
            return AlbLayout(route)
        case NginxCanary():
            return NginxLayout(route)
        case PatchRoute():
            return await _patch_layout(route, connection)
        case _ as never:
            assert_never(never)


async def _patch_layout(route: PatchRoute, connection: Connection) -> Layout | Refusal:
    """Ask for the plural where it is not given; a kind that is not served is looked for all the same.

    Its absence is found by the look, which tells a kind that is gone from a server that is starting.
    """
    group, _, version = route.api_version.rpartition("/")
    guess = Kind(group, version, route.plural or f"{route.kind.lower()}s", route.kind)
    if route.plural is not None:
        return PatchLayout(route, guess)
    answer = await connection.get(guess.root)
    match answer:
        case Ok(body):
            named = (
                str(each["name"])
                for each in body.get("resources") or ()
                if each.get("kind") == route.kind and "/" not in each.get("name", "/")
            )
            plural = next(named, guess.plural)
            return PatchLayout(route, Kind(group, version, plural, route.kind))
        case Failed() if answer.status == 404:
            return PatchLayout(route, guess)
        case Failed(reason=reason, message=message):
            return Refusal(str(reason), message)
