"""Numbers that a user's own PromQL gives: asked beside the joined query, each alone.

So a bad expression costs its own gate and no other, and a slow one a look (`observe.values`).
"""

import math
from collections.abc import Collection, Sequence
from typing import Final

from cutover.api.expressions import Of, QueryGate, Reduce
from cutover.api.gates import Gate
from cutover.decide.readings import Gap, Missing
from cutover.metrics import promql
from cutover.metrics.answers import Answer, Row, Vector

PATIENCE: Final = 2.0
"""Seconds for one expression."""


def asked_of(side: str, gates: Sequence[Gate]) -> dict[str, QueryGate]:
    """The query gates that want to know something of the side (source or target), by name."""
    elsewhere = Of.TARGET if side == "source" else Of.SOURCE
    return {
        gate.name: gate.query
        for gate in gates
        if gate.query is not None and gate.query.whose is not elsewhere
    }


def filled(expression: str, matchers: str, seconds: float) -> str:
    """Fill the placeholders in; what the matchers hold cannot become one."""
    return expression.replace(promql.WINDOW, promql.duration(seconds)).replace(
        promql.MATCHERS, matchers
    )


def read_value(answer: Answer, address: str, reduce: Reduce | None) -> float | Gap:
    """Make one finite number of an answer, or say why there is none."""
    if not isinstance(answer, Vector):
        return answer
    rows = answer.rows
    if not rows:
        return Gap(
            Missing.NO_DATA,
            f"the expression gives nothing on {address}: is it spelled right, does anything report it"
            " yet? Where nothing means 0, write … or vector(0)",
        )
    odd = next((row for row in rows if not math.isfinite(row.value)), None)
    if odd is not None:
        return Gap(
            Missing.NOT_FINITE,
            f"the expression gives {_spelled(odd)} on {address}: a division by nothing? Leave out"
            " what is not there, as in … > 0",
        )
    if len(rows) > 1 and reduce is None:
        return Gap(
            Missing.INVALID_QUERY,
            f"the expression gives {len(rows)} numbers on {address} where one is needed: set reduce to"
            " Max, Min, Sum or Avg",
        )
    return _reduced([row.value for row in rows], reduce)


def _spelled(row: Row) -> str:
    number = "NaN" if math.isnan(row.value) else f"{row.value}"
    labels = ",".join(f"{name}={value}" for name, value in sorted(row.labels.items()))[:120]
    return f"{number} for {{{labels}}}" if labels else number


def _reduced(values: Collection[float], reduce: Reduce | None) -> float:
    match reduce:
        case Reduce.MAX:
            return max(values)
        case Reduce.MIN:
            return min(values)
        case Reduce.AVG:
            return math.fsum(values) / len(values)
        case Reduce.SUM | None:
            return math.fsum(values)
