"""Whether the gateway would break off answers that take long."""

from collections.abc import Iterator
from math import isfinite
from typing import Final

from cutover.api.sides import Profile
from cutover.api.status import Plan
from cutover.decide.check import Check, passed, warned
from cutover.decide.guarding import p99_of
from cutover.decide.readings import Reading, SideReading
from cutover.decide.route import AnswerLimit

NAME: Final = "answer limit"
NEAR: Final = 1 / 3
"""Of the limit: where one answer in a hundred takes so long, some may take all of it."""
GENERATING: Final = frozenset(
    {Profile.VLLM, Profile.SGLANG, Profile.TGI, Profile.NIM, Profile.LLAMA_CPP}
)
"""Servers of language models: how long an answer takes is up to who asks."""


def answer_limit_checks(limit: AnswerLimit, source: Reading | None, plan: Plan) -> Iterator[Check]:
    """Check the source's measured answers against a default that nobody chose; unmeasured, its profile."""
    slowest = p99_of(source) if isinstance(source, SideReading) else None
    profile = plan.source.profile or plan.profile
    after = f"{limit.gateway} breaks an answer off after {limit.seconds:g} s"
    if slowest is not None and slowest < NEAR * limit.seconds:
        yield passed(
            NAME, f"99 % of the source's answers take less than {slowest:g} s, and {after}"
        )
    elif slowest is not None or profile in GENERATING:
        took = "unmeasured" if slowest is None else _took(slowest)
        yield warned(
            NAME,
            "AnswersMayBeCut",
            f"{after}, streams too, where the route sets no {limit.field}, and the source's are {took}: set it"
            f" to {limit.off} (no limit), or to more than the longest takes",
        )


def _took(slowest: float) -> str:
    if not isfinite(slowest):
        return "longer than its histogram can tell (99th percentile)"
    return f"up to {slowest:g} s long (99th percentile)"
