"""A Deployment of the lab says the truth about its server."""

import httpx
import pytest

from tests.lab import Lab, Slot

pytestmark = pytest.mark.lab


async def test_scaling_and_crashing_are_seen(lab: Lab, slot: Slot) -> None:
    server = slot.target
    with lab.workload(lab.target, "lab-agent", "chat", server, replicas=2) as workload:
        status = workload.read()["status"]
        assert status["readyReplicas"] == 2
        assert status["observedGeneration"] == workload.read()["metadata"]["generation"]
        await server.set(refuse=True)
        workload.wait_ready(0)
        await server.reset()
        workload.wait_ready(2)
        workload.scale(0)
        workload.wait_ready(0)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/health", trust_env=False)
        workload.scale(1)
        workload.wait_ready(1)
        assert httpx.get(f"{server.url}/health", trust_env=False).status_code == 200
