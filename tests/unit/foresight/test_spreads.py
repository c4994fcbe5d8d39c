"""Drift gates replayed over a past: what is read, how it is dealt out, and what it comes to."""

from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
import pytest

from cutover.foresight import replay
from cutover.foresight.past import Past, Spread
from cutover.foresight.replay import End, Replayer
from cutover.foresight.spreads import deal_cells, read_spread
from cutover.foresight.trial import left_out, replay_all
from cutover.judge.distribution import Classes
from cutover.judge.histogram import Buckets
from cutover.metrics.quantities import Quantity, histogram
from tests.fakes.plans import quick
from tests.unit.foresight.test_replay import a_past, plan_of

SHARES = (0.3, 0.3, 0.2, 0.1, 0.1)
EDGES = (10.0, 20.0, 40.0, 80.0, inf)
DRIFT = {"distribution": "OutputTokens", "method": "PSI", "max": "0.2"}
ERRORS = {"name": "errors", "errorRate": {"max": "1%", "ratio": "2"}}
PLAN = plan_of(quick(gates=[ERRORS, {"name": "length", "drift": DRIFT}]))
COUNTED = [gate for gate in PLAN.gates if gate.error_rate]


def with_lengths(past: Past) -> Past:
    rng = np.random.default_rng(3)
    cells = np.array([rng.multinomial(int(total), SHARES) for total in past.requests], dtype=float)
    gates = {"errors": past.gates["errors"]}
    return replace(past, gates=gates, spreads={"length": Spread(cells, EDGES)})


PAST = with_lengths(a_past())


def test_two_parts_of_one_past_have_not_drifted_and_the_plan_finishes() -> None:
    trial = replay_all(PLAN, COUNTED, PAST, range(0, 200, 20), seed=1)
    assert {run.end for run in trial.runs} == {End.FINISHED}
    assert trial.alarms()["gate length"] == 0


def test_a_target_that_answers_at_greater_length_is_caught_by_that_gate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def longer(one: Spread, look: int, weight: int, rng: np.random.Generator) -> Any:
        source, target = deal_cells(one, look, weight, rng)
        return source, target[::-1]

    monkeypatch.setattr(replay, "deal_cells", longer)
    found = Replayer(PLAN, COUNTED, PAST).run(0, np.random.default_rng(1))
    assert (found.end, found.who, found.weight) == (End.GATE, "length", 25)


def test_looks_without_a_distribution_are_waited_for() -> None:
    cells = PAST.spreads["length"].counts.copy()
    cells[4:7] = np.nan
    holey = replace(PAST, spreads={"length": Spread(cells, EDGES)})
    assert holey.known.sum() == PAST.known.sum() - 3
    assert Replayer(PLAN, COUNTED, holey).run(0, np.random.default_rng(1)).end is End.FINISHED


def test_every_request_goes_to_one_side() -> None:
    one, rng = PAST.spreads["length"], np.random.default_rng(1)
    source, target = np.sum([deal_cells(one, look, 25, rng) for look in range(200)], axis=0)
    assert source + target == pytest.approx(one.counts[:200].sum(axis=0))
    assert target.sum() / (source + target).sum() == pytest.approx(0.25, abs=0.005)


def series(labels: dict[str, str], *values: float | None) -> dict[str, Any]:
    told = [(100.0 + 30 * at, str(one)) for at, one in enumerate(values) if one is not None]
    return {"metric": labels, "values": told}


def test_a_histogram_is_read_by_cell_whatever_the_spelling_of_its_edges() -> None:
    rows = [
        series({"le": "+Inf"}, 10.0, 20.0, None),
        series({"le": "1"}, 4.0, 5.0, None),
        series({"le": "1.0"}, 1.0, 1.0, None),
    ]
    found = read_spread(histogram("lengths", ["l"], 'a="b"'), rows, 100.0, 30.0, 3)
    assert found is not None
    assert found.edges == (1.0, inf)
    assert found.counts[:2].tolist() == [[5.0, 5.0], [6.0, 14.0]]
    assert np.isnan(found.counts[2]).all()
    assert found.told(found.counts[0]) == Buckets((1.0, inf), (5.0, 10.0))


def test_a_class_that_did_not_occur_in_a_look_is_none_there() -> None:
    rows = [series({"class": "stop"}, 7.0, 8.0), series({"class": "length"}, None, 2.0)]
    found = read_spread(Quantity("reasons", "q", (), "q"), rows, 100.0, 30.0, 2)
    assert found is not None
    assert found.told(found.counts[0]) == Classes({"length": 0.0, "stop": 7.0})
    assert read_spread(Quantity("reasons", "q", (), "q"), [], 100.0, 30.0, 2) is None


def test_what_is_not_replayed_says_why() -> None:
    endpoint = {"url": "http://m:8000", "model": "llama"}
    whole = quick(
        gates=[
            ERRORS,
            {"name": "length", "drift": DRIFT},
            {"name": "queue", "query": {"expr": "q", "max": "3"}},
            {"name": "twice", "query": {"expr": "q", "max": "2", "of": "Ratio"}},
            {"name": "mean", "meanLatency": {"metric": "EndToEnd", "maxIncrease": "10%"}},
            {
                "name": "golden",
                "parity": {
                    "dataset": {"configMapKeyRef": {"name": "golden"}},
                    "protocol": "OpenAIChat",
                },
            },
        ]
    )
    for side in ("source", "target"):
        whole[side] = {**whole[side], "endpoint": endpoint}
    plan = plan_of(whole)
    told = left_out(plan, PAST)
    assert told.keys() == {"queue", "twice", "mean", "golden"}
    assert "1 by construction" in told["twice"]
    assert "a whole side" in told["queue"]
    assert "only their sum" in told["mean"]
    assert "no past" in told["golden"]
    without = left_out(plan, replace(PAST, spreads={}))
    assert "no such distribution" in without["length"]
