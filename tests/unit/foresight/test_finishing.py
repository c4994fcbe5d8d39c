"""When a plan with windows would be done."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cutover.api.status import Plan
from cutover.decide.plan import resolve
from cutover.foresight.finishing import finished_at
from cutover.foresight.outlook import Outlook, StepOutlook
from tests.fakes.plans import GATES, METRICS, OPERATOR_VERSION, quick


def _outlook(plan: Plan, *, fits: bool = True) -> Outlook:
    """Every weight takes ten minutes."""
    steps = tuple(
        StepOutlook(
            number=number,
            description=step.description,
            weight=step.weight,
            target_rate=1.0,
            gates=(),
            median=600.0,
            nine_in_ten=600.0,
            pass_chance=1.0 if fits else 0.0,
            guards_after=None,
        )
        for number, step in enumerate(plan.steps, start=1)
        if step.weight is not None
    )
    return Outlook(
        rate=1.0, assumed={}, steps=steps, waits=0.0, approvals=(), median=0.0, nine_in_ten=0.0,
    )  # fmt: skip


STEPS: list[dict[str, Any]] = [
    {"weight": 50},
    {"pause": {"duration": "30m"}},
    {"weight": 100},
    {"soak": {"duration": "1h"}},
]
NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("begun", "done"),
    [
        (NINE, NINE + timedelta(minutes=110)),
        # Begun in the night it waits for nine o'clock; begun at half past, the second weight waits for tomorrow's.
        (NINE - timedelta(hours=4), NINE + timedelta(minutes=110)),
        (NINE + timedelta(minutes=30), NINE + timedelta(days=1, minutes=70)),
    ],
)
def test_weights_wait_for_windows_and_nothing_else_does(begun: datetime, done: datetime) -> None:
    windows = [{"schedule": "0 9 * * *", "duration": "1h", "timeZone": "UTC"}]
    plan = resolve(
        {"metadata": {"namespace": "n", "generation": 1}, "spec": quick(STEPS, windows=windows)},
        operator_version=OPERATOR_VERSION,
        default_gates=GATES,
        metrics=METRICS,
    )
    assert isinstance(plan, Plan)
    assert finished_at(plan, _outlook(plan), begun) == done
    assert finished_at(plan, _outlook(plan, fits=False), begun) is None
