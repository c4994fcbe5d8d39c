"""What drift gates compare, as PromQL: a profile's distributions, and those that a user names.

They ride in the joined query of a full look, over its long window alone: guards do not need them.
"""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Final

from cutover.api.gates import Gate
from cutover.api.sides import Profile
from cutover.decide.readings import Gap, Missing
from cutover.judge.distribution import Classes
from cutover.judge.drift import PROMPT_TOKENS
from cutover.metrics import promql
from cutover.metrics.answers import Row
from cutover.metrics.profiles import NAMES
from cutover.metrics.profiles.names import Counter, Sizes
from cutover.metrics.quantities import Quantity, histogram, increase

CLASS: Final = "class"
"""The label that holds the class in an answer, however the server calls it."""
MOST_CLASSES: Final = 2000
"""More are no classes: a request's id in a label, or a free text."""


def asked_distributions(
    profile: Profile, gates: Sequence[Gate], matchers: str
) -> tuple[Quantity, ...]:
    """Return what is read of one side; what its profile does not know is left out.

    Prompt lengths are read wherever both sides are compared: what goes in must be alike.
    """
    asked: dict[str, Quantity] = {}
    for gate in gates:
        own = _own(gate, matchers)
        if own is not None:
            asked[own.name] = own
    compared = [PROMPT_TOKENS] if any(one.latency or one.traffic_drift for one in gates) else []
    named = [one.drift.distribution for one in gates if one.drift and one.drift.distribution]
    known = NAMES[profile].distributions if profile in NAMES else {}
    for name in dict.fromkeys([*named, *compared]):
        if name in known:
            found = known[name]
            asked[name] = (
                histogram(name, [found.histogram], matchers)
                if isinstance(found, Sizes)
                else _classes(name, found.counter, found.labels, matchers)
            )
    return tuple(asked.values())


def _own(gate: Gate, matchers: str) -> Quantity | None:
    """Ask for what a gate itself names."""
    drift = gate.traffic_drift
    if drift is None:
        return None
    name = drift.key(gate.name)
    if drift.histogram is not None:
        return histogram(name, [drift.histogram.metric], matchers)
    if drift.classes is not None:
        metric = drift.classes.metric
        created = f"{metric.removesuffix('_total')}_created"
        counter = Counter(metric, created=created)
        return _classes(name, counter, (drift.classes.label,), matchers)
    if drift.buckets is not None:
        return Quantity(
            name,
            f"({drift.buckets.replace(promql.MATCHERS, matchers)}\n)",  # the line break ends a comment
            promql.metrics_in(drift.buckets),
            f"spec.gates[{gate.name}].drift.buckets",
            is_histogram=True,
        )
    return None


def _classes(name: str, counter: Counter, labels: Sequence[str], matchers: str) -> Quantity:
    """Sum by class. The first spelling takes the place of any label ``class`` that a series has already."""
    text = f"({increase(counter, matchers, promql.selector('up', matchers))})"
    for number, label in enumerate(labels):
        pattern = "(.+)" if number else "(.*)"
        text = f'label_replace({text},"{CLASS}","$1","{label}","{pattern}")'
    what = f"{counter.metric} by {labels[0]}"
    return Quantity(name, f"sum by ({CLASS})({text})", (counter.metric,), what)


def read_classes(what: str, rows: Iterable[Row]) -> Classes | Gap:
    """Read counts by class."""
    counts: dict[str, float] = {}
    for row in rows:
        if not isfinite(row.value):
            return Gap(Missing.NOT_FINITE, f"{what} gives {row.value}, which is no count")
        name = row.labels.get(CLASS, "")
        counts[name] = counts.get(name, 0.0) + max(0.0, row.value)
    if len(counts) > MOST_CLASSES:
        return Gap(
            Missing.INVALID_QUERY,
            f"{what} has {len(counts)} classes, and at most {MOST_CLASSES} are compared: choose a label"
            " with fewer values",
        )
    return Classes(counts)
