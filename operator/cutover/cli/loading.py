"""The rollouts of a manifest as the plans that an operator would make of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from cutover.cli.errors import CliError
from cutover.cli.linting import Fault, check, read_file, rollouts_of

if TYPE_CHECKING:
    from cutover.api.status import Plan


@dataclass(frozen=True)
class Planned:
    """One rollout of a file, with every default resolved."""

    name: str
    """Namespace, where one is written, and name."""
    plan: "Plan"


def load_plans(file: str) -> Sequence[Planned] | Sequence[Fault]:
    """Read and check as lint does, and resolve as the operator does; or everything that is wrong."""
    text = read_file(file)
    report = check(file, text)
    if report.faults:
        return report.faults
    if not report.checked:
        raise CliError(f"there is no MigrationRollout in {file}")
    return [_planned(file, rollout) for rollout in rollouts_of(text)]


def show_faults(faults: Sequence[Fault]) -> None:
    """Print them as lint does."""
    click.echo("\n".join(map(str, faults)))


def _planned(file: str, rollout: dict[str, Any]) -> Planned:
    from importlib.metadata import version

    from cutover.decide.observation import Refusal
    from cutover.decide.plan import resolve
    from cutover.metrics.profiles.defaults import DEFAULT_GATES, TELLS

    metadata = rollout["metadata"]
    name = str(metadata.get("name") or metadata.get("generateName"))
    namespace = metadata.get("namespace")
    placed = rollout | {"metadata": metadata | {"namespace": namespace or "default"}}
    plan = resolve(
        placed, operator_version=version("cutover"), default_gates=DEFAULT_GATES, metrics=TELLS
    )
    if isinstance(plan, Refusal):
        raise CliError(f"{file} ({name}): the operator would refuse it: {plan.message}")
    return Planned(f"{namespace}/{name}" if namespace else name, plan)
