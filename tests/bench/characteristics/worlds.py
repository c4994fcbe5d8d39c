"""What is simulated: kinds of traffic, both sides' shares of bad requests, and what is promised of each."""

from dataclasses import dataclass

WEIGHTS = (1, 5, 10, 25, 50, 75, 100)
LOOK_SECONDS = 30
SETTLE_LOOKS = 4
MIN_LOOKS = 10
"""``minDuration``, from the end of ``settle`` on."""
MAX_LOOKS = 120 - SETTLE_LOOKS
"""``maxDuration``, ``settle`` included."""
MIN_REQUESTS = 300
LATENCY_GATES = 4
GATES = LATENCY_GATES + 1
"""The last one judges errors."""


@dataclass(frozen=True)
class Goal:
    """What must hold of the operator's rule; shares 0-1."""

    most_rolled_back: float | None = None
    """By gates."""
    least_finished: float | None = None
    most_hours: float | None = None
    """Median of the plans that finished."""
    least_caught: float | None = None


@dataclass(frozen=True)
class Wander:
    """By how much latency levels wander from look to look (standard deviation, as a part of the latency)."""

    shared: float
    """On both sides together: they serve one stream."""
    alone: float
    """On each side by itself."""


REAL, ROUGH = Wander(0.05, 0.02), Wander(0.10, 0.03)


@dataclass(frozen=True)
class World:
    """One kind of traffic and of sides. Shares are 0-1; the target's are the source's unless given."""

    name: str
    latency: float
    """Share of requests above each latency gate's edge."""
    errors: float
    wander: Wander | None = None
    """None: all steady. Else load by the time of day, Poisson arrivals, lognormal latencies at levels that wander."""
    requests: float = 1000.0
    """In a look, on both sides together; on average."""
    correlation: float = 0.0
    """Within-look correlation of errors: each look's share is drawn from a Beta, for each side by itself."""
    latency_correlation: float = 0.0
    """The same for the shares above the edges (steady traffic only)."""
    both_at_once: bool = False
    """Both sides have each look's error share in common (an upstream fault)."""
    slow_with_errors: bool = False
    """In each look as large a share as fails is slow besides, at every latency gate."""
    past_known: bool = True
    """The operator could read the source's last day, as it does by default."""
    target_latency: float | None = None
    """At the first latency gate alone."""
    target_errors: float | None = None
    goal: Goal = Goal()
    note: str = ""


IDENTICAL = Goal(most_rolled_back=0.01, least_finished=0.99, most_hours=1.1)
OVER_LIMIT = Goal(most_rolled_back=0.01)
BURSTS = Goal(most_rolled_back=0.02)
CAUGHT = Goal(least_caught=0.99)

