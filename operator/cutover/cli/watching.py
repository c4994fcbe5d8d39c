"""The commands that only look: status and list."""

import contextlib
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import click

from cutover.cli.errors import ExitCode
from cutover.cli.options import Where, command_line, where_options

if TYPE_CHECKING:
    from cutover.cli.rollouts import Lost, Rollout
    from cutover.cli.screens import Screen

_ENDINGS: Final = """\b
Exit codes with --watch or --exit-code:
  0  Completed
  1  RolledBack
  2  no such rollout, wrong usage, or no answer from the API server
  3  still running; with --watch: when the --timeout is over
  4  a person must act (condition Stalled)
Without them 0, or 2."""


def _length(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> timedelta | None:
    """Read a length of time as the resource's own are read."""
    from cutover.api.quantities import parse_duration

    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(epilog=_ENDINGS)
@click.argument("name")
@click.option("-w", "--watch", is_flag=True, help="Follow it until it ends or a person must act.")
@click.option(
    "--timeout", callback=_length, metavar="D", help="With --watch: stop after D, such as 90m."
)
@click.option("--stay", is_flag=True, help="With --watch: stay also when a person must act.")
@click.option("--evidence", is_flag=True, help="With each gate's sentence, times and query.")
@click.option("--exit-code", is_flag=True, help="Look once; the exit code says how it stands.")
@where_options
def status(
    name: str,
    where: Where,
    timeout: timedelta | None,
    *,
    watch: bool,
    stay: bool,
    evidence: bool,
    exit_code: bool,
) -> int:
    """Show what a rollout does, why, and how to steer it."""
    from cutover.cli.connection import connect
    from cutover.cli.rollouts import Rollouts
    from cutover.cli.screens import open_screen, show_once
    from cutover.cli.sight import see

    if (stay or timeout is not None) and not watch:
        raise click.UsageError("--timeout and --stay go with --watch")
    rollouts = Rollouts(connect(where))

    def command(verb: str) -> str:
        return command_line(verb, name, where, rollouts.namespace)

    if not watch:
        sight = see(rollouts.read(name))
        show_once(sight, command, evidence=evidence)
        return sight.standing if exit_code else ExitCode.COMPLETED
    ends = {ExitCode.COMPLETED, ExitCode.ROLLED_BACK}
    if not stay:
        ends.add(ExitCode.NEEDS_A_PERSON)
    changes = rollouts.follow(name, None if timeout is None else timeout.total_seconds())
    with contextlib.closing(changes), open_screen(command, evidence=evidence) as screen:
        return _follow(changes, screen, ends)


def _follow(
    changes: Iterable["Rollout | Lost"], screen: "Screen", ends: Collection[ExitCode]
) -> ExitCode:
    """Show every change until one of the ends, and return how it stands then."""
    from cutover.cli.rollouts import Lost
    from cutover.cli.sight import see

    standing = ExitCode.RUNNING
    for change in changes:
        if isinstance(change, Lost):
            screen.lose(change.why)
            continue
        sight = see(change)
        screen.show(sight)
        standing = sight.standing
        if standing in ends:
            break
    return standing


@click.command("list")
@where_options
@click.option("-A", "--all-namespaces", is_flag=True, help="Those of every namespace.")
@click.option("--wide", is_flag=True, help="With source, target and attempt.")
def list_rollouts(where: Where, *, all_namespaces: bool, wide: bool) -> int:
    """List rollouts, as kubectl get mro does."""
    from cutover.cli.connection import connect
    from cutover.cli.drawing import draw_table
    from cutover.cli.rollouts import Rollouts
    from cutover.cli.screens import console

    rollouts = Rollouts(connect(where))
    table = rollouts.table(everywhere=all_namespaces)
    if not table.get("rows"):
        place = "any namespace" if all_namespaces else f"namespace {rollouts.namespace}"
        click.echo(f"There are no rollouts in {place}.", err=True)
        return ExitCode.COMPLETED
    console().print(draw_table(table, namespaces=all_namespaces, wide=wide), soft_wrap=True)
    return ExitCode.COMPLETED
