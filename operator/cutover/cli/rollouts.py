"""Reading, following and steering MigrationRollouts through their API server."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from cutover.api import GROUP, KIND, PLURAL, VERSION
from cutover.cli.connection import Connection
from cutover.cli.errors import (
    CliError,
    ConflictError,
    NotThereError,
    RefusedError,
    UnreachableError,
)
from cutover.cli.ownership import MANAGER, owned_spec

Rollout = dict[str, Any]
Change = Callable[[Rollout], Mapping[str, Any]]

TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io"
CAREFUL_TRIES: Final = 3
WATCH_SECONDS: Final = 60.0
PATIENCE: Final = 120.0
"""Seconds without any answer after which following ends with an error."""


@dataclass(frozen=True)
class Lost:
    """While following: nothing is heard just now."""

    why: str


class Rollouts:
    """The rollouts of one namespace."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.namespace = connection.namespace

    def read(self, name: str) -> Rollout:
        """Return one, as stored."""
        try:
            return self._connection.call("GET", self._path(name))
        except NotThereError as error:
            raise self._not_there(name, error) from error

    def table(self, *, everywhere: bool) -> Mapping[str, Any]:
        """List as ``kubectl get`` does: the columns of the definition, computed by the server."""
        path = f"/apis/{GROUP}/{VERSION}/{PLURAL}" if everywhere else self._path()
        try:
            return self._connection.call("GET", path, accept=TABLE)
        except NotThereError as error:
            raise CliError(_UNKNOWN_KIND) from error

    def apply(self, name: str, change: Change, *, force: bool) -> Rollout:
        """State what ``change`` makes of the rollout, beside what was stated before.

        The version read is the version written to, so that two people lose nothing of each other.
        An operator that writes its status all the time cannot hold a person up: the last try goes
        without the version (a wish must get through), and still only to the object that was read.
        """
        for _ in range(CAREFUL_TRIES):
            try:
                return self._apply(self.read(name), change, ("uid", "resourceVersion"), force=force)
            except ConflictError as error:
                if error.causes:
                    raise
        return self._apply(self.read(name), change, ("uid",), force=force)

    def _apply(
        self, found: Rollout, change: Change, tested: tuple[str, ...], *, force: bool
    ) -> Rollout:
        metadata = {key: found["metadata"][key] for key in ("name", "namespace", *tested)}
        return self._connection.call(
            "PATCH",
            self._path(metadata["name"]),
            query=(("fieldManager", MANAGER), ("force", str(force).lower())),
            body={
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": KIND,
                "metadata": metadata,
                "spec": {**owned_spec(found), **change(found)},
            },
            content_type="application/apply-patch+yaml",
        )

    def follow(self, name: str, seconds: float | None = None) -> Generator[Rollout | Lost]:
        """Return the rollout and every change of it, until the time is up or it is deleted.

        Lost connections are told and made again; what fails at the very first is raised.
        """
        end = time.monotonic() + (float("inf") if seconds is None else seconds)
        lost_at = float("-inf")  # nothing was heard yet
        while True:
            try:
                found = self.read(name)
                lost_at = float("inf")
                yield found
                yield from self._changes(found, end)
            except (UnreachableError, RefusedError) as error:
                lost_at = min(lost_at, time.monotonic())
                if not _passes(error) or time.monotonic() - lost_at > PATIENCE:
                    raise
                yield Lost(error.message)
                time.sleep(max(0.0, min(1.0, end - time.monotonic())))
            if time.monotonic() >= end:
                return

    def _changes(self, found: Rollout, end: float) -> Iterator[Rollout]:
        version = found["metadata"]["resourceVersion"]
        while (left := end - time.monotonic()) > 0:
            seconds = min(WATCH_SECONDS, left)
            query = (
                ("watch", "1"),
                ("fieldSelector", f"metadata.name={found['metadata']['name']}"),
                ("resourceVersion", version),
                ("timeoutSeconds", str(max(1, round(seconds)))),
            )
            for event in self._connection.lines(self._path(), query=query, seconds=seconds):
                if event["type"] == "ERROR":  # the version is too old: read again
                    return
                version = event["object"]["metadata"]["resourceVersion"]
                yield event["object"]
                if event["type"] == "DELETED":
                    name = found["metadata"]["name"]
                    raise CliError(f"{KIND} {name} was deleted while it was watched")

    def _path(self, name: str | None = None) -> str:
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{self.namespace}/{PLURAL}"
        return f"{path}/{quote(name, safe='')}" if name else path

    def _not_there(self, name: str, error: NotThereError) -> CliError:
        if not error.answer.get("details", {}).get("name"):
            return CliError(_UNKNOWN_KIND)
        return CliError(f"there is no {KIND} {name} in namespace {self.namespace}")


def _passes(error: UnreachableError | RefusedError) -> bool:
    """Whether asking again can help: 410 is a version too old to watch from, 429 too much asked."""
    if isinstance(error, UnreachableError):
        return True
    return error.code in (410, 429) or error.code >= 500


_UNKNOWN_KIND: Final = (
    f"this cluster does not know the kind {KIND}: install Cutover's CustomResourceDefinition,"
    " or choose another cluster with --context"
)
