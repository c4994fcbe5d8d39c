"""The source's past is asked for once, in Preflight, and nothing waits long for it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.features.rollouts.stage import FAST, Stage

pytestmark = pytest.mark.lab

RANGE = "/api/v1/query_range"
LOOK = timedelta(seconds=5)
TURNS = timedelta(seconds=20)
"""What Preflight takes besides, on a busy machine: a few turns."""


def preflight(status: dict[str, Any]) -> timedelta:
    """For how long the rollout was in Preflight."""
    entered = {one["to"]: datetime.fromisoformat(one["at"]) for one in reversed(status["history"])}
    return entered["Progressing"] - entered["Preflight"]


@pytest.mark.parametrize("fate", ["answers", "hangs", "refuses"])
def test_preflight_waits_for_the_past_one_look_at_most(stage: Stage, fate: str) -> None:
    with stage.lab.proxy(stage.lab.prometheus.url) as proxy:
        if fate == "hangs":
            proxy.hang_requests(RANGE)
        elif fate == "refuses":
            proxy.fail(RANGE, status=422, body='{"status":"error","errorType":"execution"}')
        stage.prometheus = proxy.url
        stage.send()
        stage.run_operator()
        stage.apply(analysis=FAST | {"interval": f"{LOOK.seconds}s"})
        stage.wait_phase("Progressing", seconds=60)
        asked = [one for one in proxy.requests if RANGE in one.path]
        status = stage.status
    assert preflight(status) < LOOK + TURNS
    assert len(asked) == 1
    assert [one["gate"] for one in status["sourceHistory"]] == [
        gate["name"] for gate in status["plan"]["gates"]
    ]
    words = {
        "answers": "looks with requests are too few to tell",
        "hangs": " within 5 s",
        "refuses": "refused the query",
    }[fate]
    for one in status["sourceHistory"]:
        assert "correlation" not in one
        assert words in one["message"]
