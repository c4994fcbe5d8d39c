"""Do open answers survive? Server-sent events through the gateway, kept open for as long as a test wants.

`with Streams(lab, host) as streams: streams.open(20); …; streams.finish(); streams.ended()`. The two
servers call their models differently, so that every event says who wrote it; they emit a token now
and then until `finish` lets them write the rest at once.
"""

import asyncio
import json
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx

from tests.lab import background
from tests.lab.lab import Lab
from tests.lab.routes import Route, wait_for

TOKENS = 600
SLOWLY = 1.0
"""Seconds between two tokens: ten minutes for a whole answer."""
QUESTION = {"messages": [{"role": "user", "content": "Tell me everything."}]}
SHORT = json.dumps(QUESTION | {"max_tokens": 1})
"""A question for the traffic beside the streams, which is answered at once."""


@dataclass
class Stream:
    """One answer, as far as it has come."""

    side: str = ""
    writers: Counter[str] = field(default_factory=Counter)
    """Events by the name of the model that wrote them."""
    is_whole: bool = False
    error: str = ""

    @property
    def tokens(self) -> int:
        return sum(self.writers.values())


class Streams:
    def __init__(self, lab: Lab, route: Route) -> None:
        self._url = lab.gateway.url
        self._route = route
        self._streams: list[Stream] = []
        self._tasks: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._allow_long_answers()
        self._set(itl=SLOWLY, output_tokens=4 * TOKENS)
        background.run(self._route.slot.source.set(model="of-source"))
        background.run(self._route.slot.target.set(model="of-target"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()

    def open(self, number: int) -> None:
        """Begin so many answers; returns when each has brought something."""
        new = [Stream() for _ in range(number)]
        self._streams += new
        self._tasks += [background.start(self._read(one)) for one in new]
        wait_for(lambda: all(one.tokens or one.error for one in new), "not every stream began", 90)

    def finish(self) -> None:
        """Let the servers write the rest at once."""
        self._set(itl=0.0)

    def ended(self) -> list[Stream]:
        """Wait for all of them."""
        for task in self._tasks:
            task.result(60)
        return self._streams

    @property
    def so_far(self) -> list[Stream]:
        return list(self._streams)

    def _allow_long_answers(self) -> None:
        """Without this Envoy ends every answer after its default of 15 s, whoever writes it."""
        patch = [{"op": "add", "path": "/spec/rules/0/timeouts", "value": {"request": "0s"}}]
        headers = {"Content-Type": "application/json-patch+json"}
        self._route.cluster.call("PATCH", f"{self._route.path}?fieldManager=lab", patch, headers)

    def _set(self, **levers: Any) -> None:
        for server in (self._route.slot.source, self._route.slot.target):
            background.run(server.set(**levers))

    async def _read(self, stream: Stream) -> None:
        body = QUESTION | {"max_tokens": TOKENS, "stream": True}
        headers = {"Host": self._route.host}
        try:
            async with (
                httpx.AsyncClient(trust_env=False, timeout=httpx.Timeout(120)) as client,
                client.stream(
                    "POST", f"{self._url}/v1/chat/completions", json=body, headers=headers
                ) as answer,
            ):
                answer.raise_for_status()
                stream.side = answer.headers["x-served-by"]
                async for line in answer.aiter_lines():
                    self._take(stream, line)
        except (httpx.HTTPError, KeyError, ValueError) as error:
            stream.error = repr(error)
        except asyncio.CancelledError:
            stream.error = "not read to its end"

    def _take(self, stream: Stream, line: str) -> None:
        event = line.removeprefix("data: ")
        if event == "[DONE]":
            stream.is_whole = True
        elif event:
            stream.writers[json.loads(event)["model"]] += 1
