"""What gates that ask golden inputs have in common: how they ask, what they are about, what is kept of it."""

import hashlib
import json
from dataclasses import asdict
from typing import Any, Final

from cutover.api.drift import DriftGolden
from cutover.api.evidence import GateStatus, ReplayStatus, ReplayTally
from cutover.api.golden import Dataset, GoldenProtocol
from cutover.api.holdout import HoldoutGate
from cutover.api.parity import ParityGate
from cutover.api.quantities import parse_duration
from cutover.api.status import Plan
from cutover.api.wire import Wire
from cutover.decide.asking import Asking
from cutover.judge.labelled import LabelledFold, Silence
from cutover.judge.outputs import OutputsFold
from cutover.judge.parity import Tally

RATE: Final = 10
CONCURRENCY: Final = 4
TIMEOUT: Final = "1m"
"""Where the gate says nothing."""


def asking(
    spec: ParityGate | HoldoutGate | DriftGolden,
    dataset: Dataset,
    protocol: GoldenProtocol,
    *,
    logprobs: bool = False,
    scoring: bool = False,
) -> Asking:
    """How the gate has its golden inputs asked."""
    return Asking(
        dataset=dataset,
        protocol=protocol,
        scoring=scoring,
        logprobs=logprobs,
        rate=float(spec.rate or RATE),
        concurrency=spec.concurrency or CONCURRENCY,
        deadline=parse_duration(spec.timeout or TIMEOUT).total_seconds(),
    )


def about(plan: Plan, spec: Wire, *more: Any) -> str:
    """Whatever makes earlier answers count for nothing, in 16 hexadecimal digits."""
    sides = [side.endpoint for side in (plan.source, plan.target)]
    what = [
        spec.model_dump(mode="json"),
        [side.model_dump(mode="json") if side else None for side in sides],
        plan.attempt,
        *more,
    ]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def kept(before: GateStatus | None, about: str) -> ReplayStatus | None:
    """How far the replay got, if it was about this."""
    replay = before.replay if before is not None else None
    return replay if replay is not None and replay.about == about else None


def asked_once(
    about: str, fold: LabelledFold | OutputsFold, *, finished: bool, sums: list[float]
) -> ReplayStatus:
    """What the status keeps of items that were asked once on both sides."""
    return ReplayStatus(
        about=about,
        golden_set=fold.digest,
        total=fold.total,
        asked=fold.asked,
        sides=ReplayTally(
            pairs=fold.asked,
            source_unanswered=fold.source.unanswered,
            target_unanswered=fold.target.unanswered,
        ),
        sums=sums,
        trouble=(fold.target.last or fold.source.last)[:256],
        finished=finished,
    )


def silences(known: ReplayStatus) -> tuple[Silence, Silence]:
    """What both sides left unanswered, source first, as a labelled fold goes on from it."""
    tally, unreadable = known.sides, known.sums
    return (
        Silence(tally.source_unanswered, round(unreadable[0]), known.trouble),
        Silence(tally.target_unanswered, round(unreadable[1]), known.trouble),
    )


def stored_tally(tally: Tally) -> ReplayTally:
    """As the status keeps it: by the same names."""
    return ReplayTally(**asdict(tally))


def read_tally(stored: ReplayTally) -> Tally:
    """The way back."""
    return Tally(**stored.model_dump())
