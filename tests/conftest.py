"""What every test may ask for: a lab, a slot of it, two clusters.

The repository's root is put on the path so that tests can import `tests.lab`; the package under
test is the installed one.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

sys.path.append(str(Path(__file__).parents[1]))

from tests.lab import Cluster, Lab, Slot, parts
from tests.lab.kind import KindUnavailableError, kind_clusters
from tests.lab.session import borrowed_slot, end_shared_lab, shared_lab

# The same examples in every run, so that a change is judged by itself; `HYPOTHESIS_PROFILE=search`
# looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

FOLDER = pytest.StashKey[Path]()
OWNER = pytest.StashKey[int]()
KEEP = pytest.StashKey[bool]()
LAB_FIXTURES = {"lab", "slot", "borrow_slot", "clusters"}


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "take `clusters` from kind instead of the lab (also CUTOVER_TEST_KIND=1)"
    parser.addoption("--kind", action="store_true", default=False, help=text)


def pytest_configure(config: pytest.Config) -> None:
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker is None:
        config.stash[FOLDER] = Path(tempfile.mkdtemp(prefix="cutover-lab-"))
        config.stash[OWNER] = os.getpid()
    else:
        config.stash[FOLDER] = Path(worker["lab_folder"])
        config.stash[OWNER] = worker["lab_owner"]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["lab_folder"] = str(node.config.stash[FOLDER])
    node.workerinput["lab_owner"] = node.config.stash[OWNER]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need two clusters and nothing else of the lab can run on kind: `-m kind --kind`.

    Those of the lab are tried once more when they fail: some twenty processes share a busy machine's cores
    with them, and one that gets no turn for seconds misses a deadline. The closing line counts them ("rerun").
    """
    for item in items:
        asked = set(getattr(item, "fixturenames", ()))
        alone = "clusters" in asked and not asked & (LAB_FIXTURES - {"clusters"})
        if alone and "features" in item.path.parts:
            item.add_marker(pytest.mark.kind)
        if item.get_closest_marker("lab"):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build missing parts now, where no test's timeout runs."""
    asked = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if session.config.option.collectonly or not asked & LAB_FIXTURES:
        return
    more = {mark.args[0] for item in session.items for mark in item.iter_markers("part")}
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        parts.ensure([*parts.NEEDED, *sorted(more)])


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """The logs of a lab in which a test failed are kept, and where is said."""
    folder = config.stash[FOLDER]
    config.stash[KEEP] = exitstatus != pytest.ExitCode.OK and any(folder.iterdir())
    if config.stash[KEEP]:
        terminalreporter.write_line(f"The lab's logs: {folder}")


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or FOLDER not in config.stash:
        return
    end_shared_lab(config.stash[FOLDER])
    if not config.stash.get(KEEP, False):
        shutil.rmtree(config.stash[FOLDER], ignore_errors=True)


@pytest.fixture(scope="session")
def lab(pytestconfig: pytest.Config) -> Lab:
    """The session's lab; started by the first test that needs it."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    slots = int(os.environ.get("CUTOVER_LAB_SLOTS", str(max(8, 3 * workers))))
    return shared_lab(pytestconfig.stash[FOLDER], pytestconfig.stash[OWNER], slots)


@pytest.fixture
def borrow_slot(lab: Lab) -> Iterator[Callable[[], Slot]]:
    """For tests that need several pairs of model servers: each call takes one more."""
    with ExitStack() as borrowed:
        yield lambda: borrowed.enter_context(borrowed_slot(lab))


@pytest.fixture
def slot(borrow_slot: Callable[[], Slot]) -> Slot:
    """A pair of model servers that this test has for itself."""
    return borrow_slot()


@pytest.fixture(scope="session")
def clusters(
    pytestconfig: pytest.Config,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Cluster, Cluster]]:
    """Source and target: from the lab, or from kind with `--kind`."""
    if not (pytestconfig.getoption("--kind") or os.environ.get("CUTOVER_TEST_KIND")):
        lab: Lab = request.getfixturevalue("lab")
        yield lab.source, lab.target
        return
    try:
        with kind_clusters(tmp_path_factory.mktemp("kind")) as both:
            yield both
    except KindUnavailableError as reason:
        pytest.skip(str(reason))
