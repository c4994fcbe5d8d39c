"""One look at one side: every number of every window as one query, so that all are of one instant.

The branches are joined by ``or`` and told apart by two labels, ``gate`` and ``window``. When the
joined query is refused or too slow, each quantity is asked alone: a bad custom expression then
costs its own gate and no other, and stays out of the joined query for as long as it is bad.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cutover.api.custom import CustomMetrics
from cutover.api.expressions import QueryGate
from cutover.api.gates import Gate
from cutover.api.sides import Profile, Prometheus, Side
from cutover.decide.past import PastQuestion
from cutover.decide.readings import Gap, Missing, Reading, Value
from cutover.judge.evidence import Count
from cutover.metrics import promql
from cutover.metrics.answers import Answer, TooSlow, Vector
from cutover.metrics.diagnosis import Findings, Scene, read_findings, search_query
from cutover.metrics.history import past_query, past_span, read_past
from cutover.metrics.profiles import NAMES
from cutover.metrics.prometheus import DEADLINE, PrometheusPool
from cutover.metrics.quantities import ERRORS, WHOLE_REQUEST, Quantity, times_of
from cutover.metrics.questions import NEWEST, UNEVEN, ask_about
from cutover.metrics.readings import Answered, sort_rows
from cutover.metrics.telling import tell
from cutover.metrics.values import PATIENCE, asked_of, filled, read_value

_SIGN_OF_LIFE: Final = 1.0
"""Seconds in which a server that was too slow must answer something trivial."""
_SMALLER: Final = 3.0
"""Seconds for one quantity, or for the search of what is missing."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rollout's metrics are, and for whom they are read."""

    prometheus: Prometheus
    namespace: str
    """The rollout's, for Secrets."""
    client: PrometheusPool


