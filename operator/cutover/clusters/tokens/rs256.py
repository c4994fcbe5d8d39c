"""PURE: a JSON Web Token signed by an RSA key (RS256), for service account keys of Google.

The standard library has RSA only beneath TLS. This is the private-key operation of RFC 8017 §8.2.1
(RSASSA-PKCS1-v1_5, which is deterministic) on Python's own integers, and the reading of an unencrypted
PKCS#8 or PKCS#1 key. It signs once an hour, what it signs is no secret of anybody else's, and the result
is verified before it leaves. Python's ``pow`` is not constant in time, so the message is blinded.
"""

import base64
import binascii
import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
"""DigestInfo of SHA-256 (RFC 8017 §9.2, note 1)."""
_LEAST_BITS = 2048
_SEQUENCE, _INTEGER, _OCTETS = 0x30, 0x02, 0x04


class NoKeyError(ValueError):
    """The text is no RSA key that can be used; says nothing of it."""


def signed_jwt(claims: Mapping[str, Any], key: str, key_id: str) -> str:
    """Return header, claims and signature; raises NoKeyError."""
    header = {"alg": "RS256", "typ": "JWT", "kid": key_id}
    message = f"{_encoded(header)}.{_encoded(claims)}"
    return f"{message}.{_base64url(sign(message.encode(), key))}"


def sign(message: bytes, pem: str) -> bytes:
    """Sign with the key in ``pem``; raises NoKeyError."""
    n, e, d = _numbers(pem)
    length = (n.bit_length() + 7) // 8
    digest = _PREFIX + hashlib.sha256(message).digest()
    padded = b"\x00\x01" + b"\xff" * (length - len(digest) - 3) + b"\x00" + digest
    number = int.from_bytes(padded, "big")
    blind = secrets.randbelow(n - 2) + 2
    try:
        signature = pow(number * pow(blind, e, n), d, n) * pow(blind, -1, n) % n
    except ValueError as error:
        raise NoKeyError from error
    if pow(signature, e, n) != number:
        raise NoKeyError
    return signature.to_bytes(length, "big")


def _numbers(pem: str) -> tuple[int, int, int]:
    """Return modulus, public and private exponent."""
    found = re.search(
        r"-----BEGIN (RSA )?PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END \1?PRIVATE KEY-----", pem
    )
    if found is None:
        raise NoKeyError
    try:
        der = base64.b64decode("".join(found[2].split()), validate=True)
        fields = _inside(der, _SEQUENCE)
        if not found[1]:  # PKCS#8: version, algorithm, the key itself in an octet string
            _, fields = _element(fields, _INTEGER)
            _, fields = _element(fields, _SEQUENCE)
            fields = _inside(_element(fields, _OCTETS)[0], _SEQUENCE)
        _, fields = _element(fields, _INTEGER)
        n, fields = _element(fields, _INTEGER)
        e, fields = _element(fields, _INTEGER)
        d, _ = _element(fields, _INTEGER)
    except (binascii.Error, IndexError) as error:
        raise NoKeyError from error
    numbers = tuple(int.from_bytes(each, "big") for each in (n, e, d))
    if numbers[0].bit_length() < _LEAST_BITS or numbers[1] < 3 or not 1 < numbers[2] < numbers[0]:
        raise NoKeyError
    return numbers[0], numbers[1], numbers[2]


def _inside(der: bytes, tag: int) -> bytes:
    return _element(der, tag)[0]


def _element(der: bytes, tag: int) -> tuple[bytes, bytes]:
    """Return the content of the first element, which must have the tag, and what follows it."""
    if der[0] != tag:
        raise NoKeyError
    start, length = 2, der[1]
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    if start + length > len(der):
        raise NoKeyError
    return der[start : start + length], der[start + length :]


def _encoded(value: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
