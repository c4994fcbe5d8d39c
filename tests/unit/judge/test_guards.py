"""Guards: what breaks them, and above all what must not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutover.judge.evidence import Count
from cutover.judge.guards import (
    Delivery,
    Guard,
    SentCounts,
    WindowCounts,
    error_burst,
    failed_probes,
    guard_windows,
    latency_burst,
    no_ready_replica,
    unanswered,
    unanswered_at_gateway,
)


def windows(*rows: tuple[Any, ...]) -> list[WindowCounts]:
    """(seconds, source (total, bad) or None, target likewise)."""
    return [
        WindowCounts(
            seconds, Count(*source) if source else None, Count(*target) if target else None
        )
        for seconds, source, target in rows
    ]


@pytest.mark.parametrize(
    ("scrape", "expected"),
    [
        (1, (4, 30, 120, 600)),
        (5, (20, 30, 120, 600)),
        (7.5, (30, 120, 600)),
        (15, (60, 120, 600)),
        (30, (120, 600)),
        (60, (240, 600)),
        (300, (1200,)),
    ],
)
def test_windows_hold_at_least_four_scrapes(scrape, expected):
    assert guard_windows(scrape) == expected


class TestErrorBurst:
    def test_says_the_numbers(self):
        breach = error_burst(windows((20, (900, 1), (100, 25)), (30, (1300, 2), (150, 26))))
        assert breach is not None
        assert breach.guard is Guard.ERROR_BURST
        assert breach.message == (
            "25 % of 100 target requests failed in the last 20 s, source 0.11 %;"
            " from 20 % traffic goes back at once"
        )
        assert (breach.window_seconds, breach.value, breach.bound) == (20, 0.25, 0.20)
        assert (breach.source_count, breach.target_count) == (900, 100)

    @pytest.mark.parametrize(
        ("rows", "broken"),
        [
            pytest.param([(20, None, (50, 10))], True, id="exactly-20-percent-of-50"),
            pytest.param([(20, None, (50, 9.9))], False, id="below"),
            pytest.param([(20, None, (49, 49))], False, id="too-few"),
            pytest.param([(20, None, (49, 49)), (30, None, (60, 49))], True, id="longer-window"),
            pytest.param(
                [(20, None, (60, 1)), (600, None, (900, 800))], False, id="recovered-long-ago"
            ),
            pytest.param([(600, None, (60, 59)), (20, None, (60, 0))], False, id="any-order"),
            pytest.param([(20, None, None), (600, None, (60, 30))], True, id="one-window-unseen"),
            pytest.param([(20, (900, 0), None)], False, id="target-unseen"),
            pytest.param([], False, id="nothing-seen"),
        ],
    )
    def test_breaks(self, rows, broken):
        assert (error_burst(windows(*rows)) is not None) is broken


class TestLatencyBurst:
    @pytest.mark.parametrize(
        ("rows", "reference", "broken"),
        [
            pytest.param([(20, (900, 20), (60, 30))], None, True, id="half"),
            pytest.param([(20, (900, 20), (60, 29))], None, False, id="under-half"),
            pytest.param([(20, (900, 180), (60, 60))], None, False, id="source-slow-too"),
            pytest.param(
                [(20, (10, 10), (60, 60)), (30, (60, 6), (90, 90))],
                None,
                True,
                id="source-from-its-own-window",
            ),
            pytest.param([(20, None, (60, 60))], None, False, id="no-source"),
            pytest.param([(20, None, (60, 60))], 0.02, True, id="frozen-source"),
            pytest.param([(20, None, (60, 60))], 0.3, False, id="frozen-slow-source"),
            pytest.param([(20, (900, 900), (60, 60))], 0.02, False, id="live-before-frozen"),
            pytest.param([(20, (900, 0), (49, 49))], None, False, id="too-few"),
        ],
    )
    def test_breaks(self, rows, reference, broken):
        breach = latency_burst(
            windows(*rows), gate="first-token", edge_seconds=1, reference_share=reference
        )
        assert (breach is not None) is broken

    def test_says_the_numbers(self):
        breach = latency_burst(
            windows((30, (900, 20), (60, 45))), gate="first-token", edge_seconds=0.5
        )
        assert breach is not None
        assert breach.message == (
            "first-token: 75 % of 60 target requests took longer than 500 ms in the last 30 s,"
            " source 2.2 %; from 50 % traffic goes back at once"
        )


def delivery(**changes) -> Delivery:
    usual = {
        "weight": 10,
        "since_raise": 600,
        "scrape": 5,
        "source_age": 4,
        "target_age": 6,
        "source_p99": 8,
    }
    return Delivery(**(usual | changes))


class TestUnanswered:
    SILENT = windows((20, (600, 0), (0, 0)), (30, (900, 0), (0, 0)))

    def test_says_the_numbers(self):
        breach = unanswered(windows((20, (600, 0), (3, 0))), delivery())
        assert breach is not None
        assert breach.guard is Guard.UNANSWERED
        assert breach.message == (
            "the target answered 3 of about 67 requests due in the last 20 s,"
            " while the source answered 600: it hangs or refuses"
        )
        assert breach.value == pytest.approx(3 / (600 / 9))
        assert breach.bound == 0.10

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param({"weight": 0}, id="nothing-was-sent"),
            pytest.param({"weight": 100}, id="nothing-to-compare-with"),
            pytest.param({"source_age": 13}, id="source-scrape-old"),
            pytest.param({"target_age": 13}, id="target-scrape-old"),
            pytest.param({"target_age": None}, id="target-never-scraped"),
            pytest.param({"source_p99": 21}, id="slow-requests-need-a-longer-window"),
            pytest.param({"source_p99": None}, id="unknown-latency-is-taken-for-a-minute"),
            pytest.param({"source_p99": float("inf")}, id="endless-requests"),
            pytest.param({"since_raise": 29}, id="window-begins-before-the-raise-was-felt"),
            pytest.param({"weight": 5}, id="fewer-than-50-were-due"),
            pytest.param({"routed_share": 0.5}, id="other-callers-of-the-source"),
        ],
    )
    def test_silence_that_proves_nothing(self, change):
        short = windows((20, (600, 0), (0, 0)))
        assert unanswered(short, delivery()) is not None
        assert unanswered(short, delivery(**change)) is None

    @pytest.mark.parametrize(
        ("rows", "broken"),
        [
            pytest.param([(20, (600, 0), (6, 0))], True, id="under-a-tenth"),
            pytest.param([(20, (600, 0), (7, 0))], False, id="over-a-tenth"),
            pytest.param(
                [(20, (400, 0), (0, 0)), (30, (600, 0), (0, 0))], True, id="longer-window"
            ),
            pytest.param([(20, (600, 0), None)], False, id="target-unseen-is-not-silence"),
            pytest.param([(20, None, (0, 0))], False, id="source-unseen"),
            pytest.param([(20, (0, 0), (0, 0))], False, id="nobody-asks"),
            pytest.param(
                [(20, (600, 0), (60, 0)), (600, (18000, 0), (60, 0))], False, id="just-recovered"
            ),
        ],
    )
    def test_breaks(self, rows, broken):
        assert (unanswered(windows(*rows), delivery()) is not None) is broken

    def test_a_target_that_answers_no_scrape_is_silent_however_old_its_numbers(self):
        state = delivery(target_age=None, target_down=True)
        assert unanswered(windows((20, (600, 0), (0, 0))), state) is not None
        assert unanswered(windows((20, (600, 0), (7, 0))), state) is None
        blind = delivery(source_age=13, target_age=None, target_down=True)
        assert unanswered(windows((20, (600, 0), (0, 0))), blind) is None

    def test_a_stray_request_on_the_source_at_99_percent_proves_nothing(self):
        assert unanswered(windows((20, (1, 0), (0, 0))), delivery(weight=99)) is None
        assert unanswered(windows((20, (10, 0), (0, 0))), delivery(weight=99)) is not None

    @given(
        scrape=st.sampled_from([1.0, 5.0, 15.0, 30.0]),
        rate=st.floats(1, 1000),
        before=st.sampled_from([0, 1, 5, 10]),
        weight=st.sampled_from([1, 5, 10, 25, 50, 75, 99]),
        typical=st.floats(0.05, 40),
        slower=st.floats(0.5, 1.9),
        age=st.floats(0, 1),
        now=st.floats(0, 1200),
    )
    def test_a_raise_never_looks_like_silence(
        self, *, scrape, rate, before, weight, typical, slower, age, now
    ):
        """A target up to 1.9 times as slow as the source's p99, scraped later than the source, answers steadily."""
        if weight <= before:
            return
        seen = []
        for seconds in guard_windows(scrape):
            start, end = now - seconds, now - age * 2 * scrape
            share = weight / 100
            sent_after = max(0.0, end - max(start, typical * slower))
            sent_before = max(0.0, min(end, typical * slower) - start)
            came = rate * (sent_after * share + sent_before * before / 100)
            answered = rate * (
                max(0.0, now - max(start, 0.0)) * (1 - share)
                + max(0.0, min(now, 0.0) - start) * (1 - before / 100)
            )
            seen.append(WindowCounts(seconds, Count(answered), Count(came)))
        state = Delivery(
            weight=weight,
            since_raise=now,
            scrape=scrape,
            source_age=0,
            target_age=age * 2 * scrape,
            source_p99=typical,
        )
        assert unanswered(seen, state) is None


