"""The repository keeps its own rules."""

import operator as standard_operator
import sysconfig
from pathlib import Path

from tests import docs

REPOSITORY = Path(__file__).parents[2]


def test_the_source_root_never_hides_the_standard_library() -> None:
    assert not (REPOSITORY / "operator" / "__init__.py").exists()
    assert not (REPOSITORY / "tests" / "operator").exists()
    packages = [one.name for one in (REPOSITORY / "operator").iterdir() if one.is_dir()]
    assert [name for name in packages if not name.startswith("__")] == ["cutover"]
    stdlib = Path(sysconfig.get_path("stdlib")).resolve()
    assert Path(standard_operator.__file__).resolve().is_relative_to(stdlib)


def test_the_state_diagram_is_drawn_from_the_transitions() -> None:
    text = docs.ARCHITECTURE.read_text()
    assert docs.with_diagram(text) == text, "run make generate"


def test_the_table_of_profiles_is_made_from_their_data() -> None:
    text = docs.PROFILES.read_text()
    assert docs.with_profiles(text) == text, "run make generate"
