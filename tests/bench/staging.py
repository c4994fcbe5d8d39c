"""Stages without pytest: `tests.features.rollouts.stage` for a program that runs by itself."""

import os
import re
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Self

import httpx

from tests.bench.figures import Used
from tests.features.rollouts.stage import RESOURCE, Stage, allow_lease
from tests.lab import Lab

_numbers = count(1)


class Scene:
    """A lab with Cutover installed, and a folder for logs."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder

    def stage(self, slot: int, stack: ExitStack) -> Stage:
        """A namespace of its own with a route at 100/0, as long as ``stack`` lasts."""
        number = next(_numbers)
        namespace = f"bench-{os.getpid()}-{number}"
        folder = self.folder / namespace
        folder.mkdir(parents=True)
        route = self.lab.route(namespace, "chat", self.lab.slot(slot))
        allow_lease(self.lab, namespace)
        log = stack.enter_context(route.watch())
        stack.callback(self._clear, route.path.rpartition("/")[0])
        stack.callback(self._clear, f"{RESOURCE}/namespaces/{namespace}/migrationrollouts")
        return Stage(self.lab, self.lab.slot(slot), namespace, folder, route, log, stack)

    def _clear(self, collection: str) -> None:
        """Leave nothing that would slow the next part down."""
        self.lab.source.call("DELETE", collection)

    @property
    def prometheus_pid(self) -> int:
        """The lab's Prometheus."""
        return process_named("prometheus", self.lab.prometheus.url.rsplit(":", 1)[1])


def process_named(program: str, argument: str) -> int:
    """The process that runs ``program`` with ``argument`` somewhere on its command line."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            words = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if Path(words[0]).name == program and any(argument in word for word in words):
            return int(folder.name)
    raise LookupError(f"no process {program} … {argument}")


def counted(text: str, name: str) -> float:
    """One number of a Prometheus exposition; 0 where it is not there."""
    found = re.findall(rf"^{name}(?:{{[^}}]*}})? ([0-9.e+-]+)$", text, re.MULTILINE)
    return sum(float(one) for one in found)


class Meter:
    """What the operator and Prometheus use while a block runs, and how many looks that was."""

    def __init__(self, scene: Scene, stage: Stage) -> None:
        assert stage.operator is not None
        assert stage.operator.process is not None
        self._operator = stage.operator
        self._pids = (stage.operator.process.pid, scene.prometheus_pid)
        self._server = scene.lab.prometheus.url
        self.seconds = self.looks = self.operator = self.prometheus = self.resident = 0.0
        self.queries = self.reads = self.writes = 0.0

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self.looks, self.reads, self.writes, self.queries = self._counts()
        self._before = [Used.by(pid) for pid in self._pids]
        return self

    def __exit__(self, *_: object) -> None:
        after = [Used.by(pid) for pid in self._pids]
        self.seconds = time.monotonic() - self._began
        looks, reads, writes, queries = self._counts()
        self.looks, self.queries = looks - self.looks, queries - self.queries
        self.reads, self.writes = reads - self.reads, writes - self.writes
        self.operator, self.prometheus = (
            late.cpu - early.cpu for late, early in zip(after, self._before, strict=True)
        )
        self.resident = after[0].resident

    def _counts(self) -> tuple[float, float, float, float]:
        """Looks, reads and writes of API servers, queries, so far."""
        text = self._operator.metrics()
        asked = re.findall(
            r'^cutover_api_requests_total\{.*verb="(\w+)".*\} (\S+)$', text, re.MULTILINE
        )
        reads = sum(float(number) for verb, number in asked if verb == "GET")
        theirs = httpx.get(f"{self._server}/metrics", trust_env=False).text
        queries = re.findall(
            r'^prometheus_http_requests_total\{.*handler="/api/v1/query".*\} (\S+)$',
            theirs,
            re.MULTILINE,
        )
        return (
            counted(text, "cutover_look_seconds_count"),
            reads,
            sum(float(number) for _, number in asked) - reads,
            sum(map(float, queries)),
        )