@pytest.mark.parametrize(("ready", "broken"), [(None, False), (0, True), (1, False)])
def test_no_ready_replica(ready, broken):
    assert (no_ready_replica(ready) is not None) is broken


@pytest.mark.parametrize(("failures", "broken"), [(0, False), (4, False), (5, True), (9, True)])
def test_failed_probes(failures, broken):
    assert (failed_probes(failures) is not None) is broken


def test_plain_sentences():
    replica, probes = no_ready_replica(0), failed_probes(5)
    assert replica is not None
    assert probes is not None
    assert replica.message == "the target has no ready replica while the route sends it requests"
    assert probes.message == "5 probes of the target's endpoint failed one after the other"


@pytest.mark.parametrize(
    ("rows", "patience", "broken"),
    [
        ([(30, 900, 0, 0, 0)], 10, True),
        ([(30, 900, 59, 0, 0)], 10, True),  # under a tenth of the 600 that were due
        ([(30, 900, 61, 0, 0)], 10, False),
        ([(30, 900, 0, 0, 0)], 16, False),  # half of the window may be under way
        ([(30, 74, 0, 0, 0)], 10, False),  # too few were due
        ([(30, 74, 0, 0, 0), (120, 300, 0, 0, 0)], 10, True),
        ([(30, 900, 900, 0, 0), (120, 3600, 0, 0, 0)], 10, False),  # it answers again
        ([(30, 900, 0, 900, 880)], 10, True),
        ([(30, 900, 0, 900, 400)], 10, False),  # the source goes unanswered as well
    ],
)
def test_silence_at_the_gateway_is_what_was_sent_and_not_answered(
    rows: list[tuple[float, ...]], patience: float, broken: bool
) -> None:
    found = unanswered_at_gateway([SentCounts(*row) for row in rows], patience=patience)
    assert (found is not None) is broken
    if found is not None:
        assert found.guard is Guard.UNANSWERED
        assert "it hangs" in found.message
