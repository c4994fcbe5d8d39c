"""An HTTPRoute and an HTTPProxy that move together on real parts: copies first, then weights, counted by a real Envoy."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from cutover.api import CLAIM
from tests.features.rollouts.stage import Stage
from tests.features.rollouts.test_gateway import at_the_gateway
from tests.features.rollouts.test_httpproxy import Proxied
from tests.features.rollouts.test_shadow import mirrors
from tests.features.rollouts.test_shadow_at_the_gateway import (
    ERRORS,
    NEVER,
    PATIENCE,
    MirrorLog,
    shown_to_copy,
)

pytestmark = [pytest.mark.lab, pytest.mark.long]

STEPS = [{"shadow": {"duration": "1s"}}, {"weight": 50}, {"weight": 100}]


def services(proxy: Proxied) -> list[dict[str, Any]]:
    return list(proxy.read()["spec"]["routes"][0]["services"])


def copies(proxy: Proxied) -> int:
    return sum(bool(one.get("mirror")) for one in services(proxy))


def test_copies_come_and_go_on_both_and_weights_rise_on_both(stage: Stage) -> None:
    proxy = Proxied(stage)
    together = {**at_the_gateway(stage), "additionalRoutes": [_of(proxy)]}
    with MirrorLog(stage) as log:
        stage.begin(
            traffic=together,
            steps=STEPS,
            gates=[ERRORS, NEVER],
            analysis=stage.spec()["analysis"] | {"maxDuration": "1h"},
        )
        stage.wait("copies of both are proven to arrive", lambda: shown_to_copy(stage), PATIENCE)
        assert (mirrors(stage), copies(proxy)) == ([1], 1)
        stage.patch({"spec": {"gates": [ERRORS]}})
        stage.wait_phase("Completed", seconds=PATIENCE)
        assert log.said == [(0, 0), (1, 0), (0, 0), (0, 50), (0, 100)]
    assert (proxy.weights, copies(proxy)) == ([0, 100], 0)
    for read in (stage.route.read, proxy.read):
        stage.wait("its claim is released", partial(is_free, read))


def is_free(read: Callable[[], dict[str, Any]]) -> bool:
    return CLAIM not in (read()["metadata"].get("annotations") or {})


def _of(proxy: Proxied) -> dict[str, Any]:
    return {"contourHTTPProxy": proxy.traffic["contourHTTPProxy"]}
