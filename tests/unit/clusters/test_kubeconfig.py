"""A kubeconfig becomes an access, or a sentence that says why not and never what was in it."""

import base64
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cutover.clusters.access import Access, Unusable
from cutover.clusters.kubeconfig import MAX_TEXT, parse

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"
SECRET = "hunter2hunter2"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def document(
    cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "other", "cluster": {"server": "https://other"}},
            {"name": "c", "cluster": {"server": "https://api.example:6443/", **(cluster or {})}},
        ],
        "users": [{"name": "u", "user": {"token": SECRET} if user is None else user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
        **more,
    }


def read(*arguments: Any, allow_insecure: bool = False, **more: Any) -> Access | Unusable:
    text = yaml.safe_dump(document(*arguments, **more))
    return parse(text, "Secret ns/gke key kubeconfig", allow_insecure=allow_insecure)


def test_a_token() -> None:
    assert read() == Access("https://api.example:6443", token=SECRET)


def test_everything_that_is_known() -> None:
    cluster = {
        "certificate-authority-data": b64(PEM),
        "tls-server-name": "kubernetes",
        "proxy-url": "http://proxy:3128",
    }
    user = {"client-certificate-data": b64(PEM), "client-key-data": b64(KEY)}
    assert read(cluster, user) == Access(
        "https://api.example:6443",
        ca=PEM,
        certificate=PEM,
        key=KEY,
        tls_server_name="kubernetes",
        proxy="http://proxy:3128",
    )


def test_basic() -> None:
    access = read(None, {"username": "ann", "password": SECRET})
    assert access == Access("https://api.example:6443", username="ann", password=SECRET)


def test_json_is_read_too() -> None:
    assert isinstance(parse(json.dumps(document()), "here"), Access)


def test_a_repr_shows_no_secret() -> None:
    user = {"username": "ann", "password": SECRET, "token": SECRET}
    cluster = {"proxy-url": f"http://u:{SECRET}@proxy"}
    assert SECRET not in repr(read(cluster, user))


@pytest.mark.parametrize(
    ("cluster", "user", "words"),
    [
        pytest.param({}, {"exec": {"command": SECRET}}, "exec", id="exec"),
        pytest.param({}, {"auth-provider": {"name": "gcp"}}, "auth-provider", id="auth-provider"),
        pytest.param({"insecure-skip-tls-verify": True}, None, "--allow-insecure", id="insecure"),
        pytest.param({"server": "http://api"}, None, "--allow-insecure-tls", id="plain-http"),
        pytest.param({"certificate-authority": "/etc/ca"}, None, "-authority-data", id="ca-file"),
        pytest.param({}, {"tokenFile": "/etc/passwd"}, "tokenFile", id="token-file"),
        pytest.param({}, {"client-key": "k"}, "client-key-data", id="key-file"),
        pytest.param({"certificate-authority-data": "%%%"}, None, "no base64", id="ca-garbled"),
        pytest.param(
            {"certificate-authority-data": b64(SECRET)}, None, "authority-data is", id="ca-no-pem"
        ),
        pytest.param({"certificate-authority-data": 7}, None, "must be text", id="ca-number"),
        pytest.param({}, {"client-certificate-data": b64(PEM)}, "both", id="no-key"),
        pytest.param({}, {}, "no credentials", id="nobody"),
        pytest.param({}, {"token": "two\nlines"}, "token has letters", id="token-lines"),
        pytest.param({}, {"token": SECRET, "as": "admin"}, "impersonation", id="impersonation"),
        pytest.param({"server": ""}, None, "https://", id="no-server"),
        pytest.param({"server": "https://u:p@api"}, None, "plain address", id="server-with-user"),
        pytest.param({"server": "https://api:x"}, None, "https://", id="no-port"),
        pytest.param({"server": "ftp://api"}, None, "https://", id="scheme"),
        pytest.param({"proxy-url": "socks5://p"}, None, "proxy-url", id="socks"),
    ],
)
def test_what_is_refused(cluster: Any, user: Any, words: str) -> None:
    refused = read(cluster, user)
    assert isinstance(refused, Unusable)
    assert words in refused.message
    assert refused.message.startswith("Secret ns/gke key kubeconfig: ")
    assert SECRET not in refused.message


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param({"current-context": ""}, "current-context", id="no-context"),
        pytest.param({"current-context": "y"}, "contexts", id="unknown-context"),
        pytest.param({"clusters": []}, "clusters", id="no-clusters"),
        pytest.param({"users": "u"}, "users", id="users-are-text"),
        pytest.param({"contexts": [{"name": "x", "context": {}}]}, "cluster", id="empty-context"),
    ],
)
def test_what_does_not_fit_together(more: dict[str, Any], words: str) -> None:
    refused = read(**more)
    assert isinstance(refused, Unusable)
    assert words in refused.message


@pytest.mark.parametrize(
    "text",
    ["", "7", "[]", "clusters", "{", "a: b: c", SECRET, "{" * 3000, "- " * 2000, "!!python/x y"],
)
def test_what_is_no_kubeconfig(text: str) -> None:
    refused = parse(text, "here")
    assert isinstance(refused, Unusable)
    assert SECRET not in refused.message


def test_too_much_text_is_not_even_parsed() -> None:
    refused = parse("x" * (MAX_TEXT + 1), "here")
    assert isinstance(refused, Unusable)
    assert "64 KiB" in refused.message


def test_the_flag_allows_what_is_not_verified() -> None:
    access = read({"insecure-skip-tls-verify": True}, allow_insecure=True)
    assert isinstance(access, Access)
    assert access.insecure
    assert isinstance(read({"server": "http://api"}, allow_insecure=True), Access)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = ("server", "certificate-authority-data", "proxy-url", "token", "username", "exec")


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES), VALUES)
def test_no_content_breaks_it(fields: dict[str, Any], users: Any) -> None:
    for text in (document(fields, fields), document(fields, users=users)):
        assert isinstance(parse(json.dumps(text), "here"), Access | Unusable)
