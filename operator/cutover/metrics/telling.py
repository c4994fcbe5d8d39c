"""Rows into a side's reading: every number, or why there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cutover.decide.readings import Gap, Missing, SideReading, WindowReading
from cutover.judge.distribution import Classes
from cutover.judge.histogram import Buckets
from cutover.judge.means import Total
from cutover.metrics import diagnosis, promql
from cutover.metrics.answers import Row
from cutover.metrics.diagnosis import Findings, Scene
from cutover.metrics.distributions import read_classes
from cutover.metrics.gauges import read_gauges
from cutover.metrics.quantities import ERRORS, REQUESTS, SENT, Quantity, events_of, seconds_of
from cutover.metrics.questions import COMMON, NEWEST, SCRAPE, UP
from cutover.metrics.readings import Answered, read_buckets, read_number


def tell(scene: Scene, seen: Answered, findings: Findings | Gap | None) -> SideReading:
    """Make the reading; ``findings`` is what was found out about missing numbers, if any are."""
    found = findings if isinstance(findings, Findings) else None
    newest = seen.vital(NEWEST) or (found.newest if found else None)
    at = seen.at or (found.at if found else None)
    scrape = seen.vital(SCRAPE)
    stale = diagnosis.stale(scene, newest, at, scrape) if newest and at else None
    asked = (*scene.questions.quantities, *scene.questions.distributions)
    teller = _Teller(scene, seen, findings, stale, {one.name: one for one in asked})
    first = seen.windows[0] if seen.windows else 0.0
    return SideReading(
        windows=tuple(teller.window(seconds) for seconds in seen.windows),
        scrape_seconds=scrape,
        newest_sample=datetime.fromtimestamp(newest, UTC) if newest else None,
        unscraped=seen.vital(UP) == 0,
        queries={
            one.name: promql.over(one.expression, first if seen.long is None else seen.long)
            for one in asked
        },
        overlaps=scene.questions.shares_everything or bool(seen.vital(COMMON)),
        gauges=read_gauges(scene.questions.gauges, seen, stale),
    )


@dataclass(frozen=True, slots=True)
class _Teller:
    scene: Scene
    seen: Answered
    findings: Findings | Gap | None
    stale: Gap | None
    asked: Mapping[str, Quantity]

    def window(self, seconds: float) -> WindowReading:
        """Read one window."""
        requests = self._number(REQUESTS, seconds)
        return WindowReading(
            seconds,
            requests,
            self._errors(seconds, requests),
            {name: self._buckets(name, seconds) for name in self.scene.asked.latencies},
            means={name: self._total(name, seconds) for name in self.scene.asked.means},
            distributions=self._distributions(seconds) if seconds == self.seen.long else {},
            sent=self._number(SENT, seconds) if self._quantity(SENT) is not None else None,
        )

    def _total(self, name: str, seconds: float) -> Total | Gap:
        """Read a sum of time and the number of its events; both or none."""
        spent = self._number(seconds_of(name), seconds)
        events = self._number(events_of(name), seconds)
        if isinstance(spent, Gap):
            return spent
        if isinstance(events, Gap):
            return events
        quantity = self._quantity(seconds_of(name))
        return Total(spent * (quantity.unit if quantity is not None else 1.0), events)

    def _distributions(self, seconds: float) -> dict[str, Buckets | Classes | Gap]:
        return {
            one.name: self._buckets(one.name, seconds)
            if one.is_histogram
            else self._classes(one.name, seconds)
            for one in self.scene.questions.distributions
        }

    def _classes(self, name: str, seconds: float) -> Classes | Gap:
        found = self._rows(name, seconds)
        return found if isinstance(found, Gap) else read_classes(found[0].what, found[1])

    def _errors(self, seconds: float, requests: float | Gap) -> float | Gap:
        """No error series where there are requests: no errors. Never more than requests."""
        counted = self._quantity(ERRORS) is not None and ERRORS not in self.seen.gaps
        if counted and not self.seen.of(ERRORS, seconds):
            return requests if isinstance(requests, Gap) else 0.0
        errors = self._number(ERRORS, seconds)
        if isinstance(requests, Gap) or isinstance(errors, Gap):
            return errors
        return min(errors, requests)

    def _number(self, name: str, seconds: float) -> float | Gap:
        found = self._rows(name, seconds)
        if isinstance(found, Gap):
            return found
        quantity, rows = found
        return read_number(quantity.what, rows)

    def _buckets(self, name: str, seconds: float) -> Buckets | Gap:
        found = self._rows(name, seconds)
        if isinstance(found, Gap):
            return found
        series = self.findings.series if isinstance(self.findings, Findings) else {}
        quantity, rows = found
        buckets = read_buckets(quantity.what, rows, series.get(name, {}))
        return buckets if isinstance(buckets, Gap) else buckets.scaled(quantity.unit)

    def _quantity(self, name: str) -> Quantity | None:
        return self.asked.get(name)

    def _rows(self, name: str, seconds: float) -> tuple[Quantity, Sequence[Row]] | Gap:
        """Return the quantity and its rows, of which there is at least one."""
        quantity = self._quantity(name)
        if quantity is None:
            return Gap(
                Missing.NO_SERIES, f"the profile {self.scene.profile} cannot tell {name}: drop it"
            )
        gap = self.seen.gaps.get(name) or self.stale
        if gap is not None:
            return gap
        rows = self.seen.of(name, seconds)
        return (quantity, rows) if rows else self._missing(quantity, seconds)

    def _missing(self, quantity: Quantity, seconds: float) -> Gap:
        if not self.seen.has(quantity.name):
            if isinstance(self.findings, Gap):
                return self.findings
            if self.findings is not None:
                none = diagnosis.no_series(self.scene, quantity.metrics, self.findings)
                if none is not None:
                    return none
        return diagnosis.no_data(self.scene, quantity.what, seconds, self.seen.vital(SCRAPE))
