"""Whose keys signed it? Amazon STS, and what an EKS cluster makes of a token.

moto's STS and IAM make the users, the keys and the ARNs; it believes every signature and every web
identity, so those are verified here: signatures by botocore's own signer, web identities by whoever
projected them. The rules for a cluster's token are those of aws-iam-authenticator (pkg/token/token.go).
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.lab.clouds.ground import Ground

AUDIENCE: Final = "sts.amazonaws.com"
_PREFIX: Final = "k8s-aws-v1."
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_LIFE: Final = 15 * 60
_SESSION: Final = 3600
_WANTED: Final = {
    *("action", "version", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires"),
    *("x-amz-security-token", "x-amz-signature", "x-amz-signedheaders"),
}


@dataclass(frozen=True)
class _Key:
    credentials: Any
    ends: float = float("inf")


class Amazon:
    def __init__(self, moto: str, ground: Ground) -> None:
        self._moto = moto
        self._ground = ground
        self._keys: dict[str, _Key] = {}
        self._users: dict[str, str] = {}
        """Id of a key to the user that it is of."""

    # --- who there is ---------------------------------------------------------------------------

    def add_user(self, name: str) -> None:
        self._asked("iam", "lab", Action="CreateUser", UserName=name)

    def add_key(self, user: str) -> dict[str, str]:
        """A key of a user, as the environment and Secrets call its parts."""
        made = self._asked("iam", "lab", Action="CreateAccessKey", UserName=user)
        key, secret = _element(made, "AccessKeyId"), _element(made, "SecretAccessKey")
        self._keys[key] = _Key(Credentials(key, secret))
        self._users[key] = user
        self._ground.confided |= {secret}
        return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}

    def drop_keys(self) -> None:
        """As if every user's key were deleted, and every role with its sessions."""
        self._keys.clear()
        while self._users:
            key, user = self._users.popitem()
            self._asked("iam", "lab", Action="DeleteAccessKey", UserName=user, AccessKeyId=key)

    # --- STS ------------------------------------------------------------------------------------

    def sts(self, headers: Mapping[str, str], body: str) -> tuple[int, str]:
        """Give temporary keys to a web identity, or to whoever signed the request."""
        form = {name: values[0] for name, values in parse_qs(body).items()}
        match form.get("Action"):
            case "AssumeRoleWithWebIdentity":
                shown = form["WebIdentityToken"]
                self._ground.confided.add(shown)
                if self._ground.verified(shown, AUDIENCE) is None:
                    return self._no(400, "InvalidIdentityToken", shown)
            case "AssumeRole":
                if not self._signed(headers, body):
                    return self._no(403, "InvalidClientTokenId", headers["Authorization"])
            case _:
                return self._no(400, "InvalidAction", body)
        answer = self._asked("sts", "lab", **form)
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        key, secret, session = (_element(answer, name) for name in names)
        self._keys[key] = _Key(Credentials(key, secret, session), self._ground.now() + _SESSION)
        self._ground.confided |= {secret, session}
        self._ground.given += 1
        ends = datetime.fromtimestamp(self._keys[key].ends, UTC)
        written = f"<Expiration>{ends:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
        return 200, re.sub("<Expiration>.*</Expiration>", written, answer)

    def _no(self, status: int, code: str, shown: str) -> tuple[int, str]:
        """Refuse, and repeat what was sent as some servers do."""
        self._ground.refused += 1
        said = f"<Error><Code>{code}</Code><Message>{shown}</Message></Error>"
        return status, f"<ErrorResponse>{said}</ErrorResponse>"

    def _signed(self, headers: Mapping[str, str], body: str) -> bool:
        found = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=(\w+)/\d+/([\w-]+)/sts/aws4_request,"
            r" SignedHeaders=([\w;-]+), Signature=(\w+)",
            headers.get("Authorization", ""),
        )
        key = self._live(found[1]) if found else None
        if found is None or key is None:
            return False
        signed = {one: headers[one.title()] for one in found[3].split(";") if one != "host"}
        url = f"http://{headers['Host']}/"
        request = AWSRequest(method="POST", url=url, headers=signed, data=body)
        return _signature(SigV4Auth(key, "sts", found[2]), request) == found[4]

    # --- an EKS cluster -------------------------------------------------------------------------

    def identify(self, token: str, cluster: str) -> str | None:
        """The ARN behind a token for the cluster; None where it is no good."""
        url = _presigned(token)
        if url is None:
            return None
        query = {name.lower(): value for name, value in parse_qsl(url.query)}
        key_id, _, region, service, _ = query["x-amz-credential"].split("/")
        host = f"sts.{region}.amazonaws.com"
        signed = query["x-amz-signedheaders"].split(";")
        fits = (
            (url.scheme, url.netloc, url.path, service) == ("https", host, "/", "sts")
            and query["action"] == "GetCallerIdentity"
            and "x-k8s-aws-id" in signed
            and 0 <= int(query["x-amz-expires"]) <= _LIFE
        )
        date = datetime.strptime(query["x-amz-date"], _STAMP).replace(tzinfo=UTC)
        key = self._live(key_id)
        if not fits or key is None or date.timestamp() + _LIFE < self._ground.now():
            return None
        if (key.token or None) != query.get("x-amz-security-token"):
            return None
        plain = url._replace(query=re.sub("&X-Amz-Signature=[^&]*", "", url.query)).geturl()
        request = AWSRequest(method="GET", url=plain, headers={"x-k8s-aws-id": cluster})
        request.context["timestamp"] = query["x-amz-date"]
        if _signature(SigV4QueryAuth(key, "sts", region), request) != query["x-amz-signature"]:
            return None
        return _element(self._asked("sts", key_id, Action="GetCallerIdentity"), "Arn")

    def _live(self, key: str) -> Any:
        known = self._keys.get(key)
        return known.credentials if known and known.ends > self._ground.now() else None

    def _asked(self, service: str, key: str, **form: str) -> str:
        """Ask moto, which knows a caller by the key's id alone."""
        scope = f"{key}/20261126/us-east-1/{service}/aws4_request"
        headers = {
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=-"
        }
        version = {"iam": "2010-05-08", "sts": "2011-06-15"}[service]
        answer = httpx.post(
            self._moto,
            data={"Version": version} | form,
            headers=headers,
            trust_env=False,
            timeout=60,
        )
        answer.raise_for_status()
        return answer.text


def _presigned(token: str) -> Any:
    if not token.startswith(_PREFIX) or len(token) > 4096 or "=" in token:
        return None
    encoded = token.removeprefix(_PREFIX)
    try:
        url = urlsplit(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode())
    except (binascii.Error, ValueError):
        return None
    names = [name.lower() for name, _ in parse_qsl(url.query)]
    whole = set(names) | {"x-amz-security-token"} == _WANTED and len(names) == len(set(names))
    return url if whole else None


def _signature(signer: Any, request: Any) -> str:
    request.context.setdefault("timestamp", request.headers.get("x-amz-date"))
    canonical = signer.canonical_request(request)
    return str(signer.signature(signer.string_to_sign(request, canonical), request))


def _element(text: str, name: str) -> str:
    found = re.search(f"<{name}>([^<]*)</{name}>", text)
    assert found is not None, text
    return found[1]
