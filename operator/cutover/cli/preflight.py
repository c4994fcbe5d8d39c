"""The command that checks whether a rollout could begin, and changes nothing: preflight."""

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cutover.cli.errors import CliError, ExitCode
from cutover.cli.linting import FOUND, Fault
from cutover.cli.options import Where, where_options

if TYPE_CHECKING:
    from cutover.decide.check import Check
    from cutover.decide.observation import Identity
    from cutover.observe.world import Object
    from cutover.wiring import Parts

SECONDS: Final = 4.5
"""For everything; what the program needs to begin comes off it."""
AT_LEAST: Final = 2.0
"""Seconds that the answers get on a machine however slow."""
MANIFESTS: Final = (".yaml", ".yml", ".json")


@click.command(
    epilog="Exit codes: 0 nothing keeps it from beginning (there may be warnings), 1 something does,"
    " 2 it could not be checked. It reads with your own credentials; permissions are yours, too."
)
@click.argument("what", metavar="FILE|NAME")
@where_options
@click.option(
    "--timeout",
    type=click.FloatRange(0.5, 60),
    default=SECONDS,
    help="Seconds for everything, and at least 2 for the answers.",
    show_default=True,
)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def preflight(what: str, *, where: Where, timeout: float, output: str) -> int:
    """Check whether a rollout could begin, and change nothing.

    FILE is a manifest with one MigrationRollout (- for standard input), NAME one that is in the cluster.
    All is asked at once. The checks are those of the phase Preflight, by the operator's own code: route, weights, clusters,
    metrics of every gate, workloads, models, permissions, images, golden sets, and whether each step gets
    its evidence in time at the source's rate.
    """
    from cutover.cli.drawing_checks import as_json, draw_checks
    from cutover.cli.screens import console

    began = time.monotonic()
    found = _file(what, where) if is_file(what) else _stored(what, where)
    if found is None:
        return FOUND
    rollout, said = found
    name = f"{rollout['metadata']['namespace']}/{rollout['metadata']['name']}"
    checks = asyncio.run(_check(rollout, where, began + timeout))
    seconds = time.monotonic() - began
    if output == "json":
        click.echo(json.dumps(as_json(name, checks, seconds), indent=2))
    else:
        console().print(draw_checks(name, said, checks, seconds))
    return FOUND if any(one.holds_back for one in checks) else ExitCode.COMPLETED


def is_file(what: str) -> bool:
    """Whether it names a manifest and not a rollout: no rollout's name has a slash or ends so."""
    return what == "-" or "/" in what or what.endswith(MANIFESTS) or Path(what).is_file()


def _file(file: str, where: Where) -> tuple[dict[str, Any], str] | None:
    """Read and check the manifest as lint does; None: what is wrong with it was said."""
    from cutover.cli.linting import check, read_file, rollouts_of
    from cutover.cli.loading import show_faults

    text = read_file(file)
    report = check(file, text)
    if report.faults:
        show_faults(list[Fault](report.faults))
        return None
    rollouts = rollouts_of(text)
    if len(rollouts) != 1:
        raise CliError(f"{file} holds {len(rollouts)} MigrationRollouts: give one at a time")
    (rollout,) = rollouts
    metadata = rollout["metadata"]
    name = str(metadata.get("name") or metadata.get("generateName"))
    namespace = where.namespace or metadata.get("namespace") or _namespace(where)
    return rollout | {"metadata": {"name": name, "namespace": namespace}}, f"as {file} has it"


def _namespace(where: Where) -> str:
    from cutover.cli.connection import connect

    return connect(where).namespace


def _stored(name: str, where: Where) -> tuple[dict[str, Any], str]:
    from cutover.api.status import Phase
    from cutover.cli.connection import connect
    from cutover.cli.rollouts import Rollouts

    rollout = Rollouts(connect(where)).read(name)
    phase = (rollout.get("status") or {}).get("phase") or Phase.PENDING
    if phase in (Phase.SHADOWING, Phase.PROGRESSING, Phase.SOAKING, Phase.ROLLING_BACK):
        raise CliError(
            f"{name} is {phase}: its preflight is over (kubectl cutover status {name} shows how it stands)"
        )
    return rollout, f"as stored, in phase {phase}"


async def _check(rollout: Mapping[str, Any], where: Where, ends: float) -> "tuple[Check, ...]":
    from cutover import wiring
    from cutover.cli.connection import access
    from cutover.decide.check import failed
    from cutover.decide.observation import Refusal
    from cutover.decide.preflight import preflight_checks
    from cutover.errors import ConfigurationError
    from cutover.observe.once import look_once
    from cutover.observe.world import take_apart

    ends = max(ends, time.monotonic() + AT_LEAST)
    thing = take_apart(_before_anything(rollout), wiring.KNOWN)
    if isinstance(thing.draft, Refusal):
        return (failed("spec", thing.draft.reason, thing.draft.message),)
    try:
        async with wiring.reading(access(where)) as parts:
            identity = await _identity(parts, thing, ends - time.monotonic())
            left = ends - time.monotonic()
            seen = await look_once(thing, identity, parts.adapters, parts.rollouts, seconds=left)
    except ConfigurationError as error:
        raise CliError(str(error)) from error
    return preflight_checks(seen, thing.draft)


async def _identity(parts: "Parts", thing: "Object", seconds: float) -> "Identity":
    """Who the rollout is to the route's claim: one of the same name that is there already is this one."""
    from cutover import wiring
    from cutover.decide.observation import Identity
    from cutover.ports import NotWritten

    try:
        async with asyncio.timeout(seconds):
            cluster, found = await asyncio.gather(
                parts.cluster(), parts.rollouts.get(thing.namespace, thing.name)
            )
    except TimeoutError as error:
        raise CliError(f"the API server did not answer within {seconds:.1f} s") from error
    for answer in (cluster, found):
        if isinstance(answer, NotWritten):
            raise CliError(f"the API server cannot be asked: {answer.message}")
    uid = "" if found is None or isinstance(found, NotWritten) else str(found["metadata"]["uid"])
    return Identity(str(cluster), thing.namespace, thing.name, uid, 0, wiring.OPERATOR_VERSION)


def _before_anything(rollout: Mapping[str, Any]) -> dict[str, Any]:
    """The object as it stands when Preflight begins."""
    metadata = {"resourceVersion": "0", "generation": 0} | dict(rollout["metadata"])
    return {**rollout, "metadata": metadata, "status": {"phase": "Preflight"}}
