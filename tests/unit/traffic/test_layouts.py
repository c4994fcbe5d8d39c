"""Which layout is meant; `patch` may have to ask for the plural of its kind."""

from typing import Any, cast

import pytest

from cutover.clusters.answers import Answer, Failed, Ok, Reason
from cutover.clusters.connection import Connection
from cutover.decide.observation import Refusal
from cutover.traffic.layouts import layout_of
from tests.fakes.routers import ROUTED

RESOURCES = [
    {"name": "virtualservices/status", "kind": "VirtualService"},
    {"name": "gateways", "kind": "Gateway"},
    {"name": "virtualservices", "kind": "VirtualService"},
]
UNREACHABLE = Failed(0, Reason.UNREACHABLE, "it cannot be reached")


class Server:
    """Answers what it is told to; counts what it is asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def get(self, path: str, **_: Any) -> Answer:
        self.asked.append(path)
        return self.answer


async def made(server: Server, which: str, **changes: Any) -> Any:
    wanted = ROUTED[which].wanted.model_copy(update=changes)
    return await layout_of(wanted, cast(Connection, server))


@pytest.mark.parametrize(
    ("answer", "plural"),
    [
        (Ok({"resources": RESOURCES}), "virtualservices"),
        (Ok({"resources": []}), "virtualservices"),
        (Failed(404, Reason.NOT_FOUND, "no such group"), "virtualservices"),
    ],
    ids=["served", "not-served", "no-group"],
)
async def test_the_plural_is_asked_for_once_and_guessed_where_nobody_knows(
    answer: Answer, plural: str
) -> None:
    server = Server(answer)
    layout = await made(server, "patch")
    assert layout.kind.plural == plural
    assert server.asked == ["/apis/networking.istio.io/v1"]


async def test_an_irregular_plural_is_the_servers() -> None:
    server = Server(Ok({"resources": [{"name": "proxies", "kind": "Proxy"}]}))
    layout = await made(server, "patch", api_version="v1", kind="Proxy")
    assert layout.kind.collection("ns") == "/api/v1/namespaces/ns/proxies"


async def test_a_server_that_does_not_answer_leaves_the_kind_unknown() -> None:
    refused = await made(Server(UNREACHABLE), "patch")
    assert refused == Refusal("Unreachable", "it cannot be reached")


@pytest.mark.parametrize("kind", sorted(set(ROUTED) - {"patch", "patch of text"}))
async def test_nobody_is_asked_about_a_kind_that_is_known(kind: str) -> None:
    server = Server(UNREACHABLE)
    layout = await made(server, kind)
    assert (layout.kind, server.asked) == (ROUTED[kind].made().kind, [])
    given = await made(server, "patch", plural="virtualservices")
    assert (given.kind.plural, server.asked) == ("virtualservices", [])
