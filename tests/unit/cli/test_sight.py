"""How a rollout stands, as an exit code, and what it waits for."""

import pytest

from cutover.cli.errors import ExitCode
from cutover.cli.sight import see
from tests.unit.cli.sights import NOW, PLAN, Json, ago, condition, gate, rollout, step

STALLED = {"conditions": [condition("Stalled", "True", "Inconclusive")]}
ROLLED_BACK = {"phase": "RolledBack"}


@pytest.mark.parametrize(
    ("found", "standing"),
    [
        (rollout(), ExitCode.RUNNING),
        (rollout(STALLED), ExitCode.NEEDS_A_PERSON),
        (rollout(STALLED, generation=2), ExitCode.RUNNING),
        (rollout({"phase": "Completed"} | STALLED), ExitCode.COMPLETED),
        (rollout(ROLLED_BACK | STALLED), ExitCode.ROLLED_BACK),
        (rollout(ROLLED_BACK, generation=2), ExitCode.ROLLED_BACK),
        (rollout(ROLLED_BACK, generation=2, attempt=2), ExitCode.RUNNING),
        (rollout(ROLLED_BACK | {"attempt": 2}, attempt=2), ExitCode.ROLLED_BACK),
        (rollout({"phase": "RollingBack"}), ExitCode.RUNNING),
    ],
)
def test_how_it_stands(found: Json, standing: ExitCode) -> None:
    assert see(found).standing == standing


def test_it_waits_for_an_approval_until_that_is_given_for_this_attempt() -> None:
    waiting = {"step": step(1, "approval")}
    assert see(rollout(waiting)).waits_for == "go-live"
    assert see(rollout()).waits_for is None
    given = [{"name": "go-live", "attempt": 1}]
    assert see(rollout(waiting, approved=given)).waits_for is None
    assert see(rollout(waiting, approved=given, attempt=2)).waits_for == "go-live"


def test_only_a_pause_of_the_operators_own_needs_acknowledging() -> None:
    pause = {"cause": "Inconclusive", "since": ago(minutes=1), "message": ""}
    assert see(rollout({"pause": pause})).needs_acknowledging
    assert not see(rollout({"pause": pause | {"acknowledged": True}})).needs_acknowledging
    assert not see(rollout({"pause": pause | {"cause": "Requested"}})).needs_acknowledging
    assert not see(rollout()).needs_acknowledging


def test_silence_is_noticed_only_while_there_should_be_news() -> None:
    old = {"gates": [gate("errors", "Pass", lookedAt=ago(minutes=5))]}
    assert see(rollout(old)).silence(NOW) == "5m"
    assert see(rollout()).silence(NOW) is None
    assert see(rollout(old, paused=True)).silence(NOW) is None
    assert see(rollout(old | {"phase": "RolledBack"})).silence(NOW) is None
    rare = {"plan": PLAN | {"analysis": {"interval": "10m"}}}
    assert see(rollout(old | rare)).silence(NOW) is None


def test_a_part_of_the_status_that_is_not_understood_hides_nothing_else() -> None:
    sight = see(rollout({"phase": "Dreaming", "plan": PLAN | {"profile": "Wonder"}}))
    assert sight.unread == ("phase", "plan")
    assert sight.status.summary.phase == "Progressing"
    assert sight.standing == ExitCode.RUNNING
