"""Fetch a golden set from where it is kept: a ConfigMap, a Secret, or a URL with its SHA-256."""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final, Protocol

import httpx

from cutover.api.golden import NEARBY_PATTERN, Dataset
from cutover.clusters.answers import Failed, Ok, Reason
from cutover.decide.observation import Refusal
from cutover.decide.readings import Gap
from cutover.metrics.credentials import Secrets
from cutover.metrics.prometheus import is_loopback
from cutover.replay.golden import LARGEST_SET, only_value

DEADLINE: Final = 60.0
"""Seconds for a download, all in all."""
MISSING: Final = "GoldenSetMissing"
UNREADABLE: Final = "GoldenSetUnreadable"
DIFFERS: Final = "GoldenSetDiffers"


class Objects(Protocol):
    """The operator's own API server, as far as golden sets need it."""

    async def get(self, path: str) -> Ok | Failed:
        """Read one object."""


class GoldenSources:
    """Everything that a dataset may name."""

    def __init__(
        self,
        objects: Objects,
        secrets: Secrets,
        *,
        system_tls: Any = None,
        deadline: float = DEADLINE,
    ) -> None:
        self._objects = objects
        self._secrets = secrets
        self._system_tls = system_tls
        self._deadline = deadline

    async def fetch(self, namespace: str, dataset: Dataset) -> bytes | Refusal:
        """Return the golden set's bytes, or one sentence about why there are none."""
        if dataset.config_map_key_ref is not None:
            ref = dataset.config_map_key_ref
            return await self._config_map(namespace, ref.name, ref.key)
        if dataset.secret_key_ref is not None:
            return await self._secret(
                namespace, dataset.secret_key_ref.name, dataset.secret_key_ref.key
            )
        if dataset.url is None or dataset.sha256 is None:
            return Refusal(
                MISSING, "the dataset names no ConfigMap, no Secret and no url with sha256"
            )
        return await self._behind(dataset.url, dataset.sha256)

    async def _config_map(self, namespace: str, name: str, key: str | None) -> bytes | Refusal:
        where = f"ConfigMap {namespace}/{name}"
        match await self._objects.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}"):
            case Ok(body):
                values: dict[str, Any] = dict(body.get("data") or {})
                if not values and body.get("binaryData"):
                    return Refusal(
                        UNREADABLE, f"{where} holds binaryData: write the golden set as text"
                    )
                return only_value(values, key, where)
            case Failed(reason=Reason.NOT_FOUND):
                return Refusal(MISSING, f"{where} does not exist: create it")
            case Failed(reason=Reason.FORBIDDEN):
                return Refusal(
                    UNREADABLE,
                    f"the operator may not read {where}: bind its account to a role that may get ConfigMaps there",
                )
            case Failed() as failed:
                return Refusal(UNREADABLE, f"{where} cannot be read: {failed.message}")

    async def _secret(self, namespace: str, name: str, key: str | None) -> bytes | Refusal:
        values: Mapping[str, bytes] | Gap = await self._secrets.read(namespace, name, None)
        if isinstance(values, Gap):
            return Refusal(MISSING, values.message)
        return only_value(values, key, f"Secret {namespace}/{name}")

    async def _behind(self, url: str, sha256: str) -> bytes | Refusal:
        where = _without_query(url)
        try:
            async with asyncio.timeout(self._deadline):
                if url.startswith(("https://", "http://")):
                    content = await self._over_http(url, where)
                else:
                    content = await _from_a_bucket(url, where)
        except TimeoutError:
            return Refusal(UNREADABLE, f"{where} was not read within {self._deadline:g} s")
        if isinstance(content, Refusal):
            return content
        found = (await asyncio.to_thread(hashlib.sha256, content)).hexdigest()
        if found == sha256:
            return content
        return Refusal(
            DIFFERS,
            f"{where} is not the golden set that was meant: its SHA-256 begins with {found[:12]} and"
            f" dataset.sha256 with {sha256[:12]}; put the right file there, or correct the hash",
        )

    async def _over_http(self, url: str, where: str) -> bytes | Refusal:
        if url.startswith("http://") and not re.match(NEARBY_PATTERN, url):
            return Refusal(UNREADABLE, f"{where} can be read on the way: use https://")
        verify = self._system_tls if self._system_tls is not None else True
        try:
            async with (
                httpx.AsyncClient(
                    verify=verify,
                    follow_redirects=False,
                    timeout=None,  # noqa: S113 - one deadline over everything
                    trust_env=not is_loopback(httpx.URL(url).host),
                ) as http,
                http.stream("GET", url) as answer,
            ):
                if answer.status_code != 200:
                    return Refusal(UNREADABLE, f"{where} answered {answer.status_code}, not 200")
                body = bytearray()
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > LARGEST_SET:
                        return _too_large(where)
                return bytes(body)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Refusal(UNREADABLE, f"{where} cannot be read ({type(error).__name__}): check it")


async def _from_a_bucket(url: str, where: str) -> bytes | Refusal:
    """Read from object storage, with the identity that the operator's own pod has in its cloud."""
    try:
        import obstore
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        return Refusal(
            UNREADABLE,
            f"{where} needs the extra artifacts, which this operator was installed without: install"
            " cutover[artifacts], or keep the golden set in a ConfigMap or behind https://",
        )
    folder, _, name = url.rpartition("/")
    try:
        answer = await obstore.get_async(from_url(folder), name)
        if answer.meta["size"] > LARGEST_SET:
            return _too_large(where)
        return bytes(await answer.bytes_async())
    except (BaseError, OSError, ValueError) as error:
        # Their texts may hold signed addresses.
        return Refusal(
            UNREADABLE,
            f"{where} cannot be read ({type(error).__name__}): check that it exists and that the operator's"
            " own identity may read it",
        )


def _too_large(where: str) -> Refusal:
    return Refusal(UNREADABLE, f"{where} has more than {LARGEST_SET >> 20} MiB: use fewer inputs")


def _without_query(url: str) -> str:
    """A signed address carries its secret behind the question mark."""
    return url.partition("?")[0].partition("#")[0]
