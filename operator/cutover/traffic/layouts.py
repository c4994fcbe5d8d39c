"""PURE: which layout belongs to the router that a rollout names."""

from typing import assert_never

from cutover.api.dns import DnsEndpoint
from cutover.api.istio import VirtualService
from cutover.api.routes import GrpcRoute, HttpRoute
from cutover.api.traffic import Route
from cutover.traffic.dnsendpoint import DnsEndpointLayout
from cutover.traffic.gatewayapi import gateway_layout
from cutover.traffic.layout import Layout
from cutover.traffic.virtualservice import VirtualServiceLayout


def layout_of(route: Route) -> Layout:
    """Return the layout of the one route that is named."""
    match route:
        case HttpRoute() | GrpcRoute():
            return gateway_layout(route)
        case VirtualService():
            return VirtualServiceLayout(route)
        case DnsEndpoint():
            return DnsEndpointLayout(route)
        case _ as never:
            assert_never(never)
