"""When is the breach visible? A process of its own asks Prometheus every 50 ms, for the guard's own expression.

`python -m tests.bench.visible URL QUERY LOG`: LOG gets a line for each change, `<time>\t<0 or 1>`;
the time is the instant that Prometheus evaluated the query at.
"""

import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlencode, urlsplit

from cutover.api.sides import Profile
from cutover.judge.guards import ENOUGH, ERROR_BURST
from cutover.metrics import promql
from cutover.metrics.quantities import Asked, quantities
from tests.lab.lab import ROOT

EVERY = 0.05


def error_burst(matchers: dict[str, str], window: float) -> str:
    """The error burst as `judge.guards` has it, over the queries of the operator's profile."""
    requests, errors = (
        promql.over(one.expression, window)
        for one in quantities(Profile.VLLM, None, Asked(), promql.rendered(matchers))
    )
    return f"({errors})/({requests})>={ERROR_BURST} and ({requests})>={ENOUGH}"


class Visible:
    """`with Visible(url, query, log) as visible: visible.first_since(at)`."""

    def __init__(self, url: str, query: str, log: Path) -> None:
        self._command = [sys.executable, "-m", "tests.bench.visible", url, query, str(log)]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def changes(self) -> list[tuple[float, bool]]:
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [(float(line.split("\t")[0]), line.endswith("1")) for line in lines]

    @property
    def now(self) -> bool:
        changes = self.changes()
        return bool(changes) and changes[-1][1]

    def first_since(self, at: float) -> float | None:
        return next((seen for seen, breach in self.changes() if breach and seen >= at), None)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, cwd=ROOT)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def poll(url: str, query: str, log: Path) -> None:
    address = urlsplit(url)
    connection = HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=5)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    was: bool | None = None
    due = time.monotonic()
    while True:
        due = max(due + EVERY, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
        asked = time.time()
        body = urlencode({"query": query, "time": f"{asked:.3f}"})
        try:
            connection.request("POST", "/api/v1/query", body, headers)
            answer = connection.getresponse().read()
        except (OSError, HTTPException):
            connection.close()
            continue
        breach = b'"result":[{' in answer
        if breach is not was:
            was = breach
            with log.open("a") as lines:
                lines.write(f"{asked:.3f}\t{int(breach)}\n")


if __name__ == "__main__":
    poll(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
