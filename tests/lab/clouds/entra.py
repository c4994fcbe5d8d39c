"""Who is it to Microsoft Entra ID? Its token server, and what an AKS cluster makes of a token."""

import json
import uuid
from collections.abc import Mapping
from typing import Final

from tests.lab.clouds.ground import Ground
from tests.lab.clouds.keys import SigningKey

AUDIENCE: Final = "api://AzureADTokenExchange"
AKS: Final = "6dae42f8-4368-4678-94ff-3960e28e3630"
TENANT: Final = "lab-tenant"
LIFE: Final = 3600
_JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

Answer = tuple[int, str]


class Entra:
    """One tenant, whose applications have client secrets or trust projected tokens."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._key = SigningKey()
        self._objects: dict[str, str] = {}
        """Application to the object id of its service principal."""
        self._secrets: dict[str, str] = {}
        """Client secret to application."""

    def add_application(self, name: str) -> str:
        """Return the object id, by which AKS calls it."""
        return self._objects.setdefault(name, str(uuid.uuid4()))

    def add_secret(self, application: str) -> str:
        made = f"8Q~{uuid.uuid4().hex}"
        self._secrets[made] = application
        self._ground.confided.add(made)
        return made

    def drop_secrets(self) -> None:
        """As if every client secret had come to its end."""
        self._secrets.clear()

    def token(self, tenant: str, form: Mapping[str, str]) -> Answer:
        """The client credentials grant, by a secret or an assertion."""
        client, secret = form.get("client_id", ""), form.get("client_secret")
        assertion = form.get("client_assertion", "")
        self._ground.confided |= {assertion} if assertion else set()
        if tenant != TENANT or client not in self._objects:
            return self._no("AADSTS700016", client)
        if secret is not None and self._secrets.get(secret) != client:
            return self._no("AADSTS7000222", secret)
        trusted = form.get("client_assertion_type") == _JWT_BEARER and bool(
            self._ground.verified(assertion, AUDIENCE)
        )
        if secret is None and not trusted:
            return self._no("AADSTS700024", assertion)
        resource, _, scope = form["scope"].partition("/")
        if scope != ".default" or form.get("grant_type") != "client_credentials":
            return self._no("AADSTS70011", form["scope"])
        now = int(self._ground.now())
        token = self._key.sign(
            {
                "aud": resource,
                "iss": f"https://sts.windows.net/{TENANT}/",
                "appid": client,
                "oid": self._objects[client],
                "iat": now,
                "exp": now + LIFE,
                "uti": uuid.uuid4().hex,
            }
        )
        self._ground.confided.add(token)
        self._ground.given += 1
        return 200, json.dumps({"access_token": token, "expires_in": LIFE, "token_type": "Bearer"})

    def _no(self, code: str, shown: str) -> Answer:
        """Refuse, and repeat what was sent as some servers do."""
        self._ground.refused += 1
        said = {"error": "invalid_client", "error_description": f"{code}: not good: {shown}"}
        return 401, json.dumps(said)

    def identify(self, token: str) -> str | None:
        """The object id behind a token for AKS."""
        claims = self._key.verify(token)
        if claims is None or claims["aud"] != AKS or claims["exp"] < self._ground.now():
            return None
        return str(claims["oid"])
