"""The source's past from its Prometheus, in bulk, into arrays.

By prometheus-api-client, from where the command line runs: its timeout set (so each request has a
deadline), its retries off. Redirects are not followed and warned answers not believed.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import ceil, inf, isclose
from typing import Any, Final
from urllib.parse import unquote_plus

import numpy as np
import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from cutover.api.gates import Gate
from cutover.api.quantities import parse_duration
from cutover.api.status import Plan
from cutover.decide.looking import SCRAPE_UNKNOWN
from cutover.errors import CutoverError
from cutover.foresight.past import Floats, GatePast, Past, Scaling, Spread
from cutover.foresight.spreads import read_spread
from cutover.judge.histogram import snap
from cutover.metrics import promql
from cutover.metrics.promql import GATE
from cutover.metrics.quantities import ERRORS, REQUESTS, Asked, Quantity
from cutover.metrics.questions import NEWEST, SCRAPE, Questions, ask_about
from cutover.metrics.readings import edge_of

LOOKS_AT_ONCE: Final = 720
"""Looks of one request: six hours of half a minute each, some 25 bytes a look and number."""
EDGES_OVER: Final = 3600.0
"""Seconds back in which a histogram must have been there for its edges to be known."""
_LONGEST: Final = 300
"""Characters of a server's own words that go into a sentence."""


class HistoryError(CutoverError):
    """There is no past to be had; one sentence says why and what to do."""


@dataclass(frozen=True)
class Where:
    """Whom to ask, and as whom. Nothing of ``headers`` is ever printed."""

    address: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = 30.0
    """Seconds for each request to connect, and again for each part of its answer."""

    def hide(self, text: str) -> str:
        """Take out what must not be seen."""
        for value in self.headers.values():
            for secret in (value, value.partition(" ")[2]):
                text = text.replace(secret, "…") if len(secret) > 3 else text
        return text


