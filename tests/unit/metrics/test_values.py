"""What a user's own PromQL is asked as, and what each answer comes to."""

from math import inf, nan

import pytest

from cutover.api.expressions import Reduce
from cutover.api.gates import Gate
from cutover.decide.readings import Gap, Missing
from cutover.metrics.answers import Answer, Row, Vector
from cutover.metrics.values import asked_of, filled, read_value
from tests.unit.metrics.test_joined import FakePool, metrics

ADDRESS = "http://p:9090"


def several(*values: float) -> Vector:
    return Vector(tuple(Row({"pod": f"p{i}"}, one) for i, one in enumerate(values)), 1.0)


def gate(name: str, expr: str, **more: object) -> Gate:
    return Gate.model_validate({"name": name, "query": {"expr": expr, "max": "3", **more}})


@pytest.mark.parametrize(
    ("reduce", "expected"),
    [(Reduce.MAX, 4.0), (Reduce.MIN, -1.0), (Reduce.SUM, 5.0), (Reduce.AVG, 5 / 3)],
)
def test_several_numbers_are_made_one_as_asked(reduce: Reduce, expected: float) -> None:
    assert read_value(several(4.0, -1.0, 2.0), ADDRESS, reduce) == pytest.approx(expected)
    assert read_value(several(7.0), ADDRESS, reduce) == 7.0


@pytest.mark.parametrize(
    ("answer", "reduce", "missing", "words"),
    [
        (several(1.0, 2.0), None, Missing.INVALID_QUERY, "gives 2 numbers on http://p:9090 where one"),
        (several(), Reduce.SUM, Missing.NO_DATA, "gives nothing on http://p:9090"),
        (several(1.0, nan), Reduce.MAX, Missing.NOT_FINITE, "gives NaN for {pod=p1}"),
        (several(inf), None, Missing.NOT_FINITE, "gives inf for {pod=p0}"),
        (Gap(Missing.PARTIAL, "warned"), Reduce.MAX, Missing.PARTIAL, "warned"),
        (Gap(Missing.UNAUTHORISED, "refused"), None, Missing.UNAUTHORISED, "refused"),
    ],
)  # fmt: skip
def test_what_is_no_number_says_why(
    answer: Answer, reduce: Reduce | None, missing: Missing, words: str
) -> None:
    gap = read_value(answer, ADDRESS, reduce)
    assert isinstance(gap, Gap)
    assert gap.missing is missing
    assert words in gap.message


def test_placeholders_are_filled_and_nothing_else() -> None:
    text = filled('sum(rate(x{$matchers,code=~"5..$"}[$window]))', 'cluster="a\\x24window"', 90.0)
    assert text == 'sum(rate(x{cluster="a\\x24window",code=~"5..$"}[90s]))'


def test_a_side_is_asked_what_concerns_it() -> None:
    gates = [
        gate("t", "a"),
        gate("s", "a", of="Source"),
        gate("r", "sum(a{$matchers})", of="Ratio"),
    ]
    assert list(asked_of("source", gates)) == ["s", "r"]
    assert list(asked_of("target", gates)) == ["t", "r"]


async def test_a_bad_expression_costs_its_own_gate() -> None:
    def answer(text: str) -> Answer:
        refused = Gap(Missing.INVALID_QUERY, f"{ADDRESS} refused the query: parse error")
        return refused if "nonsense" in text else several(2.0)

    pool = FakePool(answer)
    side = metrics(
        pool, gates=[gate("bad", "nonsense("), gate("good", "sum(x{$matchers}[$window])")]
    )
    found = await side.values(60.0)
    bad, good = found["bad"], found["good"]
    assert isinstance(bad.number, Gap)
    assert bad.number.missing is Missing.INVALID_QUERY
    assert (good.number, good.query) == (2.0, 'sum(x{cluster="gke"}[60s])')
    assert pool.asked == ["nonsense(", 'sum(x{cluster="gke"}[60s])']
