"""The operator's shell around a reconciler that only writes down what it does, and when.

A rollout that says `paused` is looked at in vain: the look hangs. One that says `abort` is not.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cutover.clusters.connection import Connection
from cutover.clusters.events import Events
from cutover.clusters.own import connect_own
from cutover.clusters.rollouts import ApiRollouts
from cutover.errors import LeadershipLost
from cutover.logs import start_logging
from cutover.ports import Leadership, NotWritten
from cutover.process import live
from cutover.queue import Key, Queue
from cutover.settings import Settings, read_settings
from cutover.telemetry import Telemetry


class Scribe:
    def __init__(self, own: Connection, leadership: Leadership, telemetry: Telemetry) -> None:
        self._rollouts = ApiRollouts(own, Events(own, "scribe"))
        self._leadership = leadership
        self._telemetry = telemetry
        self._journal = Path(os.environ["SCRIBE_JOURNAL"])

    async def reconcile(self, key: Key) -> float | None:
        self._write("began", key)
        rollout = await self._rollouts.get(*key)
        if isinstance(rollout, NotWritten):
            return 1.0
        if rollout is None:
            self._write("gone", key)
            return None
        spec: dict[str, Any] = rollout["spec"]
        if spec.get("abort"):
            self._write("aborted", key)
            return 30.0
        if spec.get("paused"):
            await asyncio.sleep(3600)
        self._write("looked", key, rollout["metadata"]["generation"])
        return 0.2 if "fast" in key[1] else 30.0

    def _write(self, what: str, key: Key, generation: int = 0) -> None:
        if not self._leadership.may_write():
            raise LeadershipLost("the Lease has run out")
        line = {
            "at": time.time(),
            "what": what,
            "name": key[1],
            "generation": generation,
            "epoch": self._leadership.epoch,
        }
        with self._journal.open("a") as journal:
            journal.write(json.dumps(line) + "\n")


@asynccontextmanager
async def build(
    settings: Settings, leadership: Leadership, queue: Queue, telemetry: Telemetry
) -> AsyncIterator[Scribe]:
    own = connect_own(os.environ)
    try:
        yield Scribe(own, leadership, telemetry)
    finally:
        await own.pool.close()


if __name__ == "__main__":
    chosen = read_settings(sys.argv[1:])
    start_logging(chosen.log_level, chosen.log_format)
    asyncio.run(live(chosen, build))
