"""Where one rollout is steered from: written to, waited for, and answered about."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from cutover.cli.connection import connect
from cutover.cli.errors import CliError, ConflictError, ExitCode
from cutover.cli.options import Where, command_line
from cutover.cli.ownership import owned_spec, refusal
from cutover.cli.rollouts import Change, Lost, Rollout, Rollouts

if TYPE_CHECKING:
    from cutover.cli.sight import Sight

ACKNOWLEDGED_WITHIN: Final = 30.0
"""Seconds; an operator at work reads an edit in less than one."""


class Desk:
    """What a steering command needs for the rollout it was given."""

    def __init__(self, name: str, where: Where, *, force: bool) -> None:
        self._name = name
        self._where = where
        self._force = force
        self._rollouts = Rollouts(connect(where))

    def sight(self) -> "Sight":
        """Read the rollout."""
        return _see(self._rollouts.read(self._name))

    def write(self, change: Change) -> Rollout:
        """State what is wanted; a field that another manager owns is left alone, and that is said."""
        try:
            return self._rollouts.apply(self._name, change, force=self._force)
        except ConflictError as error:
            if not error.causes:
                raise CliError(
                    f"{self._name} was exchanged meanwhile: look, then ask again"
                ) from error
            raise CliError(f"not done: {refusal(error.causes, self._forced())}") from error

    def is_over(self, stored: Rollout) -> bool:
        """Whether the traffic had been put back before this was asked."""
        return _see(stored).is_rolled_back

    def approve(self, approval: str, attempt: int) -> Rollout:
        """Add one approval to those given before; those of earlier attempts count no more."""
        entry = {"name": approval, "attempt": attempt}

        def change(found: Rollout) -> Mapping[str, Any]:
            before = owned_spec(found).get("approved", [])
            return {"approved": [*(one for one in before if one["attempt"] == attempt), entry]}

        return self.write(change)

    def wait_for_acknowledgement(self) -> None:
        """Wait until the operator has read that a person paused the rollout."""
        for found in self._rollouts.follow(self._name, ACKNOWLEDGED_WITHIN):
            if not isinstance(found, Lost) and not _see(found).needs_acknowledging:
                return
        raise CliError(
            f"paused, but the operator has not read that within {ACKNOWLEDGED_WITHIN:.0f} s and the"
            f" rollout stays held: is the operator running? Then ask again: {self.command('resume')}"
        )

    def say(self, sentence: str) -> int:
        """Confirm, with what happens next."""
        click.echo(f"{self._rollouts.namespace}/{self._name}: {sentence}")
        return ExitCode.COMPLETED

    def command(self, verb: str) -> str:
        """Write a command for this rollout, to be copied and run as it is."""
        return command_line(verb, self._name, self._where, self._rollouts.namespace)

    @property
    def watch(self) -> str:
        """The usual last clause."""
        return f"watch with: {self.command('status')} --watch"

    def _forced(self) -> str:
        context = click.get_current_context()
        step = context.params.get("step")
        chosen = f" --step {step}" if step else ""
        return f"{self.command(str(context.info_name))}{chosen} --force"


def _see(found: Rollout) -> "Sight":
    # Imported late: an abort is on its way before the models of the status are built.
    from cutover.cli.sight import see

    return see(found)
