"""Which key signed a JSON Web Token? Keys in PEM, and RS256 by the library `cryptography`."""

import base64
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@dataclass(frozen=True)
class SigningKey:
    private: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def pem(self) -> str:
        whole = self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return whole.decode()

    def sign(self, claims: dict[str, Any]) -> str:
        header = {"alg": "RS256", "typ": "JWT", "kid": self.id}
        message = f"{_encoded(header)}.{_encoded(claims)}"
        signature = self.private.sign(message.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{message}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"

    def verify(self, token: str) -> dict[str, Any] | None:
        """The claims of a token that this key signed."""
        message, _, signature = token.rpartition(".")
        try:
            self.private.public_key().verify(
                _decoded(signature), message.encode(), padding.PKCS1v15(), hashes.SHA256()
            )
            claims: dict[str, Any] = json.loads(_decoded(message.partition(".")[2]))
        except (InvalidSignature, ValueError):
            return None
        return claims


def key_id(token: str) -> str | None:
    """The id in a token's header; None where it is no token."""
    try:
        found = json.loads(_decoded(token.partition(".")[0]))
    except ValueError:
        return None
    return str(found.get("kid")) if isinstance(found, dict) else None


def _encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
