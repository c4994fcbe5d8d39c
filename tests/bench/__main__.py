"""How quick is the operator, and what does it cost? `make bench`, or parts of it:

    python -m tests.bench [breach] [shared] [looks] [writes] [drift] [judging] [--runs 20] [--rate 160] [--rollouts 200]

Everything is real but the size: API servers, Envoy, Prometheus, `python -m cutover` as installed. It
prints figures and asserts none; every figure stands beside the load average it was taken under.
CUTOVER_LAB_DIR names a lab that is up already.
"""

import argparse
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.bench import breach, drift, judging, looks, shared, writes
from tests.bench.figures import load
from tests.bench.staging import Scene
from tests.features.rollouts.stage import install
from tests.lab import Lab

PARTS = ("breach", "shared", "looks", "writes", "drift", "judging")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--runs", type=int, default=20, help="breaches of one rollout")
    parser.add_argument("--rate", type=float, default=160.0, help="requests a second")
    parser.add_argument("--rollouts", type=int, default=200, help="that share one breach")
    parser.add_argument("--seconds", type=float, default=125.0, help="of counting writes")
    parser.add_argument("--profile", action="store_true", help="shared: where the time goes")
    wanted = parser.parse_args()
    parts = wanted.parts or PARTS
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if "judging" in parts:
        judging.measure()
    if "drift" in parts:
        drift.measure()
    if {"judging", "drift"}.issuperset(parts):
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cutover-bench-")))
        running = os.environ.get("CUTOVER_LAB_DIR")
        lab = (
            Lab.attach(Path(running))
            if running
            else stack.enter_context(Lab.start(folder / "lab", slots=3))
        )
        install(lab)
        scene = Scene(lab, folder)
        print(f"{os.cpu_count()} cores, {load()}")
        if "breach" in parts:
            breach.measure(scene, wanted.runs, wanted.rate)
        if "shared" in parts:
            shared.measure(scene, wanted.rollouts, wanted.rate, profile=wanted.profile)
        if "looks" in parts:
            looks.measure(scene, wanted.rate)
        if "writes" in parts:
            writes.measure(scene, wanted.seconds, wanted.rate)


if __name__ == "__main__":
    main()
