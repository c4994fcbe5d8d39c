"""Only a look that a rollback waits for insists on a cluster that has not answered for a while."""

from types import SimpleNamespace
from typing import Any

import pytest

from cutover.decide.looking import Wanted
from cutover.decide.route import Route, RouteGone
from cutover.observe import world


class Router:
    def __init__(self) -> None:
        self.insisted: list[bool] = []

    async def look(self, *, deadline: float = 5.0, insist: bool = False) -> Route:
        assert deadline == 5.0
        self.insisted.append(insist)
        return RouteGone("gone")


@pytest.mark.parametrize("going_back", [True, False])
async def test_a_due_rollback_insists_and_nothing_else_does(going_back: bool) -> None:
    router = Router()

    async def the_router(*_: Any) -> Router:
        return router

    thing: Any = SimpleNamespace(namespace="ns", name="chat")
    adapters: Any = SimpleNamespace(router=the_router)
    plan: Any = SimpleNamespace()
    want = Wanted(route=True, going_back=going_back)
    await world._look(thing, plan, want, SimpleNamespace(), adapters)  # type: ignore[arg-type]
    assert router.insisted == [going_back]
