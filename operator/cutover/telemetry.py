"""What does the operator count about itself and its rollouts? For Prometheus.

Series of rollouts are made at each scrape from what was last published: a forgotten rollout leaves
none behind.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cutover.api.status import Phase, Status
from cutover.api.verdict import Verdict

Key = tuple[str, str]

_LOOK_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_RESTORE_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
_LABELS = ("namespace", "name")
_AT_REST = (Phase.COMPLETED, Phase.ROLLED_BACK)


@dataclass(frozen=True, slots=True)
class _Published:
    """What is shown of one rollout."""

    phase: str
    pause: str
    step: tuple[int, int] | None
    weights: tuple[tuple[str, float], ...]
    gates: tuple[tuple[str, Verdict, float | None, float | None], ...]


class Telemetry:
    """The operator's own numbers. Every method is quick, never waits and never raises."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry()
        self._clock = clock
        self._rollouts = _Rollouts()
        self._looked: dict[Key, float] = {}
        self._before_scrape: list[Callable[[], None]] = []
        self.registry.register(self._rollouts)
        ProcessCollector(registry=self.registry)
        self._make_shell_series()
        self._make_work_series()

    # --- the shell ------------------------------------------------------------------------------

    def led(self, epoch: int) -> None:
        """Say that we lead from now on."""
        self._leader.set(1)
        self._epoch.set(epoch)

    def lost(self) -> None:
        """Say that we lead no more."""
        self._leader.set(0)

    def lagged(self, seconds: float) -> None:
        """The event loop came back so late to one who had asked to be woken."""
        self._lag.observe(seconds)

    def reconciled(self, outcome: str, seconds: float) -> None:
        """One run ended: done, failed, cut, overdue or stopped."""
        self._runs.labels(outcome).observe(seconds)

    def queued(self, *, depth: int, oldest_due: float, failing: int) -> None:
        """The queue as it is now."""
        self._depth.set(depth)
        self._oldest_due.set(oldest_due)
        self._failing.set(failing)

    def before_scrape(self, refresh: Callable[[], None]) -> None:
        """Call ``refresh`` in the event loop before each scrape."""
        self._before_scrape.append(refresh)

    def refresh(self) -> None:
        """Bring up to date what changes by itself."""
        for refresh in self._before_scrape:
            refresh()
        oldest = min(self._looked.values(), default=math.inf)
        self._oldest_look.set(max(0.0, self._clock() - oldest) if self._looked else 0.0)

    # --- the work -------------------------------------------------------------------------------

    def requested(self, cluster: str, verb: str, code: int | str) -> None:
        """One request to an API server was answered, or was not (code: a word)."""
        self._requests.labels(cluster, verb, str(code)).inc()

    def looked(self, key: Key, seconds: float) -> None:
        """One look at a rollout took ``seconds`` and ended now."""
        self._looked[key] = self._clock()
        self._look_seconds.observe(seconds)

    def rolled_back(self, reason: str) -> None:
        """A rollback was decided."""
        self._rollbacks.labels(reason).inc()

    def restored(self, seconds: float) -> None:
        """A rollback's weights were accepted so long after its cause was seen."""
        self._restored.observe(seconds)

    def left_behind(self, key: Key, route: str, weight: float) -> None:
        """A rollout was let go while its route still sends ``weight`` percent to the target."""
        self._left_behind.labels(*key, route).set(weight)

    def publish(self, key: Key, status: Status) -> None:
        """Show a rollout as its status has it."""
        weights = status.weights
        kinds = (
            ("desired", weights.desired),
            ("declared", weights.declared),
            ("delivered", weights.delivered),
        )
        self._rollouts.published[key] = _Published(
            phase=status.phase or "",
            pause=status.pause.cause if status.pause else "",
            step=(status.step.index + 1, status.step.total) if status.step else None,
            weights=tuple((kind, float(value)) for kind, value in kinds if value is not None),
            gates=tuple((g.name, g.verdict, g.value, g.bound) for g in status.gates),
        )
        if status.phase in _AT_REST:
            self._looked.pop(key, None)

    def forget(self, key: Key) -> None:
        """Show a rollout no more; what it left behind stays."""
        self._rollouts.published.pop(key, None)
        self._looked.pop(key, None)

    # --- the series -----------------------------------------------------------------------------

    def _make_shell_series(self) -> None:
        r = self.registry
        self._leader = Gauge("cutover_leader", "1 while this process leads", registry=r)
        self._epoch = Gauge("cutover_leader_epoch", "Epoch of this leader", registry=r)
        self._depth = Gauge("cutover_queue_depth", "Rollouts due and not looked at", registry=r)
        self._oldest_due = Gauge(
            "cutover_oldest_due_seconds", "How long the longest waiting one is due", registry=r
        )
        self._oldest_look = Gauge(
            "cutover_oldest_look_age_seconds",
            "Age of the oldest latest look among rollouts that are not finished",
            registry=r,
        )
        self._lag = Histogram(
            "cutover_loop_lag_seconds",
            "How late the event loop is; all rollouts share it",
            buckets=_LOOK_BUCKETS,
            registry=r,
        )
        self._failing = Gauge("cutover_failing_keys", "Rollouts whose last run broke", registry=r)
        self._runs = Histogram(
            "cutover_reconcile_seconds",
            "Runs by outcome: done, failed, cut, overdue, stopped",
            ("outcome",),
            buckets=_LOOK_BUCKETS,
            registry=r,
        )

    def _make_work_series(self) -> None:
        r = self.registry
        self._requests = Counter(
            "cutover_api_requests_total",
            "Requests to API servers",
            ("cluster", "verb", "code"),
            registry=r,
        )
        self._look_seconds = Histogram(
            "cutover_look_seconds", "Time of one look", buckets=_LOOK_BUCKETS, registry=r
        )
        self._restored = Histogram(
            "cutover_breach_to_restored_seconds",
            "From seeing a breach or an abort to the source's weights accepted",
            buckets=_RESTORE_BUCKETS,
            registry=r,
        )
        self._rollbacks = Counter(
            "cutover_rollbacks_total", "Rollbacks decided", ("reason",), registry=r
        )
        self._left_behind = Gauge(
            "cutover_traffic_left_behind",
            "Percent still sent to the target by a route whose deleted rollout could not restore it",
            (*_LABELS, "route"),
            registry=r,
        )


