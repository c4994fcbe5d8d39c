"""The claim annotation: what is written is read again, anything else is no claim."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.decide.observation import Identity
from cutover.decide.route import Claim, GoingBack, RuleWeights
from cutover.traffic.claim import MAX_MESSAGE, MAX_TEXT, Unreadable, from_text, is_ours, to_text

WEIGHTS = st.integers(0, 1_000_000)
NAMES = st.from_regex(r"\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
CLAIM = Claim("cl", "inference", "chat", "u-1", 2, 7, (RuleWeights(0, 100, 0),))


@given(
    st.builds(
        Claim,
        cluster=NAMES,
        namespace=NAMES,
        name=NAMES,
        uid=NAMES,
        attempt=st.integers(1, 10**6),
        epoch=st.integers(0, 10**9),
        original=st.lists(
            st.builds(RuleWeights, st.integers(0, 15), WEIGHTS, WEIGHTS, WEIGHTS), max_size=16
        ).map(tuple),
        going_back=st.none()
        | st.builds(GoingBack, reason=NAMES, message=st.text(max_size=MAX_MESSAGE // 8)),
    )
)
def test_a_claim_survives_the_annotation(claim: Claim) -> None:
    text = to_text(claim)
    assert len(text) <= MAX_TEXT
    assert from_text(text) == claim
    assert to_text(claim) == text


def test_a_long_reason_is_cut_to_fit() -> None:
    told = from_text(to_text(replace(CLAIM, going_back=GoingBack("GateFailed", "x" * 4000))))
    assert isinstance(told, Claim)
    assert told.going_back == GoingBack("GateFailed", "x" * MAX_MESSAGE)


def changed(**fields: object) -> str:
    return json.dumps({**json.loads(to_text(CLAIM)), **fields})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "no JSON", id="empty"),
        pytest.param("mine", "no JSON", id="words"),
        pytest.param("[1]", "no JSON object", id="list"),
        pytest.param("{}", "no JSON object with a version", id="no-version"),
        pytest.param(changed(v=2), "version 2", id="newer"),
        pytest.param(changed(v=True), "no JSON object with a version", id="version-true"),
        pytest.param(changed(attempt="2"), "attempt", id="attempt-is-text"),
        pytest.param(changed(epoch=-1), "epoch", id="negative-epoch"),
        pytest.param(changed(uid=""), "uid", id="empty-uid"),
        pytest.param(changed(original=[{"rule": 0, "source": 1}]), "original.0.target", id="half"),
        pytest.param(
            changed(original=[{"rule": 0, "source": 1.5, "target": 0}]), "original", id="fraction"
        ),
        pytest.param(
            changed(original=[{"rule": 0, "source": 2_000_000, "target": 0}]), "original", id="huge"
        ),
        pytest.param(changed(note="x" * MAX_TEXT), "longer", id="too-long"),
        pytest.param("[" * 4000, "no JSON", id="deep"),
    ],
)
def test_anything_else_is_unreadable_and_says_why(text: str, why: str) -> None:
    read = from_text(text)
    assert isinstance(read, Unreadable)
    assert why in read.why


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    assert isinstance(from_text(text), Unreadable)


def test_a_field_added_later_does_no_harm() -> None:
    assert from_text(changed(since="2026-01-01")) == CLAIM


def test_ours_is_the_same_object_in_the_same_cluster() -> None:
    identity = Identity("cl", "inference", "chat", "u-1", 9, "1")
    assert is_ours(CLAIM, identity)
    assert not is_ours(replace(CLAIM, uid="u-2"), identity)
    assert not is_ours(replace(CLAIM, cluster="other"), identity)
    assert not is_ours(None, identity)
