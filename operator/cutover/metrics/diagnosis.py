"""Why a number is missing, and what to do: one further query, only when something is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cutover.decide.readings import Gap, Missing
from cutover.metrics import promql
from cutover.metrics.answers import Row, Vector
from cutover.metrics.promql import GATE
from cutover.metrics.quantities import Asked
from cutover.metrics.questions import SERIES, Questions
from cutover.metrics.readings import read_series

_FOUND: Final = "found"
_MATCHED: Final = "matched"
_ANYWHERE: Final = "anywhere"
_NEWEST: Final = "newest"

STALE_SCRAPES: Final = 4.0
STALE_SECONDS: Final = 120.0
_USUAL_SCRAPE: Final = 15.0
_RECENT: Final = 600.0
"""Seconds back in which a series that has ended is still searched for."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Which of the metrics asked about there are."""

    matched: frozenset[str]
    """Those with a series under the side's matchers within the last ten minutes or the longest window."""
    anywhere: frozenset[str]
    """Those with a series under any labels now."""
    newest: float | None
    """When the newest sample of the heartbeat was scraped (Unix seconds)."""
    at: float | None
    """The instant, by the server's clock (Unix seconds)."""
    series: Mapping[str, Mapping[float, float]]
    """Of histograms whose servers have different edges: how many series have each edge."""


def search_query(
    metrics: Sequence[str], heartbeat: str, matchers: str, longest_window: float
) -> str:
    """Ask which of the metrics exist, with the matchers and without, and when the last sample came."""
    names = f"__name__=~{promql.quoted('|'.join(dict.fromkeys((*metrics, heartbeat))))}"
    window = promql.duration(max(_RECENT, longest_window))
    matched = f"count by (__name__)(last_over_time({{{names},{matchers}}}[{window}]))"
    anywhere = f"count by (__name__)({{{names}}})"
    # A series whose scrape failed has no instant value any more: look where it still had one.
    newest = f"max(max_over_time(timestamp({promql.selector(heartbeat, matchers)})[{window}:10s]))"
    return promql.joined(
        promql.tagged(expression, _FOUND, tag)
        for expression, tag in ((matched, _MATCHED), (anywhere, _ANYWHERE), (newest, _NEWEST))
    )


def read_findings(vector: Vector) -> Findings:
    """Sort the answer to ``search_query`` and to what was asked about series with it."""
    names: Mapping[str, set[str]] = {_MATCHED: set(), _ANYWHERE: set()}
    series: dict[str, list[Row]] = {}
    newest = None
    for row in vector.rows:
        tag, gate = row.labels.get(_FOUND, ""), row.labels.get(GATE, "")
        if tag == _NEWEST:
            newest = row.value
        elif tag in names:
            names[tag].add(row.labels.get("__name__", ""))
        elif gate.startswith(SERIES):
            series.setdefault(gate.removeprefix(SERIES), []).append(row)
    return Findings(
        frozenset(names[_MATCHED]),
        frozenset(names[_ANYWHERE]),
        newest,
        vector.at,
        {name: read_series(rows) for name, rows in series.items()},
    )


@dataclass(frozen=True, slots=True)
class Scene:
    """One side, as sentences name it."""

    questions: Questions
    asked: Asked
    """The times that gates ask for, whether or not the profile knows them."""
    address: str
    field: str
    """Where the matchers stand in the spec."""
    profile: str


def no_series(scene: Scene, metrics: Sequence[str], findings: Findings) -> Gap | None:
    """Say that nothing is selected, and why; None where something is, or where that cannot be told."""
    beat = (scene.questions.heartbeat,)
    metrics = metrics or (beat if findings.anywhere.intersection(beat) else ())
    if not metrics or findings.matched.intersection(metrics):
        return None
    there = next((metric for metric in metrics if metric in findings.anywhere), None)
    if there is not None:
        sentence = (
            f"metric {there} exists on {scene.address} but nothing carries"
            f" {scene.questions.matchers}: check {scene.field}"
        )
    else:
        sentence = (
            f"{scene.address} has no {metrics[0]}: is the profile {scene.profile} right, is the"
            " server scraped?"
        )
    return Gap(Missing.NO_SERIES, sentence)


def no_data(scene: Scene, what: str, seconds: float, scrape_seconds: float | None) -> Gap:
    """Say that a window holds nothing."""
    if scrape_seconds is not None and seconds < 2 * scrape_seconds:
        why = (
            f"scrapes are {scrape_seconds:.3g} s apart, and two are needed: scrape more often or"
            " wait for a longer window"
        )
    else:
        why = "its series have fewer than two samples there: wait for two scrapes"
    return Gap(
        Missing.NO_DATA,
        f"{what} has nothing in the last {promql.duration(seconds)} on {scene.address}: {why}",
    )


def stale_after(scrape_seconds: float | None) -> float:
    """Return the age (seconds) from which the newest sample is too old.

    Four missed scrapes; at least two minutes, since a Prometheus that is written to from afar is
    often a minute behind, and verdicts rest on longer windows anyway. Guards, which are quicker,
    look at the newest sample themselves.
    """
    return max(STALE_SCRAPES * (scrape_seconds or _USUAL_SCRAPE), STALE_SECONDS)


def stale(scene: Scene, newest: float, at: float, scrape_seconds: float | None) -> Gap | None:
    """Say that the newest sample is too old; None when it is not."""
    age = at - newest
    if age <= stale_after(scrape_seconds):
        return None
    when = datetime.fromtimestamp(newest, UTC).strftime("%H:%M:%SZ")
    return Gap(
        Missing.STALE,
        f"the newest sample of {scene.questions.heartbeat} on {scene.address} is"
        f" {promql.duration(round(age))} old (of {when}): is the server still scraped, does the scrape succeed?",
    )
