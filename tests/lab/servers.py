"""How does a test reach a pair of model servers and their levers?"""

import json
from dataclasses import dataclass
from typing import Any

import httpx

from tests.lab.description import SlotDescription


@dataclass(frozen=True)
class ModelServer:
    """A client of one server of the fleet; `tests.lab.levers.Levers` says what can be set."""

    slot: int
    side: str
    port: int
    control: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def matchers(self) -> dict[str, str]:
        """Labels that pick this server's series in the lab's Prometheus."""
        return {"slot": str(self.slot), "cluster": self.side}

    async def set(self, **levers: Any) -> None:
        await self._ask("POST", "levers", levers)

    async def reset(self) -> None:
        """Healthy and quick again; counters stay."""
        await self._ask("POST", "reset")

    async def restart(self) -> None:
        """As a crash and a new process: counters from zero, open connections end."""
        await self._ask("POST", "restart")

    async def arrivals(self, since: float = 0) -> list[float]:
        """When inference requests came, by the wall clock."""
        return [float(at) for at in await self._ask("GET", f"arrivals?since={since!r}")]

    async def forget_arrivals(self) -> None:
        await self._ask("POST", "forget")

    async def state(self) -> dict[str, Any]:
        """Counts: arrivals, last_arrival, finished by reason, running."""
        return dict(await self._ask("GET", "state"))

    async def _ask(self, method: str, verb: str, body: Any = None) -> Any:
        url = f"{self.control}/{self.slot}/{self.side}/{verb}"
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            answer = await client.request(method, url, content=json.dumps(body or {}))
        if answer.is_error:
            raise ValueError(answer.text)
        return answer.json()


@dataclass(frozen=True)
class Slot:
    number: int
    source: ModelServer
    target: ModelServer

    @classmethod
    def described(cls, slot: SlotDescription) -> "Slot":
        control = f"http://127.0.0.1:{slot.control}"
        return cls(
            slot.number,
            ModelServer(slot.number, "source", slot.source, control),
            ModelServer(slot.number, "target", slot.target, control),
        )

    async def reset(self) -> None:
        """Both healthy and quick, and no arrivals yet; counters stay."""
        for server in (self.source, self.target):
            await server.reset()
            await server.forget_arrivals()
