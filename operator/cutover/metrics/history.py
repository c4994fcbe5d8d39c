"""One side's past as one range query: what each gate counted in each look of it.

``increase()`` over a look and one scrape more, times the look's share of that: where scrapes are even
and a look is a whole number of them, this is exactly the difference of the counters over the look.
Over the look alone it would be the difference over one scrape less, blown up, and the blowing up
would pass for bursts.
"""

from collections.abc import Mapping, Sequence
from math import inf, isclose, isfinite
from typing import Final

from cutover.api.gates import Gate
from cutover.decide.past import PastQuestion
from cutover.decide.readings import Gap, Missing
from cutover.judge.evidence import Count
from cutover.metrics import promql
from cutover.metrics.answers import Matrix, Series
from cutover.metrics.prometheus import Span
from cutover.metrics.promql import GATE
from cutover.metrics.quantities import ERRORS, REQUESTS, Quantity
from cutover.metrics.readings import edge_of

_Points = Mapping[float, float]
_NOTHING: Final = Gap(Missing.NO_DATA, "the source's past holds no requests of this gate")


def past_query(
    question: PastQuestion, quantities: Sequence[Quantity], gates: Sequence[Gate]
) -> str:
    """Ask for all that the gates need, tagged by quantity; of histograms the edges in force alone."""
    edges: dict[str, dict[float, None]] = {}
    for gate in gates:
        if gate.latency is not None and gate.name in question.edges:
            edges.setdefault(gate.latency.metric, {})[question.edges[gate.name]] = None
    plain = {REQUESTS, ERRORS} if any(gate.error_rate for gate in gates) else set()
    asked = [
        promql.tagged(one.at([*edges[one.name], inf]), GATE, one.name)
        if one.name in edges
        else promql.tagged(one.expression, GATE, one.name)
        for one in quantities
        if one.name in edges or one.name in plain
    ]
    return promql.over(promql.joined(asked), question.look + question.scrape)


def past_span(question: PastQuestion) -> Span:
    """Cut the past into looks; the last one ends between two scrapes, so that no sample lies on an edge."""
    end = question.until.timestamp() - question.scrape / 2
    looks = max(1, round(question.span / question.look))
    return Span(end - (looks - 1) * question.look, end, question.look)


def read_past(
    question: PastQuestion,
    quantities: Sequence[Quantity],
    gates: Sequence[Gate],
    answer: Matrix,
) -> Mapping[str, Sequence[Count] | Gap]:
    """Sort the answer by gate; looks without requests are left out."""
    found: dict[str, list[Series]] = {}
    for one in answer.series:
        found.setdefault(one.labels.get(GATE, ""), []).append(one)
    units = {one.name: one.unit for one in quantities}
    share = question.look / (question.look + question.scrape)
    return {
        gate.name: _looks(question, gate, found, units, share)
        for gate in gates
        if gate.counts_requests
    }


def _looks(
    question: PastQuestion,
    gate: Gate,
    found: Mapping[str, Sequence[Series]],
    units: Mapping[str, float],
    share: float,
) -> Sequence[Count] | Gap:
    if gate.latency is None:
        totals, bad = _single(found.get(REQUESTS, ())), _single(found.get(ERRORS, ())) or {}
        counts = {} if totals is None else {at: (n, bad.get(at, 0.0)) for at, n in totals.items()}
    else:
        edge, series = question.edges.get(gate.name), found.get(gate.latency.metric, ())
        unit = units.get(gate.latency.metric, 1.0)
        totals, below = _at(series, inf), None if edge is None else _at(series, edge / unit)
        if totals is None or below is None:
            return _NOTHING
        counts = {at: (n, max(0.0, n - below[at])) for at, n in totals.items() if at in below}
    looks = [
        Count(n * share, min(x, n) * share)
        for n, x in counts.values()
        if isfinite(n) and isfinite(x) and n > 0 and x >= 0
    ]
    return looks or _NOTHING


def _single(series: Sequence[Series]) -> _Points | None:
    return series[0].points if len(series) == 1 else None


def _at(series: Sequence[Series], edge: float) -> _Points | None:
    """Find one bucket; the one edge may be written in two ways over the years, and then they add up."""
    sums: dict[float, float] = {}
    for one in series:
        here = edge_of(one.labels.get("le", ""))
        if here is not None and (here == edge or isclose(here, edge, rel_tol=1e-9)):
            for at, value in one.points.items():
                sums[at] = sums.get(at, 0.0) + value
    return sums or None
