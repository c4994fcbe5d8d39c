"""The way back: both sides exchanged wherever they stand, and everything else as it was."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cutover.cli.reversing import as_yaml, exchanged, irreversible, reversed_rollout

EXAMPLES = sorted((Path(__file__).parents[3] / "manifests" / "examples").glob("*.yaml"))


def rollout(**spec: Any) -> dict[str, Any]:
    whole = {"source": {"a": 1}, "target": {"b": 2}, "traffic": {}, **spec}
    return {"metadata": {"name": "llama-chat", "namespace": "inference"}, "spec": whole}


def test_what_people_said_about_the_way_there_stays_there() -> None:
    found = rollout(attempt=3, paused=True, abort=False, approved=[{"name": "go", "attempt": 3}])
    manifest, _ = reversed_rollout(found)
    assert manifest["spec"] == {"source": {"b": 2}, "target": {"a": 1}, "traffic": {}}
    assert manifest["metadata"] == {"name": "llama-chat-back", "namespace": "inference"}
    assert found["spec"]["attempt"] == 3


def test_backends_and_matchers_change_places() -> None:
    traffic = {
        "httpRoute": {"name": "r", "sourceBackend": {"name": "a"}, "targetBackend": {"name": "b"}},
        "gateway": {"sourceMatchers": {"x": "1"}, "targetMatchers": {"x": "2"}},
    }
    turned = exchanged(traffic)
    assert turned["httpRoute"]["sourceBackend"] == {"name": "b"}
    assert turned["gateway"] == {"targetMatchers": {"x": "1"}, "sourceMatchers": {"x": "2"}}


def test_a_target_group_of_aws_is_no_side() -> None:
    alb = {"sourceBackend": {"targetGroupARN": "a"}, "targetBackend": {"serviceName": "b"}}
    assert exchanged(alb) == {
        "targetBackend": {"targetGroupARN": "a"},
        "sourceBackend": {"serviceName": "b"},
    }


def test_a_gates_results_change_places_and_its_limits_do_not() -> None:
    gates = [
        {"name": "g", "holdout": {"results": {"source": "a", "target": "b"}, "maxDelta": "1%"}}
    ]
    assert exchanged(gates)[0]["holdout"] == {
        "results": {"target": "a", "source": "b"},
        "maxDelta": "1%",
    }


def test_what_the_new_target_cannot_be_asked_is_left_out_and_said() -> None:
    manifest, notes = reversed_rollout(
        rollout(warmUp={"requests": 20}, afterCompletion={"source": "ScaleToZero"})
    )
    assert {"warmUp", "afterCompletion"} & manifest["spec"].keys() == set()
    assert [note.split()[0] for note in notes] == ["warmUp", "afterCompletion"]
    text = as_yaml(manifest, notes)
    assert text.startswith("# warmUp is left out")
    assert yaml.safe_load(text) == manifest


def test_a_warm_up_whose_endpoint_is_known_stays() -> None:
    found = rollout(source={"endpoint": {"url": "http://a"}}, warmUp={"requests": 20})
    assert reversed_rollout(found)[0]["spec"]["warmUp"] == {"requests": 20}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_there_and_back_is_where_one_was(path: Path) -> None:
    for found in yaml.safe_load_all(path.read_text()):
        if found["kind"] != "MigrationRollout":
            continue
        there, _ = reversed_rollout(found)
        back, _ = reversed_rollout(there)
        left_out = {"attempt", "paused", "abort", "approved", "warmUp", "afterCompletion"}
        before = {k: v for k, v in found["spec"].items() if k not in left_out}
        assert {k: v for k, v in back["spec"].items() if k not in left_out} == before


_keys = st.sampled_from(["source", "target", "sourceX", "targetX", "sources", "other"])
_values = st.recursive(
    st.integers(),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_keys, inner, max_size=4)),
    max_leaves=12,
)


@given(_values)
def test_exchanging_twice_changes_nothing(value: Any) -> None:
    assert exchanged(exchanged(value)) == value


@pytest.mark.parametrize(
    ("traffic", "turns"),
    [
        ({"httpRoute": {}}, True),
        ({"patch": {"source": {}, "target": {}}}, True),
        ({"patch": {"target": {}}}, False),
        ({"nginxCanary": {"name": "canary"}}, False),
        ({"httpRoute": {}, "additionalRoutes": [{"grpcRoute": {}}]}, True),
        ({"httpRoute": {}, "additionalRoutes": [{"nginxCanary": {}}]}, False),
    ],
)
def test_a_route_with_the_targets_number_alone_cannot_go_the_other_way(
    traffic: dict[str, Any], turns: bool
) -> None:
    assert (irreversible(traffic) is None) is turns


def test_a_name_that_is_too_long_is_cut() -> None:
    found = rollout()
    found["metadata"]["name"] = "a" * 253
    assert len(reversed_rollout(found)[0]["metadata"]["name"]) == 253
