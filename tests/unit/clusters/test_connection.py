"""Each request ends by its deadline, and whatever the server does comes back as a value."""

import asyncio
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cutover.clusters.access import Access
from cutover.clusters.answers import Failed, Ok, Reason
from cutover.clusters.connection import MERGE_PATCH, Connection, Event
from cutover.clusters.pool import Pool
from tests.unit.clusters.conftest import Server


def status(code: int, **fields: Any) -> web.Response:
    return web.json_response({"kind": "Status", "code": code, **fields}, status=code)


async def test_an_object_is_read(server: Server) -> None:
    server.answers["/a"] = {"kind": "A"}
    connection = server.connection()
    assert await connection.get("/a", {"x": "1 2"}) == Ok({"kind": "A"})
    assert server.asked[0].headers["Authorization"] == "Bearer t"
    assert server.asked[0].query == {"x": "1 2"}
    assert server.asked[0].headers["User-Agent"].startswith("cutover/")


async def test_what_is_read_again_unchanged_is_not_understood_again(server: Server) -> None:
    server.answers["/a"] = {"kind": "A", "x": 1}
    connection = server.connection()
    first = await connection.get_again("/a", None)
    assert isinstance(first, Ok)
    assert await connection.get_again("/a", first) is first
    server.answers["/a"] = {"kind": "A", "x": 2}
    second = await connection.get_again("/a", first)
    assert second == Ok({"kind": "A", "x": 2})
    server.answers["/a"] = lambda _: status(503)
    assert isinstance(await connection.get_again("/a", first), Failed)
    assert len(server.asked) == 4


async def test_basic_credentials_are_sent(server: Server) -> None:
    server.answers["/a"] = {}
    await server.connection(token=None, username="ann", password="p").get("/a")
    assert server.asked[0].headers["Authorization"] == "Basic YW5uOnA="


async def test_a_patch_carries_its_type(server: Server) -> None:
    server.answers["/a"] = {"kind": "A"}
    await server.connection().patch("/a", {"x": None}, MERGE_PATCH, {"fieldManager": "cutover"})
    assert server.asked[0].headers["Content-Type"] == MERGE_PATCH
    assert server.bodies == [{"x": None}]


@pytest.mark.parametrize(
    ("code", "fields", "reason"),
    [
        (401, {}, Reason.UNAUTHORISED),
        (403, {"message": "no"}, Reason.FORBIDDEN),
        (404, {}, Reason.NOT_FOUND),
        (409, {"reason": "Conflict"}, Reason.CONFLICT),
        (409, {"reason": "AlreadyExists"}, Reason.ALREADY_EXISTS),
        (410, {}, Reason.EXPIRED),
        (422, {"details": {}}, Reason.UNPROCESSABLE),
        (422, {"details": {"kind": "A", "causes": [{}]}}, Reason.REFUSED),
        (400, {}, Reason.REFUSED),
        (429, {}, Reason.UNREACHABLE),
        (500, {}, Reason.UNREACHABLE),
        (503, {}, Reason.UNREACHABLE),
    ],
)
async def test_what_a_status_means(
    server: Server, code: int, fields: dict[str, Any], reason: Reason
) -> None:
    server.answers["/a"] = lambda _: status(code, **fields)
    answer = await server.connection().get("/a")
    assert isinstance(answer, Failed)
    assert (answer.status, answer.reason, answer.from_api_server) == (code, reason, True)
    assert server.url in answer.message


async def test_a_page_that_is_no_api_servers(server: Server) -> None:
    server.answers["/found"] = lambda _: web.Response(text="<html>login</html>")
    server.answers["/lost"] = lambda _: web.Response(text="<html>lost</html>", status=404)
    found, lost = [await server.connection().get(path) for path in ("/found", "/lost")]
    assert isinstance(found, Failed)
    assert found.reason is Reason.UNREACHABLE
    assert isinstance(lost, Failed)
    assert (lost.reason, lost.from_api_server) == (Reason.NOT_FOUND, False)


async def test_a_redirect_is_not_followed(server: Server) -> None:
    server.answers["/a"] = lambda _: web.Response(status=302, headers={"Location": "/secret"})
    answer = await server.connection().get("/a")
    assert isinstance(answer, Failed)
    assert answer.reason is Reason.UNREACHABLE
    assert [request.path for request in server.asked] == ["/a"]


async def test_the_deadline_holds_against_a_server_that_hangs(server: Server) -> None:
    server.answers["/a"] = "hang"
    began = time.monotonic()
    answer = await server.connection().get("/a", deadline=0.2)
    assert time.monotonic() - began < 5
    assert isinstance(answer, Failed)
    assert answer.reason is Reason.UNREACHABLE
    assert "within 0.2 s" in answer.message