WORLDS = (
    World("steady: slow 1 %, errors 0.1 %", 0.01, 0.001, goal=IDENTICAL),
    World("steady: slow 3 %, errors 0.3 %", 0.03, 0.003, goal=IDENTICAL),
    World("steady: slow 4.5 %, errors 0.5 %", 0.045, 0.005, goal=IDENTICAL),
    World("steady: source over the limit, slow 6 %", 0.06, 0.003, goal=OVER_LIMIT),
    World("steady: source over the limit, slow 8 %", 0.08, 0.003, goal=OVER_LIMIT),
    World("steady: source over both, slow 6 %, errors 2 %", 0.06, 0.02, goal=OVER_LIMIT),
    World("real: slow 1 %, errors 0.1 %", 0.01, 0.001, REAL, goal=IDENTICAL),
    World("real: slow 3 %, errors 0.3 %", 0.03, 0.003, REAL, goal=IDENTICAL),
    World("real: slow 4.5 %, errors 0.5 %", 0.045, 0.005, REAL, goal=IDENTICAL),
    World("real: source over the limit, slow 6 %", 0.06, 0.003, REAL, goal=OVER_LIMIT),
    World("real: source over the limit, slow 8 %", 0.08, 0.003, REAL, goal=OVER_LIMIT),
    World("rough: slow 1 %, errors 0.1 %", 0.01, 0.001, ROUGH, goal=IDENTICAL),
    World("rough: slow 3 %, errors 0.3 %", 0.03, 0.003, ROUGH, goal=IDENTICAL),
    World("rough: slow 4.5 %, errors 0.5 %", 0.045, 0.005, ROUGH, goal=IDENTICAL),
    World("bursts: errors 0.1 %", 0.01, 0.001, correlation=0.05, goal=BURSTS),
    World("bursts: errors 0.3 %", 0.01, 0.003, correlation=0.05, goal=BURSTS),
    World("bursts: errors 0.5 %", 0.01, 0.005, correlation=0.05, goal=BURSTS),
    World(
        "bursts: errors 0.1 %, past unknown",
        0.01,
        0.001,
        correlation=0.05,
        past_known=False,
        goal=BURSTS,
    ),
    World(
        "bursts: errors 0.3 %, past unknown",
        0.01,
        0.003,
        correlation=0.05,
        past_known=False,
        goal=BURSTS,
    ),
    World(
        "bursts: errors 0.5 %, past unknown",
        0.01,
        0.005,
        correlation=0.05,
        past_known=False,
        goal=BURSTS,
    ),
    World(
        "bursts: errors 0.3 %, on both sides at once",
        0.01,
        0.003,
        correlation=0.05,
        both_at_once=True,
        goal=BURSTS,
    ),
    World("bursts: slow 3 %, errors 0.1 %", 0.03, 0.001, latency_correlation=0.05, goal=BURSTS),
    World("real, bursts: slow 3 %, errors 0.3 %", 0.03, 0.003, REAL, correlation=0.05, goal=BURSTS),
    World(
        "real, bursts: both slow and failing, 3 % and 0.3 %",
        0.03,
        0.003,
        REAL,
        correlation=0.05,
        slow_with_errors=True,
    ),
    World("real, 10 requests a second: slow 3 %, errors 0.3 %", 0.03, 0.003, REAL, 300.0),
    World("real, 3 requests a second: slow 3 %, errors 0.3 %", 0.03, 0.003, REAL, 90.0),
    World("real, 3 requests a second: slow 1 %, errors 0.1 %", 0.01, 0.001, REAL, 90.0),
    World(
        "real, target worse: slow 3 → 10 %",
        0.03,
        0.003,
        REAL,
        target_latency=0.10,
        goal=CAUGHT,
    ),
    World(
        "real, target worse: errors 0.3 → 2 %",
        0.03,
        0.003,
        REAL,
        target_errors=0.02,
        goal=CAUGHT,
    ),
)


@dataclass(frozen=True)
class Change:
    """A target that is worse at one step; every other gate's share is small on both sides."""

    name: str
    weight: int
    gate: str
    """``latency`` or ``errors``."""
    source: float
    target: float
    by_look: int
    """Until which look it must be caught; 0: nothing is promised."""
    wander: Wander | None = None

    @property
    def world(self) -> World:
        if self.gate == "latency":
            return World(self.name, self.source, 0.001, self.wander, target_latency=self.target)
        return World(self.name, 0.01, self.source, self.wander, target_errors=self.target)


CHANGES = (
    Change("95/5: slow 5 → 15 %", 5, "latency", 0.05, 0.15, 10),
    Change("95/5: errors 0.1 → 5 %", 5, "errors", 0.001, 0.05, 10),
    Change("95/5: errors 1 → 5 %", 5, "errors", 0.01, 0.05, 15),
    Change("50/50: slow 5 → 10 %", 50, "latency", 0.05, 0.10, 6),
    Change("real, 95/5: slow 5 → 15 %", 5, "latency", 0.05, 0.15, 10, wander=REAL),
    Change("real, 95/5: errors 0.1 → 5 %", 5, "errors", 0.001, 0.05, 10, wander=REAL),
    Change("real, 95/5: errors 1 → 5 %", 5, "errors", 0.01, 0.05, 15, wander=REAL),
    Change("real, 50/50: slow 5 → 10 %", 50, "latency", 0.05, 0.10, 6, wander=REAL),
    Change("95/5: errors 0.1 → 0.3 %, under the limit", 5, "errors", 0.001, 0.003, 0),
    Change("50/50: errors 0.1 → 0.3 %, under the limit", 50, "errors", 0.001, 0.003, 0),
    Change("50/50: errors 0.3 → 0.6 %, under the limit", 50, "errors", 0.003, 0.006, 0),
    Change("50/50: slow 1 → 3 %, within the margin", 50, "latency", 0.01, 0.03, 0),
    Change("50/50: slow 3 → 6.5 %", 50, "latency", 0.03, 0.065, 0),
)
