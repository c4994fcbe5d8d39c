"""When to look, and how much evidence a verdict needs."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from cutover.api.quantities import Duration
from cutover.api.rules import Rule, ruled_by, within
from cutover.api.wire import Wire


class OnInconclusive(StrEnum):
    """What happens to a step that has not gathered enough evidence within ``maxDuration``."""

    PAUSE = "Pause"
    ROLL_BACK = "RollBack"


class OnOutage(StrEnum):
    """What happens while metrics cannot be read."""

    HOLD = "Hold"
    ROLL_BACK = "RollBack"


class Analysis(Wire):
    """When to look, and how much evidence a verdict needs."""

    model_config = ruled_by(
        Rule(
            "duration(self.minDuration) <= duration(self.maxDuration)",
            "minDuration must not be longer than maxDuration: lower minDuration or raise maxDuration"
            " (both have defaults: 5m and 60m)",
        ),
        Rule(
            "duration(self.settle) < duration(self.maxDuration)",
            "settle must be shorter than maxDuration, or no step ever gathers evidence:"
            " lower settle or raise maxDuration (both have defaults: 2m and 60m)",
        ),
    )

    interval: Annotated[Duration, within("1s", "10m")] = "30s"
    """Time between two looks, 1s to 10m."""
    guard_interval: Annotated[Duration, within("1s", "1m")] = "5s"
    """Time between two looks of the guards while the target has traffic, 1s to 1m."""
    settle: Annotated[Duration, within("0s", "1h")] = "2m"
    """How long gates ignore what they see after a weight change (cold caches), 0s to 1h. Guards watch through it."""
    min_duration: Annotated[Duration, within("0s", "24h")] = "5m"
    """A step never passes sooner, 0s to 24h."""
    max_duration: Annotated[Duration, within("1s", "168h", named="7 days")] = "60m"
    """A step that is still Inconclusive then does as onInconclusive says, 1s to 168h (7 days)."""
    min_requests: Annotated[int, Field(ge=50, le=1_000_000)] = 300
    """Requests on the target before a gate may pass, 50 to 1000000; a quarter of it at weight 1, half at weight 5, all from weight 10. A gate may fail from 50."""
    allow_load_mismatch: bool | None = None
    """True: compare the target with the source also where one server of the one has more than three times the load of one of the other. Omitted: such a comparison neither passes nor fails (LoadDiffers); limits and guards hold all the same."""
    on_inconclusive: OnInconclusive = OnInconclusive.PAUSE
    """What to do when maxDuration is over without a verdict: Pause for a person, or RollBack."""
    on_outage: OnOutage = OnOutage.HOLD
    """What to do while metrics cannot be read: Hold the weight for outageLimit and then pause, or RollBack then."""
    outage_limit: Annotated[Duration, within("1s", "24h")] = "15m"
    """How long metrics may be unreadable before onOutage is carried out, 1s to 24h."""
