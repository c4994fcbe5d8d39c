"""``reverse``: the MigrationRollout that goes back, as YAML to be read and applied."""

import copy
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from cutover.api import GROUP, KIND, VERSION
from cutover.cli.errors import CliError, ExitCode
from cutover.cli.options import Where, command_line, where_options

if TYPE_CHECKING:
    from cutover.api.status import Status

Json = dict[str, Any]

OF_THE_ATTEMPT: Final = ("attempt", "paused", "abort", "approved")
"""What people said about the one that went there."""
NO_SIDE: Final = "targetGroup"
"""AWS's word for a set of servers, on whichever side it is."""
BACK: Final = "-back"
LONGEST: Final = 253


@click.command()
@click.argument("name")
@where_options
def reverse(name: str, where: Where) -> int:
    """Print the rollout that moves the traffic back.

    Steps, gates, guards and windows are NAME's own. Read it, then: reverse NAME | kubectl apply -f -
    """
    from cutover.cli.connection import connect
    from cutover.cli.rollouts import Rollouts
    from cutover.cli.sight import see

    rollouts = Rollouts(connect(where))
    found = rollouts.read(name)
    restore = command_line("restore-source", name, where, rollouts.namespace)
    status = see(found).status
    told = list(
        _before(name, status, restore, command_line("abort", name, where, rollouts.namespace))
    )
    refusal = irreversible(found["spec"].get("traffic") or {})
    if refusal is not None:
        raise CliError(refusal)
    manifest, notes = reversed_rollout(found)
    click.echo(as_yaml(manifest, [*told, *notes]), nl=False)
    for line in told:
        click.echo(line, err=True)
    return ExitCode.COMPLETED


def _before(name: str, status: "Status", restore: str, abort: str) -> Iterator[str]:
    """Say what has to be so before the way back can begin."""
    from cutover.api.leftovers import SourceFate
    from cutover.api.status import Phase

    if status.phase != Phase.COMPLETED:
        yield (
            f"{name} is {status.phase or 'not yet seen by the operator'}: this begins once it is Completed."
            f" While it is under way, the way back is: {abort}"
        )
    end = status.after_completion
    if end is not None and end.source in (SourceFate.SCALED_TO_ZERO, SourceFate.SCALING_DOWN):
        yield f"the servers that shall serve are scaled to zero: bring them back first with: {restore}"


def irreversible(traffic: Mapping[str, Any]) -> str | None:
    """Say why a route cannot move traffic the other way; None: it can."""
    every = {"traffic": traffic} | {
        f"traffic.additionalRoutes[{number}]": route
        for number, route in enumerate(traffic.get("additionalRoutes") or ())
    }
    found = ((at, _one_number(route)) for at, route in every.items())
    field = next((f"{at}.{kind}" for at, kind in found if kind is not None), None)
    if field is None:
        return None
    return (
        f"{field} holds one number, the target's share, so no rollout can raise the source's: make the"
        " former source the one that has the number (for ingress-nginx: exchange the two Ingresses' backends"
        " with the canary's weight at 0) and write a rollout for that"
    )


def _one_number(route: Mapping[str, Any]) -> str | None:
    """The kind of a route that holds the target's number and none of the source's."""
    patch = route.get("patch") or {}
    if patch and "source" not in patch:
        return "patch"
    return "nginxCanary" if "nginxCanary" in route else None


def reversed_rollout(rollout: Mapping[str, Any]) -> tuple[Json, list[str]]:
    """Exchange the two sides wherever they stand; return the manifest, and what was left out and why.

    Steps, gates, guards, capacity and windows say what is wanted of *a* target, and stay.
    """
    spec: Json = copy.deepcopy(dict(rollout["spec"]))
    notes: list[str] = []
    for field in OF_THE_ATTEMPT:
        spec.pop(field, None)
    spec["source"], spec["target"] = spec["target"], spec["source"]
    for field in ("traffic", "gates"):
        if field in spec:
            spec[field] = exchanged(spec[field])
    if "warmUp" in spec and "endpoint" not in spec["target"]:
        del spec["warmUp"]
        notes.append(
            "warmUp is left out, because nothing says where the new target's model server answers: name"
            " it in target.endpoint"
        )
    if (spec.get("afterCompletion") or {}).get("source") == "ScaleToZero":
        del spec["afterCompletion"]
        notes.append("afterCompletion is left out: the former target is kept when this completes")
    metadata = rollout["metadata"]
    manifest = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {
            "name": f"{metadata['name'][: LONGEST - len(BACK)].rstrip('.-')}{BACK}",
            "namespace": metadata["namespace"],
        },
        "spec": spec,
    }
    return manifest, notes


def exchanged(value: Any) -> Any:
    """Exchange each pair of fields of which one is the source's and one the target's, at any depth."""
    if isinstance(value, list):
        return [exchanged(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    return {_counterpart(key): exchanged(one) for key, one in value.items()}


def _counterpart(key: str) -> str:
    if key.startswith(NO_SIDE):
        return key
    for mine, other in (("source", "target"), ("target", "source")):
        rest = key.removeprefix(mine)
        if rest != key and (not rest or rest[0].isupper()):
            return f"{other}{rest}"
    return key


def as_yaml(manifest: Json, notes: list[str]) -> str:
    """Write the manifest as people do, with what should be known on top."""
    import yaml

    text: str = yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=100)
    return "".join(f"# {line}\n" for line in notes) + text
