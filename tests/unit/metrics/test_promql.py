"""Text that is put into PromQL stays what it was, and nothing it holds can end a selector."""

from urllib.parse import parse_qs

import pytest

from cutover.metrics import promql
from cutover.metrics.promql import Encoded


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param("gke", '"gke"', id="plain"),
        pytest.param('a"} or vector(1) or x{b="', r'"a\"} or vector(1) or x{b=\""', id="quotes"),
        pytest.param("a\\", r'"a\\"', id="backslash"),
        pytest.param("a\nb", r'"a\nb"', id="line break"),
        pytest.param("$window", r'"\x24window"', id="a placeholder's name"),
        pytest.param("größe", '"größe"', id="not ASCII"),
    ],
)
def test_a_value_is_escaped(value: str, written: str) -> None:
    assert promql.rendered({"cluster": value}) == f"cluster={written}"


def test_a_name_that_is_no_plain_label_is_quoted() -> None:
    assert promql.rendered({"a.b": "c", 'x"}': "y"}) == r'"a.b"="c","x\"}"="y"'


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(754, "754s"), (754.0, "754s"), (7.5, "7500ms"), (0.25, "250ms"), (59.9999999, "60s")],
)
def test_a_duration_is_what_prometheus_reads(seconds: float, written: str) -> None:
    assert promql.duration(seconds) == written


def test_the_window_is_filled_in_as_duration_and_as_number() -> None:
    text = "increase(x[$window]) and c>=time()-$seconds"
    assert promql.over(text, 754.0) == "increase(x[754s]) and c>=time()-754"
    assert promql.over(text, 7.5) == "increase(x[7500ms]) and c>=time()-7.5"


def test_an_encoded_query_is_the_same_query() -> None:
    template = promql.tagged(
        'sum(x{a="b c+d&e=ü%"}[$window]) or y>=time()-$seconds', "w", "$window"
    )
    plain = promql.joined(promql.over(template, s) for s in (30, 754))
    encoded = Encoded.joined(Encoded.of(template).over(s) for s in (30, 754))
    assert parse_qs(f"query={encoded}")["query"] == [plain]
    assert Encoded.of(encoded) is encoded


def test_metrics_are_seen_before_braces() -> None:
    text = (
        'sum by (le) (increase(my:x_bucket{$matchers}[$window])) / sum(rate(b_total {a="c{"}[1m]))'
    )
    assert promql.metrics_in(text)[:2] == ("my:x_bucket", "b_total")
