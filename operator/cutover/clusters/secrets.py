"""Secrets that a rollout may use: of its own namespace or an allowed one, and labelled for use.

Whoever may write a rollout need not be allowed to read Secrets, and the operator sends what it
reads to addresses that the rollout names. The label is the Secret's owner saying yes to that.
"""  # noqa: A005 - Kubernetes' word

import asyncio
import base64
import binascii
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from cutover.api import SECRET_USE
from cutover.clusters.answers import Failed, Ok, Reason
from cutover.clusters.connection import Connection
from cutover.decide.observation import Refusal

MAX_AGE = 10.0
"""Seconds for which a Secret is not read again."""
_MOST_KEPT = 4096

MISSING = "CredentialsMissing"
REFUSED = "CredentialsRefused"


@dataclass(frozen=True, slots=True)
class Secret:
    """A Secret that may be used."""

    namespace: str
    name: str
    resource_version: str
    values: Mapping[str, bytes] = field(repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)

    def text(self, *keys: str) -> str | Refusal:
        """Return the value of the first of the keys that is there."""
        key = self.key(*keys)
        if isinstance(key, Refusal):
            return key
        try:
            return self.values[key].decode()
        except UnicodeDecodeError:
            return Refusal(REFUSED, f"{self} key {key} holds no text: write it again")

    def key(self, *keys: str) -> str | Refusal:
        """Return the first of the keys that is there."""
        for key in keys:
            if key in self.values:
                return key
        wanted = " or ".join(keys)
        return Refusal(MISSING, f"{self} has no key {wanted}: add it, or name another key")

    def __str__(self) -> str:
        return f"Secret {self.namespace}/{self.name}"


@dataclass(slots=True)
class _Kept:
    read_at: float
    found: Secret | Refusal
    lock: asyncio.Lock


class Secrets:
    """Reads Secrets of the operator's own cluster, each at most every ten seconds."""

    def __init__(
        self,
        own: Connection,
        namespaces: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own = own
        self._namespaces = frozenset(namespaces)
        self._clock = clock
        self._kept: dict[tuple[str, str], _Kept] = {}

    async def read(
        self, home: str, name: str, namespace: str | None = None, *, max_age: float = MAX_AGE
    ) -> Secret | Refusal:
        """Read a Secret for a rollout in ``home``; ``namespace`` defaults to it."""
        place = namespace or home
        if not self.allows(home, place):
            return Refusal(
                REFUSED,
                f"Secret {place}/{name} is outside the rollout's namespace {home}: copy it there,"
                f" or start the operator with --secret-namespaces={place}",
            )
        kept = self._kept.get((place, name))
        if kept is None:
            self._make_room()
            kept = _Kept(float("-inf"), Refusal(MISSING, "not read"), asyncio.Lock())
            self._kept[place, name] = kept
        async with kept.lock:
            if self._clock() - kept.read_at >= max_age:
                kept.found = await self._fetch(place, name)
                kept.read_at = self._clock()
            return kept.found

    def allows(self, home: str, namespace: str) -> bool:
        """Whether a rollout in ``home`` may use what lies in a namespace, once it is labelled."""
        return namespace == home or namespace in self._namespaces

    async def text(self, home: str, name: str, *keys: str) -> str | Refusal:
        """Read one value of a Secret as text."""
        secret = await self.read(home, name)
        return secret.text(*keys) if isinstance(secret, Secret) else secret

    async def _fetch(self, namespace: str, name: str) -> Secret | Refusal:
        answer = await self._own.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        match answer:
            case Ok(body):
                return _usable(namespace, name, body)
            case Failed(reason=Reason.NOT_FOUND):
                return Refusal(MISSING, f"Secret {namespace}/{name} does not exist: create it")
            case Failed(reason=Reason.FORBIDDEN):
                return Refusal(
                    "Forbidden",
                    f"the operator may not read Secret {namespace}/{name}:"
                    " bind its account to a role that may get Secrets there",
                )
            case Failed():
                return Refusal(
                    str(answer.reason),
                    f"Secret {namespace}/{name} cannot be read: {answer.message}",
                )

    def _make_room(self) -> None:
        if len(self._kept) >= _MOST_KEPT:
            self._kept = {
                key: kept
                for key, kept in self._kept.items()
                if kept.lock.locked() or self._clock() - kept.read_at < MAX_AGE
            }


def _usable(namespace: str, name: str, body: Mapping[str, object]) -> Secret | Refusal:
    metadata = body.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    labels = metadata.get("labels") or {}
    if labels.get(SECRET_USE) != "true":
        return Refusal(
            REFUSED,
            f"Secret {namespace}/{name} is not labelled for use: its owner may allow it with"
            f" kubectl label secret -n {namespace} {name} {SECRET_USE}=true",
        )
    encoded = body.get("data")
    try:
        values = {
            key: base64.b64decode(value)
            for key, value in (encoded if isinstance(encoded, dict) else {}).items()
        }
    except (binascii.Error, TypeError, ValueError):
        return Refusal(REFUSED, f"Secret {namespace}/{name} holds no valid data: write it again")
    return Secret(namespace, name, str(metadata.get("resourceVersion", "")), values, labels)
