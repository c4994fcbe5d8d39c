"""Who we are in Google Cloud, and the access token that says so to a GKE cluster.

The operator's own identity: the file that GOOGLE_APPLICATION_CREDENTIALS names, else the metadata server.
Only that file, which belongs to whoever runs the operator, may name further files (workload identity
federation, ``external_account``); a Secret that a rollout names may not.
"""

import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import httpx

from cutover.clusters.answers import Reason
from cutover.clusters.logins import GkeLogin
from cutover.clusters.tokens.aws import read_file
from cutover.clusters.tokens.granted import LoginError, Token
from cutover.clusters.tokens.rs256 import NoKeyError, signed_jwt
from cutover.clusters.tokens.web import as_object, ask, parse_object, refused, seconds

SCOPES: Final = (
    "https://www.googleapis.com/auth/cloud-platform",
    # Without it GKE knows a service account by its number and not by its email.
    "https://www.googleapis.com/auth/userinfo.email",
)
IAM: Final = "https://iamcredentials.googleapis.com"
_METADATA: Final = "metadata.google.internal"
_TOKEN_URI: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_OWN: Final = "GOOGLE_APPLICATION_CREDENTIALS"
_GRANT: Final = "urn:ietf:params:oauth:grant-type"


class Google:
    """Gets access tokens for GKE."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        beside: httpx.AsyncClient,
        environment: Mapping[str, str],
        *,
        iam: str = IAM,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._beside = beside
        self._environment = environment
        self._iam = iam
        self.token_uri = _TOKEN_URI
        """Where a user's refresh token goes; a service account's key names its own."""
        self._now = now

    async def token(self, login: GkeLogin) -> Token:
        """Get a token; raises LoginError."""
        token = await self._identity(login)
        if login.service_account is None:
            return token
        url = (
            f"{self._iam}/v1/projects/-/serviceAccounts/{login.service_account}:generateAccessToken"
        )
        return await self._impersonated(url, login.service_account, token)

    async def _identity(self, login: GkeLogin) -> Token:
        if login.credentials is not None:
            return await self._by(parse_object(login.credentials), "the Secret's credentials")
        if self._environment.get(_OWN):
            found = parse_object(read_file(self._environment[_OWN], _OWN))
            if found.get("type") == "external_account":
                return await self._federated(found)
            return await self._by(found, f"the file of {_OWN}")
        return await self._by_metadata()

    async def _by_metadata(self) -> Token:
        host = self._environment.get("GCE_METADATA_HOST") or _METADATA
        url = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
        what = f"Google's metadata server ({host})"
        query = f"{url}?scopes={','.join(SCOPES)}"
        flavour = {"Metadata-Flavor": "Google"}
        response = await ask(self._beside, "GET", query, what, headers=flavour)
        remedy = (
            "give the operator's service account an identity (Workload Identity Federation for GKE),"
            " or name a credentialsSecretRef"
        )
        return _token(response, what, remedy)

    async def _by(self, found: Mapping[str, Any], where: str) -> Token:
        """Log in by a service account's key or an authorized user's refresh token."""
        kind = found.get("type")
        if kind == "service_account":
            return await self._by_key(found, where)
        if kind == "authorized_user":
            form = {
                "grant_type": "refresh_token",
                **_texts(found, where, "refresh_token", "client_id", "client_secret"),
            }
            return await self._exchanged(self.token_uri, form, f"{where} ({kind})")
        raise LoginError(
            f"{where} are of a type that is not supported: give the JSON of a service_account's key or"
            " of an authorized_user"
            + (
                " (external_account only as the operator's own)"
                if kind == "external_account"
                else ""
            )
        )

    async def _by_key(self, found: Mapping[str, Any], where: str) -> Token:
        parts = _texts(found, where, "client_email", "private_key", "private_key_id")
        uri, now = str(found.get("token_uri") or _TOKEN_URI), int(self._now())
        claims = {
            "iss": parts["client_email"],
            "scope": " ".join(SCOPES),
            "aud": uri,
            "iat": now,
            "exp": now + 3600,
        }
        try:
            assertion = signed_jwt(claims, parts["private_key"], parts["private_key_id"])
        except NoKeyError:
            raise LoginError(
                f"the private_key of {where} is no RSA key of 2048 bits or more in PEM: give the JSON"
                " as Google made it"
            ) from None
        form = {"grant_type": f"{_GRANT}:jwt-bearer", "assertion": assertion}
        return await self._exchanged(uri, form, f"{where} ({parts['client_email']})")

    async def _federated(self, found: Mapping[str, Any]) -> Token:
        """Exchange a projected token for a Google one (RFC 8693)."""
        where = f"the file of {_OWN}"
        parts = _texts(found, where, "audience", "subject_token_type", "token_url")
        source = found.get("credential_source")
        file = source.get("file") if isinstance(source, dict) else None
        if not isinstance(file, str):
            raise LoginError(f"{where} has no credential_source.file: project a token and name it")
        subject = read_file(file, f"{where} as credential_source.file")
        form = source.get("format") if isinstance(source, dict) else None
        if isinstance(form, dict) and form.get("type") == "json":
            field = str(form.get("subject_token_field_name"))
            subject = str(parse_object(subject).get(field) or "")
        exchange = {
            "grant_type": f"{_GRANT}:token-exchange",
            "audience": parts["audience"],
            "scope": " ".join(SCOPES),
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "subject_token_type": parts["subject_token_type"],
            "subject_token": subject,
        }
        token = await self._exchanged(parts["token_url"], exchange, where)
        url = found.get("service_account_impersonation_url")
        if not url:
            return token
        return await self._impersonated(str(url), str(url).rpartition("/")[2], token)

    async def _exchanged(self, url: str, form: Mapping[str, str], where: str) -> Token:
        what = f"Google's token server, asked by {where},"
        response = await ask(self._http, "POST", url, what, form=form)
        return _token(response, what, "renew these credentials")

    async def _impersonated(self, url: str, account: str, token: Token) -> Token:
        what = f"Google IAM, asked to impersonate {account},"
        response = await ask(
            self._http,
            "POST",
            url,
            what,
            headers={
                "Authorization": f"Bearer {token.value}",
                "Content-Type": "application/json",
            },
            content=json.dumps({"scope": list(SCOPES), "lifetime": "3600s"}),
        )
        found = as_object(response)
        try:
            ends = datetime.fromisoformat(str(found["expireTime"])).timestamp()
            return Token(str(found["accessToken"]), max(1.0, ends - self._now()))
        except (KeyError, ValueError):
            error = found.get("error")
            code = str(error.get("status") or "") if isinstance(error, dict) else ""
            remedy = "grant the identity roles/iam.serviceAccountTokenCreator on it"
            raise refused(what, response, code, remedy) from None


def _token(response: httpx.Response, what: str, remedy: str) -> Token:
    found = as_object(response)
    value = found.get("access_token")
    if not response.is_success or not isinstance(value, str) or not value:
        error = found.get("error")
        raise refused(what, response, error if isinstance(error, str) else "", remedy)
    return Token(value, seconds(found.get("expires_in")))


def _texts(found: Mapping[str, Any], where: str, *names: str) -> dict[str, str]:
    missing = [name for name in names if not isinstance(found.get(name), str)]
    if missing:
        said = f"{where} have no {' and no '.join(missing)}: give the JSON as Google made it"
        raise LoginError(said, Reason.UNAUTHORISED)
    return {name: str(found[name]) for name in names}
