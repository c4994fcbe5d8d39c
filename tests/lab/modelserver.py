"""How does one model server behave?

OpenAI chat/completions (with server-sent events) and completions, the numeric V2 protocol, and
vLLM's metrics, in which every latency is measured. What the levers say happens to inference
requests only.
"""

import asyncio
import json
import math
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.lab import openai, ports, vllm_metrics
from tests.lab.http1 import Reply, Request, ServerConnection
from tests.lab.levers import Levers
from tests.lab.model import WRONG, TinyModel, decode, natural_length, nudged
from tests.lab.vllm_metrics import Metrics

KEPT_ARRIVALS = 500_000
SHUTTING_OUT_RETRIES = 50


class ModelServer:
    def __init__(self, slot: int, side: str, port: int) -> None:
        self.port = port
        self.levers = Levers()
        self.metrics = Metrics(self.levers)
        self.arrivals: deque[float] = deque(maxlen=KEPT_ARRIVALS)
        self._side_header = f"x-served-by: {side}\r\nx-served-slot: {slot}\r\n"
        self._random = random.Random(self.levers.seed)
        self._connections: set[ServerConnection] = set()
        self._listeners: list[asyncio.Server] = []
        self._hanging: set[Reply] = set()

    async def open(self) -> None:
        hosts = ["127.0.0.1", "::1"] if ports.has_ipv6() else ["127.0.0.1"]
        loop = asyncio.get_running_loop()
        for host in hosts:
            for attempt in range(SHUTTING_OUT_RETRIES):
                try:
                    listener = await loop.create_server(
                        lambda: ServerConnection(self.handle, self._connections),
                        host,
                        self.port,
                        backlog=1024,
                    )
                except OSError:
                    if attempt == SHUTTING_OUT_RETRIES - 1:
                        raise
                    await asyncio.sleep(0.1)
                else:
                    self._listeners.append(listener)
                    break

    def close(self) -> None:
        """Refuse connections from now on, and end those that are open."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for connection in list(self._connections):
            connection.abort()

    async def set(self, changes: dict[str, Any]) -> None:
        await self._become(self.levers.changed(changes))

    async def reset(self) -> None:
        await self._become(Levers())

    def restart(self) -> None:
        """As a crash and a new process: counters begin at zero, connections end."""
        self.metrics = Metrics(self.levers)
        for connection in list(self._connections):
            connection.abort()

    async def _become(self, new: Levers) -> None:
        old, self.levers = self.levers, new
        if new.seed != old.seed or new == Levers():
            self._random = random.Random(new.seed)
        if new.edges != old.edges:
            self.metrics.reset_latencies(new)
        self.metrics.relabel(new)
        if not new.hang:
            for reply in list(self._hanging):
                reply.drop()
            self._hanging.clear()
        if new.refuse:
            self.close()
        elif not self._listeners:
            await self.open()

    def handle(self, request: Request, reply: Reply) -> None:
        reply.extra_headers = self._side_header
        path = request.path.partition("?")[0]
        handler = self._routes().get(path.rstrip("/") or "/")
        if handler is not None:
            handler(request, reply)
        elif path.startswith("/v2/models/"):
            self._v2(path.split("/")[3:], request, reply)
        elif path.startswith("/v1/models/") and path.endswith(":predict"):
            self._predict(path[len("/v1/models/") : -len(":predict")], request, reply)
        else:
            reply.send(404, openai.error("Not Found", "NotFoundError", 404))

    def _routes(self) -> dict[str, Callable[[Request, Reply], None]]:
        return {
            "/v1/chat/completions": self._chat,
            "/v1/completions": self._complete,
            "/v1/embeddings": self._embed,
            "/metrics": self._metrics,
            "/v1/models": self._models,
            "/version": self._version,
            "/health": self._health,
            "/v2/health/ready": self._health,
            "/v2/health/live": self._health,
        }

    def _metrics(self, _request: Request, reply: Reply) -> None:
        if self.levers.metrics:
            reply.send(200, self.metrics.exposition(), vllm_metrics.CONTENT_TYPE)
        else:
            reply.send(500, "metrics are broken", "text/plain")

    def _health(self, _request: Request, reply: Reply) -> None:
        reply.send(200 if self.levers.ready else 503, b"")

    def _models(self, _request: Request, reply: Reply) -> None:
        reply.send(200, openai.models(self.levers.model, self.levers.max_model_len))

    def _version(self, _request: Request, reply: Reply) -> None:
        reply.send(200, json.dumps({"version": self.levers.version}))

    def _chat(self, request: Request, reply: Reply) -> None:
        self._generate(request, reply, chat=True)

    def _complete(self, request: Request, reply: Reply) -> None:
        self._generate(request, reply, chat=False)

    def _generate(self, request: Request, reply: Reply, *, chat: bool) -> None:
        exchange = Exchange(self, request, reply)
        if self._mishap(exchange):
            return
        try:
            body = json.loads(request.body)
            question = openai.read_question(body, chat=chat)
        except (ValueError, KeyError, TypeError) as unreadable:
            exchange.refuse(400, openai.error(repr(unreadable), "BadRequestError", 400))
            return
        if self._is_unknown(body, exchange):
            return
        if question.echo and question.max_tokens == 0:
            answer = openai.scored(question, self.levers.model, self._pick_model())
            later(self.first_token_delay(), lambda: exchange.send(answer))
            return
        Generation(self, exchange, question, self._pick_model()).begin()

    def _is_unknown(self, body: dict[str, Any], exchange: "Exchange") -> bool:
        name = body.get("model")
        if name in (None, self.levers.model):
            return False
        message = f"The model `{name}` does not exist."
        exchange.refuse(404, openai.error(message, "NotFoundError", 404, "model"))
        return True

    def _embed(self, request: Request, reply: Reply) -> None:
        exchange = Exchange(self, request, reply)
        if self._mishap(exchange):
            return
        try:
            body = json.loads(request.body)
            texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
            if self._is_unknown(body, exchange):
                return
            answer = openai.embeddings(texts, self.levers.model, self._pick_model())
        except (ValueError, KeyError, TypeError) as unreadable:
            exchange.refuse(400, openai.error(repr(unreadable), "BadRequestError", 400))
            return
        later(self.first_token_delay(), lambda: exchange.send(answer))

    def _predict(self, name: str, request: Request, reply: Reply) -> None:
        """KServe's first protocol, over the same linear model."""
        if name != self.levers.model:
            reply.send(404, json.dumps({"error": f"Model {name} not found"}))
            return
        exchange = Exchange(self, request, reply, handler="/v1/models/{model_name}:predict")
        if self._mishap(exchange):
            return
        try:
            rows = np.asarray(json.loads(request.body)["instances"], dtype=np.float64)
            predictions = self._pick_model().infer(np.atleast_2d(rows))
        except (ValueError, KeyError, TypeError) as unreadable:
            exchange.refuse(400, json.dumps({"error": repr(unreadable)}).encode())
            return
        answer = json.dumps({"predictions": [[float(value)] for value in predictions]}).encode()
        later(self.first_token_delay(), lambda: exchange.send(answer))

    def _v2(self, rest: list[str], request: Request, reply: Reply) -> None:
        name, verb = rest[0], rest[-1] if len(rest) > 1 else ""
        if name != self.levers.model:
            reply.send(404, json.dumps({"error": f"Model {name} not found"}))
        elif verb == "ready":
            self._health(request, reply)
        elif verb == "infer":
            exchange = Exchange(self, request, reply, handler="/v2/models/{model_name}/infer")
            if not self._mishap(exchange):
                model, delay = self._pick_model(), self.first_token_delay()
                later(delay, lambda: exchange.finish_infer(model, name))
        else:
            tensor = {"datatype": "FP64", "shape": [-1, -1]}
            inputs, outputs = [tensor | {"name": "input-0"}], [tensor | {"name": "predict"}]
            body = {"name": name, "versions": [], "platform": "lab", "inputs": inputs}
            reply.send(200, json.dumps(body | {"outputs": outputs}))

    def _mishap(self, exchange: "Exchange") -> bool:
        """Whether a lever decided the fate of this request."""
        self.arrivals.append(time.time())
        levers = self.levers
        if levers.hang:
            self._hanging.add(exchange.reply)
            exchange.reply.on_disconnect = lambda: self._hanging.discard(exchange.reply)
            return True
        if self._happens(levers.error_rate):
            if levers.error_status == 500:
                self.metrics.finished["error"] += 1
            status = levers.error_status
            exchange.refuse(status, openai.error("Injected", "InternalServerError", status))
            return True
        return False

    def _pick_model(self) -> TinyModel:
        wrong = self._happens(self.levers.wrong_answers)
        return WRONG if wrong else nudged(self.levers.nudge)

    def _happens(self, share: float) -> bool:
        return share > 0 and self._random.random() < share

    def cuts_short(self) -> bool:
        return self._happens(self.levers.cut_short)

    def first_token_delay(self) -> float:
        levers = self.levers
        if self._happens(levers.slow_fraction):
            return levers.slow_ttft
        return self._spread(levers.ttft, levers.ttft_sigma)

    def next_token_delay(self) -> float:
        return self._spread(self.levers.itl, self.levers.itl_sigma)

    def _spread(self, median: float, sigma: float) -> float:
        return median * math.exp(sigma * self._random.gauss()) if sigma and median else median


