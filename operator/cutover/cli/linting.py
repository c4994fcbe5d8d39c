"""The command that checks manifests without a cluster: lint."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cutover.cli.errors import CliError, ExitCode

if TYPE_CHECKING:
    from cutover.cli.manifests import Document

FOUND: Final = 1
"""Exit code where admission would refuse something."""


@dataclass(frozen=True)
class Fault:
    """One finding, with the place it is at."""

    file: str
    line: int
    document: int
    rollout: str
    path: str
    message: str

    def __str__(self) -> str:
        of = f" ({self.rollout})" if self.rollout else ""
        at = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}: document {self.document}{of}: {at}{self.message}"


@click.command(
    epilog="Exit codes: 0 nothing found, 1 something found, 2 nothing to check or unreadable."
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def lint(files: Sequence[str], form: str) -> int:
    """Check manifests as the API server would, without one.

    Finds in the MigrationRollouts of each FILE (- for standard input) what admission would refuse,
    by the schema and the rules of the definition that this version of Cutover brings, and windows that
    could never open. What only the stored object can tell (may attempt rise now?) is not checked. Other
    kinds are passed over.
    """
    reports = [check(file, read_file(file)) for file in files]
    checked = sum(report.checked for report in reports)
    faults = [fault for report in reports for fault in report.faults]
    if not checked and not faults:
        raise CliError(f"there is no MigrationRollout in {', '.join(files)}")
    if form == "json":
        click.echo(json.dumps([asdict(fault) for fault in faults], indent=2))
    elif faults:
        click.echo("\n".join(map(str, faults)))
    else:
        click.echo(f"{checked} MigrationRollout{'s' * (checked != 1)} checked, nothing found")
    return FOUND if faults else ExitCode.COMPLETED


def read_file(file: str) -> str:
    """Return the text of a file, or of the standard input."""
    if file == "-":
        return sys.stdin.read()
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{file} cannot be read: {error}") from error


@dataclass(frozen=True)
class Report:
    """What one file holds."""

    checked: int
    faults: Sequence[Fault]


def check(file: str, text: str) -> Report:
    """Check every MigrationRollout of one file's text."""
    from cutover.cli.manifests import ManifestError, read_documents

    checked = 0
    faults: list[Fault] = []
    try:
        for document in read_documents(text):
            for prefix, rollout in _rollouts(document.value):
                checked += 1
                faults += _faults(file, document, prefix, rollout)
    except ManifestError as error:
        faults.append(Fault(file, error.line, error.document, "", "", str(error)))
    return Report(checked, faults)


def rollouts_of(text: str) -> list[dict[str, Any]]:
    """Return every MigrationRollout of a text that holds nothing to find fault with."""
    from cutover.cli.manifests import read_documents

    return [one for doc in read_documents(text) for _, one in _rollouts(doc.value)]


def _rollouts(value: Any, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Find what is meant as a MigrationRollout, in a List too; the prefix is the path to it."""
    from cutover.api import GROUP, KIND

    if not isinstance(value, dict):
        return
    if value.get("kind") == KIND or str(value.get("apiVersion")).startswith(f"{GROUP}/"):
        yield prefix, value
    elif str(value.get("kind")).endswith("List") and isinstance(value.get("items"), list):
        for index, each in enumerate(value["items"]):
            yield from _rollouts(each, f"{prefix}items[{index}].")


def _faults(
    file: str, document: "Document", prefix: str, rollout: dict[str, Any]
) -> Iterable[Fault]:
    from cutover.cli.admission import refusals

    metadata = rollout.get("metadata")
    name = str(metadata.get("name", "")) if isinstance(metadata, dict) else ""
    twice = [path for path in document.doubled if path.startswith(prefix)]
    found = [(path, "is written twice") for path in twice]
    refused = refusals(rollout)
    found += [(prefix + one.path, one.says) for one in refused]
    if not refused:
        found += [(prefix + path, says) for path, says in _never_open(rollout)]
    faults = [
        Fault(file, document.line(path), document.number, name, path, says) for path, says in found
    ]
    return sorted(faults, key=lambda fault: fault.line)


def _never_open(rollout: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Windows that admission takes and the operator refuses: calendars are not in its rules."""
    given = rollout["spec"].get("windows") or ()
    if not given:
        return
    from cutover.api.windows import Window
    from cutover.decide.windows import windows_refusal

    for index, one in enumerate(given):
        refusal = windows_refusal([Window.model_validate(one)])
        if refusal is not None:
            path, _, says = refusal.message.partition(": ")
            yield path.replace("spec.windows[0]", f"spec.windows[{index}]"), says
