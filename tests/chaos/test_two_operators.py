"""Two operators, of which one believes for a while that it still leads."""

import json
import signal

import httpx
import pytest

from tests.features.rollouts.stage import Stage
from tests.lab import OPERATOR
from tests.lab.faults import Seen

pytestmark = pytest.mark.lab


def _free_lease(stage: Stage) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{stage.namespace}/leases/cutover"
    headers = {"Content-Type": "application/merge-patch+json"}
    stage.cluster.call("PATCH", path, {"spec": {"holderIdentity": ""}}, headers)


def _send_late(stage: Stage, held: Seen) -> int:
    """Deliver the request that was held, as its sender's; returns how it was answered."""
    cluster = stage.cluster
    answer = httpx.request(
        held.method,
        cluster.server + held.path,
        content=held.body,
        headers={
            "Authorization": f"Bearer {cluster.add_token(OPERATOR)}",
            "Content-Type": held.content_type,
        },
        verify=cluster.tls,
        trust_env=False,
    )
    return answer.status_code


@pytest.mark.parametrize("lease", ["freed", pytest.param("run out", marks=pytest.mark.long)])
def test_a_leader_stopped_between_its_status_write_and_its_route_write_raises_nothing_later(
    lease: str, stage: Stage
) -> None:
    with stage.lab.proxy(stage.cluster) as proxy:
        stage.send()
        old = stage.run_operator(server=proxy.url, name="old")
        stage.apply(steps=[{"weight": 50}, {"weight": 100}])
        stage.wait_weight(50)
        stage.wait("taken", lambda: stage.status["weights"].get("applied") == 50)
        rule = proxy.hang_requests(f"httproutes/{stage.route.name}", method="PATCH", count=1)
        stage.wait("the route write", lambda: rule.hits)
        old.signal(signal.SIGSTOP)
        assert stage.status["weights"]["desired"] == 100
        held = next(seen for seen in reversed(proxy.requests) if seen.method == "PATCH")
        assert b'"value": 100' in held.body or b'"value":100' in held.body, json.loads(held.body)

        stage.run_operator(name="new")
        if lease == "freed":
            _free_lease(stage)
        stage.patch({"spec": {"abort": True}})
        stage.wait_phase("RolledBack", seconds=60)
        assert stage.targets == [0, 50, 0]

        assert _send_late(stage, held) in (409, 422)
        old.signal(signal.SIGCONT)
        process = old.process
        assert process is not None
        stage.wait("the old leader ended", lambda: process.poll() is not None)
        assert process.returncode == 1
        assert stage.targets == [0, 50, 0]
        assert stage.phase == "RolledBack"
        epochs = stage.status["leaderEpoch"]
        assert epochs == 2
