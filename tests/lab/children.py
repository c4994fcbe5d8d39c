"""How is a program of the lab started, found healthy and surely ended?

Each child has its own session and a log file, and the kernel kills it when its parent dies
(Linux: PR_SET_PDEATHSIG), so that not even `kill -9` of the supervisor leaves a process behind.
The kernel means the parent's *thread*: start children from a thread that lives as long as they
should.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class ChildFailedError(Exception):
    """A program of the lab ended or did not get healthy; the message has the tail of its log."""


class Child:
    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        environment: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        self.name = name
        self.log = log
        parent = os.getpid()
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment) if environment is not None else None,
                start_new_session=True,
                preexec_fn=lambda: die_with(parent),  # noqa: PLW1509 - two system calls, no lock
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def stop(self, patience: float = 5) -> None:
        """End it politely, then by force."""
        if self.running:
            self.process.terminate()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        if self.running:
            self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def failure(self, what: str) -> ChildFailedError:
        return ChildFailedError(f"{self.name} {what} (log: {self.log}):\n{tail(self.log)}")

    def wait_until(self, healthy: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not healthy():
            if not self.running:
                raise self.failure(f"ended with code {self.process.returncode}")
            if time.monotonic() > deadline:
                raise self.failure(f"was not healthy within {seconds:.0f} s")
            time.sleep(0.05)


def kill_all(children: Sequence[Child]) -> None:
    """What they hold is scratch, so nobody waits for an API server's graceful end."""
    for child in children:
        if child.running:
            child.process.kill()
    for child in children:
        child.process.wait()


def tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def die_with(parent: int) -> None:
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
