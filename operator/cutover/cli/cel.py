"""Kubernetes' dialect of CEL: the language's own runtime, and the few functions it lacks."""

import functools
import itertools
from typing import Any, Final
from urllib.parse import urlsplit

from cel_expr_python import cel  # type: ignore[import-untyped]
from cel_expr_python.ext import ext_optional, ext_strings  # type: ignore[import-untyped]

_TYPE: Final = cel.Type
_LIST: Final = cel.Type.List(cel.Type.DYN)
_WORDS: Final = """as break const continue else false for function if import in let loop namespace
null package return true var void while"""
_RESERVED: Final = frozenset(_WORDS.split())


class CelError(ValueError):
    """The rule came to no answer; the API server refuses the object then."""


def holds(rule: str, value: Any) -> bool:
    """Whether ``rule`` is true of ``value``, which it calls ``self``."""
    answer = _compiled(rule).eval(data={"self": value})
    if answer.type() != _TYPE.BOOL:
        raise CelError(str(answer.value()))
    return bool(answer.value())


def matches(pattern: str, text: str) -> bool:
    """Whether an OpenAPI ``pattern`` is found in the text, by the API server's kind of regex (RE2)."""
    answer = _compiled("self.text.matches(self.pattern)").eval(
        data={"self": {"text": text, "pattern": pattern}}
    )
    return answer.value() is True


def escaped(name: str) -> str:
    """Spell a field's name as rules must, where it is one of the language's own words."""
    return f"__{name}__" if name in _RESERVED else name


@functools.cache
def _compiled(rule: str) -> cel.Expression:
    return _environment().compile(rule)


@functools.cache
def _environment() -> cel.Env:
    def function(
        name: str, given: cel.Type, made: cel.Type, does: Any, *, member: bool = False
    ) -> cel.FunctionDecl:
        overload = cel.Overload(f"kubernetes_{name}", made, [given], member, does)
        return cel.FunctionDecl(name, [overload])

    return cel.NewEnv(
        variables={"self": _TYPE.DYN},
        extensions=[ext_optional.ExtOptional(), ext_strings.ExtStrings()],
        functions=[
            function("isSorted", _LIST, _TYPE.BOOL, _is_sorted, member=True),
            function("isURL", _TYPE.STRING, _TYPE.BOOL, _is_url),
            function("url", _TYPE.STRING, _TYPE.STRING, str),
            function("getHostname", _TYPE.STRING, _TYPE.STRING, _hostname, member=True),
        ],
    )


def _is_sorted(entries: list[Any]) -> bool:
    return all(before <= after for before, after in itertools.pairwise(entries))


def _is_url(text: str) -> bool:
    """As Go parses it: absolute, and with a port that is a number."""
    try:
        parts = urlsplit(text)
        return bool(parts.scheme and parts.netloc and parts.port != -1)
    except ValueError:  # from the parsing, or from the port
        return False


def _hostname(text: str) -> str:
    return urlsplit(text).hostname or ""
