"""The same laws over many more schedules, with other seeds each time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = "400"


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_laws_hold_over_many_more_schedules() -> None:
    environment = os.environ | {"CUTOVER_EXAMPLES": EXAMPLES}
    laws = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not long"]
    ran = subprocess.run(
        [*laws, "-k", "law or everything", str(Path(__file__).parent)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-8000:]
