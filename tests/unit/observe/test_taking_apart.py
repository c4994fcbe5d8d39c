"""What was read of a rollout is understood once, and kept once."""

import copy
from collections.abc import Mapping
from typing import Any

from cutover.api.status import Plan
from cutover.observe.memory import Memory
from cutover.observe.world import take_apart, take_apart_once
from cutover.wiring import KNOWN
from tests.fakes.plans import quick


def rollout(version: str, spec: Mapping[str, Any], **status: Any) -> dict[str, Any]:
    meta = {"namespace": "inference", "name": "chat", "uid": "uid", "generation": 1}
    return {
        "metadata": meta | {"resourceVersion": version},
        "spec": copy.deepcopy(dict(spec)),
        "status": status,
    }


def test_a_version_that_was_understood_is_not_read_again() -> None:
    memory = Memory()
    first = take_apart_once(rollout("1", quick()), KNOWN, memory)
    assert take_apart_once(rollout("1", quick()), KNOWN, memory) is first
    assert take_apart_once(rollout("2", quick()), KNOWN, memory) is not first


def test_a_status_that_was_written_leaves_the_plan_as_it_was_understood() -> None:
    memory = Memory()
    first = take_apart_once(rollout("1", quick()), KNOWN, memory)
    second = take_apart_once(rollout("2", quick(), phase="Preflight"), KNOWN, memory)
    assert second.draft is first.draft
    assert second.status.phase == "Preflight"


def test_another_spec_is_understood_afresh_whatever_its_generation_says() -> None:
    """Defaults that a newer definition fills in change the spec and not the generation."""
    memory = Memory()
    first = take_apart_once(rollout("1", quick()), KNOWN, memory)
    edited = quick() | {"steps": [{"weight": 10}, {"weight": 100}]}
    second = take_apart_once(rollout("2", edited), KNOWN, memory)
    assert second.draft == take_apart(rollout("2", edited), KNOWN).draft != first.draft


def test_the_plan_in_force_and_an_equal_draft_are_kept_once() -> None:
    draft = take_apart(rollout("1", quick()), KNOWN).draft
    assert isinstance(draft, Plan)
    stored = draft.model_dump(mode="json", by_alias=True, exclude_none=True)
    thing = take_apart(rollout("2", quick(), phase="Progressing", plan=stored), KNOWN)
    assert thing.status.plan is thing.draft
    other = take_apart(rollout("2", quick(), plan=stored | {"generation": 7}), KNOWN)
    assert other.status.plan is not None
    assert other.status.plan.generation == 7
