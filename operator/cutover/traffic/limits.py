"""PURE: how long a gateway lets an answer take where its route says nothing of it.

Only what was measured here stands here (tests/features/test_routers_traffic.py): of other gateways nothing is
claimed, which is not to say that they have no limit.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from cutover.decide.route import AnswerLimit

HTTP_PROXY: Final = AnswerLimit(
    15.0, "Envoy under Contour", "spec.routes[].timeoutPolicy.response", "infinity"
)
_HTTP_ROUTE: Final = replace(HTTP_PROXY, field="spec.rules[].timeouts.request", off="0s")
_OF_HTTP_ROUTES: Final = {"projectcontour.io/": _HTTP_ROUTE}
"""By the beginning of the controllers' names."""


def own_limit(route: Mapping[str, Any]) -> AnswerLimit | None:
    """Say what the gateways that took an HTTPRoute do without ``timeouts``; None: nothing that is known."""
    for parent in (route.get("status") or {}).get("parents") or ():
        controller = str(parent.get("controllerName") or "")
        for prefix, limit in _OF_HTTP_ROUTES.items():
            if controller.startswith(prefix):
                return limit
    return None
