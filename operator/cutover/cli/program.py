"""The group of commands, and how the program ends."""

import io
import os
import sys
from collections.abc import Sequence

import click

from cutover.cli.backtesting import backtest
from cutover.cli.errors import CliError, ExitCode
from cutover.cli.linting import lint
from cutover.cli.options import program_name
from cutover.cli.planning import plan
from cutover.cli.preflight import preflight
from cutover.cli.reversing import reverse
from cutover.cli.steering import abort, approve, pause, restore_source, resume, retry
from cutover.cli.watching import list_rollouts, status


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Stop a rollout:  cutover abort NAME  (puts the traffic back within seconds)",
)
@click.version_option(package_name="cutover")
def cutover() -> None:
    """See and steer MigrationRollouts: the moving of inference traffic between two clusters."""


for command in (
    status,
    list_rollouts,
    pause,
    resume,
    approve,
    abort,
    retry,
    restore_source,
    reverse,
    lint,
    plan,
    preflight,
    backtest,
):
    cutover.add_command(command)


def main() -> None:
    """Run the command line of this process."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without → still shows the rest
    sys.exit(run(sys.argv[1:], program_name(sys.argv[0])))


def run(arguments: Sequence[str], program: str = "cutover") -> int:
    """Run one command and return its exit code; what goes wrong is one sentence on stderr."""
    try:
        return int(cutover.main(list(arguments), program, standalone_mode=False) or 0)
    except click.Abort:
        return ExitCode.INTERRUPTED
    except CliError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:  # wrong usage
        error.show()
        return ExitCode.ERROR
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does: end quietly.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.ERROR