class Exchange:
    """One inference request and its answer, counted as http_requests_total counts it."""

    __slots__ = ("arrived", "handler", "metrics", "reply", "request")

    def __init__(
        self, server: ModelServer, request: Request, reply: Reply, handler: str = ""
    ) -> None:
        self.metrics = server.metrics
        self.request = request
        self.reply = reply
        self.handler = handler or request.path.partition("?")[0]
        self.arrived = time.perf_counter()

    def refuse(self, status: int, body: bytes) -> None:
        self.count(status)
        self.reply.send(status, body)

    def send(self, body: bytes) -> None:
        self.count(200)
        self.reply.send(200, body)

    def count(self, status: int) -> None:
        seconds = time.perf_counter() - self.arrived
        self.metrics.answered(self.request.method, self.handler, status, seconds)

    def finish_infer(self, model: TinyModel, name: str) -> None:
        try:
            body = json.loads(self.request.body)
            tensor = body["inputs"][0]
            rows = np.asarray(tensor["data"], dtype=np.float64).reshape(tensor["shape"])
            predictions = model.infer(np.atleast_2d(rows))
        except (ValueError, KeyError, IndexError, TypeError) as unreadable:
            self.refuse(400, json.dumps({"error": repr(unreadable)}).encode())
            return
        shape = [len(predictions), 1]
        data = [float(value) for value in predictions]
        output = {"name": "predict", "shape": shape, "datatype": "FP64", "data": data}
        answer = {"model_name": name, "id": body.get("id", ""), "outputs": [output]}
        self.count(200)
        self.reply.send(200, json.dumps(answer))


