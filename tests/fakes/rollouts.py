"""The rollouts' own API server, as far as one MigrationRollout needs it."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from cutover.api import FINALIZER
from cutover.ports import Conflict, NotWritten, WriteResult, Written

Object = Mapping[str, Any]
NAMESPACE, NAME = "inference", "llama-chat"


class FakeRollouts:
    """One object with spec, status, generation, resourceVersion, finalizers and deletion."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.reachable = True
        self.refuses_status = ""
        self.takes_but_says_nothing = False
        """A write arrives and its answer is lost."""
        self.generation = 1
        self.status_writes: list[Mapping[str, Any]] = []
        self._version = 1
        self.object: dict[str, Any] | None = {
            "metadata": {
                "namespace": NAMESPACE,
                "name": NAME,
                "uid": "u-1",
                "generation": 1,
                "resourceVersion": "1",
                "finalizers": [],
                "annotations": {},
            },
            "spec": copy.deepcopy(spec),
        }

    # --- what people do -------------------------------------------------------------------------

    @property
    def spec(self) -> dict[str, Any]:
        assert self.object is not None
        spec: dict[str, Any] = self.object["spec"]
        return spec

    @property
    def status(self) -> Mapping[str, Any]:
        status: Mapping[str, Any] = (self.object or {}).get("status") or {}
        return status

    @property
    def finalizers(self) -> list[str]:
        return list(self.object["metadata"]["finalizers"]) if self.object else []

    def edit(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the spec, as kubectl does."""
        if self.object is None:
            return
        spec = copy.deepcopy(self.object["spec"])
        change(spec)
        if spec != self.object["spec"]:
            self._store(spec=spec, metadata={"generation": self._next_generation()})

    def delete(self) -> None:
        """Ask for deletion; the object stays while it has finalizers."""
        if self.object is None or "deletionTimestamp" in self.object["metadata"]:
            return
        stamp = {"deletionTimestamp": "2026-03-02T00:00:00Z", "generation": self._next_generation()}
        self._store(metadata=stamp)
        self._collect()

    def lose_status(self) -> None:
        """Come back from a backup that holds no status."""
        if self.object is not None:
            self.object.pop("status", None)
            self._store()

    def annotate(self, key: str, value: str) -> None:
        if self.object is not None:
            annotations = {**self.object["metadata"]["annotations"], key: value}
            self._store(metadata={"annotations": annotations})

    def _next_generation(self) -> int:
        self.generation += 1
        return self.generation

    # --- what the operator does -----------------------------------------------------------------

    def get(self) -> Object | NotWritten | None:
        if not self.reachable:
            return NotWritten("Unreachable", "the rollouts' API server does not answer")
        return self.object

    def write_status(self, rollout: Object, status: Mapping[str, Any]) -> WriteResult:
        refused = self._refused(rollout)
        if refused is not None:
            return refused
        if self.refuses_status:
            return NotWritten("Refused", self.refuses_status)
        before, after = self.status.get("leaderEpoch"), status.get("leaderEpoch")
        if before is not None and (after is None or after < before):
            return NotWritten("Refused", "leaderEpoch never falls")
        self._store(status=dict(status))
        self.status_writes.append(status)
        return self._answer()

    def set_finalizer(self, rollout: Object, *, present: bool) -> WriteResult:
        refused = self._refused(rollout)
        if refused is not None:
            return refused
        self._store(metadata={"finalizers": [FINALIZER] if present else []})
        self._collect()
        return self._answer()

    def _answer(self) -> WriteResult:
        if self.takes_but_says_nothing:
            return NotWritten("Unreachable", "the answer was lost")
        return Written(str(self._version))

    def _refused(self, rollout: Object) -> WriteResult | None:
        if not self.reachable:
            return NotWritten("Unreachable", "the rollouts' API server does not answer")
        if self.object is None:
            return NotWritten("Gone", "the rollout does not exist")
        if rollout["metadata"]["resourceVersion"] != self.object["metadata"]["resourceVersion"]:
            return Conflict("somebody changed the rollout")
        return None

    # --- inside ---------------------------------------------------------------------------------

    def _store(self, metadata: Mapping[str, Any] | None = None, **parts: Any) -> None:
        assert self.object is not None
        self._version += 1
        kept = self.object["metadata"]
        merged = {**kept, **(metadata or {}), "resourceVersion": str(self._version)}
        self.object = {**self.object, **parts, "metadata": merged}

    def _collect(self) -> None:
        assert self.object is not None
        metadata = self.object["metadata"]
        if "deletionTimestamp" in metadata and not metadata["finalizers"]:
            self.object = None
