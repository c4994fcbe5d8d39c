"""Secrets become headers and TLS settings, or a sentence; nothing prints them."""

import ssl
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import pytest

from cutover.api.sides import Prometheus
from cutover.decide.readings import Gap, Missing
from cutover.metrics.credentials import Credentials, resolve, tls_context


class FakeSecrets:
    def __init__(self, **content: Mapping[str, bytes]) -> None:
        self.content = content

    async def read(self, namespace: str, name: str, key: str | None) -> Mapping[str, bytes] | Gap:
        if name not in self.content:
            return Gap(Missing.CREDENTIALS, f"Secret {namespace}/{name} does not exist")
        return {k: v for k, v in self.content[name].items() if key in (None, k)}


def where(**more: Any) -> Prometheus:
    return Prometheus.model_validate(
        {"address": "https://prometheus.example", "matchers": {"cluster": "gke"}} | more
    )


def ref(name: str, key: str) -> dict[str, str]:
    return {"name": name, "key": key}


TOKEN = {"authorization": {"credentials": ref("auth", "token")}}
BASIC = {"basicAuth": {"username": ref("auth", "user"), "password": ref("auth", "password")}}
HEADERS = {"headersFrom": {"secretRef": {"name": "tenant"}}}


async def test_nothing_named_is_nothing_sent() -> None:
    assert await resolve(FakeSecrets(), "chat", where()) == Credentials()


async def test_a_token_loses_the_line_break_at_its_end() -> None:
    found = await resolve(FakeSecrets(auth={"token": b"abc\n"}), "chat", where(**TOKEN))
    assert isinstance(found, Credentials)
    assert found.headers == (("Authorization", "Bearer abc"),)


async def test_another_scheme_is_kept() -> None:
    spec = where(authorization={"type": "Token", "credentials": ref("auth", "token")})
    found = await resolve(FakeSecrets(auth={"token": b"abc"}), "chat", spec)
    assert isinstance(found, Credentials)
    assert found.headers == (("Authorization", "Token abc"),)


async def test_user_and_password_become_one_header() -> None:
    secrets = FakeSecrets(auth={"user": b"ann", "password": "pä:ss".encode()})
    found = await resolve(secrets, "chat", where(**BASIC))
    assert isinstance(found, Credentials)
    ((_, value),) = found.headers
    assert b64decode(value.removeprefix("Basic ")).decode() == "ann:pä:ss"


async def test_every_key_becomes_a_header() -> None:
    secrets = FakeSecrets(tenant={"X-Scope-OrgID": b"chat", "X-Other": b"1\n"})
    found = await resolve(secrets, "chat", where(**HEADERS))
    assert isinstance(found, Credentials)
    assert found.headers == (("X-Other", "1"), ("X-Scope-OrgID", "chat"))


@pytest.mark.parametrize(
    ("content", "spec", "words"),
    [
        pytest.param({}, TOKEN, "Secret chat/auth does not exist", id="no Secret"),
        pytest.param({"auth": {}}, TOKEN, "key token of Secret chat/auth is missing", id="no key"),
        pytest.param({"auth": {"token": b""}}, TOKEN, "missing or empty", id="empty"),
        pytest.param({"auth": {"token": b"\xff\xfe"}}, TOKEN, "is not text", id="binary"),
        pytest.param({"auth": {"token": b"a\nb"}}, TOKEN, "one line of plain ASCII", id="lines"),
        pytest.param({"tenant": {"a b": b"c"}}, HEADERS, "name of a header", id="header name"),
        pytest.param({"tenant": {"Host": b"c"}}, HEADERS, "name of a header", id="our header"),
        pytest.param(
            {"auth": {"token": b"x"}, "tenant": {"authorization": b"y"}},
            TOKEN | HEADERS,
            "given twice",
            id="twice",
        ),
    ],
)
async def test_what_cannot_be_used_is_a_sentence(
    content: dict[str, Any], spec: dict[str, Any], words: str
) -> None:
    found = await resolve(FakeSecrets(**content), "chat", where(**spec))
    assert isinstance(found, Gap)
    assert found.missing is Missing.CREDENTIALS
    assert words in found.message


def test_credentials_are_not_printed() -> None:
    credentials = Credentials(headers=(("Authorization", "Bearer s3cret"),), certificate="KEY")
    assert "s3cret" not in f"{credentials!r} {credentials}"
    assert "KEY" not in repr(credentials)
    assert credentials.hide("you sent Bearer s3cret, or s3cret") == "you sent …, or …"


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        (Credentials(ca="no PEM"), "tlsConfig.ca holds no usable PEM"),
        (Credentials(certificate="no PEM"), "tlsConfig.cert with keySecret holds no usable PEM"),
    ],
)
def test_a_broken_certificate_is_a_sentence(credentials: Credentials, words: str) -> None:
    found = tls_context(credentials)
    assert isinstance(found, Gap)
    assert words in found.message


def test_servers_are_verified() -> None:
    context = tls_context(Credentials())
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
