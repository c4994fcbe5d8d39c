"""How a command can end without having done what was asked; each is one sentence for a person."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import click


class ExitCode(IntEnum):
    """How ``status --watch`` (or ``--exit-code``) ends; an error is 2 everywhere."""

    COMPLETED = 0
    ROLLED_BACK = 1
    ERROR = 2
    RUNNING = 3
    NEEDS_A_PERSON = 4
    INTERRUPTED = 130


class CliError(click.ClickException):
    """Printed as ``Error: sentence``."""

    exit_code = int(ExitCode.ERROR)


class UnreachableError(CliError):
    """The API server gave no answer."""


class RefusedError(CliError):
    """The API server answered, with anything but success."""

    def __init__(self, message: str, code: int, answer: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.code = code
        self.answer = answer


class NotThereError(RefusedError):
    """No such object, or no such kind."""


class ConflictError(RefusedError):
    """409: somebody was faster, or somebody else owns a field."""

    @property
    def causes(self) -> list[Mapping[str, str]]:
        """One for each field that another manager owns."""
        causes = (self.answer.get("details") or {}).get("causes") or []
        return [one for one in causes if one.get("reason") == "FieldManagerConflict"]
