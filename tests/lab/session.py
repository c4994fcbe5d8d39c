"""How do the tests of one pytest session, in several processes, share one lab?

The first test that asks starts it, under a file lock; its supervisor belongs to the process that
pytest was started as, which also ends it. A slot belongs to one test at a time, also by a lock.
"""

import fcntl
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import background
from tests.lab.children import ChildFailedError
from tests.lab.lab import Lab, shut_down, spawn
from tests.lab.servers import Slot

FOLDER_VARIABLE = "CUTOVER_LAB_DIR"
"""Names the folder of a lab that is already up (`python -m tests.lab up --dir …`)."""
FREE_WITHIN = 240.0


def shared_lab(folder: Path, owner: int, slots: int) -> Lab:
    running = os.environ.get(FOLDER_VARIABLE)
    if running:
        return Lab.attach(Path(running))
    folder.mkdir(parents=True, exist_ok=True)
    failure = folder / "failed"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if failure.exists():
            raise ChildFailedError(failure.read_text())
        if not (folder / "lab.json").exists():
            try:
                spawn(folder, slots, "1s", owner)
            except ChildFailedError as reason:
                failure.write_text(str(reason))
                raise
    return Lab.attach(folder)


def end_shared_lab(folder: Path) -> None:
    pid = folder / "supervisor.pid"
    if pid.exists():
        shut_down(int(pid.read_text()))


@contextmanager
def borrowed_slot(lab: Lab) -> Iterator[Slot]:
    """A pair of servers that no other test uses, healthy at the start and afterwards."""
    deadline = time.monotonic() + FREE_WITHIN
    while True:
        for slot in random.SystemRandom().sample(lab.slots, len(lab.slots)):
            with (lab.folder / f"slot-{slot.number}.lock").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                background.run(slot.reset())
                try:
                    yield slot
                finally:
                    background.run(slot.reset())
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"All {len(lab.slots)} slots stayed taken for {FREE_WITHIN:.0f} s")
        time.sleep(0.1)
