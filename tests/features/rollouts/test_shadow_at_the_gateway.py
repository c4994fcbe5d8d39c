"""A shadow step whose copies a real Envoy counts, and an operator that dies in the middle of it."""

from typing import Any

import httpx
import pytest

from tests.features.rollouts.stage import Stage
from tests.features.rollouts.test_gateway import at_the_gateway
from tests.features.rollouts.test_shadow import claim, mirrors, rules
from tests.lab.routes import WeightLog, weights_of

pytestmark = pytest.mark.lab

ERRORS = {"name": "errors", "errorRate": {"max": "1%", "ratio": "2", "vantage": "Gateway"}}
NEVER = {"name": "never", "query": {"expr": "sum(up{$matchers}) > 1000", "max": "0"}}
"""It brings no number, so that its step lasts until the gate is taken out of the spec."""
PATIENCE = 180.0
"""Seconds: states are waited for, however busy the machine is."""
STEPS = [{"shadow": {"duration": "1s"}}, {"weight": 100}]


class MirrorLog(WeightLog):
    """What the route said of the target, one after another: filters that copy to it, and its weight."""

    def __init__(self, stage: Stage) -> None:
        route = stage.route
        self.said: list[tuple[int, int]] = []
        super().__init__(stage.cluster, route.path, route.source_backend, route.target_backend)

    def _see(self, route: dict[str, Any]) -> None:
        super()._see(route)
        filters = route["spec"]["rules"][0].get("filters", [])
        copies = sum(one["type"] == "RequestMirror" for one in filters)
        pair = (copies, weights_of(route, *self._names).target)
        if self.said[-1:] != [pair]:
            self.said.append(pair)


def sent(stage: Stage, backend: str) -> float:
    """Requests that Envoy itself says it has sent to a backend, copies included."""
    lines = httpx.get(
        f"{stage.lab.envoy_admin}/stats?filter=upstream_rq_total$", trust_env=False
    ).text.splitlines()
    names = [line.rpartition(": ") for line in lines]
    return sum(float(count) for name, _, count in names if f".{stage.namespace}_{backend}_" in name)


def shadowing(stage: Stage) -> float:
    """Begin, and wait until the gateway's counters have shown that copies arrive; return how many did."""
    stage.begin(
        traffic=at_the_gateway(stage),
        steps=STEPS,
        gates=[ERRORS, NEVER],
        analysis=stage.spec()["analysis"] | {"maxDuration": "1h"},
    )
    stage.wait("copies are proven to arrive", lambda: shown_to_copy(stage), PATIENCE)
    status = stage.status
    assert (status["phase"], status["weights"]["mirrored"]) == ("Shadowing", 100)
    assert mirrors(stage) == [1]
    copies = sent(stage, stage.route.target_backend)
    assert copies > 50
    return copies


def shown_to_copy(stage: Stage) -> bool:
    """Whether counters have shown that copies arrive."""
    weights = stage.status.get("weights") or {}
    return bool(weights.get("mirrored") and weights.get("deliveryOk"))


def test_an_operator_that_dies_while_shadowing_is_followed_by_one_that_ends_the_rollout(
    stage: Stage,
) -> None:
    before, target = rules(stage), stage.route.target_backend
    with MirrorLog(stage) as log:
        copies = shadowing(stage)
        assert stage.operator is not None
        stage.operator.kill()
        epoch = stage.status["leaderEpoch"]
        stage.wait("copies without anybody", lambda: sent(stage, target) > copies + 100, PATIENCE)
        assert '"mirror":100' in claim(stage)
        stage.free_lease()
        stage.operator.start()
        stage.wait("another leads", lambda: stage.status["leaderEpoch"] > epoch, PATIENCE)
        mine = f'"epoch":{stage.status["leaderEpoch"]}'
        stage.wait("it claims the route", lambda: mine in claim(stage), PATIENCE)
        assert '"mirror":100' in claim(stage), "whoever comes next goes on mirroring"
        stage.patch({"spec": {"gates": [ERRORS]}})
        stage.wait_phase("Completed", seconds=PATIENCE)
        assert log.said == [(0, 0), (1, 0), (0, 0), (0, 100)], "no copies beside a weight"
    assert rules(stage) == before
    assert stage.targets == [0, 100]


@pytest.mark.long
@pytest.mark.parametrize("how", ["abort", "delete"])
def test_no_copy_is_sent_any_more_after(how: str, stage: Stage) -> None:
    before, target = rules(stage), stage.route.target_backend
    with MirrorLog(stage) as log:
        shadowing(stage)
        if how == "abort":
            stage.patch({"spec": {"abort": True}})
            stage.wait_phase("RolledBack", seconds=PATIENCE)
        else:
            stage.delete()
            stage.wait_gone(PATIENCE)
        assert log.said == [(0, 0), (1, 0), (0, 0)]
    assert rules(stage) == before
    assert claim(stage) == ""

    def none_more() -> bool:
        """The source got a hundred requests, of which none was copied."""
        seen = sent(stage, target), sent(stage, stage.route.source_backend)
        more = seen[1] + 100
        stage.wait("requests", lambda: sent(stage, stage.route.source_backend) > more, PATIENCE)
        return sent(stage, target) == seen[0]

    stage.wait("no copies", none_more, PATIENCE)
