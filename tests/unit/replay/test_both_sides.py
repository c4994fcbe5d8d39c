"""Every protocol from the golden set to the verdict, on two servers of a real, if tiny, model."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cutover.api.golden import ConfigMapKeyRef, Dataset, GoldenProtocol
from cutover.api.parity import Compare, ParityGate, Precision
from cutover.api.sides import Endpoint
from cutover.api.verdict import Verdict
from cutover.clusters.answers import Ok
from cutover.decide.asking import Asking, ReplayWanted
from cutover.decide.readings import Gap, Missing
from cutover.judge.parity import Parity, ParityRule
from cutover.judge.verdict import Judgement
from cutover.observe.memory import Memory
from cutover.observe.replaying import attend
from cutover.replay.replayer import Calm, GoldenReplayer, Replays
from cutover.replay.sources import GoldenSources
from tests.lab.modelserver import ModelServer
from tests.lab.ports import free_ports

DATASET = Dataset(config_map_key_ref=ConfigMapKeyRef(name="golden"))
COUNT = 60
LIMIT = 0.05


def chat(number: int) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": f"Question {number}?"}], "max_tokens": 12}


def prompt(number: int) -> dict[str, Any]:
    return {
        "prompt": f"The answer to question {number} is ",
        "max_tokens": 12,
        "label": f"{number}.",
    }


def vector(number: int) -> dict[str, Any]:
    return {"input": [f"text {number}", f"another {number}"]}


def row(number: int) -> list[float]:
    return [float((number * 7 + n) % 11) for n in range(4)]


def v2(number: int) -> dict[str, Any]:
    data = {"name": "x", "shape": [1, 4], "datatype": "FP64", "data": row(number)}
    return {"inputs": [data]}


def v1(number: int) -> dict[str, Any]:
    return {"instances": [row(number)]}


CASES: dict[str, tuple[GoldenProtocol, Any, Compare | None]] = {
    "chat": (GoldenProtocol.OPENAI_CHAT, chat, None),
    "chat, exactly": (GoldenProtocol.OPENAI_CHAT, chat, Compare.EXACT),
    "completions": (GoldenProtocol.OPENAI_COMPLETIONS, prompt, None),
    "scored text": (GoldenProtocol.OPENAI_COMPLETIONS, prompt, Compare.TEACHER_FORCED),
    "embeddings": (GoldenProtocol.OPENAI_EMBEDDINGS, vector, None),
    "open inference": (GoldenProtocol.OPEN_INFERENCE_V2, v2, None),
    "kserve": (GoldenProtocol.KSERVE_V1, v1, None),
}


class ConfigMap:
    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self.text = "\n".join(json.dumps(line) for line in lines)

    async def get(self, path: str) -> Ok:
        return Ok({"data": {"golden.jsonl": self.text}})


class NoSecrets:
    async def read(self, namespace: str, name: str, key: str | None) -> Mapping[str, bytes] | Gap:
        return Gap(Missing.CREDENTIALS, "none here")


@asynccontextmanager
async def servers() -> AsyncIterator[tuple[ModelServer, ModelServer]]:
    made = [
        ModelServer(0, side, port)
        for side, port in zip(("source", "target"), free_ports(2), strict=True)
    ]
    for server in made:
        await server.set({"ttft": 0.0})  # opens it
    yield made[0], made[1]
    for server in made:
        server.close()


async def replayed(case: str, *, named: str = "tiny", **target: Any) -> Judgement:
    protocol, line, how = CASES[case]
    gate = ParityGate(dataset=DATASET, protocol=protocol, compare=how)
    scoring = gate.comparison is Compare.TEACHER_FORCED
    asking = Asking(DATASET, protocol, scoring=scoring, rate=1000.0, concurrency=8, deadline=10.0)
    sources = GoldenSources(ConfigMap([line(n) for n in range(COUNT)]), NoSecrets())
    replays = Replays(sources, NoSecrets())
    replays.calm = Calm(late=60.0)
    rule = ParityRule("golden", gate.comparison, Precision.FP32, LIMIT)
    wanted = ReplayWanted("golden", "a", asking, Parity(rule), 0.5)
    memory = Memory()
    async with servers() as (left, right), asyncio.timeout(30):
        await right.set({**target, "model": named})
        near, far = (
            Endpoint(url=f"http://127.0.0.1:{one.port}", model=model)
            for one, model in ((left, "tiny"), (right, named))
        )

        def make(asked: Asking) -> GoldenReplayer:
            return GoldenReplayer(replays, "ns", near, far, asked)

        while not (seen := attend(memory, [wanted], make)["golden"]).finished:
            assert seen.problem is None, seen.problem
            await asyncio.sleep(0.01)
    assert isinstance(seen.fold, Parity)
    return seen.fold.judge(finished=True)


@pytest.mark.parametrize("case", CASES)
async def test_equal_weights_answer_alike(case: str) -> None:
    judgement = await replayed(case)
    assert judgement.verdict is Verdict.PASS, judgement
    assert judgement.message.startswith(f"golden: 0 of {COUNT} differ")


@pytest.mark.parametrize("case", CASES)
async def test_weights_that_are_a_little_off_do_not(case: str) -> None:
    judgement = await replayed(case, nudge=0.05)
    assert (judgement.verdict, judgement.reason) == (Verdict.FAIL, "AnswersDiffer"), judgement


async def test_errors_of_the_target_are_no_difference() -> None:
    judgement = await replayed("chat", error_rate=0.3, error_status=500)
    assert (judgement.verdict, judgement.reason) == (Verdict.ERROR, "TooManyUnanswered")


async def test_scored_text_tells_how_often_the_most_probable_token_is_the_same() -> None:
    same, off = await replayed("scored text"), await replayed("scored text", nudge=0.05)
    assert "the most probable token is the same at 100 % of" in same.message
    assert "the most probable token is the same at" in off.message
    assert "at 100 %" not in off.message


@pytest.mark.parametrize("case", ["chat", "completions", "scored text", "embeddings"])
async def test_another_model_name_is_told_and_is_no_failure(case: str) -> None:
    judgement = await replayed(case, named="tiny-v2")
    assert judgement.verdict is Verdict.PASS, judgement
    assert judgement.message.endswith("(the source answers as model tiny, the target as tiny-v2)")
