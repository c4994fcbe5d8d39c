"""What the pods of a workload need: images, Secrets and ConfigMaps, taken from its pod template."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cutover.api.sides import Workload
from cutover.clusters.answers import Failed, Reason
from cutover.clusters.connection import Connection
from cutover.clusters.workloads import deployed_as, workload_path
from cutover.decide.readings import Gap, Missing
from cutover.decide.surroundings import Thing

DEADLINE: Final = 3.0
MOST: Final = 64
_PATHS: Final = {"Secret": "secrets", "ConfigMap": "configmaps"}
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PodNeeds:
    """By name, each once."""

    images: tuple[str, ...]
    references: tuple[tuple[str, str], ...]
    """Kind and name of what a pod cannot start without."""


async def read_needs(connection: Connection, workload: Workload, namespace: str) -> PodNeeds | Gap:
    """Read the pod template; of KServe's kinds, that of the Deployment which it made."""
    made = deployed_as(workload)
    answer = await connection.get(workload_path(made or workload, namespace), deadline=DEADLINE)
    if isinstance(answer, Failed):
        return Gap(Missing.UNREACHABLE, answer.message)
    template = _at(_at(answer.body, "spec"), "template")
    spec = _at(template, "spec")
    if not spec:
        return Gap(Missing.NO_DATA, f"{workload.kind} {workload.name} shows no pod template")
    return needs_of(spec)


def needs_of(spec: Json) -> PodNeeds:
    """Take a pod's spec apart; what it marks as optional it can do without."""
    containers = [*_list(spec, "initContainers"), *_list(spec, "containers")]
    images = dict.fromkeys(str(one["image"]) for one in containers if one.get("image"))
    references = dict.fromkeys(_references(spec, containers))
    return PodNeeds(tuple(images)[:MOST], tuple(references)[:MOST])


def _references(spec: Json, containers: list[Json]) -> Iterator[tuple[str, str]]:
    for container in containers:
        for source in _list(container, "envFrom"):
            yield from _named(source, "secretRef", "Secret", "name")
            yield from _named(source, "configMapRef", "ConfigMap", "name")
        for variable in _list(container, "env"):
            origin = _at(variable, "valueFrom")
            yield from _named(origin, "secretKeyRef", "Secret", "name")
            yield from _named(origin, "configMapKeyRef", "ConfigMap", "name")
    for volume in _list(spec, "volumes"):
        yield from _named(volume, "secret", "Secret", "secretName")
        yield from _named(volume, "configMap", "ConfigMap", "name")
        for part in _list(_at(volume, "projected"), "sources"):
            yield from _named(part, "secret", "Secret", "name")
            yield from _named(part, "configMap", "ConfigMap", "name")


def _named(holder: Json, field: str, kind: str, key: str) -> Iterator[tuple[str, str]]:
    found = _at(holder, field)
    if found.get(key) and found.get("optional") is not True:
        yield kind, str(found[key])


async def find_references(
    connection: Connection, needs: PodNeeds, namespace: str
) -> tuple[Thing, ...]:
    """Look for each by its metadata alone; what the account may not see cannot be told."""
    asked = (_find(connection, kind, name, namespace) for kind, name in needs.references)
    return tuple(await asyncio.gather(*asked))


async def _find(connection: Connection, kind: str, name: str, namespace: str) -> Thing:
    path = f"/api/v1/namespaces/{namespace}/{_PATHS[kind]}/{name}"
    answer = await connection.get_metadata(path, deadline=DEADLINE)
    thing = f"{kind} {name}"
    if not isinstance(answer, Failed):
        return Thing(thing, present=True)
    if answer.reason is Reason.NOT_FOUND and answer.from_api_server:
        return Thing(thing, present=False, why="does not exist")
    why = {Reason.FORBIDDEN: "the account may not look at it"}
    return Thing(thing, present=None, why=why.get(answer.reason, "its API server did not say"))


def _at(holder: Json, field: str) -> Json:
    found = holder.get(field)
    return found if isinstance(found, Mapping) else {}


def _list(holder: Json, field: str) -> list[Json]:
    found = holder.get(field)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