class Asker:
    """Asks one Prometheus."""

    def __init__(self, where: Where) -> None:
        session = requests.Session()
        session.max_redirects = 0
        session.hooks["response"].append(_refuse_warnings)
        self._where = where
        self._client = PrometheusConnect(
            url=where.address.rstrip("/"),
            headers=dict(where.headers),
            retry=Retry(total=0),
            session=session,
            timeout=where.timeout,
            method="POST",
        )

    def now(self, query: str) -> list[Mapping[str, Any]]:
        """Ask for an instant vector."""
        return self._asked(lambda: self._client.custom_query(query))

    def range(self, query: str, begin: float, end: float, step: float) -> list[Mapping[str, Any]]:
        """Ask for a range; times in Unix seconds, to the millisecond."""
        exact = {
            "start": f"{begin:.3f}",
            "end": f"{end:.3f}",
        }  # the client itself rounds to seconds
        first, last = (datetime.fromtimestamp(at, UTC) for at in (begin, end))
        return self._asked(
            lambda: self._client.custom_query_range(query, first, last, f"{step:.3f}", exact)
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _asked(self, ask: Callable[[], Any]) -> list[Mapping[str, Any]]:
        address = self._where.address
        try:
            return list(ask())
        except requests.exceptions.TooManyRedirects as error:
            raise HistoryError(
                f"{address} answered with a redirect, which is not followed: is there a login page in front?"
            ) from error
        except requests.exceptions.Timeout as error:
            raise HistoryError(
                f"{address} gave no answer in {self._where.timeout:g} s: give it more with --timeout"
            ) from error
        except requests.exceptions.ConnectionError as error:
            raise HistoryError(
                f"{address} cannot be reached from here: name one that can be with --prometheus, such as a"
                " port-forward"
            ) from error
        except PrometheusApiClientException as error:
            raise HistoryError(_refused(self._where, str(error))) from error
        except (ValueError, KeyError, TypeError, requests.exceptions.RequestException) as error:
            raise HistoryError(
                f"{address} answered with something that is not Prometheus' API: is the address right?"
            ) from error


def _refuse_warnings(response: requests.Response, *_: Any, **__: Any) -> None:
    """Believe no answer of which the server itself says that it is not whole."""
    if response.status_code != 200 or b'"warnings"' not in response.content:
        return
    try:
        told = json.loads(response.content).get("warnings") or ()
    except (ValueError, AttributeError):
        return
    serious = [str(one) for one in told if not str(one).startswith("PromQL info:")]
    if serious:
        raise HistoryError(
            f"Prometheus warned that its answer is not whole: {'; '.join(serious)[:_LONGEST]}"
        )


def _refused(where: Where, said: str) -> str:
    """Make a sentence of the client's error: ``HTTP Status Code 400 (b'…')``."""
    found = re.search(r"HTTP Status Code (\d+)", said)
    code = int(found[1]) if found else 0
    if code in (401, 403):
        return (
            f"{where.address} refused our credentials (HTTP {code}): give a token with --token-file or in"
            " CUTOVER_PROMETHEUS_TOKEN, other headers with --header"
        )
    words = re.search(r'"error":"(.*?)"[,}]', said)
    told = where.hide(words[1])[:_LONGEST] if words else "without a reason"
    return f"{where.address} answered HTTP {code}: {told}"


# --- what is asked ------------------------------------------------------------------------------


def read_past(
    plan: Plan,
    gates: Sequence[Gate],
    where: Where,
    span: float,
    *,
    factor: float = 1.0,
    begin: Callable[[int], Callable[[], None]] = lambda _: lambda: None,
) -> Past:
    """Read ``span`` seconds of the source's past up to its newest sample.

    ``factor``: also count what would be slow if every request took so many times as long. ``begin`` is
    told how many requests there will be, and what it gives is called after each.
    """
    asker = Asker(where)
    try:
        return _Reader(plan, gates, asker, where.address, factor).read(span, begin)
    finally:
        asker.close()


@dataclass(frozen=True, slots=True)
class Grid:
    """When looks end: the first (Unix seconds), each ``look`` seconds later, and how many."""

    first: float
    look: float
    looks: int

    @property
    def parts(self) -> list[tuple[float, float]]:
        """Ends of the first and the last look of each request."""
        starts = range(0, self.looks, LOOKS_AT_ONCE)
        return [
            (
                self.first + at * self.look,
                self.first + (min(at + LOOKS_AT_ONCE, self.looks) - 1) * self.look,
            )
            for at in starts
        ]


class _Reader:
    def __init__(
        self, plan: Plan, gates: Sequence[Gate], asker: Asker, address: str, factor: float
    ) -> None:
        metrics = dict.fromkeys(gate.latency.metric for gate in gates if gate.latency)
        self._drifts = [gate for gate in plan.gates if gate.traffic_drift is not None]
        self._asked: Questions = ask_about(
            plan.source,
            plan.target,
            plan.profile,
            plan.custom,
            Asked(tuple(metrics)),
            gates=self._drifts,
        )
        self._by_name = {one.name: one for one in self._asked.quantities}
        self._gates, self._asker, self._address = gates, asker, address
        self._factor = factor
        self._interval = parse_duration(plan.analysis.interval).total_seconds()

    def read(self, span: float, begin: Callable[[int], Callable[[], None]]) -> Past:
        newest, scrape = self._vitals()
        look = round(ceil(self._interval / scrape - 1e-6) * scrape, 3)
        scalings = {gate.name: self._scaling(gate) for gate in self._gates if gate.latency}
        looks = max(1, int(span / look))
        # Looks end between two scrapes, so that no sample lies on an edge.
        last = newest - scrape / 2
        first = last - (looks - 1) * look
        query = promql.over(self._query(scalings), look + scrape)
        arrays: dict[tuple[str, float], Floats] = {}
        grid = Grid(first, look, looks)
        advance = begin((1 + len(self._drifts)) * len(grid.parts))
        for begins, ends in grid.parts:
            for one in self._asker.range(query, begins, ends, look):
                self._store(arrays, one, grid)
            advance()
        share = look / (look + scrape)
        spreads = self._spreads(grid, look + scrape, share, advance)
        return self._sorted(
            {key: values * share for key, values in arrays.items()},
            scalings,
            Past(first - look, look, scrape, np.empty(0), np.empty(0), {}, spreads),
            looks,
        )

    def _spreads(
        self, grid: Grid, window: float, share: float, advance: Callable[[], None]
    ) -> dict[str, Spread]:
        """Read what drift gates compare, each by itself: a bad expression costs its own gate."""
        found: dict[str, Spread] = {}
        for gate in self._drifts:
            assert gate.drift is not None  # noqa: S101 - chosen by it
            key = gate.drift.key(gate.name)
            quantity = next((one for one in self._asked.distributions if one.name == key), None)
            series: list[Mapping[str, Any]] = []
            for begins, ends in grid.parts:
                if quantity is not None:
                    query = promql.over(quantity.expression, window)
                    with suppress(HistoryError):
                        series += self._asker.range(query, begins, ends, grid.look)
                advance()
            told = quantity and read_spread(quantity, series, grid.first, grid.look, grid.looks)
            if told:
                found[gate.name] = replace(told, counts=told.counts * share)
        return found

    def _vitals(self) -> tuple[float, float]:
        """Return when the newest sample was scraped, and the seconds between scrapes."""
        told = {
            one["metric"].get(GATE): float(one["value"][1])
            for one in self._asker.now(unquote_plus(self._asked.vitals))
        }
        newest = told.get(NEWEST)
        if newest is None:
            raise HistoryError(
                f"{self._address} has no {self._asked.heartbeat} with {self._asked.matchers} in the last"
                " minutes: is this the source's Prometheus, and do spec.source.prometheus.matchers select"
                " its servers?"
            )
        return newest, told.get(SCRAPE) or SCRAPE_UNKNOWN

    def _scaling(self, gate: Gate) -> Scaling:
        assert gate.latency is not None  # noqa: S101 - the caller looked
        quantity = self._by_name[gate.latency.metric]
        rows = self._asker.now(promql.over(quantity.expression, EDGES_OVER))
        found = [edge_of(one["metric"].get("le", "")) for one in rows]
        edges = [edge * quantity.unit for edge in found if edge is not None]
        snapped = snap(parse_duration(gate.latency.threshold).total_seconds(), edges)
        if snapped is None:
            raise HistoryError(
                f"{self._address} has no buckets of {quantity.what} with {self._asked.matchers} in the last"
                f" hour, which gate {gate.name} needs"
            )
        return Scaling.between(edges, snapped.edge, self._factor)

    def _query(self, scalings: Mapping[str, Scaling]) -> str:
        edges: dict[str, set[float]] = {}
        for gate in self._gates:
            if gate.latency is not None:
                edges.setdefault(gate.latency.metric, {inf}).update(scalings[gate.name].edges)
        return promql.joined(
            promql.tagged(_at(one, edges.get(one.name)), GATE, one.name)
            for one in self._asked.quantities
            if one.name in edges or one.name in (REQUESTS, ERRORS)
        )

    def _store(
        self, arrays: dict[tuple[str, float], Floats], series: Mapping[str, Any], grid: "Grid"
    ) -> None:
        """Write one series of the answer into its array; an edge written in two ways adds up."""
        name, text = series["metric"].get(GATE, ""), series["metric"].get("le")
        edge = inf if text is None else edge_of(text)
        quantity = self._by_name.get(name)
        if edge is None or quantity is None:
            return
        edge *= quantity.unit
        known = next((at for key, at in arrays if key == name and isclose(at, edge)), edge)
        values = np.array(series["values"], dtype=np.float64).reshape(-1, 2)
        at = np.rint((values[:, 0] - grid.first) / grid.look).astype(int)
        inside = (at >= 0) & (at < grid.looks)
        array = arrays.setdefault((name, known), np.full(grid.looks, np.nan))
        at, found = at[inside], values[inside, 1]
        array[at] = np.where(np.isnan(array[at]), found, array[at] + found)

    def _sorted(
        self,
        arrays: Mapping[tuple[str, float], Floats],
        scalings: Mapping[str, Scaling],
        frame: Past,
        looks: int,
    ) -> Past:
        unknown = np.full(looks, np.nan)
        requests_ = arrays.get((REQUESTS, inf), unknown)
        # No error series at all is no error, where requests are known.
        errors = np.nan_to_num(arrays.get((ERRORS, inf), unknown), nan=0.0)
        failed = np.where(np.isfinite(requests_), np.minimum(errors, requests_), np.nan)
        gates: dict[str, GatePast] = {}
        for gate in self._gates:
            if gate.latency is None:
                gates[gate.name] = GatePast(requests_, failed, failed)
                continue
            scaling, metric = scalings[gate.name], gate.latency.metric
            total = arrays.get((metric, inf), unknown)
            below = {edge: _found(arrays, metric, edge, unknown) for edge in scaling.edges}
            bad = np.clip(total - below[scaling.edge], 0.0, total)
            worse = bad if scaling.factor == 1.0 else scaling.worse(total, below)
            gates[gate.name] = GatePast(total, bad, np.maximum(bad, worse), scaling.edge)
        past = replace(frame, requests=requests_, failed=failed, gates=gates)
        known = np.flatnonzero(past.known)
        if not len(known) or not np.nansum(requests_):
            raise HistoryError(
                f"{self._address} holds no requests of {self._asked.matchers} in that time: nothing to replay"
            )
        return past.starting(int(known[0]))


def _found(
    arrays: Mapping[tuple[str, float], Floats], name: str, edge: float, unknown: Floats
) -> Floats:
    """Find one bucket; edges that were counted in other units differ in their last digits."""
    near = (values for (key, at), values in arrays.items() if key == name and isclose(at, edge))
    return next(near, unknown)


def _at(quantity: Quantity, edges: set[float] | None) -> str:
    text: str = quantity.expression if edges is None else quantity.at(sorted(edges))
    return text
