"""How do the feature tests run `python -m cutover` against a cluster?"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.lab import Cluster
from tests.lab.children import Child

PATIENCE = 60.0
"""For a process to start or to follow another; the machine may be busy."""
SCRIBE = Path(__file__).parent / "scribe.py"

Json = dict[str, Any]


class Operator:
    """One process; `module` is the real one, or a script with the same shell."""

    def __init__(
        self,
        folder: Path,
        kubeconfig: str,
        namespace: str,
        *,
        script: Path | None = None,
        arguments: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "kubeconfig").write_text(kubeconfig)
        self.journal = folder / "journal"
        self._log = folder / "log"
        self._command = [
            sys.executable,
            "-P",
            *([str(script)] if script else ["-m", "cutover"]),
            "--listen=127.0.0.1:0",
            f"--lease-namespace={namespace}",
            f"--watch-namespaces={namespace}",
            *arguments,
        ]
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("CUTOVER_")}
        self._environment = inherited | {
            "KUBECONFIG": str(folder / "kubeconfig"),
            "SCRIBE_JOURNAL": str(self.journal),
            **(environment or {}),
        }
        self.child: Child

    def __enter__(self) -> Self:
        self.child = Child("operator", self._command, self._log, self._environment)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.child.kill()

    # --- what it says ---------------------------------------------------------------------------

    def records(self) -> list[Json]:
        lines = self._log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def messages(self) -> list[str]:
        return [record["message"] for record in self.records()]

    def output(self) -> str:
        return self._log.read_text()

    def written(self) -> list[Json]:
        """What a scribe wrote while it led."""
        if not self.journal.exists():
            return []
        return [json.loads(line) for line in self.journal.read_text().splitlines()]

    @property
    def port(self) -> int:
        said = next(m for m in self.messages() if m.startswith("Listening on"))
        return int(said.rpartition(":")[2])

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", trust_env=False, timeout=10)

    # --- what it comes to -----------------------------------------------------------------------

    def wait(self, until: Callable[[], bool], seconds: float = PATIENCE) -> None:
        self.child.wait_until(until, seconds)

    def wait_state(self, state: str, seconds: float = PATIENCE) -> None:
        def is_so() -> bool:
            try:
                return self.get("/readyz").text.strip() == state
            except (httpx.HTTPError, StopIteration):
                return False

        self.wait(is_so, seconds)

    def wait_end(self, seconds: float = PATIENCE) -> int:
        return self.child.process.wait(seconds)


@contextmanager
def scribes(folder: Path, cluster: Cluster, namespace: str, count: int) -> Iterator[list[Operator]]:
    """Processes with the real shell around a reconciler that only writes down what it does."""
    kubeconfig = cluster.kubeconfig_for("admin")
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                Operator(folder / f"operator-{n}", kubeconfig, namespace, script=SCRIBE)
            )
            for n in range(count)
        ]


def eventually(is_so: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not so within {seconds:.0f} s"
        time.sleep(0.05)
