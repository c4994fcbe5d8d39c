"""Who we are in AWS, and the token that says so to an EKS cluster.

The operator's own identity is looked for as AWS' SDKs do: keys in the environment, a web identity (IRSA,
or a projected token elsewhere), then EKS Pod Identity. There is no search of files or of a node's own role.
"""

import html
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import httpx

from cutover.clusters.logins import AwsKeys, EksLogin
from cutover.clusters.tokens import sigv4
from cutover.clusters.tokens.granted import LoginError, Token
from cutover.clusters.tokens.web import as_object, ask, refused

_SPARE = 300.0
"""Seconds before their end in which temporary keys are no longer used."""
_MOST_KEPT = 1024
_FOR_GOOD = float("inf")

Kept = tuple[AwsKeys, float]
"""Keys, and the moment (seconds since 1970) at which they end."""


class Aws:
    """Makes tokens for EKS; keeps temporary keys as long as they last."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        beside: httpx.AsyncClient,
        environment: Mapping[str, str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._http = http
        self._beside = beside
        self._environment = environment
        self._now = now
        self._kept: dict[tuple[AwsKeys | None, str | None, str], Kept] = {}

    async def token(self, login: EksLogin, *, afresh: bool = False) -> Token:
        """Sign a token; raises LoginError. ``afresh``: not with keys that were kept.

        A role that was deleted and made again takes its sessions' keys with it, long before their end.
        """
        region = login.region or self._region()
        if afresh:
            for role in (None, login.role):
                self._kept.pop((login.keys, role, region), None)
        keys, ends = await self._keys(login.keys, login.role, region)
        value = sigv4.eks_token(login.cluster, region, keys, self._now())
        return Token(value, min(sigv4.TOKEN_LIFE, ends - self._seconds()))

    async def _keys(self, keys: AwsKeys | None, role: str | None, region: str) -> Kept:
        place = (keys, role, region)
        kept = self._kept.get(place)
        if kept is not None and kept[1] - self._seconds() > _SPARE:
            return kept
        if role is not None:
            base, _ = await self._keys(keys, None, region)
            kept = await self._assumed(role, base, region)
        elif keys is not None:
            kept = (keys, _FOR_GOOD)
        else:
            kept = await self._own(region)
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[place] = kept
        return kept

    async def _own(self, region: str) -> Kept:
        environment = self._environment
        key, secret = (
            environment.get(name, "") for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        )
        if key and secret:
            return AwsKeys(key, secret, environment.get("AWS_SESSION_TOKEN") or None), _FOR_GOOD
        file, role = (
            environment.get(name, "") for name in ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN")
        )
        if file and role:
            return await self._by_web_identity(file, role, region)
        if environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
            return await self._by_pod_identity()
        raise LoginError(
            "the operator has no identity in AWS: give its service account a role (IRSA or EKS Pod"
            " Identity), or name a credentialsSecretRef"
        )

    async def _by_web_identity(self, file: str, role: str, region: str) -> Kept:
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": role,
            "RoleSessionName": self._environment.get("AWS_ROLE_SESSION_NAME", "cutover"),
            "WebIdentityToken": read_file(file, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        }
        what = f"AWS STS in {region}, asked for role {role} by the operator's web identity,"
        response = await ask(self._http, "POST", self._sts(region), what, form=form)
        remedy = "check the role's trust in the operator's service account"
        return self._keys_of(response, what, remedy)

    async def _by_pod_identity(self) -> Kept:
        token = self._environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
        file = self._environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        if file:
            token = read_file(file, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        what = "the EKS Pod Identity agent"
        headers = {"Authorization": token} if token else {}
        url = self._environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
        response = await ask(self._beside, "GET", url, what, headers=headers)
        found = as_object(response)
        try:
            keys = AwsKeys(found["AccessKeyId"], found["SecretAccessKey"], found.get("Token"))
            return keys, _moment(str(found["Expiration"]))
        except (KeyError, ValueError):
            remedy = "check the operator's pod identity association"
            raise refused(what, response, str(found.get("code") or ""), remedy) from None

    async def _assumed(self, role: str, keys: AwsKeys, region: str) -> Kept:
        form = {
            "Action": "AssumeRole",
            "Version": "2011-06-15",
            "RoleArn": role,
            "RoleSessionName": "cutover",
        }
        body = urlencode(form)
        url = httpx.URL(self._sts(region))
        host = url.netloc.decode()
        headers = sigv4.signed_headers(host, region, body, keys, self._now())
        what = f"AWS STS in {region}, asked for role {role},"
        response = await ask(self._http, "POST", str(url), what, headers=headers, content=body)
        return self._keys_of(response, what, "check the role's trust and the identity's rights")

    def _keys_of(self, response: httpx.Response, what: str, remedy: str) -> Kept:
        """Read temporary keys out of STS' XML; only the code of an error is told."""
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
        key, secret, session, ends = (_element(response.text, name) for name in names)
        if not (response.is_success and key and secret and session and ends):
            raise refused(what, response, _element(response.text, "Code"), remedy)
        try:
            return AwsKeys(key, secret, session), _moment(ends)
        except ValueError:
            raise refused(what, response, "", remedy) from None

    def _region(self) -> str:
        environment = self._environment
        region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
        if not region:
            raise LoginError(
                "nothing tells the cluster's region: give AWS_REGION to the operator, or name the"
                " cluster by eks with its region"
            )
        return region

    def _sts(self, region: str) -> str:
        given = self._environment.get("AWS_ENDPOINT_URL_STS")
        return given or f"https://{sigv4.sts_host(region)}/"

    def _seconds(self) -> float:
        return self._now().timestamp()


def read_file(path: str, variable: str) -> str:
    """Read a projected token afresh: the kubelet replaces it; raises LoginError."""
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        raise LoginError(
            f"the file that {variable} names cannot be read: project the token into the pod"
        ) from None


def _element(text: str, name: str) -> str:
    found = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return html.unescape(found[1]) if found else ""


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
