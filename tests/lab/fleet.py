"""How do many pairs of model servers live in one process?

`python -m tests.lab.fleet SPEC`: SPEC is a JSON file `{"control": port, "slots": [{"number": 0,
"source": port, "target": port}, …]}`. Each server has its own port, counters and levers; the
levers are set through the control port, which serves no traffic.
"""

import asyncio
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.lab.http1 import Reply, Request, ServerConnection
from tests.lab.modelserver import ModelServer

SIDES = ("source", "target")


class Control:
    """GET or POST /<slot>/<side>/<verb>."""

    def __init__(self, servers: dict[tuple[int, str], ModelServer]) -> None:
        self._servers = servers
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, request: Request, reply: Reply) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(request, reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: Request, reply: Reply) -> None:
        path, _, query = request.path.partition("?")
        try:
            _, slot, side, verb = path.split("/")
            result = await self._do(self._servers[int(slot), side], verb, request.body, query)
        except (KeyError, ValueError, TypeError) as wrong:
            reply.send(400, json.dumps({"error": str(wrong)}))
        else:
            reply.send(200, json.dumps(result))

    async def _do(self, server: ModelServer, verb: str, body: bytes, query: str) -> Any:
        if verb == "levers":
            await server.set(json.loads(body or b"{}"))
            return asdict(server.levers)
        if verb == "reset":
            await server.reset()
            return asdict(server.levers)
        if verb == "restart":
            server.restart()
            return {}
        if verb == "forget":
            server.arrivals.clear()
            return {}
        if verb == "arrivals":
            since = float(query.removeprefix("since=") or 0)
            return [at for at in server.arrivals if at > since]
        if verb == "state":
            metrics = server.metrics
            last = server.arrivals[-1] if server.arrivals else None
            counts = {"arrivals": len(server.arrivals), "last_arrival": last}
            return counts | {"finished": metrics.finished, "running": metrics.running}
        raise ValueError(f"No such verb: {verb}")


async def serve(spec: dict[str, Any]) -> None:
    servers = {
        (slot["number"], side): ModelServer(slot["number"], side, slot[side])
        for slot in spec["slots"]
        for side in SIDES
    }
    for server in servers.values():
        await server.open()
    control, connections = Control(servers), set[ServerConnection]()
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(
        lambda: ServerConnection(control.handle, connections), "127.0.0.1", spec["control"]
    )
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    listener.close()
    for server in servers.values():
        server.close()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(Path(sys.argv[1]).read_text())))
