"""The model server speaks the protocols and counts as vLLM 0.33 does."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.lab.levers import Levers
from tests.lab.modelserver import ModelServer
from tests.lab.ports import free_ports

FIXTURE = Path(__file__).parents[1] / "fixtures" / "metrics-vllm.txt"
CHAT = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "Say hello."}]}
MUST_HAVE = {
    "vllm:time_to_first_token_seconds",
    "vllm:inter_token_latency_seconds",
    "vllm:request_time_per_output_token_seconds",
    "vllm:e2e_request_latency_seconds",
    "vllm:request_prompt_tokens",
    "vllm:request_generation_tokens",
    "vllm:request_success",
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
    "vllm:prompt_tokens",
    "vllm:generation_tokens",
    "http_requests",
    "http_request_duration_seconds",
}


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    server = ModelServer(0, "target", free_ports(1)[0])
    await server.open()
    await server.set({"ttft": 0.0})
    yield server
    server.close()
    await asyncio.sleep(0)


@pytest.fixture
async def client(server: ModelServer) -> AsyncIterator[httpx.AsyncClient]:
    url = f"http://127.0.0.1:{server.port}"
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=5) as client:
        yield client


def series(exposition: str) -> dict[str, set[tuple[tuple[str, str], ...]]]:
    """Every series' name with its label sets; `le` and all other values are text."""
    found: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            found.setdefault(sample.name, set()).add(tuple(sorted(sample.labels.items())))
    return found


def values(exposition: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    samples: list[Sample] = [
        sample for family in text_string_to_metric_families(exposition) for sample in family.samples
    ]
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}


def value(exposition: str, name: str, **labels: str) -> float:
    """The sum over the series with these labels."""
    wanted = labels.items()
    return sum(
        v for (n, own), v in values(exposition).items() if n == name and wanted <= dict(own).items()
    )


async def test_series_equal_those_of_a_real_vllm(client: httpx.AsyncClient) -> None:
    assert (await client.post(CHAT, json=HELLO)).status_code == 200
    exposed = (await client.get("/metrics")).text
    real = series(FIXTURE.read_text())
    for name, label_sets in series(exposed).items():
        assert label_sets == real[name], name
    assert {f.name for f in text_string_to_metric_families(exposed)} >= MUST_HAVE


async def test_headers_and_line_format_equal_those_of_a_real_vllm(
    client: httpx.AsyncClient,
) -> None:
    """Everything but the numbers, byte for byte."""
    await client.post(CHAT, json=HELLO)
    exposed = (await client.get("/metrics")).text
    real = {
        line if line[0] == "#" else line.rpartition(" ")[0]
        for line in FIXTURE.read_text().splitlines()
    }
    for line in exposed.splitlines():
        assert (line if line[0] == "#" else line.rpartition(" ")[0]) in real


async def test_the_same_prompt_gets_the_same_answer(client: httpx.AsyncClient) -> None:
    first = (await client.post(CHAT, json=HELLO)).json()
    again = (await client.post(CHAT, json=HELLO)).json()
    assert first["choices"] == again["choices"]
    assert first["usage"]["completion_tokens"] == len(first["choices"][0]["message"]["content"])
    assert first["choices"][0]["finish_reason"] == "stop"
    assert first["model"] == "tiny"


async def test_max_tokens_ends_an_answer(client: httpx.AsyncClient) -> None:
    body = HELLO | {"max_tokens": 2, "logprobs": True, "top_logprobs": 3}
    choice = (await client.post(CHAT, json=body)).json()["choices"][0]
    assert choice["finish_reason"] == "length"
    first, second = choice["logprobs"]["content"]
    assert first["token"] + second["token"] == choice["message"]["content"]
    assert first["top_logprobs"][0]["token"] == first["token"]
    assert len(first["top_logprobs"]) == 3


