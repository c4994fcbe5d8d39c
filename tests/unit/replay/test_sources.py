"""A golden set comes from a ConfigMap, a labelled Secret or a URL, and only if it is the one that was meant."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiohttp import web

from cutover.api.golden import ConfigMapKeyRef, Dataset, SecretKeyRef
from cutover.clusters.answers import Failed, Ok, Reason
from cutover.decide.observation import Refusal
from cutover.decide.readings import Gap, Missing
from cutover.replay import sources
from cutover.replay.sources import GoldenSources

CONTENT = b'{"messages": []}\n'
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Objects:
    def __init__(self, answer: Ok | Failed) -> None:
        self.answer = answer
        self.paths: list[str] = []

    async def get(self, path: str) -> Ok | Failed:
        self.paths.append(path)
        return self.answer


class Secrets:
    async def read(self, namespace: str, name: str, key: str | None) -> Mapping[str, bytes] | Gap:
        if name == "golden":
            return {"golden.jsonl": CONTENT}
        return Gap(Missing.CREDENTIALS, f"Secret {namespace}/{name} is not labelled for use: …")


def fetching(answer: Ok | Failed | None = None) -> GoldenSources:
    return GoldenSources(Objects(answer or Failed(404, Reason.NOT_FOUND, "")), Secrets())


CONFIG_MAP = Dataset(config_map_key_ref=ConfigMapKeyRef(name="golden"))


async def test_a_config_map_of_the_rollouts_namespace() -> None:
    objects = Objects(Ok({"data": {"golden.jsonl": CONTENT.decode()}}))
    assert await GoldenSources(objects, Secrets()).fetch("ns", CONFIG_MAP) == CONTENT
    assert objects.paths == ["/api/v1/namespaces/ns/configmaps/golden"]


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (Failed(404, Reason.NOT_FOUND, ""), "GoldenSetMissing", "does not exist"),
        (Failed(403, Reason.FORBIDDEN, ""), "GoldenSetUnreadable", "may get ConfigMaps"),
        (Failed(0, Reason.UNREACHABLE, "down"), "GoldenSetUnreadable", "down"),
        (Ok({"data": {"a": "1", "b": "2"}}), "GoldenSetMissing", "2 keys"),
        (Ok({"binaryData": {"a": "AA=="}}), "GoldenSetUnreadable", "as text"),
    ],
)
async def test_a_config_map_that_is_of_no_use(answer: Ok | Failed, reason: str, words: str) -> None:
    found = await fetching(answer).fetch("ns", CONFIG_MAP)
    assert isinstance(found, Refusal)
    assert found.reason == reason
    assert "ConfigMap ns/golden" in found.message
    assert words in found.message


async def test_a_secret_must_be_labelled_for_use() -> None:
    good = Dataset(secret_key_ref=SecretKeyRef(name="golden"))
    assert await fetching().fetch("ns", good) == CONTENT
    other = await fetching().fetch("ns", Dataset(secret_key_ref=SecretKeyRef(name="other")))
    assert isinstance(other, Refusal)
    assert "not labelled for use" in other.message


@pytest.fixture
async def server() -> AsyncIterator[str]:
    async def get(request: web.Request) -> web.Response:
        match request.path:
            case "/evals/golden.jsonl":
                return web.Response(body=CONTENT)
            case "/moved":
                raise web.HTTPFound("/evals/golden.jsonl")
            case _:
                return web.Response(status=404)

    app = web.Application()
    app.router.add_get("/{path:.*}", get)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


async def test_a_url_is_read_if_its_hash_is_the_one_that_was_meant(server: str) -> None:
    good = Dataset(url=f"{server}/evals/golden.jsonl?sig=secret", sha256=SHA256)
    assert await fetching().fetch("ns", good) == CONTENT
    wrong = await fetching().fetch("ns", good.model_copy(update={"sha256": "0" * 64}))
    assert isinstance(wrong, Refusal)
    assert wrong.reason == "GoldenSetDiffers"
    assert SHA256[:12] in wrong.message
    assert "sig" not in wrong.message


@pytest.mark.parametrize("path", ["moved", "missing"])
async def test_a_url_that_shows_something_else_is_refused(path: str, server: str) -> None:
    found = await fetching().fetch("ns", Dataset(url=f"{server}/{path}", sha256=SHA256))
    assert isinstance(found, Refusal)
    assert found.reason == "GoldenSetUnreadable"


async def test_a_golden_set_has_a_largest_size(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "LARGEST_SET", 4)
    url = f"{server}/evals/golden.jsonl"
    found = await fetching().fetch("ns", Dataset(url=url, sha256=SHA256))
    assert isinstance(found, Refusal)
    assert "use fewer" in found.message


@pytest.mark.parametrize(
    "url",
    [
        "http://evals.example/golden.jsonl",
        "http://10.0.0.1/golden.jsonl",
        "http://169.254.169.254/latest/meta-data",
    ],
)
async def test_plain_http_stays_in_the_cluster(url: str) -> None:
    found = await fetching().fetch("ns", Dataset(url=url, sha256=SHA256))
    assert isinstance(found, Refusal)
    assert "use https://" in found.message


async def test_a_bucket_is_read_with_the_operators_own_identity(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {
        "AWS_ENDPOINT_URL": server,
        "AWS_ALLOW_HTTP": "true",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_REGION": "lab",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    dataset = Dataset(url="s3://evals/golden.jsonl", sha256=SHA256)
    assert await fetching().fetch("ns", dataset) == CONTENT
    missing = await fetching().fetch("ns", Dataset(url="s3://evals/other.jsonl", sha256=SHA256))
    assert isinstance(missing, Refusal)
    assert "NotFound" in missing.message or "FileNotFound" in missing.message


async def test_without_the_extra_a_bucket_names_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    found = await fetching().fetch("ns", Dataset(url="gs://evals/golden.jsonl", sha256=SHA256))
    assert isinstance(found, Refusal)
    assert "cutover[artifacts]" in found.message
