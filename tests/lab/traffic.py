"""How is traffic sent through the gateway, and what became of each request?

An open loop in a process of its own: requests leave at their times however slow the answers are.
The log has one line per request, written when it is over.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from tests.lab.children import Child
from tests.lab.generator import TrafficPlan
from tests.lab.lab import ROOT, Lab

CHAT = "/v1/chat/completions"


class Sent(NamedTuple):
    """One request; `status` is 0 when no whole answer came, and `error` says why."""

    at: float
    finished: float
    status: int
    side: str
    """Who answered: source, target or nothing."""
    latency: float
    first_byte: float
    error: str
    """timeout, refused, closed, or shed: not sent since max_in_flight were open."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class Traffic:
    """`with Traffic(lab, host, rate=50) as traffic: …; traffic.records()`.

    It ends by itself after `seconds` or `count` requests. `target` instead of the lab's gateway:
    any URL on this machine.
    """

    def __init__(
        self,
        lab: Lab,
        host: str,
        rate: float,
        *,
        log: Path | None = None,
        path: str = CHAT,
        body: str = "",
        stream: bool = False,
        timeout: float = 10,
        max_in_flight: int = 500,
        seconds: float = 900,
        count: int = 1_000_000,
        poisson: bool = False,
        seed: int = 1,
        target: str = "",
    ) -> None:
        address = urlsplit(target or lab.gateway.url)
        if log is None:
            handle, name = tempfile.mkstemp(prefix="traffic-", suffix=".log", dir=lab.folder)
            os.close(handle)
            log = Path(name)
        self.log = log
        self._plan = TrafficPlan(
            host=address.hostname or "127.0.0.1",
            port=address.port or 80,
            authority=host,
            path=path,
            rate=rate,
            log=str(log),
            body=body,
            stream=stream,
            timeout=timeout,
            max_in_flight=max_in_flight,
            seconds=seconds,
            count=count,
            poisson=poisson,
            seed=seed,
        )
        self._child: Child | None = None

    def start(self) -> Self:
        """Returns when the first request is about to leave."""
        spec, errors = self.log.with_suffix(".json"), self.log.with_suffix(".err")
        spec.write_text(json.dumps(asdict(self._plan)))
        self.log.write_text("")
        command = [sys.executable, "-m", "tests.lab.generator", str(spec)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        child = Child("traffic", command, errors, environment, stdin=subprocess.PIPE)
        self._child = child
        child.wait_until(lambda: self.log.stat().st_size > 0, 20)
        return self

    def set_rate(self, rate: float) -> None:
        self._tell(f"rate {rate}")

    def stop(self) -> None:
        """No more requests; waits for those in flight, at most their timeout."""
        if self._child is None:
            return
        self._tell("stop")
        assert self._child.process.stdin is not None
        try:
            self._child.process.wait(self._plan.timeout + 5)
        except subprocess.TimeoutExpired:
            self._child.kill()
        self._child.process.stdin.close()
        if self._child.process.returncode != 0:
            raise self._child.failure(f"ended with code {self._child.process.returncode}")
        self._child = None

    def records(self, since: float = 0) -> list[Sent]:
        """Requests that are over, in the order of their end."""
        return [sent for sent in read_log(self.log) if sent.at >= since]

    def wait_for(self, count: int, seconds: float = 60) -> None:
        """Until so many requests are over."""
        deadline = time.monotonic() + seconds
        while len(self.records()) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.records())} of {count} requests in {seconds} s")
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _tell(self, line: str) -> None:
        if self._child is None or self._child.process.stdin is None or not self._child.running:
            return
        try:
            self._child.process.stdin.write(f"{line}\n".encode())
            self._child.process.stdin.flush()
        except BrokenPipeError:
            pass


def read_log(log: Path) -> Iterator[Sent]:
    with log.open() as lines:
        for line in lines:
            if line.startswith("#") or not line.endswith("\n"):
                continue
            at, finished, status, side, latency, first_byte, error = line[:-1].split("\t")
            yield Sent(
                float(at),
                float(finished),
                int(status),
                side,
                float(latency),
                float(first_byte),
                error,
            )
