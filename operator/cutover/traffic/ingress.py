"""PURE: weights in an Ingress's annotations: a forward action of an AWS load balancer, and nginx's canary.

Neither controller says in the Ingress that it took a change: request counters show whether it did.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cutover.api.proxies import AlbIngress, AlbTargetGroup, NginxCanary
from cutover.traffic.layout import (
    BACKEND_NOT_FOUND,
    BACKEND_REPEATED,
    Entry,
    Found,
    Kind,
    Object,
    Place,
    Problem,
    pointer,
    weights_written,
)
from cutover.traffic.standing import ABSENT, number_at, number_inside, parsed

_KIND: Final = Kind("networking.k8s.io", "v1", "ingresses", "Ingress", "use another API server")
_ALB: Final = "alb.ingress.kubernetes.io/actions."
_NGINX: Final = "nginx.ingress.kubernetes.io/canary"
LARGEST: Final = 999
"""Of one target group, says the AWS API."""
NUMBER_MISSING: Final = "NumberMissing"


@dataclass(frozen=True, slots=True)
class AlbLayout:
    """The target groups' weights in the JSON of one annotation."""

    wanted: AlbIngress
    kind = _KIND

    @property
    def owned(self) -> Sequence[str]:
        """The annotation."""
        return ("f:metadata", "f:annotations", f"f:{self._annotation}")

    @property
    def _annotation(self) -> str:
        return f"{_ALB}{self.wanted.action}"

    def find(self, seen: Object) -> Found:
        """Read the forward action's target groups."""
        text = (seen["metadata"].get("annotations") or {}).get(self._annotation)
        action = parsed(text)
        path, groups = _target_groups(action)
        if not groups:
            return Found((), self._without_groups(text))
        sources: list[Entry] = []
        targets: list[Entry] = []
        others = 0
        for index, group in enumerate(groups):
            sides = [
                side
                for side, one in (
                    (sources, self.wanted.source_backend),
                    (targets, self.wanted.target_backend),
                )
                if _is_meant(one, group)
            ]
            parts = [*path, str(index), _spelled(group, "weight")]
            entry = number_inside(
                seen, pointer(("metadata", "annotations", self._annotation)), parts
            )
            if sides and entry is None:
                return Found((), self._weightless(group))
            if sides and entry is not None:
                sides[0].append(entry)
            elif entry is not None:
                others += entry.weight
        place = Place(0, tuple(sources), tuple(targets), others)
        whole = (place,) if sources and targets else ()
        return Found(whole, self._problem(place), largest=LARGEST)

    numbers = staticmethod(weights_written)

    def _problem(self, place: Place) -> Problem | None:
        for entries, one, side in (
            (place.sources, self.wanted.source_backend, "sourceBackend"),
            (place.targets, self.wanted.target_backend, "targetBackend"),
        ):
            if not entries:
                return Problem(
                    BACKEND_NOT_FOUND,
                    f"the annotation {self._annotation} names no {one}: add it to its target groups with"
                    f" weight 0, or correct {self.wanted.field}.{side}",
                )
            if len(entries) > 1:
                return Problem(
                    BACKEND_REPEATED,
                    f"the annotation {self._annotation} names {one} {len(entries)} times: keep one, or give"
                    f" the port in {self.wanted.field}.{side}.servicePort",
                )
        return None

    def _without_groups(self, text: Any) -> Problem:
        what = "has no annotation" if text is None else "has no target groups in its annotation"
        return Problem(
            BACKEND_NOT_FOUND,
            f"Ingress {self.wanted.name} {what} {self._annotation}: write there a forward action whose"
            " forwardConfig.targetGroups name both backends with weights",
        )

    def _weightless(self, group: Mapping[str, Any]) -> Problem:
        called = group.get(_spelled(group, "serviceName")) or "one target group"
        return Problem(
            NUMBER_MISSING,
            f"the annotation {self._annotation} gives {called} no weight: write one, 0 for the target",
        )


@dataclass(frozen=True, slots=True)
class NginxLayout:
    """``canary-weight`` of the canary Ingress; the rest of ``canary-weight-total`` is the source's."""

    wanted: NginxCanary
    kind = _KIND
    owned = ("f:metadata", "f:annotations", f"f:{_NGINX}-weight")

    def find(self, seen: Object) -> Found:
        """Read the canary's weight and of how much it is one."""
        annotations = seen["metadata"].get("annotations") or {}
        total = annotations.get(f"{_NGINX}-weight-total", "100")
        if annotations.get(_NGINX) != "true":
            return Found(
                (),
                Problem(
                    BACKEND_NOT_FOUND,
                    f'Ingress {self.wanted.name} is no canary: annotate it with {_NGINX}: "true", or name in'
                    f" {self.wanted.field}.name the second Ingress, which leads to the target",
                ),
            )
        target = number_at(seen, _at(f"{_NGINX}-weight"))
        whole = int(total) if total.isdecimal() and 0 < int(total) <= 1_000_000 else 0
        if target is None or not whole or target.weight > whole:
            return Found(
                (),
                Problem(
                    NUMBER_MISSING,
                    f"Ingress {self.wanted.name} needs numbers in {_NGINX}-weight (now"
                    f" {annotations.get(f'{_NGINX}-weight')}) and {_NGINX}-weight-total (now {total}), the first"
                    ' not above the second: write "0" and "100"',
                ),
            )
        tests = tuple(
            (_at(name), annotations[name])
            for name in (_NGINX, f"{_NGINX}-weight-total")
            if name in annotations
        )
        entry = Entry(target.pointer, target.weight, tests, target.text, target.span)
        return Found((Place(0, (), (entry,), rest=whole - target.weight),), whole=whole)

    numbers = staticmethod(weights_written)


def _at(annotation: str) -> str:
    return pointer(("metadata", "annotations", annotation))


def _target_groups(action: Any) -> tuple[list[str], Sequence[Mapping[str, Any]]]:
    """Return the path of the list, as it is spelled there, and the list; the controller minds no case."""
    path: list[str] = []
    for name in ("forwardConfig", "targetGroups"):
        if not isinstance(action, Mapping):
            return path, ()
        path.append(_spelled(action, name))
        action = action.get(path[-1], ABSENT)
    groups = action if isinstance(action, list) else []
    return path, [group for group in groups if isinstance(group, Mapping)]


def _spelled(thing: Mapping[str, Any], name: str) -> str:
    return next((key for key in thing if key.casefold() == name.casefold()), name)


def _is_meant(wanted: AlbTargetGroup, group: Mapping[str, Any]) -> bool:
    def told(name: str) -> Any:
        return group.get(_spelled(group, name))

    if wanted.target_group_arn is not None:
        return bool(told("targetGroupARN") == wanted.target_group_arn)
    port = wanted.service_port
    return told("serviceName") == wanted.service_name and port in (None, str(told("servicePort")))
