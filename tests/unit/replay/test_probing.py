"""A probe blames the server for what the server did, and for nothing else."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from cutover.api.sides import Endpoint, HeadersFrom, Profile, SecretRef
from cutover.decide.observation import Outcome, Probe
from cutover.decide.readings import Gap, Missing
from cutover.replay import probing
from cutover.replay.probing import Probing, health_path

SECRET = "tok-4711-very-secret"


class Secrets:
    slow = False

    async def read(self, namespace: str, name: str, key: str | None) -> Mapping[str, bytes] | Gap:
        if self.slow:
            await asyncio.Event().wait()
        if name == "auth":
            return {"Authorization": f"Bearer {SECRET}".encode()}
        return Gap(Missing.CREDENTIALS, f"Secret {namespace}/{name} does not exist: create it")


class Server:
    """Answers each GET with ``status``; None: never."""

    def __init__(self) -> None:
        self.status: int | None = 200
        self.heads: list[str] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            if self.status is None:
                await reader.read()
                return
            writer.write(f"HTTP/1.1 {self.status} X\r\ncontent-length: 0\r\n\r\n".encode())
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def probed(secrets: Secrets | None = None) -> AsyncIterator[Probing]:
    made = Probing(secrets or Secrets())
    try:
        yield made
    finally:
        await made.aclose()


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, str]]:
    made = Server()
    listener = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    yield made, f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    listener.close()


async def probe(url: str, **endpoint: object) -> Probe:
    async with probed() as probing_now:
        where = Endpoint.model_validate({"url": url, **endpoint})
        return await probing_now.probe("ns", where, Profile.VLLM, deadline=2.0)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.ANSWERED),
        (204, Outcome.ANSWERED),
        (429, Outcome.ANSWERED),
        (500, Outcome.FAILED),
        (503, Outcome.FAILED),
        (401, Outcome.UNSENT),
        (403, Outcome.UNSENT),
        (404, Outcome.UNSENT),
        (302, Outcome.UNSENT),
    ],
)
async def test_each_status(status: int, outcome: Outcome, server: tuple[Server, str]) -> None:
    made, url = server
    made.status = status
    found = await probe(url)
    assert found.outcome is outcome
    if outcome is not Outcome.ANSWERED:
        assert f"{url}/health answered {status}" in found.message


async def test_each_probe_is_a_new_connection(server: tuple[Server, str]) -> None:
    made, url = server
    async with probed() as probing_now:
        for _ in range(3):
            await probing_now.probe("ns", Endpoint(url=url), Profile.VLLM, deadline=2.0)
    assert made.connections == 3


async def test_a_server_that_never_answers_has_failed(server: tuple[Server, str]) -> None:
    made, url = server
    made.status = None
    async with probed() as probing_now:
        found = await probing_now.probe("ns", Endpoint(url=url), Profile.VLLM, deadline=0.05)
    assert found == Probe(Outcome.FAILED, f"{url}/health did not answer within 0.05 s")


async def test_a_refused_connection_is_a_failure() -> None:
    listener = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    assert (await probe(f"http://127.0.0.1:{port}")).outcome is Outcome.FAILED


async def test_a_name_that_our_dns_does_not_know_is_ours_to_mend() -> None:
    found = await probe("http://no-such-host.invalid:8000")
    assert found.outcome is Outcome.UNSENT
    assert "not known to the operator's DNS" in found.message


async def test_a_missing_secret_is_ours_to_mend(server: tuple[Server, str]) -> None:
    made, url = server
    found = await probe(url, headersFrom={"secretRef": {"name": "missing"}})
    assert found == Probe(Outcome.UNSENT, "Secret ns/missing does not exist: create it")
    assert not made.heads


async def test_secrets_that_come_late_are_ours_to_mend(
    server: tuple[Server, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "SECRETS_WITHIN", 0.02)
    secrets = Secrets()
    secrets.slow = True
    where = Endpoint(url=server[1], headers_from=HeadersFrom(secret_ref=SecretRef(name="auth")))
    async with probed(secrets) as probing_now:
        found = await probing_now.probe("ns", where, Profile.VLLM, deadline=2.0)
    assert found.outcome is Outcome.UNSENT


async def test_a_certificate_that_we_do_not_trust_is_ours_to_mend() -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    wrapped = OSError("connect")
    wrapped.__cause__ = error
    found = probing._unreached("https://m/health", wrapped)
    assert found.outcome is Outcome.UNSENT
    assert "self-signed certificate" in found.message


async def test_headers_are_sent_and_never_told(server: tuple[Server, str]) -> None:
    made, url = server
    made.status = 503
    found = await probe(url, headersFrom={"secretRef": {"name": "auth"}})
    assert SECRET in made.heads[0]
    assert SECRET not in found.message


@pytest.mark.parametrize(
    ("profile", "given", "path"),
    [
        (Profile.VLLM, {}, "/health"),
        (Profile.TRITON, {}, "/v2/health/ready"),
        (Profile.TFSERVING, {"model": "chat/1"}, "/v1/models/chat%2F1"),
        (Profile.TORCHSERVE, {}, "/ping"),
        (Profile.CUSTOM, {}, "/health"),
        (Profile.TRITON, {"healthPath": "/v1/models"}, "/v1/models"),
    ],
)
def test_where_servers_tell_that_they_can_serve(
    profile: Profile, given: dict[str, str], path: str
) -> None:
    where = Endpoint.model_validate({"url": "http://m:8000", **given})
    assert health_path(where, profile) == path
