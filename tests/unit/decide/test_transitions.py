"""The phases as data: nothing unreachable, nothing without a way on, and the drawing says the same."""

import pytest

from cutover.api.status import Phase
from cutover.decide.transitions import FINISHED, MOVED, START, TRANSITIONS, allowed, mermaid


def test_every_phase_is_reachable_and_only_completed_is_an_end() -> None:
    assert set(TRANSITIONS) == set(Phase)
    reached = {START}
    for _ in Phase:
        reached |= {after for before in reached for after in TRANSITIONS[before]}
    assert reached == set(Phase)
    assert [phase for phase, after in TRANSITIONS.items() if not after] == [Phase.COMPLETED]


def test_what_may_have_traffic_can_always_go_back() -> None:
    for phase in MOVED - {Phase.ROLLING_BACK}:
        assert Phase.ROLLING_BACK in TRANSITIONS[phase]
    assert TRANSITIONS[Phase.ROLLING_BACK].keys() == {Phase.ROLLED_BACK}
    assert {Phase.COMPLETED, Phase.ROLLED_BACK} == FINISHED
    assert TRANSITIONS[Phase.ROLLED_BACK].keys() == {Phase.PENDING}


@pytest.mark.parametrize("phase", list(Phase))
def test_staying_is_always_allowed_and_only_the_start_is_entered_from_nothing(phase: Phase) -> None:
    assert allowed(phase, phase)
    assert allowed(None, phase) is (phase is START)


def test_the_diagram_draws_the_table() -> None:
    drawn = mermaid().splitlines()
    assert drawn[0] == "stateDiagram-v2"
    assert "    [*] --> Pending" in drawn
    assert "    Completed --> [*]" in drawn
    arrows = [line for line in drawn if " --> " in line and "[*]" not in line]
    assert arrows == [
        f"    {before} --> {after}: {why}"
        for before, targets in TRANSITIONS.items()
        for after, why in targets.items()
    ]
    assert all(";" not in line for line in arrows), "a semicolon ends a Mermaid statement"
