"""Who is it to Google? Its token servers, its metadata server, and what a GKE cluster makes of a token."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tests.lab.clouds.ground import Ground
from tests.lab.clouds.keys import SigningKey, key_id

AUDIENCE: Final = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/lab"
NODE: Final = "node@lab.iam.gserviceaccount.com"
"""Whom the metadata server speaks for."""
LIFE: Final = 3600
_EMAIL: Final = "https://www.googleapis.com/auth/userinfo.email"
_PLATFORM: Final = "https://www.googleapis.com/auth/cloud-platform"

Answer = tuple[int, str]


@dataclass(frozen=True)
class _Grant:
    user: str
    scopes: frozenset[str]
    ends: float


class Google:
    def __init__(self, url: str, ground: Ground) -> None:
        self._url = url
        self._ground = ground
        self._keys: dict[str, tuple[str, SigningKey]] = {}
        self._users: dict[str, str] = {}
        """Refresh token to email."""
        self._grants: dict[str, _Grant] = {}
        self.serves_metadata = True

    def add_key(self, email: str, key: SigningKey) -> str:
        """A service account's key as Google hands it out, in JSON."""
        self._keys[key.id] = (email, key)
        self._ground.confided |= set(key.pem.splitlines()[1:-1])
        return json.dumps(
            {
                "type": "service_account",
                "client_email": email,
                "private_key": key.pem,
                "private_key_id": key.id,
                "token_uri": f"{self._url}/google/token",
            }
        )

    def add_user(self, email: str) -> str:
        """A user's login as gcloud keeps it, in JSON."""
        refresh = f"1//{uuid.uuid4().hex}"
        self._users[refresh] = email
        self._ground.confided.add(refresh)
        login = {"type": "authorized_user", "client_id": "gcloud", "client_secret": ""}
        return json.dumps(login | {"refresh_token": refresh})

    def drop_keys(self) -> None:
        """As if every key and every login were taken back."""
        self._keys.clear()
        self._users.clear()

    def end_tokens(self) -> None:
        """As if every token had come to its end."""
        self._grants.clear()

    # --- the token servers ----------------------------------------------------------------------

    def token(self, form: Mapping[str, str]) -> Answer:
        """A service account's key signs for itself (RFC 7523), or a user shows a refresh token."""
        if form.get("grant_type") == "refresh_token":
            return self._refresh(form["refresh_token"])
        assertion = form.get("assertion", "")
        self._ground.confided.add(assertion)
        email, key = self._keys.get(key_id(assertion) or "", ("", None))
        claims = key.verify(assertion) if key else None
        right = (
            claims is not None
            and form.get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer"
            and claims["iss"] == email
            and claims["aud"] == f"{self._url}/google/token"
            and claims["iat"] - 300 < self._ground.now() < claims["exp"]
        )
        if claims is None or not right:
            return self._no(400, "invalid_grant", assertion)
        return self._grant(email, claims["scope"].split())

    def _refresh(self, shown: str) -> Answer:
        email = self._users.get(shown)
        if email is None:
            return self._no(400, "invalid_grant", shown)
        return self._grant(email, [_PLATFORM, _EMAIL])

    def metadata(self, headers: Mapping[str, str], query: Mapping[str, str]) -> Answer:
        if headers.get("Metadata-Flavor") != "Google" or not self.serves_metadata:
            return self._no(403, "forbidden", "")
        return self._grant(NODE, query["scopes"].split(","))

    def exchange(self, form: Mapping[str, str]) -> Answer:
        """A projected token for one of Google (RFC 8693)."""
        shown = form.get("subject_token", "")
        self._ground.confided.add(shown)
        who = self._ground.verified(shown, AUDIENCE)
        if who is None or form.get("audience") != AUDIENCE:
            return self._no(400, "invalid_grant", shown)
        principal = f"principal:{AUDIENCE}/subject/{who}"
        return self._grant(principal, form["scope"].split())

    def impersonate(self, account: str, headers: Mapping[str, str], body: str) -> Answer:
        caller = self._grants.get(headers.get("Authorization", "").removeprefix("Bearer "))
        if caller is None or caller.ends < self._ground.now():
            return 401, json.dumps({"error": {"status": "UNAUTHENTICATED", "message": body}})
        token = self._made(account, json.loads(body)["scope"])
        ends = datetime.fromtimestamp(self._ground.now() + LIFE, UTC).isoformat()
        return 200, json.dumps({"accessToken": token, "expireTime": ends})

    def _grant(self, user: str, scopes: list[str]) -> Answer:
        token = self._made(user, scopes)
        return 200, json.dumps({"access_token": token, "expires_in": LIFE, "token_type": "Bearer"})

    def _made(self, user: str, scopes: list[str]) -> str:
        token = f"ya29.{uuid.uuid4().hex}"
        ends = self._ground.now() + LIFE
        self._grants[token] = _Grant(user, frozenset(scopes), ends)
        self._ground.confided.add(token)
        self._ground.given += 1
        return token

    def _no(self, status: int, error: str, shown: str) -> Answer:
        """Refuse, and repeat what was sent as some servers do."""
        self._ground.refused += 1
        said: dict[str, Any] = {"error": error, "error_description": f"bad: {shown}"}
        return status, json.dumps(said)

    # --- a GKE cluster --------------------------------------------------------------------------

    def identify(self, token: str) -> str | None:
        """The email behind a token, or its number where the token does not tell the email."""
        grant = self._grants.get(token)
        if grant is None or grant.ends < self._ground.now() or _PLATFORM not in grant.scopes:
            return None
        return grant.user if _EMAIL in grant.scopes else "104857600"
