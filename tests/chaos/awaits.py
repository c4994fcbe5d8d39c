"""Every `await` of some modules, by name, and faults at any one of them.

The modules' functions are compiled anew with each awaited value passed through `__at__`; their
code objects are swapped, so that every object that has the functions runs the new ones.
"""

import ast
import asyncio
import importlib
import inspect
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FunctionType, ModuleType
from typing import Any, TypeVar

Scope = TypeVar("Scope", ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

FAULTS = ("raise", "cancel", "hang", "lose")
"""Instead of it an exception; it is cancelled; it never ends; it happens and then an exception."""


class InjectedError(Exception):
    """What a fault of ours looks like."""


class _Marker(ast.NodeTransformer):
    """Passes every awaited value through `__at__(site, value)`."""

    def __init__(self, module: str) -> None:
        self.sites: list[str] = []
        self._scope = [module.removeprefix("cutover.")]

    def visit_Await(self, node: ast.Await) -> ast.Await:
        self.generic_visit(node)
        what = node.value.func if isinstance(node.value, ast.Call) else node.value
        name = f"{'.'.join(self._scope)} awaits {ast.unparse(what)}"
        count = sum(site == name or site.startswith(f"{name} #") for site in self.sites)
        site = name if count == 0 else f"{name} #{count + 1}"
        self.sites.append(site)
        through = ast.Name("__at__", ast.Load())
        node.value = ast.Call(through, [ast.Constant(site), node.value], [])
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        return self._inside(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        return self._inside(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        return self._inside(node)

    def _inside(self, node: Scope) -> Scope:
        self._scope.append(node.name)
        self.generic_visit(node)
        self._scope.pop()
        return node


def _marked(module: str) -> tuple[ast.Module, list[str]]:
    source = inspect.getsource(importlib.import_module(module))
    marker = _Marker(module)
    return ast.fix_missing_locations(marker.visit(ast.parse(source))), marker.sites


def sites(modules: tuple[str, ...]) -> list[str]:
    """Name every await."""
    return [site for module in modules for site in _marked(module)[1]]


@dataclass
class Injector:
    """Does faults at one site, one after the other each time it comes by, once for each that it is armed with."""

    site: str = ""
    faults: list[str] = field(default_factory=list)
    """Those that are still to be done."""
    done: set[str] = field(default_factory=set)
    cut: bool = True
    """Whether to tell by ``hanging`` of what hangs, so that the turn may be cut."""
    hanging: asyncio.Event = field(default_factory=asyncio.Event)

    def arm(self, site: str, faults: Sequence[str], *, cut: bool) -> None:
        fresh = sorted(
            faults, key=self.done.__contains__
        )  # of what comes by seldom, others each time
        self.site, self.faults, self.cut = site, fresh, cut
        self.hanging = asyncio.Event()  # an event belongs to the loop that first waits for it

    async def at(self, site: str, value: Awaitable[Any]) -> Any:
        if not self.faults or site != self.site:
            return await value
        fault = self.faults.pop(0)
        self.done.add(fault)
        if fault == "cancel":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            return await value
        if fault == "lose":
            await value
            raise InjectedError(site)
        _drop(value)
        if fault == "hang":
            if self.cut:
                self.hanging.set()
            await asyncio.Event().wait()
        raise InjectedError(site)


def _drop(value: Awaitable[Any]) -> None:
    if isinstance(value, asyncio.Future):
        value.cancel()
    elif inspect.iscoroutine(value):
        value.close()


@contextmanager
def injected(modules: tuple[str, ...]) -> Iterator[Injector]:
    """Run the modules' functions with faults at hand."""
    injector = Injector()
    before: list[tuple[FunctionType, CodeType]] = []
    try:
        for name in modules:
            module = importlib.import_module(name)
            codes = dict(_codes(compile(_marked(name)[0], module.__file__ or name, "exec")))
            vars(module)["__at__"] = injector.at
            for function in _functions(module):
                again = codes.get(function.__code__.co_qualname)
                if again is not None:
                    before.append((function, function.__code__))
                    function.__code__ = again
        yield injector
    finally:
        for function, code in before:
            function.__code__ = code


def _codes(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner.co_qualname, inner
            yield from _codes(inner)


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    """The module's own async functions, also as methods and behind decorators."""
    owners: list[Any] = [module, *(v for v in vars(module).values() if inspect.isclass(v))]
    seen: set[int] = set()
    for owner in owners:
        if getattr(owner, "__module__", module.__name__) != module.__name__:
            continue
        for value in list(vars(owner).values()):
            found = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            found = inspect.unwrap(found) if callable(found) else found
            mine = isinstance(found, FunctionType) and found.__module__ == module.__name__
            if mine and id(found) not in seen and found.__code__.co_name != "<lambda>":
                seen.add(id(found))
                yield found