async def test_a_stream_ends_with_done_and_says_the_same(client: httpx.AsyncClient) -> None:
    whole = (await client.post(CHAT, json=HELLO)).json()["choices"][0]["message"]["content"]
    answer = await client.post(CHAT, json=HELLO | {"stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
    assert events[-1] == "[DONE]"
    pieces = [json.loads(event)["choices"][0] for event in events[:-1]]
    assert "".join(piece["delta"]["content"] for piece in pieces) == whole
    assert pieces[-1]["finish_reason"] == "stop"


async def test_completions_and_prompt_logprobs(client: httpx.AsyncClient) -> None:
    body = {"prompt": "abc", "max_tokens": 4, "logprobs": 1, "prompt_logprobs": 1}
    choice = (await client.post("/v1/completions", json=body)).json()["choices"][0]
    assert len(choice["logprobs"]["tokens"]) == len(choice["text"]) == 4
    assert choice["prompt_logprobs"][0] is None
    assert len(choice["prompt_logprobs"]) == 3


async def test_v2_infers_a_linear_model(client: httpx.AsyncClient) -> None:
    async def infer(data: list[list[float]]) -> list[float]:
        tensor = {"name": "x", "shape": [len(data), 2], "datatype": "FP64", "data": data}
        answer = await client.post("/v2/models/tiny/infer", json={"inputs": [tensor]})
        return list(answer.json()["outputs"][0]["data"])

    a, b, both = await infer([[1, 0], [0, 1], [1, 1]])
    assert both == pytest.approx(a + b)
    assert (await client.get("/v2/models/tiny/ready")).status_code == 200
    assert (await client.get("/v2/models/other/ready")).status_code == 404


async def test_wrong_answers_are_other_answers(
    server: ModelServer, client: httpx.AsyncClient
) -> None:
    right = (await client.post(CHAT, json=HELLO)).json()["choices"]
    await server.set({"wrong_answers": 1.0})
    assert (await client.post(CHAT, json=HELLO)).json()["choices"] != right


async def test_errors_are_counted_where_vllm_counts_them(
    server: ModelServer, client: httpx.AsyncClient
) -> None:
    await server.set({"error_rate": 1.0})
    assert (await client.post(CHAT, json=HELLO)).status_code == 500
    await server.set({"error_status": 503})
    assert (await client.post(CHAT, json=HELLO)).status_code == 503
    exposed = (await client.get("/metrics")).text
    assert value(exposed, "vllm:request_success_total", finished_reason="error") == 1
    assert value(exposed, "http_requests_total", status="5xx", handler=CHAT) == 2
    assert value(exposed, "vllm:time_to_first_token_seconds_count") == 0


async def test_latencies_are_measured(server: ModelServer, client: httpx.AsyncClient) -> None:
    await server.set({"ttft": 0.12, "itl": 0.03, "output_tokens": 6})
    began = asyncio.get_running_loop().time()
    answer = await client.post(CHAT, json=HELLO)
    took = asyncio.get_running_loop().time() - began
    tokens = answer.json()["usage"]["completion_tokens"]
    exposed = (await client.get("/metrics")).text
    assert 0.12 <= value(exposed, "vllm:time_to_first_token_seconds_sum") < took
    assert value(exposed, "vllm:inter_token_latency_seconds_count") == tokens - 1
    assert value(exposed, "vllm:inter_token_latency_seconds_sum") >= 0.03 * (tokens - 1)
    assert (
        0.12 + 0.03 * (tokens - 1) <= value(exposed, "vllm:e2e_request_latency_seconds_sum") < took
    )


async def test_a_share_of_requests_is_slow(server: ModelServer, client: httpx.AsyncClient) -> None:
    await server.set({"slow_fraction": 0.3, "slow_ttft": 0.06})
    await asyncio.gather(*(client.post(CHAT, json=HELLO) for _ in range(60)))
    exposed = (await client.get("/metrics")).text
    slow = 60 - value(exposed, "vllm:time_to_first_token_seconds_bucket", le="0.04")
    assert 8 <= slow <= 30


async def test_a_hanging_server_still_says_it_is_healthy(
    server: ModelServer, client: httpx.AsyncClient
) -> None:
    await server.set({"hang": True})
    with pytest.raises(httpx.ReadTimeout):
        await client.post(CHAT, json=HELLO, timeout=0.2)
    assert (await client.get("/health")).status_code == 200
    exposed = (await client.get("/metrics")).text
    assert value(exposed, "vllm:request_success_total") == 0
    await server.reset()
    assert (await client.post(CHAT, json=HELLO)).status_code == 200
    assert len(server.arrivals) == 2


async def test_a_client_that_goes_away_is_an_abort(
    server: ModelServer, client: httpx.AsyncClient
) -> None:
    await server.set({"ttft": 5.0})
    with pytest.raises(httpx.ReadTimeout):
        await client.post(CHAT, json=HELLO, timeout=0.2)
    exposed = (await client.get("/metrics")).text
    assert value(exposed, "vllm:request_success_total", finished_reason="abort") == 1
    assert value(exposed, "vllm:num_requests_running") == 0


async def test_refused_connections_come_back_on_the_same_port(
    server: ModelServer, client: httpx.AsyncClient
) -> None:
    await server.set({"refuse": True})
    with pytest.raises(httpx.ConnectError):
        await client.get("/metrics")
    await server.reset()
    assert (await client.get("/metrics")).status_code == 200


async def test_edges_labels_and_names_can_differ(
    server: ModelServer, client: httpx.AsyncClient
) -> None:
    await server.set(
        {"edges": [0.5, 2], "labels": {"zone": "b"}, "rename": {"model_name": "model"}}
    )
    await client.post(CHAT, json=HELLO)
    exposed = (await client.get("/metrics")).text
    name = "vllm:time_to_first_token_seconds_bucket"
    own = {"model": "tiny", "zone": "b", "engine": "0"}
    assert {dict(labels)["le"] for labels in series(exposed)[name]} == {"0.5", "2.0", "+Inf"}
    assert value(exposed, name, le="+Inf", **own) == 1
    await server.set({"model": "other"})
    assert value((await client.get("/metrics")).text, name, le="+Inf", model="other") == 1


async def test_a_restarted_server_counts_from_zero(
    server: ModelServer, client: httpx.AsyncClient
) -> None:
    await client.post(CHAT, json=HELLO)
    server.restart()
    await asyncio.sleep(0.05)
    assert value((await client.get("/metrics")).text, "vllm:request_success_total") == 0


def test_an_unknown_lever_is_refused() -> None:
    with pytest.raises(ValueError, match="No such lever: latency"):
        Levers().changed({"latency": 1})
