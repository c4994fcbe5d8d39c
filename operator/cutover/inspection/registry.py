"""Whether a registry has an image: one HEAD of its manifest, without credentials (OCI distribution API).

Only what everybody may see can be told. A registry that wants a login, is not reachable from here or says
anything else is an image of which nothing is known; the nodes may well pull it.
"""

import asyncio
import re
import ssl
from dataclasses import dataclass
from typing import Final

import httpx

from cutover.decide.surroundings import Thing
from cutover.metrics.prometheus import is_loopback

DEADLINE: Final = 3.0
"""Seconds for one image, its token included."""
AT_A_TIME: Final = 8
ACCEPT: Final = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json,"
    " application/vnd.docker.distribution.manifest.list.v2+json,"
    " application/vnd.docker.distribution.manifest.v2+json"
)
_PART: Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_NAME: Final = re.compile(f"{_PART}(?:/{_PART})*")
_REFERENCE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|sha256:[0-9a-f]{64}")
_CHALLENGE: Final = re.compile(r'(\w+)="([^"]*)"')
_HUB: Final = "registry-1.docker.io"
_TOKEN_SIZE: Final = 64 * 2**10


@dataclass(frozen=True, slots=True)
class Image:
    """An image's name, taken apart as the container runtimes do."""

    registry: str
    name: str
    reference: str
    """Digest where one is given, else the tag."""

    @property
    def url(self) -> str:
        """Of its manifest."""
        host = httpx.URL(f"https://{self.registry}").host
        scheme = "http" if is_loopback(host) else "https"
        return f"{scheme}://{self.registry}/v2/{self.name}/manifests/{self.reference}"


def parse_image(text: str) -> Image | None:
    """Take ``registry/name:tag@digest`` apart; None: it is no image's name."""
    rest, _, digest = text.partition("@")
    first, slash, path = rest.partition("/")
    hosted = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry, name = (first, path) if hosted else ("docker.io", rest)
    name, colon, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "")
    if registry in ("docker.io", "index.docker.io"):
        registry, name = _HUB, name if "/" in name else f"library/{name}"
    reference = digest or (tag if colon else "latest")
    if not (_NAME.fullmatch(name) and _REFERENCE.fullmatch(reference)):
        return None
    try:
        httpx.URL(f"https://{registry}")
    except httpx.InvalidURL:
        return None
    return Image(registry, name, reference)


async def find_images(images: tuple[str, ...], tls: ssl.SSLContext) -> tuple[Thing, ...]:
    """Ask for each image once."""
    room = asyncio.Semaphore(AT_A_TIME)

    async def one(text: str) -> Thing:
        async with room:
            return await _find(text, tls)

    return tuple(await asyncio.gather(*map(one, images)))


async def _find(text: str, tls: ssl.SSLContext) -> Thing:
    thing, image = f"image {text}", parse_image(text)
    if image is None:
        return Thing(thing, present=None, why="its name cannot be read")
    local = is_loopback(httpx.URL(image.url).host)
    try:
        async with (
            asyncio.timeout(DEADLINE),
            httpx.AsyncClient(verify=tls, timeout=DEADLINE, trust_env=not local) as client,
        ):
            status = await _status(client, image)
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, OSError):
        return Thing(thing, present=None, why=f"{image.registry} does not answer from here")
    if status == 200:
        return Thing(thing, present=True)
    if status == 404:
        return Thing(
            thing, present=False, why=f"{image.registry} does not have it, or not without a login"
        )
    if status in (401, 403):
        return Thing(
            thing, present=None, why=f"{image.registry} wants a login, and is asked without one"
        )
    return Thing(thing, present=None, why=f"{image.registry} answered {status}")


async def _status(client: httpx.AsyncClient, image: Image) -> int:
    answer = await client.head(image.url, headers={"accept": ACCEPT})
    token = await _token(client, answer) if answer.status_code == 401 else None
    if token is None:
        return answer.status_code
    headers = {"accept": ACCEPT, "authorization": f"Bearer {token}"}
    return (await client.head(image.url, headers=headers)).status_code


async def _token(client: httpx.AsyncClient, refused: httpx.Response) -> str | None:
    """Get the token that registries give to everybody; None: there is none."""
    kind, _, rest = refused.headers.get("www-authenticate", "").partition(" ")
    given = dict(_CHALLENGE.findall(rest))
    realm = given.pop("realm", "")
    if kind.lower() != "bearer" or not realm.startswith("https://"):
        return None
    asked = {name: given[name] for name in ("service", "scope") if name in given}
    answer = await client.get(realm, params=asked)
    if answer.status_code != 200 or len(answer.content) > _TOKEN_SIZE:
        return None
    try:
        found = answer.json()
    except ValueError:
        return None
    token = found.get("token") or found.get("access_token") if isinstance(found, dict) else None
    return token if isinstance(token, str) and token.isascii() and token.isprintable() else None
