"""The Dockerfile's own commands, run without a container engine.

No image is built here: its build stage is carried out in a folder, instruction by instruction, and
what it installs is then run as the image runs it: by another user, with nothing writable.
"""

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
UID = 65532

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@dataclass
class Stage:
    """One stage of a Dockerfile."""

    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [rest for instruction, rest in self.instructions if instruction == name]

    @property
    def environment(self) -> dict[str, str]:
        words = [word for rest in self.all("ENV") for word in shlex.split(rest)]
        return dict(word.split("=", 1) for word in words)


def stages() -> list[Stage]:
    text = re.sub(r"(?m)^#.*\n", "", (ROOT / "Dockerfile").read_text())
    found: list[Stage] = []
    for line in text.replace("\\\n", " ").splitlines():
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            found.append(Stage())
        elif instruction and instruction != "ARG":
            found[-1].instructions.append((instruction, rest))
    return found


def may_run(python: Path) -> bool:
    """Can the image's user run it, and make virtual environments with it?"""
    question = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"
    user = UID if os.geteuid() == 0 else None
    done = subprocess.run([python, "-c", question], user=user, cwd="/", check=False)
    return done.returncode == 0


def find_python() -> Path:
    names = ("python3.11", "python3", "python3.12", "python3.13")
    places = [Path(place) for place in ("/usr/bin", "/usr/local/bin", *os.get_exec_path())]
    for place in places:
        for name in names:
            try:
                if may_run(place / name):
                    return place / name
            except OSError:
                continue
    pytest.skip("no Python 3.11 or newer here that another user could run")


@pytest.fixture(scope="module")
def installed() -> Iterator[Path]:
    """The folder in which /opt/cutover of the image lies, writable by nobody."""
    folder = Path(tempfile.mkdtemp(prefix="cutover-image-"))
    folder.chmod(0o755)
    try:
        carry_out(stages()[0], folder)
        make_read_only(folder / "opt")
        yield folder
    finally:
        make_writable(folder)
        shutil.rmtree(folder)


def carry_out(stage: Stage, folder: Path) -> None:
    (folder / "bin").mkdir()
    (folder / "bin/python").symlink_to(find_python())
    work = folder / "src"
    work.mkdir()
    (folder / "opt").mkdir()
    environment = os.environ | stage.environment | {"HOME": str(folder)}
    environment["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"
    for variable in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"):
        environment.pop(variable, None)
    for instruction, rest in stage.instructions:
        if instruction == "COPY":
            *sources, target = rest.split()
            for source in sources:
                copy(ROOT / source, work / (target if len(sources) == 1 else source))
        elif instruction == "RUN":
            command = rest.replace("/opt/", f"{folder}/opt/")
            done = subprocess.run(
                ["/bin/sh", "-ec", command],
                cwd=work,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{rest}\n{done.stdout}{done.stderr}"
        else:
            assert instruction in ("ENV", "WORKDIR"), instruction


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def make_read_only(tree: Path) -> None:
    for path in [tree, *tree.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))


def make_writable(tree: Path) -> None:
    for path in [tree, *tree.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    final = stages()[1]
    environment = {
        name: value.replace("/opt/", f"{folder}/opt/") for name, value in final.environment.items()
    }
    return subprocess.run(
        [f"{folder}/opt/cutover/bin/python", *arguments],
        env=environment,
        cwd="/",
        user=UID if os.geteuid() == 0 else None,
        group=UID if os.geteuid() == 0 else None,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_image_runs_as_nobody_in_particular() -> None:
    final = stages()[1]
    assert final.all("USER") == [f"{UID}:{UID}"]
    assert json.loads(final.all("ENTRYPOINT")[0]) == ["python", "-m", "cutover"]
    assert final.environment["PYTHONSAFEPATH"] == "1"
    assert final.environment["PATH"].startswith("/opt/cutover/bin:")
    assert not final.all("RUN")


def test_the_context_holds_what_is_copied_and_no_more() -> None:
    wanted = {source for rest in stages()[0].all("COPY") for source in rest.split()[:-1]}
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in lines if line.startswith("!")} == wanted
    assert "*" in lines


def test_the_operator_starts_from_what_is_installed(installed: Path) -> None:
    done = run(installed, "-m", "cutover", "--help")
    assert done.returncode == 0, done.stderr
    assert "--watch-namespaces" in done.stdout
    assert done.stderr == ""


def test_what_is_installed_is_the_wheel(installed: Path) -> None:
    done = run(installed, "-c", "import cutover; print(cutover.__file__)")
    assert done.stdout.startswith(f"{installed}/opt/cutover/lib/"), done.stderr
    assert not list((installed / "opt/cutover").rglob("__editable__*"))


def test_it_is_the_same_program(installed: Path) -> None:
    done = run(installed, "-m", "cutover.crd")
    assert done.stdout == (ROOT / "crds/cutover.dev_migrationrollouts.yaml").read_text()


def test_nothing_can_be_written_and_nothing_installed(installed: Path) -> None:
    write = "import cutover, pathlib; pathlib.Path(cutover.__file__).with_name('x').touch()"
    assert "Error" in run(installed, "-c", write).stderr
    assert "No module named pip" in run(installed, "-m", "pip", "list").stderr


def test_the_plugin_is_there_too(installed: Path) -> None:
    done = run(installed, f"{installed}/opt/cutover/bin/kubectl-cutover", "--help")
    assert done.returncode == 0, done.stderr
