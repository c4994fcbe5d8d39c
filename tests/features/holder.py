"""How does a test use a cluster as a rollout does, look after look?"""

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from cutover.api.clusters import ClusterRef
from cutover.clusters.answers import Answer, Failed, Ok, Reason
from cutover.clusters.connection import Connection
from cutover.clusters.registry import Clusters
from cutover.clusters.secrets import Secrets
from cutover.clusters.sources import Sources
from cutover.clusters.tokens.issuer import Issuer
from cutover.decide.observation import Refusal

HOLDER = "ns/chat"
PATIENCE = 60.0
"""Seconds for one request; the machine may be busy."""


class Holder:
    """From the first connection on; eleven seconds pass with each look."""

    def __init__(
        self,
        own: Connection,
        ref: Callable[[], dict[str, Any]],
        home: str,
        path: str,
        *,
        fleet: Collection[str] = (),
        issuer: Issuer | None = None,
        identity_servers: Collection[str] = (),
    ) -> None:
        self.now = 0.0
        self.said: list[str] = []
        self.home = home
        self.path = path
        """What is asked for there."""
        self._ref = ref
        secrets = Secrets(own, fleet, lambda: self.now)
        sources = Sources(own, secrets, identity_servers=identity_servers)
        issue = issuer.issue if issuer is not None else None
        self.clusters = Clusters(own, sources, issue, clock=lambda: self.now)

    async def connect(self, holder: str = HOLDER) -> Connection | Refusal:
        self.now += 11
        ref = ClusterRef.model_validate(self._ref())
        await self.clusters.connect(ref, self.home, holder)
        await asyncio.gather(*self.clusters._checks)  # no holder waits for the Secret's new content
        return await self.clusters.connect(ref, self.home, holder)

    async def connection(self, holder: str = HOLDER) -> Connection:
        found = await self.connect(holder)
        assert not isinstance(found, Refusal), found
        return found

    async def ask(self, holder: str = HOLDER) -> Answer:
        return self._heard(await (await self.connection(holder)).get(self.path, deadline=PATIENCE))

    async def ask_again(self) -> Answer:
        """By the connection held, without a look at the Secret before it, two seconds later."""
        self.now += 2
        held = [one.connection for one in self.clusters._entries.values() if one.holders]
        assert held[0] is not None
        return self._heard(await held[0].get(self.path, deadline=PATIENCE))

    async def failed(self, reason: Reason, holder: str = HOLDER) -> str:
        answer = await self.ask(holder)
        assert isinstance(answer, Failed), answer
        assert answer.reason is reason, answer
        return answer.message

    async def until_forbidden(self) -> str:
        while isinstance(answer := await self.ask(), Ok):
            pass
        assert answer.reason is Reason.FORBIDDEN
        return answer.message

    async def until_allowed(self) -> None:
        while isinstance(answer := await self.ask(), Failed):
            assert answer.reason is Reason.FORBIDDEN, answer

    def told(self) -> str:
        """All that was said, and what the pools say of themselves."""
        return "\n".join([*self.said, *(repr(entry) for entry in self.clusters._pools)])

    def _heard(self, answer: Answer) -> Answer:
        self.said.append(answer.message if isinstance(answer, Failed) else "")
        return answer
