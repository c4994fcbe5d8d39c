"""Which API server and which namespace, spelled as kubectl spells it."""

import functools
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click


@dataclass(frozen=True)
class Where:
    """What was given on the command line; None: as the kubeconfig says."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None

    def flags(self, namespace: str | None) -> str:
        """Write the flags that lead a second command to the same place."""
        given = (
            ("-n", namespace),
            ("--context", self.context),
            ("--kubeconfig", self.kubeconfig),
        )
        return "".join(f" {flag} {shlex.quote(value)}" for flag, value in given if value)


def where_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add kubectl's three options to a command, given to it together as ``where``."""

    @functools.wraps(command)
    def wrapped(
        *, kubeconfig: str | None, context: str | None, namespace: str | None, **given: Any
    ) -> int:
        return command(where=Where(kubeconfig, context, namespace), **given)

    for option in (
        click.option("--kubeconfig", metavar="FILE", help="Kubeconfig file to use."),
        click.option("--context", metavar="NAME", help="Context of the kubeconfig to use."),
        click.option("-n", "--namespace", metavar="NS", help="Namespace of the rollout."),
    ):
        wrapped = option(wrapped)
    return wrapped


def program_name(argv0: str) -> str:
    """Name the program as it was called: kubectl finds its plugins by their file name."""
    name = Path(argv0).name
    return name.replace("-", " ", 1) if name.startswith("kubectl-") else name


def command_line(verb: str, name: str, where: Where, namespace: str) -> str:
    """Write another command for the same rollout, to be copied and run as it is."""
    program = click.get_current_context().find_root().info_name
    return f"{program} {verb} {name}{where.flags(namespace)}"
