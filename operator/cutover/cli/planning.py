"""The command that tells what a manifest would do: plan."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from cutover.cli.errors import CliError, ExitCode
from cutover.cli.linting import FOUND, Fault
from cutover.cli.progress import progress

if TYPE_CHECKING:
    from cutover.api.status import Plan
    from cutover.cli.loading import Planned
    from cutover.foresight.outlook import Outlook

_RATE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:/(s|m|h))?")
_SECONDS: Final = {None: 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def read_rate(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    """Read requests a second."""
    if text is None:
        return None
    found = _RATE.fullmatch(text)
    if not found or not float(found[1]):
        raise click.BadParameter(f'"{text}" is no rate; write it like 50/s, 3000/m or 50')
    return float(found[1]) / _SECONDS[found[2]]


def read_shares(
    _context: click.Context, _option: click.Parameter, texts: Sequence[str]
) -> dict[str, float]:
    """Read GATE=SHARE."""
    from cutover.api.quantities import parse_share

    shares: dict[str, float] = {}
    for text in texts:
        gate, equals, share = text.partition("=")
        try:
            shares[gate] = parse_share(share)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
        if not gate or not equals:
            raise click.BadParameter(f'"{text}" names no gate; write it like errors=0.2%')
    return shares


@click.command(
    epilog="Exit codes: 0 every step fits its time, 1 one does not or something is wrong with FILE,"
    " 2 nothing to plan, unreadable or wrong usage."
)
@click.argument("file")
@click.option(
    "--rate",
    callback=read_rate,
    metavar="N/s",
    help="Requests that the source answers, such as 50/s or 3000/m. Needed.",
)
@click.option(
    "--share",
    "shares",
    multiple=True,
    callback=read_shares,
    metavar="GATE=SHARE",
    help="The source's own share of slow or failed requests for a gate, such as errors=0.2%.",
)
@click.option(
    "--weight",
    "weights",
    multiple=True,
    type=click.IntRange(1, 100),
    help="Tell of this weight instead of the steps in FILE; may be repeated.",
)
@click.option("--seed", type=click.IntRange(0), default=1, help="Of the simulation.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def plan(
    file: str,
    *,
    rate: float | None,
    shares: dict[str, float],
    weights: tuple[int, ...],
    seed: int,
    output: str,
) -> int:
    """Tell what the rollout in FILE would do, without a cluster.

    For each step and gate: how many requests the target must answer before it passes, how long that
    takes at the given rate, whether it fits maxDuration, and how bad the target must be for the gate to
    notice. Times and what is noticed are simulated, judged by the operator's own rules.
    """
    from cutover.cli.loading import load_plans, show_faults

    found = load_plans(file)
    if isinstance(found[0], Fault):
        show_faults([one for one in found if isinstance(one, Fault)])
        return FOUND
    planned = [one for one in found if not isinstance(one, Fault)]
    if rate is None:
        raise CliError(_how_to_get_a_rate(planned[0].plan))
    told = [_look_ahead(one, rate, shares, weights, seed) for one in planned]
    now = datetime.now(UTC)
    if output == "json":
        from cutover.cli.outlooks import as_json

        click.echo(json.dumps([as_json(*one, now) for one in told], indent=2))
    else:
        from cutover.cli.outlooks import draw_outlook
        from cutover.cli.screens import console

        for name, in_force, outlook in told:
            console().print(draw_outlook(name, in_force, outlook, now))
    return ExitCode.COMPLETED if all(one[2].fits for one in told) else FOUND


def _look_ahead(
    planned: "Planned",
    rate: float,
    shares: Mapping[str, float],
    weights: Sequence[int],
    seed: int,
) -> "tuple[str, Plan, Outlook]":
    from cutover.api.steps import Step
    from cutover.decide.share import is_judged_on_requests
    from cutover.foresight.ahead import is_counted, look_ahead

    in_force = planned.plan
    counted = [gate.name for gate in in_force.gates if is_counted(gate)]
    for gate in shares:
        if gate not in counted:
            known = ", ".join(counted) or "none"
            raise CliError(
                f"--share {gate}: {planned.name} has no gate {gate} that counts requests; it has {known}"
            )
    if weights:
        steps = [Step(weight=weight) for weight in sorted(set(weights))]
        in_force = in_force.model_copy(update={"steps": steps})
    with progress("simulating", sum(map(is_judged_on_requests, in_force.steps))) as advance:
        outlook = look_ahead(in_force, rate, shares, seed=seed, advance=advance)
    return planned.name, in_force, outlook


def _how_to_get_a_rate(in_force: "Plan") -> str:
    """Say what to ask Prometheus for."""
    from cutover.metrics import promql
    from cutover.metrics.quantities import REQUESTS, Asked, quantities

    source = in_force.source
    asked = quantities(
        source.profile or in_force.profile,
        in_force.custom,
        Asked(),
        promql.rendered(source.prometheus.matchers),
    )
    query = next((one.expression for one in asked if one.name == REQUESTS), "")
    return (
        "give the source's requests a second with --rate, such as --rate 50/s: plan asks no Prometheus."
        f" Over the last hour {source.prometheus.address} tells it by\n  ({promql.over(query, 3600)}) / 3600"
    )