async def test_many_that_hang_do_not_hold_up_the_one_after(server: Server) -> None:
    server.answers["/hang"] = "hang"
    server.answers["/a"] = {}
    connection = server.connection()
    hanging = [connection.get("/hang", deadline=0.3) for _ in range(100)]
    answers = await asyncio.gather(*hanging)
    assert all(isinstance(answer, Failed) for answer in answers)
    assert await connection.get("/a") == Ok({})


async def test_the_deadline_holds_where_nobody_accepts() -> None:
    pool = Pool.build(Access("http://127.0.0.1:9", token="t"), "here")
    assert isinstance(pool, Pool)
    answer = await Connection(pool, "nowhere").get("/a", deadline=1)
    assert isinstance(answer, Failed)
    assert answer.reason is Reason.UNREACHABLE
    assert "cannot be reached" in answer.message
    await pool.close()


async def test_a_list_is_read_to_its_end(server: Server) -> None:
    def page(request: web.Request) -> web.Response:
        first = "continue" not in request.query
        metadata = (
            {"continue": "more", "resourceVersion": "5"} if first else {"resourceVersion": "5"}
        )
        return web.json_response({"metadata": metadata, "items": [1, 2] if first else [3]})

    server.answers["/a"] = page
    answer = await server.connection().list_all("/a")
    assert isinstance(answer, Ok)
    assert answer.body["items"] == [1, 2, 3]


async def test_after_a_401_credentials_are_looked_for_once(server: Server) -> None:
    looked = []

    async def refresh() -> bool:
        looked.append(1)
        return True

    server.answers["/a"] = lambda _: status(401)
    connection = Connection(server.connection().pool, "x", refresh)
    answer = await connection.get("/a")
    assert isinstance(answer, Failed)
    assert answer.reason is Reason.UNAUTHORISED
    assert (len(looked), len(server.asked)) == (1, 2)


async def test_a_token_file_is_read_again_after_a_401(server: Server, tmp_path: Path) -> None:
    def only_new(request: web.Request) -> web.Response:
        return web.json_response({}) if "new" in request.headers["Authorization"] else status(401)

    file = tmp_path / "token"
    file.write_text("old")
    server.answers["/open"] = {}
    server.answers["/a"] = only_new
    connection = server.connection(token=None, token_file=str(file))
    await connection.get("/open")
    file.write_text("new")
    assert await connection.get("/a") == Ok({})


async def test_requests_under_way_end_before_the_pool_closes(server: Server) -> None:
    server.answers["/hang"] = "hang"
    connection = server.connection()
    asking = asyncio.create_task(connection.get("/hang", deadline=0.3))
    await asyncio.sleep(0.1)
    await connection.pool.close()
    assert isinstance(await asking, Failed)
    late = await connection.get("/a")
    assert isinstance(late, Failed)
    assert late.reason is Reason.UNREACHABLE


async def watch(connection: Connection, **options: Any) -> list[Event | Failed]:
    async with aclosing(connection.watch("/a", {}, **options)) as stream:
        return [event async for event in stream]


async def test_a_watch_gives_events_and_ends(server: Server) -> None:
    lines = b'{"type":"ADDED","object":{"n":1}}\n\n{"type":"BOOKMARK","object":{}}\n'
    server.answers["/a"] = lambda _: web.Response(body=lines)
    assert await watch(server.connection()) == [Event("ADDED", {"n": 1}), Event("BOOKMARK", {})]
    assert server.asked[0].query == {"watch": "true", "allowWatchBookmarks": "true"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"type":"ERROR","object":{"kind":"Status","code":410}}\n', Reason.EXPIRED),
        (b'{"type":"ERROR","object":{"kind":"Status","code":500}}\n', Reason.UNREACHABLE),
        (b'{"type":"ERROR","object":null}\n', Reason.UNREACHABLE),
        (b"<html>\n", Reason.UNREACHABLE),
        (b"[]\n", Reason.UNREACHABLE),
    ],
)
async def test_an_error_ends_a_watch(server: Server, line: bytes, reason: Reason) -> None:
    server.answers["/a"] = lambda _: web.Response(body=line + line)
    [failed] = await watch(server.connection())
    assert isinstance(failed, Failed)
    assert failed.reason is reason


async def test_a_refused_watch(server: Server) -> None:
    server.answers["/a"] = lambda _: status(403)
    [failed] = await watch(server.connection())
    assert isinstance(failed, Failed)
    assert failed.reason is Reason.FORBIDDEN


async def test_a_watch_that_never_begins(server: Server) -> None:
    server.answers["/a"] = "hang"
    [failed] = await watch(server.connection(), deadline=0.2)
    assert isinstance(failed, Failed)
    assert failed.reason is Reason.UNREACHABLE
