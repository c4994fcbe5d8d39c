"""A look: what is asked, and what each answer comes to. Real answers are in tests/features."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from math import inf
from typing import Any
from urllib.parse import unquote_plus

import pytest

from cutover.api.custom import CustomLatency, CustomMetrics
from cutover.api.gates import Gate, LatencyGate
from cutover.api.sides import Profile, Side
from cutover.decide.readings import Gap, Missing, SideReading
from cutover.judge.histogram import Buckets
from cutover.metrics.answers import Answer, Row, TooSlow, Vector
from cutover.metrics.joined import SideMetrics
from cutover.metrics.profiles.defaults import DEFAULT_GATES

NOW = 1_700_000_000.0
REFUSED = Gap(Missing.INVALID_QUERY, "http://p:9090 refused the query: parse error")
SLOW = TooSlow(Missing.UNREACHABLE, "http://p:9090 did not answer within 5 s")


class FakePool:
    """Answers by what the query holds."""

    def __init__(self, answer: Callable[[str], Answer]) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def query(self, namespace: str, where: Any, promql: str, **_: Any) -> Answer:
        text = unquote_plus(promql) if "%" in promql else promql
        assert (namespace, where.address) == ("chat", "http://p:9090")
        self.asked.append(text)
        return self.answer(text)


def side(cluster: str, address: str = "http://p:9090", **more: Any) -> Side:
    where = {"address": address, "matchers": {"cluster": cluster}}
    return Side.model_validate({"prometheus": where | more})


CUSTOM = CustomMetrics(
    requests="sum(increase(r_total{$matchers}[$window]))",
    errors="sum(increase(e_total{$matchers}[$window]))",
    latencies=[CustomLatency(metric="Wait", buckets="sum by (le) (w_bucket{$matchers})")],
)
WAIT = Gate(
    name="wait", latency=LatencyGate(metric="Wait", threshold="1s", max_above="5%", margin="2%")
)


def metrics(pool: FakePool, *, custom: CustomMetrics | None = None, **more: Any) -> SideMetrics:
    profile = Profile.CUSTOM if custom else Profile.VLLM
    given: dict[str, Any] = {"gates": [WAIT] if custom else DEFAULT_GATES[profile]} | more
    return SideMetrics(
        given.pop("side", side("gke")),
        given.pop("other", side("onprem")),
        name="target",
        profile=profile,
        custom=custom,
        namespace="chat",
        client=pool,  # type: ignore[arg-type]
        **given,
    )


def rows(*given: tuple[str, str, float], **vitals: float) -> list[Row]:
    counted = [Row({"gate": gate, "window": window}, value) for gate, window, value in given]
    return counted + [Row({"gate": gate}, value) for gate, value in vitals.items()]


def buckets(gate: str, window: str, counts: Mapping[str, float]) -> list[Row]:
    return [Row({"gate": gate, "window": window, "le": le}, n) for le, n in counts.items()]


def always(*given: Iterable[Row]) -> FakePool:
    vector = Vector(tuple(row for group in given for row in group), NOW)
    return FakePool(lambda _: vector)


def gap_of(value: object) -> Gap:
    assert isinstance(value, Gap)
    return value


async def read(side_metrics: SideMetrics, *windows: float) -> SideReading:
    reading = await side_metrics.look(windows or (30,))
    assert isinstance(reading, SideReading)
    return reading


FRESH = {"newest": NOW - 2, "scrape": 15.0}


async def test_everything_comes_with_one_query() -> None:
    histogram = {"1.0": 3.0, "0.5": 1.0, "+Inf": 4.0}
    pool = always(
        rows(("Requests", "30s", 10.0), ("Errors", "30s", 1.0), **FRESH),
        rows(("Requests", "754s", 100.0), ("Errors", "754s", 2.0)),
        *(buckets("Wait", window, histogram) for window in ("30s", "754s")),
    )
    reading = await read(metrics(pool, custom=CUSTOM), 30, 754)
    assert len(pool.asked) == 1
    assert [one.seconds for one in reading.windows] == [30, 754]
    assert [(one.requests, one.errors) for one in reading.windows] == [(10.0, 1.0), (100.0, 2.0)]
    assert reading.windows[0].latencies["Wait"] == Buckets((0.5, 1.0, inf), (1.0, 3.0, 4.0))
    assert reading.scrape_seconds == 15.0
    assert reading.newest_sample == datetime.fromtimestamp(NOW - 2, UTC)
    assert reading.queries["Requests"] == '(sum(increase(r_total{cluster="gke"}[30s]))\n)'
    assert not reading.overlaps


async def test_no_error_series_means_no_errors_where_there_are_requests() -> None:
    reading = await read(metrics(always(rows(("Requests", "30s", 9.0), **FRESH)), custom=CUSTOM))
    assert reading.windows[0].errors == 0.0


async def test_without_requests_errors_are_as_missing_as_they() -> None:
    reading = await read(metrics(always(rows(**FRESH)), custom=CUSTOM))
    window = reading.windows[0]
    assert gap_of(window.requests).missing is Missing.NO_SERIES
    assert window.errors == window.requests


async def test_errors_are_never_more_than_requests() -> None:
    counts = rows(("Requests", "30s", 9.0), ("Errors", "30s", 12.0), **FRESH)
    assert (await read(metrics(always(counts)))).windows[0].errors == 9.0


async def test_nothing_divided_by_nothing_costs_its_own_gate() -> None:
    counts = rows(("Requests", "30s", 9.0), ("Errors", "30s", float("nan")), **FRESH)
    window = (await read(metrics(always(counts), custom=CUSTOM))).windows[0]
    assert window.requests == 9.0
    assert gap_of(window.errors).missing is Missing.NOT_FINITE
    assert "spec.custom.errors gives nan" in gap_of(window.errors).message


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (rows(("Requests", "30s", 1.0), ("Requests", "30s", 2.0)), "gives 2 numbers"),
        (rows(("Requests", "30s", -1.0)), "gives -1, which is no count"),
    ],
)
async def test_what_is_no_count_is_refused(wrong: list[Row], words: str) -> None:
    window = (await read(metrics(always(wrong, rows(**FRESH)), custom=CUSTOM))).windows[0]
    assert gap_of(window.requests).missing is Missing.INVALID_QUERY
    assert words in gap_of(window.requests).message


@pytest.mark.parametrize(
    "counts",
    [{"1": 3.0}, {"": 3.0, "+Inf": 3.0}, {"1": 30.0, "2": 10.0, "+Inf": 40.0}, {"x": 1.0}],
    ids=["no +Inf", "no le", "falling", "no number"],
)
async def test_what_is_no_histogram_is_refused(counts: dict[str, float]) -> None:
    pool = always(rows(("Requests", "30s", 9.0), **FRESH), buckets("Wait", "30s", counts))
    window = (await read(metrics(pool, custom=CUSTOM))).windows[0]
    assert gap_of(window.latencies["Wait"]).missing is Missing.INVALID_QUERY
    assert "spec.custom.latencies[Wait]" in gap_of(window.latencies["Wait"]).message


async def test_an_edge_that_only_some_servers_have_is_left_out() -> None:
    uneven = [Row({"gate": "uneven:TimeToFirstToken"}, 0.5)]
    first = always(
        rows(("Requests", "30s", 9.0), **FRESH),
        uneven,
        buckets("TimeToFirstToken", "30s", {"0.5": 2.0, "1": 3.0, "2": 9.0, "+Inf": 10.0}),
    ).answer("")
    series = Vector(
        tuple(
            Row({"gate": "series:TimeToFirstToken", "le": le}, n)
            for le, n in {"0.5": 2.0, "1": 1.0, "1.0": 1.0, "2": 1.0, "+Inf": 2.0}.items()
        ),
        NOW,
    )
    pool = FakePool(lambda text: series if "series:" in text else first)
    window = (await read(metrics(pool))).windows[0]
    assert window.latencies["TimeToFirstToken"] == Buckets((0.5, 1.0, inf), (2.0, 3.0, 10.0))


# --- whose fault ----------------------------------------------------------------------------------


def refusing(word: str, refusal: Gap, *good: Row) -> FakePool:
    def answer(text: str) -> Answer:
        asked = tuple(row for row in good if f'"{row.labels["gate"]}"' in text)
        return refusal if word in text else Vector(asked, NOW)

    return FakePool(answer)


async def test_a_bad_expression_costs_its_own_gate_and_is_asked_apart_from_then_on() -> None:
    good = rows(("Requests", "30s", 9.0), **FRESH)
    pool = refusing("e_total", REFUSED, *good)
    side_metrics = metrics(pool, custom=CUSTOM)
    window = (await read(side_metrics)).windows[0]
    assert window.requests == 9.0
    assert gap_of(window.errors).missing is Missing.INVALID_QUERY
    assert gap_of(window.errors).message.startswith("spec.custom.errors: http://p:9090 refused")
    pool.asked.clear()
    await read(side_metrics)
    joined, alone, _search = pool.asked
    assert "e_total" not in joined
    assert "w_bucket" in joined
    assert "e_total" in alone
    pool.answer = refusing("nothing", REFUSED, *good).answer
    await read(side_metrics)
    pool.asked.clear()
    await read(side_metrics)
    assert "e_total" in pool.asked[0]


async def test_a_slow_expression_costs_its_own_gate() -> None:
    pool = refusing("w_bucket", SLOW, *rows(("Requests", "30s", 9.0), **FRESH))
    window = (await read(metrics(pool, custom=CUSTOM))).windows[0]
    assert window.requests == 9.0
    assert gap_of(window.latencies["Wait"]).missing is Missing.UNREACHABLE


async def test_a_server_that_answers_nothing_is_not_asked_one_by_one() -> None:
    pool = FakePool(lambda _: SLOW)
    assert await metrics(pool).look([30]) == SLOW
    assert len(pool.asked) == 2


@pytest.mark.parametrize(
    "missing", [Missing.UNAUTHORISED, Missing.UNREACHABLE, Missing.PARTIAL, Missing.CREDENTIALS]
)
async def test_what_befalls_the_whole_side_is_the_sides_gap(missing: Missing) -> None:
    pool = FakePool(lambda _: Gap(missing, "why"))
    assert await metrics(pool).look([30]) == Gap(missing, "why")
    assert len(pool.asked) == 1


async def test_matchers_that_are_refused_are_the_sides_gap() -> None:
    assert await metrics(FakePool(lambda _: REFUSED)).look([30]) == REFUSED


# --- what is missing --------------------------------------------------------------------------------


def searched(*found: tuple[str, str], newest: float | None = None) -> Vector:
    names = [Row({"found": found, "__name__": name}, 1.0) for found, name in found]
    return Vector((*names, *([Row({"found": "newest"}, newest)] if newest else [])), NOW)


def missing(findings: Answer, *given: Row) -> FakePool:
    return FakePool(lambda text: findings if '"found"' in text else Vector(given, NOW))


REQUESTS = "vllm:request_success_total"


async def test_wrong_matchers_are_named() -> None:
    pool = missing(searched(("anywhere", REQUESTS), ("anywhere", "http_requests_total")))
    window = (await read(metrics(pool))).windows[0]
    assert window.requests == Gap(
        Missing.NO_SERIES,
        f'metric {REQUESTS} exists on http://p:9090 but nothing carries cluster="gke":'
        " check spec.target.prometheus.matchers",
    )
    assert len(pool.asked) == 2


async def test_an_unknown_metric_is_named() -> None:
    window = (await read(metrics(missing(searched())))).windows[0]
    assert window.requests == Gap(
        Missing.NO_SERIES,
        f"http://p:9090 has no {REQUESTS}: is the profile VLLM right, is the server scraped?",
    )


async def test_an_empty_window_is_no_data() -> None:
    pool = missing(searched(("matched", REQUESTS)), *rows(**FRESH))
    window = (await read(metrics(pool), 20)).windows[0]
    assert gap_of(window.requests).missing is Missing.NO_DATA
    assert "nothing in the last 20s" in gap_of(window.requests).message
    assert "scrapes are 15 s apart" in gap_of(window.requests).message


async def test_a_window_too_short_is_told_without_asking_again() -> None:
    everything = [("Requests", "60s", 9.0), ("TimeToFirstToken", "60s", 9.0)]
    pool = always(
        rows(*everything, **FRESH),
        *(
            buckets(name, "60s", {"+Inf": 1.0})
            for name in ("TimePerOutputToken", "EndToEnd", "TimeToFirstToken")
        ),
    )
    short, long = (await read(metrics(pool), 20, 60)).windows
    assert gap_of(short.requests).missing is Missing.NO_DATA
    assert long.requests == 9.0
    assert len(pool.asked) == 1


async def test_a_search_that_fails_does_not_cost_what_was_found() -> None:
    lost = Gap(Missing.UNREACHABLE, "gone")
    pool = missing(lost, *rows(("Requests", "30s", 9.0), **FRESH))
    window = (await read(metrics(pool))).windows[0]
    assert window.requests == 9.0
    assert window.latencies["TimeToFirstToken"] == lost


@pytest.mark.parametrize(
    ("scrape", "age", "is_stale"),
    [(15.0, 100.0, False), (15.0, 130.0, True), (60.0, 200.0, False), (60.0, 250.0, True)],
)
async def test_old_samples_are_stale(scrape: float, age: float, *, is_stale: bool) -> None:
    counts = rows(("Requests", "30s", 9.0), newest=NOW - age, scrape=scrape)
    reading = await read(metrics(always(counts)))
    value = reading.windows[0].requests
    assert (isinstance(value, Gap) and value.missing is Missing.STALE) is is_stale
    assert reading.newest_sample == datetime.fromtimestamp(NOW - age, UTC)


async def test_a_series_that_ended_is_searched_for_its_last_sample() -> None:
    ended = searched(("matched", REQUESTS), newest=NOW - 300)
    pool = missing(ended, *rows(("Requests", "600s", 9.0)))
    window = (await read(metrics(pool), 600)).windows[0]
    assert gap_of(window.requests).missing is Missing.STALE
    assert "300s old" in gap_of(window.requests).message


async def test_a_latency_that_the_profile_does_not_know_is_its_gap() -> None:
    window = (await read(metrics(always(rows(**FRESH)), gates=[WAIT]))).windows[0]
    assert gap_of(window.latencies["Wait"]).missing is Missing.NO_SERIES


async def test_no_windows_ask_for_the_scrapes_alone() -> None:
    pool = always(rows(**FRESH))
    reading = await metrics(pool).look([])
    assert isinstance(reading, SideReading)
    assert reading.windows == ()
    assert reading.scrape_seconds == 15.0
    assert "increase" not in pool.asked[0]


# --- overlap ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "compared"),
    [
        pytest.param(side("onprem"), True, id="the same Prometheus"),
        pytest.param(side("onprem", "http://P:9090/"), True, id="written differently"),
        pytest.param(side("gke", "http://q:9090"), False, id="another Prometheus"),
        pytest.param(
            side("onprem", headersFrom={"secretRef": {"name": "tenant"}}), False, id="other tenant"
        ),
    ],
)
async def test_series_are_compared_where_one_prometheus_is_read(
    other: Side, *, compared: bool
) -> None:
    pool = always(rows(("Requests", "30s", 1.0), common=2.0, **FRESH))
    await read(metrics(pool, other=other))
    assert ('{cluster="gke",cluster="onprem"}' in pool.asked[0]) is compared


async def test_common_series_are_an_overlap() -> None:
    assert (await read(metrics(always(rows(common=2.0, **FRESH))))).overlaps


async def test_a_custom_query_without_matchers_cannot_tell_the_sides_apart() -> None:
    custom = CUSTOM.model_copy(update={"errors": "sum(increase(e_total[$window]))"})
    assert (await read(metrics(always(rows(**FRESH)), custom=custom))).overlaps
    apart = metrics(always(rows(**FRESH)), custom=custom, other=side("onprem", "http://q:9090"))
    assert not (await read(apart)).overlaps
