"""Whole rollouts as golden logs, and every promise held against them at every turn."""

from pathlib import Path

import pytest

from tests.sequences.endings import SCENARIOS

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_story_is_told_as_before(name: str, pytestconfig: pytest.Config) -> None:
    told = SCENARIOS[name]().text
    path = GOLDEN / f"{name}.log"
    if pytestconfig.getoption("--update-golden", default=False):
        path.write_text(told)
    assert told == path.read_text(), "see the difference; if it is meant: --update-golden"


def test_no_story_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.log")} == set(SCENARIOS)
