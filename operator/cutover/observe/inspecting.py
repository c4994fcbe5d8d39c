"""What preflight asks beside the looks: rights, models, pods, images, golden sets.

Each topic is a question of its own, with a deadline, that outlives the turn which began it, so that
nothing of it delays an abort. A look of Preflight gives the answers a moment, and takes those that are
there. All are asked again while the rollout stays in Preflight, so that it goes on once things are mended.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from cutover.api.completion import SourceAfter
from cutover.api.status import Plan
from cutover.decide.readings import Gap, Missing
from cutover.decide.replaying import golden_askings
from cutover.decide.surroundings import Model, Surroundings
from cutover.observe.beside import FAULT, Question
from cutover.ports import Inspector

DEADLINE: Final = 4.0
"""Seconds for each topic."""
A_MOMENT: Final = 1.5
"""Seconds that a look waits for answers."""
OFTEN, SELDOM = timedelta(seconds=10), timedelta(minutes=1)
"""Between two questions: what costs API servers little, and what goes to registries and model servers."""

Asked = Coroutine[Any, Any, Any]


class Inspection:
    """Of one plan: what is being asked, and what was answered last."""

    def __init__(self, about: object) -> None:
        self.about = about
        self._questions: dict[str, Question[Any]] = {}
        self._found: dict[str, Any] = {}

    def ask(self, inspector: Inspector, plan: Plan, now: datetime) -> None:
        """Begin what is due."""
        self._harvest()
        self._one("rights", OFTEN, inspector.rights, now)
        if plan.source.endpoint is not None:
            self._one("source model", OFTEN, lambda: inspector.model("source"), now)
        if plan.target.endpoint is not None:
            self._one("target model", OFTEN, lambda: inspector.model("target"), now)
        if plan.target.workload is not None:
            self._one("references", OFTEN, inspector.references, now)
            self._one("images", SELDOM, inspector.images, now)
        if plan.after_completion.source is SourceAfter.SCALE_TO_ZERO:
            self._one("ending", OFTEN, inspector.ending, now)
        if golden_askings(plan):
            self._one("golden", SELDOM, inspector.golden, now)
        if any(gate.parity is not None for gate in plan.gates):
            self._one("prompts", SELDOM, inspector.prompts, now)

    async def settle(self, seconds: float) -> None:
        """Wait until every question is answered, and no longer than that."""
        tasks = [one.task for one in self._questions.values() if one.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    def seen(self) -> Surroundings:
        """Take what has been answered by now."""
        self._harvest()
        found = self._found
        models: Mapping[str, Model | Gap] = {
            side: found[f"{side} model"]
            for side in ("source", "target")
            if f"{side} model" in found
        }
        return Surroundings(
            rights=found.get("rights"),
            models=models,
            prompts=found.get("prompts"),
            references=found.get("references"),
            images=found.get("images"),
            golden=found.get("golden"),
            ending=found.get("ending"),
        )

    def cancel(self) -> None:
        """Break everything off."""
        for question in self._questions.values():
            question.cancel()

    def _one(self, topic: str, every: timedelta, asked: Any, now: datetime) -> None:
        question = self._questions.setdefault(topic, Question())
        if question.is_due(now, every):
            question.ask(_within(asked()), now, f"preflight: {topic}")

    def _harvest(self) -> None:
        for topic, question in self._questions.items():
            answer = question.answer(Gap(Missing.UNUSABLE, FAULT))
            if answer is not None:
                self._found[topic] = answer


async def _within(asked: Asked) -> Any:
    try:
        async with asyncio.timeout(DEADLINE):
            return await asked
    except TimeoutError:
        return Gap(Missing.UNREACHABLE, f"there was no answer within {DEADLINE:g} s")