class _Rollouts(Collector):
    """The series of the published rollouts; collected in another thread, so from a copy."""

    def __init__(self) -> None:
        self.published: dict[Key, _Published] = {}

    def collect(self) -> Iterator[Metric]:
        rows = list(self.published.items())
        yield _family(
            "rollout_info",
            "1 for each rollout, by phase and cause of pause",
            ("phase", "pause"),
            ((key, (p.phase, p.pause), 1.0) for key, p in rows),
        )
        yield _family(
            "rollout_step",
            "The step in force, counted from 1",
            (),
            ((key, (), float(p.step[0])) for key, p in rows if p.step),
        )
        yield _family(
            "rollout_steps",
            "How many steps there are",
            (),
            ((key, (), float(p.step[1])) for key, p in rows if p.step),
        )
        yield _family(
            "rollout_weight",
            "Percent of the traffic on the target, by kind",
            ("kind",),
            ((key, (kind,), value) for key, p in rows for kind, value in p.weights),
        )
        yield from self._gates(rows)

    def _gates(self, rows: list[tuple[Key, _Published]]) -> Iterator[Metric]:
        gates = [(key, gate) for key, p in rows for gate in p.gates]
        yield _family(
            "gate_value",
            "What a gate measured on the target",
            ("gate",),
            ((key, (name,), value) for key, (name, _, value, _) in gates if value is not None),
        )
        yield _family(
            "gate_bound",
            "What a gate's value is held against",
            ("gate",),
            ((key, (name,), bound) for key, (name, _, _, bound) in gates if bound is not None),
        )
        yield _family(
            "gate_verdict",
            "1 for the gate's last verdict",
            ("gate", "verdict"),
            ((key, (name, verdict), 1.0) for key, (name, verdict, _, _) in gates),
        )


def _family(
    name: str,
    words: str,
    labels: tuple[str, ...],
    rows: Iterable[tuple[Key, tuple[str, ...], float]],
) -> Metric:
    family = GaugeMetricFamily(f"cutover_{name}", words, labels=(*_LABELS, *labels))
    for key, values, number in rows:
        family.add_metric((*key, *values), number)
    return family
