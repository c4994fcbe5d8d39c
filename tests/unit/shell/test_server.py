"""What the kubelet and Prometheus are answered."""

import httpx
import pytest
from aiohttp import web

from cutover.errors import ConfigurationError
from cutover.server import Health, serving
from cutover.settings import Listen
from cutover.telemetry import Telemetry

LOOPBACK = Listen("127.0.0.1", 0)


async def get(port: int, path: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"http://127.0.0.1:{port}{path}", headers=headers)


async def test_followers_are_ready_and_starters_are_not() -> None:
    health = Health()
    async with serving(LOOPBACK, health, Telemetry()) as port:
        for state, code in (("starting", 503), ("following", 200), ("leading", 200)):
            health.state = state
            answer = await get(port, "/readyz")
            assert (answer.status_code, answer.text) == (code, f"{state}\n")
            assert (await get(port, "/healthz")).status_code == 200
        health.state = "stopping"
        assert (await get(port, "/readyz")).status_code == 503


async def test_health_says_what_is_wrong() -> None:
    health = Health()
    async with serving(LOOPBACK, health, Telemetry()) as port:
        health.problem = lambda: "no rollout was picked for 99 s"
        answer = await get(port, "/healthz")
        assert (answer.status_code, answer.text) == (503, "no rollout was picked for 99 s\n")


async def test_metrics_in_both_formats_and_fresh() -> None:
    telemetry = Telemetry()
    telemetry.before_scrape(lambda: telemetry.queued(depth=3, oldest_due=0, failing=0))
    async with serving(LOOPBACK, Health(), telemetry) as port:
        plain = await get(port, "/metrics")
        assert plain.headers["content-type"].startswith("text/plain")
        assert "cutover_queue_depth 3.0" in plain.text
        modern = await get(port, "/metrics", Accept="application/openmetrics-text")
        assert modern.headers["content-type"].startswith("application/openmetrics-text")
        assert modern.text.endswith("# EOF\n")


async def test_further_pages_can_be_added_and_others_are_not_found() -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="timeline")

    async with serving(LOOPBACK, Health(), Telemetry(), [web.get("/", page)]) as port:
        assert (await get(port, "/")).text == "timeline"
        assert (await get(port, "/nothing")).status_code == 404


async def test_a_taken_port_is_named() -> None:
    async with serving(LOOPBACK, Health(), Telemetry()) as port:
        with pytest.raises(ConfigurationError, match=r"--listen \(CUTOVER_LISTEN\): 127.0.0.1"):
            async with serving(Listen("127.0.0.1", port), Health(), Telemetry()):
                pass


async def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(ConfigurationError, match="cannot be listened on"):
        async with serving(Listen("192.0.2.1", 0), Health(), Telemetry()):
            pass


async def test_a_fault_inside_is_not_mistaken_for_a_taken_port() -> None:
    with pytest.raises(ConnectionError):
        async with serving(LOOPBACK, Health(), Telemetry()):
            raise ConnectionError("of somebody else")
