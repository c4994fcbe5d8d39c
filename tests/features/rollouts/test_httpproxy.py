"""A rollout by Contour's own HTTPProxy, as the installed Role lets the operator: there, and back by an error burst."""

from typing import Any

import pytest

from tests.features.rollouts.stage import RATE, STAYING, Stage
from tests.lab import Traffic

pytestmark = pytest.mark.lab

Json = dict[str, Any]


class Proxied:
    """An HTTPProxy before the stage's two Services, with requests to it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.host = f"proxy.{stage.namespace}.example"
        self.path = (
            f"/apis/projectcontour.io/v1/namespaces/{stage.namespace}/httpproxies/chat-proxy"
        )
        slot, route = stage.slot, stage.route
        services = [
            {"name": route.source_backend, "port": slot.source.port, "weight": 1},
            {"name": route.target_backend, "port": slot.target.port, "weight": 0},
        ]
        stage.cluster.call(
            "POST",
            self.path.rpartition("/")[0],
            {
                "apiVersion": "projectcontour.io/v1",
                "kind": "HTTPProxy",
                "metadata": {"name": "chat-proxy"},
                "spec": {
                    "virtualhost": {"fqdn": self.host},
                    "routes": [
                        {"services": services, "timeoutPolicy": {"response": "infinity"}},
                        {"conditions": [{"prefix": "/other"}], "services": services[:1]},
                    ],
                },
            },
        )
        stage.traffic = stage.stack.enter_context(Traffic(stage.lab, self.host, rate=RATE))

    def read(self) -> Json:
        return self.stage.cluster.call("GET", self.path)

    @property
    def weights(self) -> list[int]:
        return [int(one["weight"]) for one in self.read()["spec"]["routes"][0]["services"]]

    @property
    def traffic(self) -> Json:
        """What a rollout says of it."""
        route = self.stage.route
        return {
            "contourHTTPProxy": {
                "name": "chat-proxy",
                "rules": [0],
                "sourceBackend": {"name": route.source_backend},
                "targetBackend": {"name": route.target_backend},
            },
            "gateway": {
                "profile": "Contour",
                "prometheus": {
                    "address": self.stage.lab.prometheus.url,
                    "matchers": {"job": "envoy"},
                },
            },
        }


async def test_there_and_back(stage: Stage) -> None:
    proxy = Proxied(stage)
    before = proxy.read()["spec"]
    stage.run_operator()
    stage.apply(traffic=proxy.traffic, analysis=STAYING)
    stage.wait("a quarter of it moved", lambda: proxy.weights == [75, 25], seconds=120)
    await stage.slot.target.set(error_rate=1.0)
    stage.wait_phase("RolledBack")
    assert proxy.read()["spec"] == before
    assert "cutover.dev/claim" not in (proxy.read()["metadata"].get("annotations") or {})
    stage.wait_source_answers()
    assert stage.targets == [0], "the HTTPRoute beside it was never touched"