class Generation:
    """One answer, token by token; its latencies are measured where vLLM measures them."""

    __slots__ = (
        "_abandoned",
        "_count",
        "_exchange",
        "_finish",
        "_first_at",
        "_ids",
        "_last_at",
        "_length",
        "_metrics",
        "_model",
        "_name",
        "_question",
        "_server",
    )

    def __init__(
        self,
        server: ModelServer,
        exchange: Exchange,
        question: openai.Question,
        model: TinyModel,
    ) -> None:
        natural = natural_length(question.prompt, server.levers.output_tokens)
        limit = question.max_tokens or natural
        self._length = min(natural, limit)
        self._finish = "stop" if natural <= limit else "length"
        if server.cuts_short():
            self._length, self._finish = max(1, self._length // 2), "length"
        self._server, self._exchange, self._question = server, exchange, question
        self._metrics, self._model, self._name = server.metrics, model, server.levers.model
        self._ids: tuple[int, ...] = ()
        self._count = 0
        self._first_at = self._last_at = 0.0
        self._abandoned = False

    def begin(self) -> None:
        self._metrics.running += 1
        self._exchange.reply.on_disconnect = self._abandon
        later(self._server.first_token_delay(), self._first_token)

    def _abandon(self) -> None:
        """The client went away: vLLM counts that as an abort."""
        self._abandoned = True
        self._metrics.running -= 1
        self._metrics.finished["abort"] += 1

    def _first_token(self) -> None:
        if self._abandoned:
            return
        self._ids = self._model.answer(self._question.prompt, self._length)
        self._first_at = self._last_at = time.perf_counter()
        waited = self._first_at - self._exchange.arrived
        self._metrics.latencies[vllm_metrics.FIRST_TOKEN].observe(waited)
        if self._question.stream:
            self._exchange.reply.begin_stream()
        self._emit()
        self._go_on()

    def _go_on(self) -> None:
        """Emit tokens until one must wait or the answer is complete."""
        while self._count < self._length:
            delay = self._server.next_token_delay()
            if delay > 0:
                later(delay, self._late_token)
                return
            self._next_token()
        self._complete()

    def _late_token(self) -> None:
        if not self._abandoned:
            self._next_token()
            self._go_on()

    def _next_token(self) -> None:
        now = time.perf_counter()
        self._metrics.latencies[vllm_metrics.INTER_TOKEN].observe(now - self._last_at)
        self._last_at = now
        self._emit()

    def _emit(self) -> None:
        self._count += 1
        if self._question.stream:
            text = decode((self._ids[self._count - 1],))
            finish = self._finish if self._count == self._length else None
            self._exchange.reply.chunk(openai.event(self._question, self._name, text, finish))

    def _complete(self) -> None:
        now, metrics, count = time.perf_counter(), self._metrics, self._length
        per_token = (self._last_at - self._first_at) / (count - 1) if count > 1 else 0.0
        metrics.latencies[vllm_metrics.PER_TOKEN].observe(per_token)
        metrics.latencies[vllm_metrics.END_TO_END].observe(now - self._exchange.arrived)
        prompt_tokens = round(self._question.prompt_tokens * self._server.levers.tokens_per_letter)
        metrics.sizes[vllm_metrics.PROMPT_TOKENS].observe(prompt_tokens)
        metrics.sizes[vllm_metrics.OUTPUT_TOKENS].observe(count)
        metrics.prompt_tokens += self._question.prompt_tokens
        metrics.generation_tokens += count
        metrics.finished[self._finish] += 1
        metrics.running -= 1
        self._exchange.count(200)
        reply = self._exchange.reply
        if self._question.stream:
            reply.chunk(openai.DONE)
            reply.end_stream()
        else:
            reply.send(
                200,
                openai.answer(self._question, self._name, self._model, self._ids, self._finish),
            )


def later(delay: float, action: Callable[[], None]) -> None:
    """Do it after the delay; at once where there is none."""
    if delay > 0:
        asyncio.get_running_loop().call_later(delay, action)
    else:
        action()
