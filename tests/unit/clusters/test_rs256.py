"""A signature by RSA on plain integers is the one that OpenSSL verifies."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from cutover.clusters.tokens.rs256 import NoKeyError, sign, signed_jwt

KEYS = [rsa.generate_private_key(public_exponent=65537, key_size=bits) for bits in (2048, 3072)]


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, form: PrivateFormat) -> str:
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("key", KEYS, ids=lambda key: str(key.key_size))
def test_openssl_verifies_it(key: rsa.RSAPrivateKey, form: PrivateFormat) -> None:
    for message in (b"", b"header.claims", bytes(range(256))):
        signature = sign(message, pem(key, form))
        key.public_key().verify(signature, message, padding.PKCS1v15(), SHA256())
        assert signature == key.sign(message, padding.PKCS1v15(), SHA256())


def test_a_token_has_three_parts_and_names_its_key() -> None:
    token = signed_jwt({"iss": "me"}, pem(KEYS[0], PrivateFormat.PKCS8), "k1")
    header, claims, signature = (
        base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")
    )
    assert json.loads(header) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    assert json.loads(claims) == {"iss": "me"}
    message = token.rpartition(".")[0].encode()
    KEYS[0].public_key().verify(signature, message, padding.PKCS1v15(), SHA256())


GOOD = pem(KEYS[0], PrivateFormat.PKCS8)
LOCKED = KEYS[0].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw"))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", id="garbled"),
        pytest.param(GOOD[:200] + GOOD[260:], id="cut"),
        pytest.param(LOCKED.decode(), id="encrypted"),
        pytest.param(
            pem(ec.generate_private_key(ec.SECP256R1()), PrivateFormat.PKCS8), id="elliptic"
        ),
        pytest.param(
            pem(
                rsa.generate_private_key(public_exponent=65537, key_size=1024),
                PrivateFormat.PKCS8,
            ),
            id="short",
        ),
    ],
)
def test_what_is_no_good_key_is_refused(text: str) -> None:
    with pytest.raises(NoKeyError):
        sign(b"message", text)