class JoinedMetrics:
    """One side's metrics for one rollout: the port ``Metrics``.

    Keeps nothing between looks but which quantities are refused, so it may be built anew at any
    time; building takes about a tenth of a millisecond.
    """

    def __init__(
        self, scene: Scene, place: Place, gates: Sequence[Gate], valued: Mapping[str, QueryGate]
    ) -> None:
        """``gates`` are those whose past is told; ``valued`` what query gates ask of this side."""
        self._scene = scene
        self._gates = tuple(gates)
        self._valued = valued
        self._where = place.prometheus
        self._namespace = place.namespace
        self._client = place.client
        self._apart: frozenset[str] = frozenset()

    async def look(
        self, windows: Sequence[float], *, full: bool = True, long: float | None = None
    ) -> Reading:
        """Read trailing windows (seconds) that end now; what only people want to see if ``full``.

        Over ``long``, one of them, also what drift gates compare.

        One request of at most five seconds where all is well; up to twelve seconds when something
        is slow and something is missing.
        """
        answered = await self._ask(tuple(windows), full=full, long=long)
        if isinstance(answered, Gap):
            return answered
        return tell(self._scene, answered, await self._search(answered))

    async def values(self, seconds: float) -> Mapping[str, Value]:
        """Ask what the query gates want to know of this side, over the last ``seconds``."""
        answers = await asyncio.gather(
            *(self._value(asked, seconds) for asked in self._valued.values())
        )
        return dict(zip(self._valued, answers, strict=True))

    async def _value(self, asked: QueryGate, seconds: float) -> Value:
        text = filled(asked.expr, self._scene.questions.matchers, seconds)
        answer = await self._query(text, PATIENCE)
        return Value(read_value(answer, self._scene.address, asked.reduce), text)

    @property
    def has_past(self) -> tuple[str, ...]:
        """Names of the gates whose past can be asked for."""
        return tuple(gate.name for gate in self._gates if gate.counts_requests)

    async def history(self, question: PastQuestion) -> Mapping[str, Sequence[Count] | Gap] | Gap:
        """Read each gate's counts in the looks of a past: one range query, some 25 bytes a look and number."""
        asked = past_query(question, self._scene.questions.quantities, self._gates)
        span = past_span(question)
        try:
            async with asyncio.timeout(question.deadline):
                answer = await self._client.query_range(
                    self._namespace, self._where, asked, span, deadline=question.deadline
                )
        except TimeoutError:
            return TooSlow(
                Missing.UNREACHABLE,
                f"{self._scene.address} did not tell the past within {question.deadline:g} s",
            )
        return (
            answer
            if isinstance(answer, Gap)
            else read_past(question, self._scene.questions.quantities, self._gates, answer)
        )

    async def _query(self, promql_text: str, deadline: float = DEADLINE) -> Answer:
        return await self._client.query(
            self._namespace, self._where, promql_text, deadline=deadline
        )

    async def _alone(self, quantity: Quantity, windows: tuple[float, ...]) -> Answer:
        return await self._query(self._scene.questions.alone(quantity, windows), _SMALLER)

    async def _ask(
        self, windows: tuple[float, ...], *, full: bool, long: float | None
    ) -> Answered | Gap:
        """Ask everything, and apart from it what was refused before."""
        questions = self._scene.questions
        whole = self._query(questions.joined(windows, self._apart, full=full, long=long))
        apart = [one for one in questions.asked(windows, long) if one[0].name in self._apart]
        if apart:
            joined, *answers = await asyncio.gather(whole, *(self._alone(*one) for one in apart))
        else:
            joined, answers = await whole, []
        if isinstance(joined, Vector):
            asked = [one for one, _ in apart]
            return self._gathered(windows, joined, asked, answers, long=long)
        if isinstance(joined, TooSlow):
            life = await self._query("vector(1)", _SIGN_OF_LIFE)
            if isinstance(life, Gap):
                return joined
        elif joined.missing is not Missing.INVALID_QUERY:
            return joined
        return await self._one_by_one(windows, full=full, long=long)

    async def _one_by_one(
        self, windows: tuple[float, ...], *, full: bool, long: float | None
    ) -> Answered | Gap:
        """Find out whose fault it is."""
        asked = self._scene.questions.asked(windows, long)
        vitals, *answers = await asyncio.gather(
            self._query(self._scene.questions.present(full=full), _SMALLER),
            *(self._alone(*one) for one in asked),
        )
        if isinstance(vitals, Gap):
            return vitals
        return self._gathered(windows, vitals, [one for one, _ in asked], answers, long=long)

    def _gathered(
        self,
        windows: tuple[float, ...],
        joined: Vector,
        apart: Sequence[Quantity],
        answers: Sequence[Answer],
        *,
        long: float | None,
    ) -> Answered:
        rows = list(joined.rows)
        gaps: dict[str, Gap] = {}
        for quantity, answer in zip(apart, answers, strict=True):
            if isinstance(answer, Vector):
                rows += answer.rows
            else:
                gaps[quantity.name] = Gap(answer.missing, f"{quantity.what}: {answer.message}")
        self._apart = self._apart.difference(one.name for one in apart) | gaps.keys()
        return Answered(windows, sort_rows(rows), joined.at, gaps, long)

    async def _search(self, seen: Answered) -> Findings | Gap | None:
        """Find out about what no window holds and about uneven histograms; None: all is well."""
        asked = self._scene.questions
        looked_for = [one for one, _ in asked.asked(seen.windows, seen.long)]
        known = [one for one in looked_for if one.name not in seen.gaps]
        missing = [one for one in known if one.name != ERRORS and not seen.has(one.name)]
        uneven = [one for one in known if seen.vital(UNEVEN + one.name) is not None]
        if not seen.windows or not (missing or uneven or seen.vital(NEWEST) is None):
            return None
        longest = max(seen.windows)
        metrics = [metric for one in missing for metric in one.metrics]
        search = search_query(metrics, asked.heartbeat, asked.matchers, longest)
        answer = await self._query(
            promql.joined([search, *asked.series(uneven, longest)]), _SMALLER
        )
        return answer if isinstance(answer, Gap) else read_findings(answer)


class SideMetrics(JoinedMetrics):
    """What the servers of one side tell themselves."""

    def __init__(
        self,
        side: Side,
        other: Side,
        *,
        name: str,
        profile: Profile,
        custom: CustomMetrics | None,
        gates: Sequence[Gate],
        namespace: str,
        client: PrometheusPool,
    ) -> None:
        """``name`` is source or target; ``profile`` the rollout's, before which a side's own goes."""
        own = NAMES.get(side.profile or profile)
        judged = [gate for gate in gates if not gate.at_gateway]
        asked = times_of(judged, whole=own is not None and WHOLE_REQUEST in own.latencies)
        scene = Scene(
            questions=ask_about(side, other, profile, custom, asked, gates=judged),
            asked=asked,
            address=side.prometheus.address,
            field=f"spec.{name}.prometheus.matchers",
            profile=str(side.profile or profile),
        )
        place = Place(side.prometheus, namespace, client)
        super().__init__(scene, place, judged, asked_of(name, gates))
