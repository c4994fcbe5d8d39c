"""What drift gates read: over the long window of a full look alone, and nothing where nothing is compared."""

from math import inf
from typing import Any

import pytest

from cutover.api.drift import DriftClasses, DriftGate, DriftHistogram, DriftMethod
from cutover.api.gates import Gate
from cutover.api.sides import Profile
from cutover.decide.readings import Gap, Missing, SideReading
from cutover.judge.distribution import Classes
from cutover.judge.histogram import Buckets
from cutover.metrics.answers import Answer, Row, Vector
from cutover.metrics.distributions import MOST_CLASSES, asked_distributions, read_classes
from tests.unit.metrics.test_joined import (
    CUSTOM,
    FRESH,
    NOW,
    REFUSED,
    WAIT,
    FakePool,
    always,
    buckets,
    metrics,
    rows,
)


def drifting(name: str = "drift", **given: Any) -> Gate:
    return Gate(name=name, drift=DriftGate(method=DriftMethod.PSI, max="0.2", **given))


OUTPUT = drifting(distribution="OutputTokens")
ENDS = drifting("ends", distribution="FinishReason")
SCORE = drifting("score", buckets='sum by (le) (increase(s_bucket{job="a",$matchers}[$window]))')


def asked(*gates: Gate, profile: Profile = Profile.VLLM) -> dict[str, str]:
    return {
        one.name: one.expression for one in asked_distributions(profile, gates, 'cluster="gke"')
    }


def test_what_is_compared_has_the_prompts_read_too() -> None:
    assert list(asked(OUTPUT)) == ["OutputTokens", "PromptTokens"]
    assert list(asked(WAIT)) == ["PromptTokens"]
    assert asked() == {}
    assert asked(WAIT, profile=Profile.CUSTOM) == {}
    assert asked(OUTPUT)["OutputTokens"] == (
        'sum by (le)(increase(vllm:request_generation_tokens_bucket{cluster="gke"}[$window]))'
    )


def test_the_simulators_spelling_of_the_finish_reason_is_read_as_well() -> None:
    text = asked(ENDS)["FinishReason"]
    assert text.startswith("sum by (class)(label_replace(label_replace((increase(vllm:request_su")
    assert '"class","$1","finished_reason","(.*)"' in text
    assert '"class","$1","finish_reason","(.+)"' in text


def test_gates_name_distributions_of_their_own() -> None:
    gates = (
        drifting("a", histogram=DriftHistogram(metric="app_score")),
        drifting("b", classes=DriftClasses(metric="p_total", label="predicted")),
        SCORE,
    )
    found = asked(*gates)
    assert list(found) == ["a/drift", "b/drift", "score/drift", "PromptTokens"]
    assert 'increase(app_score_bucket{cluster="gke"}[$window])' in found["a/drift"]
    assert 'increase(p_total{cluster="gke"}[$window])' in found["b/drift"]
    assert "p_created{" in found["b/drift"]
    assert found["score/drift"] == (
        '(sum by (le) (increase(s_bucket{job="a",cluster="gke"}[$window]))\n)'
    )


HISTOGRAM = {"10": 4.0, "20.0": 6.0, "+Inf": 9.0}


def answering() -> FakePool:
    ends = [
        Row({"gate": "FinishReason", "window": "754s", "class": name}, n)
        for name, n in (("stop", 8.0), ("length", 1.0))
    ]
    return always(
        rows(("Requests", "30s", 9.0), ("Requests", "754s", 9.0), **FRESH),
        buckets("OutputTokens", "754s", HISTOGRAM),
        buckets("PromptTokens", "754s", HISTOGRAM),
        *(buckets("EndToEnd", window, HISTOGRAM) for window in ("30s", "754s")),
        ends,
    )


async def test_they_come_with_the_one_query_over_the_long_window_alone() -> None:
    pool = answering()
    reading = await metrics(pool, gates=[OUTPUT, ENDS]).look((30, 754), long=754)
    assert isinstance(reading, SideReading)
    assert len(pool.asked) == 1
    short, long = reading.windows
    assert short.distributions == {}
    assert long.distributions == {
        "OutputTokens": Buckets((10.0, 20.0, inf), (4.0, 6.0, 9.0)),
        "PromptTokens": Buckets((10.0, 20.0, inf), (4.0, 6.0, 9.0)),
        "FinishReason": Classes({"stop": 8.0, "length": 1.0}),
    }
    assert pool.asked[0].count("increase(vllm:request_generation_tokens_bucket") == 1
    assert "[754s]" in reading.queries["OutputTokens"]


async def test_a_look_of_the_guards_does_not_ask_for_them() -> None:
    pool = answering()
    reading = await metrics(pool, gates=[OUTPUT, ENDS]).look((30, 754), full=False)
    assert isinstance(reading, SideReading)
    assert "tokens" not in pool.asked[0]
    assert [one.distributions for one in reading.windows] == [{}, {}]


async def test_a_bad_expression_costs_its_own_gate_and_stays_apart_between_full_looks() -> None:
    def answer(text: str) -> Answer:
        if "s_bucket" in text:
            return REFUSED
        told = rows(("Requests", "30s", 9.0), ("Errors", "30s", 0.0), **FRESH)
        told += buckets("Wait", "30s", HISTOGRAM)
        return Vector(tuple(row for row in told if f'"{row.labels["gate"]}"' in text), NOW)

    pool = FakePool(answer)
    side = metrics(pool, custom=CUSTOM, gates=[WAIT, SCORE])
    reading = await side.look((30,), long=30)
    assert isinstance(reading, SideReading)
    found = reading.windows[0].distributions["score/drift"]
    assert isinstance(found, Gap)
    assert found.missing is Missing.INVALID_QUERY
    assert "spec.gates[score].drift.buckets" in found.message
    assert reading.windows[0].requests == 9.0
    await side.look((30,), full=False)
    pool.asked.clear()
    await side.look((30,), long=30)
    assert sorted("s_bucket" in text for text in pool.asked) == [False, True]


async def test_a_distribution_without_rows_is_missing() -> None:
    pool = always(rows(("Requests", "754s", 9.0), **FRESH))
    reading = await metrics(pool, gates=[OUTPUT, ENDS]).look((754,), long=754)
    assert isinstance(reading, SideReading)
    for found in reading.windows[0].distributions.values():
        assert isinstance(found, Gap)


@pytest.mark.parametrize("value", [float("nan"), inf])
def test_what_is_no_count_is_a_gap(value: float) -> None:
    found = read_classes("a", [Row({"class": "x"}, value)])
    assert isinstance(found, Gap)
    assert found.missing is Missing.NOT_FINITE


def test_a_negative_count_is_none_and_too_many_classes_are_no_classes() -> None:
    assert read_classes("a", [Row({"class": "x"}, -1.0)]) == Classes({"x": 0.0})
    many = [Row({"class": str(one)}, 1.0) for one in range(MOST_CLASSES + 1)]
    found = read_classes("p_total by id", many)
    assert isinstance(found, Gap)
    assert "choose a label with fewer values" in found.message
