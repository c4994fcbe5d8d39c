"""What is made of what preflight asked beside the looks: each is a sentence, and only what is wrong holds back."""

from typing import Any

import pytest

from cutover.api.completion import AfterCompletion, SourceAfter
from cutover.api.preflight import CheckState
from cutover.api.status import Plan
from cutover.decide.check import Check
from cutover.decide.readings import Gap, Missing
from cutover.decide.surroundings import (
    Denied,
    Ending,
    Model,
    Prompts,
    Rights,
    Surroundings,
    Thing,
    Unfit,
)
from cutover.decide.surveying import surroundings_checks
from tests.fakes.plans import planned, spec

PASSED, FAILED = CheckState.PASSED, CheckState.FAILED
WARNING, UNKNOWN = CheckState.WARNING, CheckState.UNKNOWN
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llama-chat"}
PARITY = {
    "name": "golden",
    "parity": {"dataset": {"configMapKeyRef": {"name": "golden"}}, "protocol": "OpenAIChat"},
}


def plan(models: tuple[str | None, str | None] = (None, None), **parity: Any) -> Plan:
    given = spec(gates=[{**PARITY, "parity": {**PARITY["parity"], **parity}}])  # type: ignore[dict-item]
    for side, model in zip(("source", "target"), models, strict=True):
        endpoint = {"url": f"http://{side}:8000"} | ({"model": model} if model else {})
        given[side] |= {"endpoint": endpoint, "workload": DEPLOYMENT}
    return planned(given)


def checks(found: Surroundings, of: Plan | None = None) -> dict[str, Check]:
    return {one.name: one for one in surroundings_checks(found, of or plan())}


def models(source: Model | Gap, target: Model | Gap, **named: Any) -> Check:
    found = Surroundings(models={"source": source, "target": target})
    return checks(found, plan(**named))["model"]


def test_nothing_was_asked_nothing_is_checked() -> None:
    assert not list(surroundings_checks(None, plan()))


def test_what_is_still_being_asked_is_waited_for() -> None:
    found = checks(Surroundings())
    assert all(one.state is UNKNOWN and one.holds_back for one in found.values())
    assert set(found) == {
        "permissions",
        "model",
        "prompt tokens",
        "pod references",
        "images",
        "golden sets",
    }


GONE = Gap(Missing.UNREACHABLE, "no answer")
BEST: dict[str, tuple[Surroundings, str, CheckState, str]] = {
    "all allowed": (
        Surroundings(rights=Rights(8)),
        "permissions",
        PASSED,
        "all 8 things that the run does are allowed",
    ),
    "one is not": (
        Surroundings(
            rights=Rights(
                8,
                (
                    Denied("patch routes"),
                    Denied("watch routes", "what others change is seen at the next look only"),
                ),
            )
        ),
        "permissions",
        FAILED,
        "it is not allowed to patch routes: grant it",
    ),
    "a comfort is not": (
        Surroundings(
            rights=Rights(
                8, (Denied("watch routes", "what others change is seen at the next look only"),)
            )
        ),
        "permissions",
        WARNING,
        "seen at the next look only",
    ),
    "nobody can be asked": (Surroundings(rights=GONE), "permissions", UNKNOWN, "no answer"),
    "same tokens": (
        Surroundings(prompts=Prompts("golden", "7", 12, 12)),
        "prompt tokens",
        PASSED,
        "both sides count 12 in golden item 7",
    ),
    "other tokens": (
        Surroundings(prompts=Prompts("golden", "7", 12, 19)),
        "prompt tokens",
        FAILED,
        "the source counts 12 tokens and the target 19",
    ),
    "tokens are not told": (
        Surroundings(prompts=Prompts("golden", "7", None, 19)),
        "prompt tokens",
        UNKNOWN,
        "do not say",
    ),
    "a Secret is missing": (
        Surroundings(
            references=(Thing("Secret a", False, "does not exist"), Thing("Secret b", None))
        ),
        "pod references",
        FAILED,
        "Secret a (does not exist): no pod could be started anew",
    ),
    "a Secret may not be seen": (
        Surroundings(references=(Thing("Secret b", None, "may not be looked at"),)),
        "pod references",
        UNKNOWN,
        "Secret b (may not be looked at)",
    ),
    "an image is missing": (
        Surroundings(images=(Thing("image r/a:1", False, "r does not have it"),)),
        "images",
        WARNING,
        "image r/a:1 (r does not have it): a node that cannot pull it either could start no pod",
    ),
    "images are there": (
        Surroundings(images=(Thing("image r/a:1", True),)),
        "images",
        PASSED,
        "names are there, asked without credentials",
    ),
    "golden sets are there": (
        Surroundings(golden={"golden": 500}),
        "golden sets",
        PASSED,
        "golden: 500 items",
    ),
    "a golden set is gone": (
        Surroundings(golden={"golden": Unfit("GoldenSetMissing", "ConfigMap x does not exist")}),
        "golden set of golden",
        FAILED,
        "ConfigMap x does not exist",
    ),
}


