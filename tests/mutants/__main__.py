"""Break the decision in a copy, one fault at a time, and run that law's or gate's tests alone; exit 1 when one survives."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.foresight import FORESIGHT
from tests.mutants.gates import GATES
from tests.mutants.mutations import LAWS, Mutation

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "operator" / "cutover"
MUTATIONS = (*LAWS, *GATES, *FORESIGHT)
UNIT = ROOT / "tests" / "unit"
FAILED = 1
"""pytest's exit code for tests that ran and failed; every other one is no answer."""


def tests_of(law: int | str) -> Path:
    """The file that holds the tests of a law, or of a gate."""
    if isinstance(law, str):
        package, _, name = law.partition("/")
        return UNIT / package / f"test_{name}.py"
    (found,) = (UNIT / "decide").glob(f"test_law_{law:02}_*.py")
    return found


def run(source: Path, *files: Path) -> subprocess.CompletedProcess[str]:
    """Run tests on the package in ``source`` instead of the installed one."""
    environment = {key: value for key, value in os.environ.items() if key != "CUTOVER_EXAMPLES"}
    environment |= {
        "PYTHONPATH": str(source),
        "PYTHONDONTWRITEBYTECODE": "1",
        "CUTOVER_NO_SHRINKING": "1",
    }
    where = subprocess.run(
        [sys.executable, "-c", "import cutover; print(cutover.__file__)"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.startswith(str(source)), "the copy is not what is imported"
    options = ["-q", "-x", "-p", "no:cacheprovider", "--no-header", "--tb=line"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *map(str, files)],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def mutate(source: Path, mutation: Mutation) -> None:
    """Write the fault into the copy; it must still fit the code."""
    folder = source / "cutover"
    path = folder / mutation.file if "/" in mutation.file else folder / "decide" / mutation.file
    text = path.read_text()
    for old, new in mutation.changes:
        found = text.count(old)
        if found != 1:
            sys.exit(f'"{mutation.fault}": {mutation.file} has {found} places like {old!r}')
        text = text.replace(old, new)
    path.write_text(text)


def noticed_by(result: subprocess.CompletedProcess[str]) -> str:
    """The first test that failed, in words."""
    found = re.search(r"^FAILED \S+::test_(\w+)", result.stdout, re.MULTILINE)
    return found[1].replace("_", " ") if found else "?"


def _whose(law: int | str) -> str:
    return law if isinstance(law, str) else f"law {law:2}"


def main(words: list[str]) -> int:
    """Try all faults, or those with one of the words in their test's name or their own."""
    chosen = [one for one in MUTATIONS if not words or any(word in str(one) for word in words)]
    began = time.monotonic()
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="cutover-mutants-") as folder:
        source = Path(folder)
        for number, mutation in enumerate([None, *chosen]):
            shutil.rmtree(source / "cutover", ignore_errors=True)
            shutil.copytree(
                PACKAGE, source / "cutover", ignore=shutil.ignore_patterns("__pycache__")
            )
            if mutation is None:
                laws = dict.fromkeys(one.law for one in chosen)
                whole = run(source, *map(tests_of, laws))
                if whole.returncode:
                    print(whole.stdout[-4000:])
                    sys.exit("the tests do not pass on the code as it is")
                continue
            mutate(source, mutation)
            result = run(source, tests_of(mutation.law))
            noticed = result.returncode == FAILED
            survivors += not noticed
            verdict = f"noticed: {noticed_by(result)}" if noticed else "SURVIVES"
            print(
                f"{number:2}  {_whose(mutation.law)}  {mutation.fault}\n            {verdict}",
                flush=True,
            )
            if not noticed and result.returncode:
                print(result.stdout[-2000:])
    seconds = time.monotonic() - began
    print(f"{len(chosen) - survivors} of {len(chosen)} noticed, in {seconds:.0f} s")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
