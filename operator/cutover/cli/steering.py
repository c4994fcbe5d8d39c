"""The commands that say what a person wants: pause, resume, approve, abort, retry.

Each writes one or two fields of the spec as ``cutover-cli``; what follows is the operator's.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from cutover.cli.errors import CliError, ExitCode
from cutover.cli.options import Where, where_options

if TYPE_CHECKING:
    from cutover.cli.desk import Desk
    from cutover.cli.sight import Sight

_OVER: Final = "Completed is final; the way back is a new MigrationRollout, which kubectl cutover reverse prints"


def _steers(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command its NAME and the common options; it is handed a ``Desk`` for that rollout."""

    @functools.wraps(command)
    def wrapped(*, name: str, where: Where, force: bool, **given: Any) -> int:
        from cutover.cli.desk import Desk

        return command(Desk(name, where, force=force), **given)

    forced = click.option(
        "--force", is_flag=True, help="Take the field over from whoever owns it (Git, for one)."
    )(wrapped)
    return click.argument("name")(where_options(forced))


@click.command()
@_steers
def pause(desk: "Desk") -> int:
    """Hold a rollout where it is.

    The guards keep watching and can still put the traffic back.
    """
    desk.write(lambda _: {"paused": True})
    return desk.say(
        "pause asked: the operator makes no further step, and its guards keep watching;"
        f" go on with: {desk.command('resume')}"
    )


@click.command()
@_steers
def resume(desk: "Desk") -> int:
    """Let a paused rollout go on.

    A pause that the operator made itself (no evidence, somebody else's weights, ...) ends only when
    a person has seen it: then this pauses, waits for the operator to read that, and resumes.
    """
    sight = desk.sight()
    if not sight.paused and sight.status.pause is None:
        return desk.say("not paused, so nothing was written")
    if sight.needs_acknowledging:
        desk.write(lambda _: {"paused": True})
        desk.wait_for_acknowledgement()
    desk.write(lambda _: {"paused": False})
    return desk.say(f"resume asked: the operator goes on from where it is; {desk.watch}")


@click.command()
@_steers
@click.option("--step", metavar="APPROVAL", help="Approval to give; default: the one waited for.")
def approve(desk: "Desk", step: str | None) -> int:
    """Say yes to the approval that a rollout waits for.

    It counts for the present attempt only.
    """
    sight = desk.sight()
    name = _approval(sight, step, desk)
    if (name, sight.attempt) in sight.approved:
        return desk.say(f"{name} is approved already for attempt {sight.attempt}")
    desk.approve(name, sight.attempt)
    then = (
        "the operator goes on within seconds"
        if name == sight.waits_for
        else "it counts once reached"
    )
    return desk.say(f"{name} approved for attempt {sight.attempt}: {then}; {desk.watch}")


def _approval(sight: "Sight", asked: str | None, desk: "Desk") -> str:
    """Find the approval meant, or say why there is none."""
    if sight.is_rolled_back:
        raise CliError(f"{sight.name} is RolledBack: try again first with: {desk.command('retry')}")
    names = [step.approval.name for step in sight.steps if step.approval]
    if asked is None and sight.waits_for:
        return sight.waits_for
    if asked is not None and asked in names:
        return asked
    listed = f"its approvals are {', '.join(names)}" if names else "it has no approval steps"
    if asked is not None:
        raise CliError(f"{sight.name} has no approval {asked}: {listed}")
    raise CliError(
        f"{sight.name} waits for no approval now: {listed}"
        + ("; give one ahead of time with --step" if names else "")
    )


@click.command()
@_steers
def abort(desk: "Desk") -> int:
    """Put all traffic back to the source, now."""
    stored = desk.write(_aborted)
    if desk.is_over(stored):
        return desk.say(f"rolled back already; it stays so until: {desk.command('retry')}")
    return desk.say(
        "abort asked: the operator puts the traffic back to the source within seconds;"
        f" {desk.watch}"
    )


def _aborted(found: dict[str, Any]) -> dict[str, Any]:
    if (found.get("status") or {}).get("phase") == "Completed":
        raise CliError(f"nothing to abort: {_OVER}")
    return {"abort": True}


@click.command()
@_steers
def retry(desk: "Desk") -> int:
    """Try a rolled-back rollout again, from its first step.

    Raises spec.attempt by one and clears spec.abort in the same write.
    """
    sight = desk.sight()
    if sight.standing == ExitCode.COMPLETED:
        raise CliError(f"nothing to try again: {_OVER}")
    if not sight.is_rolled_back:
        raise CliError(
            f"{sight.name} is {sight.status.phase or 'not yet seen by the operator'}, and only a"
            f" RolledBack rollout can be tried again; stop it with: {desk.command('abort')}"
        )
    attempt = sight.attempt + 1
    desk.write(lambda _: {"attempt": attempt, "abort": False})
    paused = f"; it is still paused, go on with: {desk.command('resume')}" if sight.paused else ""
    return desk.say(
        f"attempt {attempt} asked: the operator begins at the first step; {desk.watch}{paused}"
    )


@click.command("restore-source")
@_steers
def restore_source(desk: "Desk") -> int:
    """Bring back source servers that were scaled to zero.

    Sets spec.afterCompletion.source to Keep: the operator scales the workload to what it was. Asked before
    they were scaled down, it keeps them.
    """
    from cutover.api.leftovers import SourceFate

    end = desk.sight().status.after_completion
    if end is not None and end.source == SourceFate.KEPT:
        return desk.say(
            f"nothing to bring back, so nothing was written: the source was {end.message}"
        )
    if end is not None and end.source == SourceFate.RESTORED:
        return desk.say(f"nothing was written: the source was {end.message}")
    desk.write(lambda _: {"afterCompletion": {"source": "Keep"}})
    if end is None or end.source != SourceFate.SCALED_TO_ZERO:
        return desk.say("the source will be kept when the rollout completes")
    return desk.say(
        "asked: the operator scales the source's workload to what it was; it serves nothing until a rollout"
        f" goes back ({desk.command('reverse')}); {desk.watch}"
    )
