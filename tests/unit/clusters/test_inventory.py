"""ClusterProfiles: the two providers that only read a Secret, done without running anything."""

import json
from typing import Any

import pytest

from cutover.clusters.access import Access, Unusable
from cutover.clusters.inventory import Entrance, entrance_of, parse_entrance

CLUSTER = {"server": "https://a.example", "tls-server-name": "b", "proxy-url": "http://proxy:3128"}


def provider(name: str, extension: Any = None) -> dict[str, Any]:
    cluster: dict[str, Any] = dict(CLUSTER)
    if extension is not None:
        key = "client.authentication.k8s.io/exec"
        cluster["extensions"] = [{"name": "other", "extension": {}}]
        cluster["extensions"] += [{"name": key, "extension": extension}]
    return {"name": name, "cluster": cluster}


def entrance(*providers: Any, **status: Any) -> Entrance | Unusable:
    profile = {"metadata": {"name": "gke"}, "status": {"accessProviders": providers, **status}}
    return entrance_of(profile, "ClusterProfile fleet/gke")


READER = {"name": "s", "key": "k", "namespace": "fleet", "context": "x"}


@pytest.mark.parametrize(
    ("providers", "status", "found"),
    [
        ([provider("secretreader")], {}, ("gke", "token", None, False, None)),
        (
            [provider("gcp"), provider("secretreader", {"clusterName": "c"})],
            {},
            ("c", "token", None, False, None),
        ),
        ([provider("kubeconfig-secretreader", READER)], {}, ("s", "k", "fleet", True, "x")),
        (
            [],
            {"credentialProviders": [provider("secretreader")]},
            ("gke", "token", None, False, None),
        ),
        (
            [provider("secretreader", {"clusterName": "new"})],
            {"credentialProviders": [provider("secretreader", {"clusterName": "old"})]},
            ("new", "token", None, False, None),
        ),
    ],
    ids=["secretreader", "named", "kubeconfig", "deprecated", "both"],
)
def test_which_secret_opens_it(providers: Any, status: Any, found: Any) -> None:
    assert entrance(*providers, **status) == Entrance(CLUSTER, *found)


@pytest.mark.parametrize(
    ("providers", "words"),
    [
        ([], "has none at all"),
        ([provider("gcp"), provider("azure")], "(gcp, azure)"),
        ([provider("kubeconfig-secretreader", {"name": "s"})], "names no key of a Secret"),
    ],
)
def test_what_cannot_be_opened_says_why(providers: Any, words: str) -> None:
    refused = entrance(*providers)
    assert isinstance(refused, Unusable)
    assert words in refused.message


def test_the_address_is_the_profiles_whatever_the_kubeconfig_says() -> None:
    kubeconfig: dict[str, Any] = {
        "clusters": [{"name": "c", "cluster": {"server": "https://elsewhere.example"}}],
        "users": [{"name": "u", "user": {"token": "one"}}, {"name": "v", "user": {"token": "two"}}],
        "contexts": [
            {"name": "x", "context": {"cluster": "c", "user": "u"}},
            {"name": "y", "context": {"cluster": "c", "user": "v"}},
        ],
        "current-context": "y",
    }
    text = json.dumps(kubeconfig)
    for context, token in (("x", "one"), (None, "two")):
        how = Entrance(CLUSTER, "s", "k", None, kubeconfig=True, context=context)
        access = parse_entrance(how, text, "here")
        assert isinstance(access, Access)
        assert (access.server, access.token) == ("https://a.example", token)
        assert (access.tls_server_name, access.proxy) == ("b", "http://proxy:3128")
    kubeconfig["users"][1]["user"] = {"exec": {"command": "hush"}}
    how = Entrance(CLUSTER, "s", "k", None, kubeconfig=True)
    refused = parse_entrance(how, json.dumps(kubeconfig), "here")
    assert isinstance(refused, Unusable)
    assert "never run" in refused.message
    assert "hush" not in refused.message
