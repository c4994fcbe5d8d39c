"""`ports.Inspector`: one plan's API servers, endpoints, pods and golden sets."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from cutover.api.clusters import ClusterRef
from cutover.api.status import Plan
from cutover.clusters.connection import Connection
from cutover.clusters.scaling import SCALED_OBJECT, source_workload
from cutover.decide.decommission import untouchable
from cutover.decide.observation import Refusal, WorkloadSeen
from cutover.decide.readings import Gap, Missing
from cutover.decide.replaying import golden_askings
from cutover.decide.surroundings import Ending, Model, Prompts, Rights, Thing, Unfit
from cutover.inspection.models import ask_model
from cutover.inspection.pods import PodNeeds, find_references, read_needs
from cutover.inspection.registry import find_images
from cutover.inspection.rights import SCALE_TO_ZERO, ask_rights, rights_of
from cutover.judge.golden import Answer, GoldenSet, Unanswered
from cutover.ports import SideName
from cutover.replay.client import connect
from cutover.replay.replayer import GoldenReplayer, Replays
from cutover.traffic.layout import Kind
from cutover.traffic.layouts import layout_of

A_MOMENT = 1.0
"""Seconds: a cluster that does not answer must not keep back what the other says of its permissions."""
Connect = Callable[[ClusterRef], Awaitable[Connection | Refusal]]


class PlanInspector:
    """Asks for one plan; it reads, and changes nothing."""

    def __init__(self, plan: Plan, namespace: str, cluster: Connect, replays: Replays) -> None:
        self._plan = plan
        self._namespace = namespace
        self._cluster = cluster
        self._replays = replays

    async def rights(self) -> Rights | Gap:
        """What the API servers allow of all that the run will do."""
        traffic = self._plan.traffic
        connection = await self._cluster(traffic.cluster)
        if isinstance(connection, Refusal):
            return Gap(Missing.CREDENTIALS, connection.message)
        kinds: list[Kind] = []
        for route in traffic.every_route:
            layout = await layout_of(route, connection)
            if isinstance(layout, Refusal):
                return Gap(Missing.UNREACHABLE, layout.message)
            kinds.append(layout.kind)
        paused = await self._to_pause()
        rights = rights_of(self._plan, self._namespace, kinds, paused)
        return await ask_rights(list(rights), self._cluster)

    async def model(self, side: SideName) -> Model | Gap:
        """What a side's endpoint says that it serves."""
        asked = self._plan.source if side == "source" else self._plan.target
        if asked.endpoint is None:
            return Gap(Missing.NO_DATA, f"spec.{side}.endpoint is missing")
        replays = self._replays
        server = await connect(replays.secrets, self._namespace, asked.endpoint, replays.system_tls)
        if isinstance(server, Unanswered):
            return Gap(Missing.CREDENTIALS, server.message)
        try:
            return await ask_model(server, asked.endpoint, asked.profile or self._plan.profile)
        finally:
            await server.aclose()

    async def prompts(self) -> Prompts | Gap:
        """How many tokens both sides count in the first golden input of the first parity gate."""
        gate = next(one.name for one in self._plan.gates if one.parity is not None)
        replayer = self._replayer(gate)
        async with replayer.turn():
            golden = await replayer.golden_set()
            if isinstance(golden, Refusal):
                return Gap(Missing.UNUSABLE, golden.message)
            item = golden.items[0]
            source = await replayer.ask("source", item)
            target = await replayer.ask("target", item)
        for side, answer in (("source", source), ("target", target)):
            if isinstance(answer, Unanswered):
                return Gap(Missing.UNREACHABLE, f"{side}: {answer.message}")
        return Prompts(gate, item.id, _tokens(source), _tokens(target))

    async def references(self) -> tuple[Thing, ...] | Gap:
        """Which Secrets and ConfigMaps the target's pods name."""
        found = await self._needs()
        if isinstance(found, Gap):
            return found
        connection, needs, namespace = found
        return await find_references(connection, needs, namespace)

    async def images(self) -> tuple[Thing, ...] | Gap:
        """Which images the target's pods name, and whether their registries have them."""
        found = await self._needs()
        if isinstance(found, Gap):
            return found
        return await find_images(found[1].images, self._replays.system_tls)

    async def golden(self) -> Mapping[str, int | Unfit] | Gap:
        """How many items each golden set has, or what is wrong with it."""
        found: dict[str, int | Unfit] = {}
        for name in golden_askings(self._plan):
            golden = await self._replayer(name).golden_set()
            if isinstance(golden, GoldenSet):
                found[name] = len(golden.items)
            else:
                found[name] = Unfit(golden.reason, golden.message)
        return found

    async def ending(self) -> Ending | Gap:
        """What scaling the source to zero would come to now."""
        found = await self._source()
        if isinstance(found, Gap):
            return found
        paused = tuple(f"{one.kind} {one.name}" for one in found.autoscalers if not one.holds)
        return Ending(untouchable(found), paused)

    async def _to_pause(self) -> tuple[str, ...]:
        """Which of KEDA's objects are paused at the end; one empty name where that cannot be told."""
        if self._plan.after_completion.source is not SCALE_TO_ZERO:
            return ()
        try:
            async with asyncio.timeout(A_MOMENT):
                found = await self._source()
        except TimeoutError:
            return ("",)
        if isinstance(found, Gap):
            return ("",)
        paused = (one for one in found.autoscalers if one.kind == SCALED_OBJECT)
        return tuple(one.name for one in paused if not one.holds)

    async def _source(self) -> WorkloadSeen | Gap:
        workload = await source_workload(self._plan, self._namespace, self._cluster)
        if isinstance(workload, Refusal):
            return Gap(Missing.CREDENTIALS, workload.message)
        return await workload.look()

    def _replayer(self, name: str) -> GoldenReplayer:
        asking = replace(golden_askings(self._plan)[name], deadline=3.0)
        plan = self._plan
        ends = (plan.source.endpoint, plan.target.endpoint)
        return GoldenReplayer(self._replays, self._namespace, *ends, asking)

    async def _needs(self) -> tuple[Connection, PodNeeds, str] | Gap:
        side = self._plan.target
        if side.workload is None:
            return Gap(Missing.NO_DATA, "spec.target.workload is missing")
        connection = await self._cluster(side.cluster)
        if isinstance(connection, Refusal):
            return Gap(Missing.CREDENTIALS, connection.message)
        place = side.cluster.namespace or self._namespace
        needs = await read_needs(connection, side.workload, place)
        return needs if isinstance(needs, Gap) else (connection, needs, place)


def _tokens(answer: Answer) -> int | None:
    return getattr(answer, "prompt_tokens", None)
