"""Which model an endpoint says that it serves: OpenAI's list of models, or the Open Inference Protocol V2."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from cutover.api.sides import Endpoint, Profile
from cutover.decide.readings import Gap, Missing
from cutover.decide.surroundings import Model
from cutover.judge.golden import Unanswered, Why
from cutover.replay.client import ModelServer

DEADLINE: Final = 3.0
V2: Final = frozenset({Profile.TRITON, Profile.KSERVE, Profile.MLSERVER})
_MISSING: Final = {
    Why.UNREACHABLE: Missing.UNREACHABLE,
    Why.TOO_SLOW: Missing.UNREACHABLE,
    Why.OVERLOADED: Missing.UNREACHABLE,
    Why.UNAUTHORISED: Missing.UNAUTHORISED,
}
MOST_NAMES: Final = 64
LONGEST_NAME: Final = 253


async def ask_model(server: ModelServer, endpoint: Endpoint, profile: Profile) -> Model | Gap:
    """Ask once, with a few requests."""
    if profile in V2:
        return await _open_inference(server, endpoint)
    if profile is Profile.TFSERVING:
        return await _named(server, endpoint, f"/v1/models/{quote(endpoint.model or '', safe='')}")
    return await _openai(server, endpoint)


async def _openai(server: ModelServer, endpoint: Endpoint) -> Model | Gap:
    listed = await server.json_at("/v1/models", DEADLINE)
    if isinstance(listed, Unanswered):
        return _gap(listed)
    models = [one for one in listed.get("data") or () if isinstance(one, Mapping)]
    names = tuple(filter(None, (_text(one.get("id")) for one in models[:MOST_NAMES])))
    if not names:
        return Gap(Missing.NO_DATA, f"{server.url}/v1/models lists no model")
    wanted = [one for one in models if endpoint.model in (None, one.get("id"))]
    contexts = [_whole(one.get("max_model_len")) for one in wanted]
    told = await server.json_at("/version", DEADLINE)
    version = "" if isinstance(told, Unanswered) else _text(told.get("version"))
    return Model(names, next((one for one in contexts if one), None), version)


async def _open_inference(server: ModelServer, endpoint: Endpoint) -> Model | Gap:
    if endpoint.model is None:
        return Gap(Missing.NO_DATA, "name the model in endpoint.model, and it is asked for")
    path = f"/v2/models/{quote(endpoint.model, safe='')}"
    found = await _named(server, endpoint, path)
    told = await server.json_at("/v2", DEADLINE)
    if isinstance(found, Gap) or isinstance(told, Unanswered):
        return found
    return Model(found.names, found.max_context, _text(told.get("version")))


async def _named(server: ModelServer, endpoint: Endpoint, path: str) -> Model | Gap:
    told = await server.json_at(path, DEADLINE)
    if isinstance(told, Unanswered):
        return _gap(told)
    return Model((_text(told.get("name")) or endpoint.model or "",))


def _gap(unanswered: Unanswered) -> Gap:
    return Gap(_MISSING.get(unanswered.why, Missing.NO_DATA), unanswered.message)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _text(value: Any) -> str:
    """A server's name for something, fit for a sentence."""
    return value[:LONGEST_NAME] if isinstance(value, str) and value.isprintable() else ""
