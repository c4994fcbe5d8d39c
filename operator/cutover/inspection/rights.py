"""Which of the things that a run does are allowed, asked of the API servers themselves."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from cutover.api.clusters import ClusterRef
from cutover.api.completion import SourceAfter
from cutover.api.sides import Side, Workload
from cutover.api.status import Plan
from cutover.clusters.answers import Failed
from cutover.clusters.connection import Connection
from cutover.clusters.workloads import PLURALS
from cutover.decide.observation import Refusal
from cutover.decide.readings import Gap, Missing
from cutover.decide.replaying import golden_askings
from cutover.decide.surroundings import Denied, Rights
from cutover.traffic.layout import Kind

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
DEADLINE = 3.0
HPAS = "horizontalpodautoscalers"
SCALED_OBJECTS = "scaledobjects"
SCALE_TO_ZERO = SourceAfter.SCALE_TO_ZERO
SEEN_LATER = "what others change is seen at the next look only"
KEPT = "the source is kept as it is at the end"

Connect = Callable[[ClusterRef], Awaitable[Connection | Refusal]]


@dataclass(frozen=True, slots=True)
class Right:
    """One thing that the run does."""

    ref: ClusterRef
    verb: str
    group: str
    resource: str
    namespace: str
    name: str = ""
    """Empty: any of that namespace."""
    without: str = ""
    """See `Denied`."""

    def attributes(self) -> dict[str, str]:
        """As the API server is asked."""
        asked = {
            "verb": self.verb,
            "group": self.group,
            "resource": self.resource,
            "namespace": self.namespace,
        }
        return asked | ({"name": self.name} if self.name else {})

    def in_words(self, cluster: str) -> str:
        """``patch httproutes.gateway.networking.k8s.io chat in namespace inference of the …``."""
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        name = f" {self.name}" if self.name else ""
        return f"{self.verb} {kind}{name} in namespace {self.namespace} of the {cluster}"


def rights_of(
    plan: Plan, namespace: str, kinds: Sequence[Kind], paused: Sequence[str] = ()
) -> Iterator[Right]:
    """Everything that the run does on API servers for this plan, beside its own object.

    ``kinds`` are the routes', in their order. ``paused`` are KEDA's ScaledObjects of the source's workload,
    which are paused before it is scaled to zero; an empty name: which they are may not be listed.
    """
    for named, kind in zip(plan.traffic.every_route, kinds, strict=True):
        yield from _route(plan.traffic.cluster, named.name, kind, namespace)
    for side in (plan.source, plan.target):
        if side.workload is not None:
            yield _workload(side, side.workload, namespace)
    if plan.source.workload is not None and plan.after_completion.source is SCALE_TO_ZERO:
        yield from _scaling(_workload(plan.source, plan.source.workload, namespace), paused)
    for gate in plan.gates:
        results = gate.holdout.results if gate.holdout is not None else None
        if results is not None:
            yield _config_map(plan.source.cluster, namespace, results.source)
            yield _config_map(plan.target.cluster, namespace, results.target)
    for asking in golden_askings(plan).values():
        if asking.dataset.config_map_key_ref is not None:
            yield _config_map(ClusterRef(), namespace, asking.dataset.config_map_key_ref.name)


def _route(ref: ClusterRef, name: str, kind: Kind, namespace: str) -> Iterator[Right]:
    route = Right(ref, "get", kind.group, kind.plural, ref.namespace or namespace, name)
    yield from (route, replace(route, verb="patch"))
    for verb in ("list", "watch"):
        yield replace(route, verb=verb, name="", without=SEEN_LATER)


def _scaling(workload: Right, paused: Sequence[str]) -> Iterator[Right]:
    """What `clusters.scaling` calls: KServe's kinds take their autoscalers along, those of others are listed.

    Where KEDA is not installed its list is asked for too: a server says that it has no such kind only to
    who might list it.
    """
    yield replace(workload, verb="patch", without=KEPT)
    if workload.group != "apps":
        return
    for group, resource in (("autoscaling", HPAS), ("keda.sh", SCALED_OBJECTS)):
        place = workload.ref, "list", group, resource, workload.namespace
        yield Right(*place, without=KEPT)
    for name in paused:
        place = workload.ref, "patch", "keda.sh", SCALED_OBJECTS, workload.namespace
        yield Right(*place, name, KEPT)


def _config_map(ref: ClusterRef, namespace: str, name: str) -> Right:
    return Right(ref, "get", "", "configmaps", ref.namespace or namespace, name)


def _workload(side: Side, workload: Workload, namespace: str) -> Right:
    group, plural = workload.api_version.rpartition("/")[0], PLURALS.get(workload.kind, "")
    place = side.cluster.namespace or namespace
    return Right(side.cluster, "get", group, plural, place, workload.name)


async def ask_rights(rights: Sequence[Right], connect: Connect) -> Rights | Gap:
    """Ask all at once; what cannot be asked is one gap, since nothing is known to be forbidden then."""
    answers = await asyncio.gather(*(_ask(right, connect) for right in dict.fromkeys(rights)))
    denied = [one for one in answers if isinstance(one, Denied)]
    gaps = [one for one in answers if isinstance(one, Gap)]
    if gaps and not denied:
        return gaps[0]
    return Rights(len(answers), tuple(denied))


async def _ask(right: Right, connect: Connect) -> Denied | Gap | None:
    connection = await connect(right.ref)
    if isinstance(connection, Refusal):
        return Gap(Missing.CREDENTIALS, connection.message)
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": right.attributes()},
    }
    answer = await connection.post(REVIEWS, review, deadline=DEADLINE)
    if isinstance(answer, Failed):
        return Gap(Missing.UNREACHABLE, answer.message)
    status = answer.body.get("status")
    if isinstance(status, dict) and status.get("allowed") is True:
        return None
    return Denied(right.in_words(connection.name), right.without)
