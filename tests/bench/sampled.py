"""Where does the operator's processor time go? `python -m tests.bench shared --profile` starts it through this.

A timer that runs on processor time interrupts the process and notes what its event loop's thread is at,
weighted with the processor time of that thread since the note before; what other threads used is counted
apart. A deterministic profiler would double the cost of just the code that is made of many small calls.

    python -P tests/bench/sampled.py NOTES [arguments of cutover]

SIGUSR2 begins afresh, SIGUSR1 writes the notes.
"""

import gc
import json
import runpy
import signal
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType

_RESTING = ("selectors:", "threading:", "concurrent.futures.")
EVERY = 0.004
"""Seconds of processor time between two notes."""


class Notes:
    """Processor seconds by stack, innermost last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._collecting = 0.0
        self.clear()
        gc.callbacks.append(self._collected)

    def clear(self, *_: object) -> None:
        self._stacks: defaultdict[tuple[str, ...], float] = defaultdict(float)
        self._thread, self._process = time.thread_time(), time.process_time()
        self._beside: defaultdict[tuple[str, ...], float] = defaultdict(float)
        self._others = self._garbage = 0.0
        self._busy = False

    def note(self, _: int, frame: FrameType | None) -> None:
        if self._busy:  # an interrupt of this very function
            return
        self._busy = True
        thread, process = time.thread_time(), time.process_time()
        spent = thread - self._thread
        beside = process - self._process - spent
        self._others += beside
        self._thread, self._process = thread, process
        self._stacks[_names(frame)] += spent
        self._note_others(beside)
        self._busy = False

    def _note_others(self, spent: float) -> None:
        """Other threads wait for this one now: where they wait for nothing else is where they were."""
        mine = threading.get_ident()
        working = [
            names
            for number, frame in sys._current_frames().items()
            if number != mine and not (names := _names(frame))[-1].startswith(_RESTING)
        ]
        for names in working:
            self._beside[names] += spent / len(working)

    def _collected(self, phase: str, _: object) -> None:
        if phase == "start":
            self._collecting = time.thread_time()
        else:
            self._garbage += time.thread_time() - self._collecting

    def write(self, *_: object) -> None:
        self._busy = True
        rows = [[list(stack), seconds] for stack, seconds in self._stacks.items()]
        fresh = self._path.with_suffix(".new")
        beside = [[list(stack), seconds] for stack, seconds in self._beside.items()]
        noted = {
            "others": self._others,
            "garbage": self._garbage,
            "stacks": rows,
            "beside": beside,
        }
        fresh.write_text(json.dumps(noted))
        fresh.replace(self._path)
        self._thread, self._process = time.thread_time(), time.process_time()
        self._busy = False


def _names(frame: FrameType | None) -> tuple[str, ...]:
    """Of every function on the stack, innermost last."""
    names = []
    while frame is not None:
        names.append(f"{frame.f_globals.get('__name__', '?')}:{frame.f_code.co_qualname}")
        frame = frame.f_back
    return tuple(reversed(names))


def main() -> None:
    notes = Notes(Path(sys.argv[1]))
    signal.signal(signal.SIGPROF, notes.note)
    signal.signal(signal.SIGUSR2, notes.clear)
    signal.signal(signal.SIGUSR1, notes.write)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    sys.argv = ["cutover", *sys.argv[2:]]
    runpy.run_module("cutover", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
