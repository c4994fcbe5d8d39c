"""What Kopf is let do, and what it is not."""

import asyncio
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import kopf
import pytest
from aiohttp import web

from cutover import handlers
from cutover.clusters.access import Access
from cutover.handlers import Changes, Watch

KEY = ("ns", "a")
ACCESS = Access("https://127.0.0.1:1", token="t")


def body(**metadata: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "ns", "name": "a", "uid": "1", "generation": 1} | metadata}


def test_only_what_people_change_is_news() -> None:
    changes = Changes()
    assert changes.matters(KEY, "ADDED", body())
    assert not changes.matters(KEY, "MODIFIED", body(resourceVersion="2"))
    assert changes.matters(KEY, "MODIFIED", body(generation=2))
    assert not changes.matters(KEY, "MODIFIED", body(generation=2, managedFields=[{}]))
    assert changes.matters(
        KEY, "MODIFIED", body(generation=2, annotations={"cutover.dev/on-delete": "Keep"})
    )
    assert changes.matters(KEY, "MODIFIED", body(generation=2))
    assert changes.matters(KEY, "MODIFIED", body(generation=2, finalizers=["x"]))
    assert changes.matters(KEY, "MODIFIED", body(generation=2, deletionTimestamp="now"))


def test_the_first_status_and_a_lost_one_are_news() -> None:
    changes = Changes()
    changes.matters(KEY, "ADDED", body())
    assert changes.matters(KEY, "MODIFIED", body() | {"status": {"phase": "Pending"}})
    assert not changes.matters(KEY, "MODIFIED", body() | {"status": {"phase": "Progressing"}})
    assert changes.matters(KEY, "MODIFIED", body())


def test_a_list_and_a_deletion_are_always_told() -> None:
    changes = Changes()
    assert changes.matters(KEY, None, body())
    assert changes.matters(KEY, None, body())
    assert changes.matters(KEY, "DELETED", body())
    assert changes.matters(KEY, "DELETED", body())
    assert changes.matters(KEY, "ADDED", body(uid="2"))


def test_there_is_one_handler_and_it_writes_nothing() -> None:
    registry = handlers._registry(lambda *_: None, Watch(lambda: ACCESS, [])._login)
    assert len(registry._watching.get_all_handlers()) == 1
    for writing in (registry._changing, registry._spawning, registry._indexing, registry._webhooks):
        assert writing.get_all_handlers() == []


def test_every_wait_of_kopf_is_bounded_and_nothing_is_posted() -> None:
    settings = handlers._settings()
    assert settings.posting.enabled is False
    assert settings.scanning.disabled is True
    assert settings.watching.client_timeout == 300
    assert settings.networking.request_timeout == 30
    assert sum(settings.networking.error_backoffs) == 30  # type: ignore[arg-type]
    assert settings.process.ultimate_exiting_timeout is None


def test_the_warning_about_signals_is_dropped_and_no_other() -> None:
    def record(message: str) -> logging.LogRecord:
        return logging.LogRecord("kopf", logging.WARNING, "", 0, message, None, None)

    assert not handlers._expected(record("OS signals are ignored: running not in the main thread."))
    assert handlers._expected(record("Not enough permissions to list namespaces."))


async def test_dead_credentials_end_the_watch_and_do_not_become_a_storm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    watch = Watch(lambda: ACCESS, [])
    whys: list[str] = []
    watch._end = whys.append
    for _ in range(handlers.LOGINS):
        await (await watch._login()).aiohttp_session.close()
    assert whys == []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await watch._login()
    assert whys == ["https://127.0.0.1:1 refused the credentials 6 times"]
    assert waits == [0, 1, 2, 3, 4, 5]


class Server:
    """Answers with the Authorization header that it was sent."""

    async def __aenter__(self) -> str:
        async def echo(request: web.Request) -> web.Response:
            return web.Response(text=request.headers.get("Authorization", ""))

        app = web.Application()
        app.router.add_get("/", echo)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        await self.runner.cleanup()


async def sent(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(url) as answer:
        return await answer.text()


async def test_credentials_go_with_each_request(tmp_path: Path) -> None:
    async with Server() as url:
        async with handlers._session(Access(url, token="abc")) as session:
            assert await sent(session, url) == "Bearer abc"
        async with handlers._session(Access(url, username="u", password="p")) as session:
            assert await sent(session, url) == "Basic dTpw"
        async with handlers._session(Access(url)) as session:
            assert await sent(session, url) == ""


async def test_a_rotated_token_file_is_read_again_and_a_missing_one_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    now = [100.0]
    monkeypatch.setattr(handlers, "time", SimpleNamespace(monotonic=lambda: now[0]))
    async with Server() as url, handlers._session(Access(url, token_file=str(file))) as session:
        assert await sent(session, url) == "Bearer first"
        file.write_text("second\n")
        assert await sent(session, url) == "Bearer first"
        now[0] += handlers.TOKEN_FILE_AGE + 1
        assert await sent(session, url) == "Bearer second"
        file.unlink()
        now[0] += handlers.TOKEN_FILE_AGE + 1
        assert await sent(session, url) == "Bearer second"


async def test_the_connector_is_bounded() -> None:
    async with handlers._session(ACCESS) as session:
        assert session.connector is not None
        assert session.connector.limit == handlers.MAX_CONNECTIONS


async def test_a_watch_that_cannot_log_in_says_why_it_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handlers, "LOGINS", 0)
    watch = Watch(lambda: ACCESS, ["ns"])
    async with asyncio.timeout(20):
        why = await watch.start(lambda *_: None)
    assert why == "https://127.0.0.1:1 refused the credentials 0 times"


async def test_a_broken_certificate_ends_the_watch() -> None:
    watch = Watch(lambda: Access("https://127.0.0.1:1", ca="no certificate"), ["ns"])
    async with asyncio.timeout(20):
        why = await watch.start(lambda *_: None)
    assert why.startswith("no connection can be made: ")


async def test_a_watch_that_kopf_ends_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def operator(**_: Any) -> None:
        raise RuntimeError("etcd leader changed")

    monkeypatch.setattr(kopf, "operator", operator)
    async with asyncio.timeout(20):
        assert await Watch(lambda: ACCESS, []).start(lambda *_: None) == (
            "RuntimeError: etcd leader changed"
        )
