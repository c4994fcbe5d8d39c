"""The command that asks whether a plan's gates would have fired on the source's own past: backtest."""

import json
import os
import re
from collections.abc import Sequence
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cutover.cli.errors import CliError, ExitCode
from cutover.cli.linting import FOUND, Fault
from cutover.cli.progress import growing, progress

if TYPE_CHECKING:
    from cutover.api.gates import Gate
    from cutover.cli.loading import Planned
    from cutover.foresight.dealing import Harm
    from cutover.foresight.past import Past
    from cutover.foresight.reading import Where
    from cutover.foresight.trial import Trial

TOKEN: Final = "CUTOVER_PROMETHEUS_TOKEN"  # noqa: S105 - the name of a variable, not a token
_DAYS: Final = re.compile(r"(\d+)d(.*)")
_FACTOR: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)x?")


def read_span(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> timedelta | None:
    """Read a length of time that may have days: 7d, 12h, 1d12h."""
    from cutover.api.quantities import parse_duration

    if text is None:
        return None
    found = _DAYS.fullmatch(text)
    days, rest = (int(found[1]), found[2]) if found else (0, text)
    try:
        length = timedelta(days=days) + (parse_duration(rest) if rest else timedelta())
    except ValueError as error:
        raise click.BadParameter(
            f'"{text}" is no length of time; write it like 7d or 12h'
        ) from error
    if length <= timedelta():
        raise click.BadParameter("it must be longer than nothing")
    return length


def read_factor(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> float | None:
    """Read how many times as long: 1.5x."""
    if text is None:
        return None
    found = _FACTOR.fullmatch(text)
    if not found or not 1.0 < float(found[1]) <= 100.0:
        raise click.BadParameter(f'"{text}" is no factor above 1; write it like 1.5x')
    return float(found[1])


def read_share(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    """Read a share: 2%."""
    from cutover.api.quantities import parse_share

    try:
        return None if text is None else parse_share(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(
    epilog="Exit codes: 0 no gate or guard would have fired and every plan would have finished, 1 one"
    " would have fired or not finished, or something is wrong with FILE, 2 no past to be had."
)
@click.argument("file")
@click.option("--since", callback=read_span, default="7d", metavar="D", help="How far back: 7d.")
@click.option("--every", callback=read_span, metavar="D", help="A plan begins so often: 1h.")
@click.option(
    "--inject", callback=read_factor, metavar="Nx", help="Also a target so many times slower: 1.5x."
)
@click.option(
    "--inject-errors",
    callback=read_share,
    metavar="SHARE",
    help="Also one failing so much more: 2%.",
)
@click.option(
    "--prometheus", metavar="URL", help="Ask this one instead of spec.source.prometheus.address."
)
@click.option(
    "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Send it to Prometheus."
)
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False),
    help=f"Holds a bearer token; or set {TOKEN}.",
)
@click.option(
    "--timeout", type=click.FloatRange(0.1, 600), default=30.0, help="Seconds for each request."
)
@click.option(
    "--plot", type=click.Path(dir_okay=False, writable=True), metavar="FILE.png", help="Draw it."
)
@click.option(
    "--graph/--no-graph", default=None, help="Draw in the terminal; default: if it is one."
)
@click.option("--seed", type=click.IntRange(0), default=1, help="Of all that is dealt by chance.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def backtest(
    file: str,
    *,
    since: timedelta,
    every: timedelta | None,
    inject: float | None,
    inject_errors: float | None,
    prometheus: str | None,
    headers: Sequence[str],
    token_file: str | None,
    timeout: float,
    plot: str | None,
    graph: bool | None,
    seed: int,
    output: str,
) -> int:
    """Replay the rollout in FILE over the source's past.

    As if the target were the source's equal: reads the source's counters in bulk, deals the requests of each look out to two sides by chance, as
    the weights say, and lets the operator's own code judge them: every gate or guard that fires is a false
    alarm. With --inject or --inject-errors the target is made worse, and it is told how soon it is caught.
    """
    from cutover.cli.loading import load_plans, show_faults

    found = load_plans(file)
    faults = [one for one in found if isinstance(one, Fault)]
    if faults:
        show_faults(faults)
        return FOUND
    planned = [one for one in found if not isinstance(one, Fault)]
    if len(planned) > 1:
        raise CliError(f"{file} holds {len(planned)} rollouts: give one at a time")
    _need_the_extra(plot=plot is not None, graph=bool(graph))
    (one,) = planned
    where = _where(prometheus or one.plan.source.prometheus.address, headers, token_file, timeout)
    counted = _counted(one)
    past = _read(one, counted, where, since, inject)
    trials = _trials(one, counted, past, every, _harm(inject, inject_errors), seed=seed)
    _show(one, past, trials, inject, plot=plot, graph=graph, output=output)
    sound = trials[0]
    return FOUND if len(sound.told) > len(sound.finished) else ExitCode.COMPLETED


def _need_the_extra(*, plot: bool, graph: bool) -> None:
    """Say how to install what is missing before anything is read."""
    wanted = ["prometheus_api_client", *["matplotlib"] * plot, *["plotext"] * graph]
    missing = [name for name in wanted if find_spec(name) is None]
    if missing:
        raise CliError(
            f"backtest needs {', '.join(missing)}, which the extra backtest brings:"
            " pip install 'cutover[backtest]'"
        )


def _where(address: str, headers: Sequence[str], token_file: str | None, timeout: float) -> "Where":
    from cutover.foresight.reading import Where

    sent: dict[str, str] = {}
    for text in headers:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise CliError("--header is written as 'NAME: VALUE'")
        sent[name.strip()] = value.strip()
    token = Path(token_file).read_text("utf-8").strip() if token_file else os.environ.get(TOKEN)
    if token:
        sent["Authorization"] = f"Bearer {token}"
    return Where(address, sent, timeout)


def _counted(planned: "Planned") -> "list[Gate]":
    from cutover.foresight.ahead import is_counted

    counted = [gate for gate in planned.plan.gates if is_counted(gate)]
    if not counted:
        raise CliError(
            f"{planned.name} has no gate that counts requests: there is nothing to replay"
        )
    return counted


def _read(
    planned: "Planned",
    counted: "Sequence[Gate]",
    where: "Where",
    since: timedelta,
    inject: float | None,
) -> "Past":
    from cutover.foresight.reading import HistoryError, read_past

    try:
        with growing("reading the past") as begin:
            return read_past(
                planned.plan,
                counted,
                where,
                since.total_seconds(),
                factor=inject or 1.0,
                begin=begin,
            )
    except HistoryError as error:
        raise CliError(str(error)) from error


def _harm(inject: float | None, inject_errors: float | None) -> "Harm | None":
    from cutover.foresight.dealing import Harm

    if inject is None and inject_errors is None:
        return None
    return Harm(inject is not None, inject_errors or 0.0)


def _trials(
    planned: "Planned",
    counted: "Sequence[Gate]",
    past: "Past",
    every: timedelta | None,
    worse: "Harm | None",
    *,
    seed: int,
) -> "list[Trial]":
    from cutover.foresight.dealing import SOUND
    from cutover.foresight.trial import replay_all, starts

    begins = starts(planned.plan, past, (every or timedelta(hours=1)).total_seconds())
    if not begins:
        from cutover.api.quantities import format_duration

        length = format_duration(timedelta(seconds=past.looks * past.look))
        raise CliError(
            f"the past holds {length}, which is shorter than the plan: nothing to replay"
        )
    harms = [SOUND] if worse is None else [SOUND, worse]
    trials = []
    for harm in harms:
        what = "replaying" if harm is SOUND else "replaying a worse target"
        with progress(what, len(begins)) as advance:
            trials.append(
                replay_all(
                    planned.plan, counted, past, begins, seed=seed, harm=harm, advance=advance
                )
            )
    return trials


def _show(
    planned: "Planned",
    past: "Past",
    trials: "Sequence[Trial]",
    inject: float | None,
    *,
    plot: str | None,
    graph: bool | None,
    output: str,
) -> None:
    from cutover.cli.screens import console
    from cutover.cli.trials import as_json, draw_trials

    out = console()
    if output == "json":
        click.echo(json.dumps(as_json(planned.name, planned.plan, past, trials), indent=2))
    else:
        out.print(draw_trials(planned.name, planned.plan, past, trials, inject or 1.0))
        if out.is_terminal and find_spec("plotext") is not None if graph is None else graph:
            from cutover.cli.plots import draw_in_terminal

            width, colours = out.width if out.is_terminal else 100, out.is_terminal
            click.echo(draw_in_terminal(planned.plan, past, trials[0], width, colours=colours))
    if plot is not None:
        from cutover.cli.plots import write_png

        try:
            write_png(plot, planned.name, planned.plan, past, trials)
        except (OSError, ValueError) as error:
            raise CliError(f"the plot cannot be written to {plot}: {error}") from error