@pytest.mark.parametrize("case", BEST)
def test_each_answer_is_a_sentence(case: str) -> None:
    found, name, state, message = BEST[case]
    check = checks(found)[name]
    assert check.state is state
    assert message in check.message
    assert check.holds_back is (state is FAILED)


# --- the same model on both sides -----------------------------------------------------------------


def test_the_same_model_and_context() -> None:
    found = models(Model(("llama",), 8192, "0.6"), Model(("llama",), 8192, "0.7"))
    assert found.state is PASSED
    assert found.message == "both serve llama, 8,192 tokens of context, server versions 0.6 and 0.7"


def test_a_target_that_serves_under_another_name() -> None:
    found = models(Model(("llama",)), Model(("llama-v2",)))
    assert (found.state, found.reason) == (FAILED, "ModelDiffers")
    assert "the source serves llama, and the target llama-v2" in found.message


def test_two_names_that_are_both_written_down_are_only_a_warning() -> None:
    found = models(Model(("llama",)), Model(("llama-v2",)), models=("llama", "llama-v2"))
    assert (found.state, found.reason) == (WARNING, "ModelDiffers")


def test_a_side_that_does_not_serve_what_its_endpoint_names() -> None:
    found = models(Model(("llama",)), Model(("other",)), models=("llama", "llama"))
    assert (found.state, found.reason) == (FAILED, "ModelNotServed")
    assert "correct spec.target.endpoint.model" in found.message


def test_a_shorter_context_is_a_warning() -> None:
    found = models(Model(("llama",), 8192), Model(("llama",), 4096))
    assert (found.state, found.reason) == (WARNING, "ContextShorter")


def test_an_endpoint_that_cannot_be_reached_is_named() -> None:
    found = models(GONE, Model(("llama",)))
    assert found.state is WARNING
    assert found.message == "spec.source.endpoint: no answer"


def test_a_server_that_lists_no_models_is_unknown() -> None:
    found = models(Gap(Missing.NO_DATA, "lists no model"), Model(("llama",)))
    assert found.state is UNKNOWN
    assert not found.holds_back


def test_prompt_tokens_that_are_only_reported_do_not_hold_back() -> None:
    found = Surroundings(prompts=Prompts("golden", "7", 12, 19))
    assert checks(found, plan(promptTokens="Report"))["prompt tokens"].state is WARNING


# --- the source's end -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "state", "message"),
    [
        (Ending(None), PASSED, "its workload can be scaled to zero"),
        (Ending(None, ("ScaledObject chat",)), PASSED, "to zero, after ScaledObject chat"),
        (
            Ending("it belongs to InferenceService chat"),
            WARNING,
            "would keep the source: it belongs to InferenceService chat",
        ),
        (Gap(Missing.UNAUTHORISED, "may not be read"), UNKNOWN, "may not be read"),
    ],
)
def test_what_would_keep_the_source_at_the_end_is_told_before_the_first_step(
    found: Ending | Gap, state: CheckState, message: str
) -> None:
    of = plan()
    end = AfterCompletion(source=SourceAfter.SCALE_TO_ZERO)
    of = of.model_copy(update={"after_completion": end})
    check = checks(Surroundings(ending=found), of)["source's end"]
    assert check.state is state
    assert message in check.message
    assert not check.holds_back
    assert "source's end" not in checks(Surroundings(ending=found))
