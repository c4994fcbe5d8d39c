"""The spec with every default resolved: what is in force for one attempt."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from pydantic import ValidationError

from cutover.api.analysis import Analysis
from cutover.api.completion import AfterCompletion, SourceAfter
from cutover.api.gates import Gate, GateKind
from cutover.api.golden import MODEL_IN_PATH
from cutover.api.parity import FITTING, RANKS_ALONE, Compare
from cutover.api.quantities import parse_duration
from cutover.api.sides import Profile
from cutover.api.spec import Spec
from cutover.api.status import Plan
from cutover.api.steps import MOST_SHADOWS, Soak, Step, StepKind
from cutover.api.traffic import ROUTERS
from cutover.decide.applying import overridden
from cutover.decide.draining import completion_refusal
from cutover.decide.holdout import holdout_refusal
from cutover.decide.observation import Commands, Refusal
from cutover.decide.outputs import outputs_refusal
from cutover.decide.tellable import Tells, preferred_gates, untellable
from cutover.decide.together import together_refusal
from cutover.decide.windows import windows_refusal

DEFAULT_STEPS = (
    *(Step(weight=weight) for weight in (1, 5, 10, 25, 50, 75, 100)),
    Step(soak=Soak(duration="1h")),
)


WORKLOADS = (
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("serving.kserve.io", "InferenceService"),
    ("serving.kserve.io", "LLMInferenceService"),
)
"""API group and kind of what can tell how many of its replicas are ready."""


def read_commands(rollout: Mapping[str, Any], *, finalizer: str, keep: bool) -> Commands:
    """Read what people say without trusting any schema: a field of the wrong type is as if absent."""
    meta = rollout.get("metadata") or {}
    spec = rollout.get("spec")
    spec = spec if isinstance(spec, Mapping) else {}
    attempt = spec.get("attempt")
    given = spec.get("approved")
    approved = frozenset(
        (str(one["name"]), int(one["attempt"]))
        for one in (given if isinstance(given, list) else [])
        if isinstance(one, Mapping) and "name" in one and isinstance(one.get("attempt"), int)
    )
    return Commands(
        generation=int(meta.get("generation") or 0),
        attempt=attempt if isinstance(attempt, int) and attempt >= 1 else 1,
        paused=spec.get("paused") is True,
        abort=spec.get("abort") is True,
        approved=approved,
        deleting=bool(meta.get("deletionTimestamp")),
        keep_on_delete=keep,
        has_finalizer=finalizer in (meta.get("finalizers") or []),
        keeps_source=_keeps_source(spec),
    )


def _keeps_source(spec: Mapping[str, Any]) -> bool:
    wish = spec.get("afterCompletion")
    return not isinstance(wish, Mapping) or wish.get("source") != SourceAfter.SCALE_TO_ZERO


def resolve(
    rollout: Mapping[str, Any],
    *,
    operator_version: str,
    default_gates: Mapping[Profile, Sequence[Gate]],
    metrics: Mapping[Profile, Tells],
) -> Plan | Refusal:
    """Turn the spec into a plan, or say in one sentence what is wrong with it.

    ``default_gates`` are each profile's own gates, ``metrics`` is what it can tell.
    """
    try:
        spec = Spec.model_validate(rollout.get("spec") or {})
    except ValidationError as error:
        return Refusal("InvalidSpec", _first_fault(error))
    given = spec.gates
    gates = list(given) if given is not None else preferred_gates(spec, metrics, default_gates)
    if isinstance(gates, Refusal):
        return gates
    plan = Plan(
        generation=int(rollout["metadata"].get("generation") or 0),
        operator_version=operator_version,
        attempt=spec.attempt or 1,
        profile=spec.profile,
        custom=spec.custom,
        source=spec.source,
        target=spec.target,
        traffic=spec.traffic,
        steps=list(spec.steps) if spec.steps is not None else list(DEFAULT_STEPS),
        steps_omitted=True if spec.steps is None else None,
        windows=list(spec.windows or ()),
        analysis=spec.analysis,
        gates=[gate.resolved() for gate in gates],
        guards=spec.guards,
        capacity=spec.capacity,
        warm_up=spec.warm_up,
        after_completion=spec.after_completion or AfterCompletion(),
    )
    return _refusal(plan, str(rollout["metadata"]["namespace"]), metrics) or plan


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"])
    return f"spec{path} cannot be used ({fault['msg']}): correct it and apply again"


def _refusal(plan: Plan, namespace: str, metrics: Mapping[Profile, Tells]) -> Refusal | None:
    return (
        _route_refusal(plan)
        or _steps_refusal(plan.steps)
        or _overrides_refusal(plan)
        or _gates_refusal(plan, metrics)
        or _replay_refusal(plan)
        or _durations_refusal(plan)
        or _endpoint_refusal(plan)
        or _workload_refusal(plan)
        or windows_refusal(plan.windows)
        or completion_refusal(plan, metrics)
        or _namespace_refusal(plan, namespace)
    )


def _route_refusal(plan: Plan) -> Refusal | None:
    if len(plan.traffic.routes) == 1:
        return _together_refusal(plan)
    return Refusal("InvalidSpec", f"spec.traffic must name exactly one route: {', '.join(ROUTERS)}")


def _together_refusal(plan: Plan) -> Refusal | None:
    """Say why these routes cannot be moved together."""
    more = plan.traffic.additional_routes or ()
    odd = next((n for n, one in enumerate(more) if len(one.routes) != 1), None)
    if odd is not None:
        where = f"spec.traffic.additionalRoutes[{odd}]"
        return Refusal("InvalidSpec", f"{where} must name exactly one route: {', '.join(ROUTERS)}")
    if not more:
        return None
    named = [(one.kind, one.name) for one in plan.traffic.every_route]
    twice = next((one for one in named if named.count(one) > 1), None)
    if twice is not None:
        return Refusal(
            "InvalidSpec",
            f"spec.traffic names {twice[0]} {twice[1]} twice: take it out of additionalRoutes",
        )
    return together_refusal(plan.traffic)


def _steps_refusal(steps: Sequence[Step]) -> Refusal | None:
    weights = [step.weight for step in steps if step.weight is not None]
    if not weights or weights[-1] != 100:
        return Refusal("InvalidSpec", "spec.steps never reaches 100: end its weights with 100")
    if any(a >= b for a, b in pairwise(weights)):
        return Refusal("InvalidSpec", "spec.steps must raise the weight with every weight step")
    shadows = [i for i, step in enumerate(steps) if step.kind is StepKind.SHADOW]
    if shadows != list(range(len(shadows))) or len(shadows) > MOST_SHADOWS:
        return Refusal(
            "InvalidSpec",
            f"spec.steps may hold {MOST_SHADOWS} shadow steps, before every other step",
        )
    percents = [step.shadow.parts for step in steps if step.shadow is not None]
    if any(a >= b for a, b in pairwise(percents)):
        return Refusal("InvalidSpec", "spec.steps must mirror more with every shadow step")
    soaks = [i for i, step in enumerate(steps) if step.kind is StepKind.SOAK]
    if soaks and soaks != [len(steps) - 1]:
        return Refusal("InvalidSpec", "spec.steps may hold one soak, as its last step")
    return None


def _gates_refusal(plan: Plan, metrics: Mapping[Profile, Tells]) -> Refusal | None:
    for gate in plan.gates:
        if len(gate.kinds) != 1:
            return Refusal(
                "InvalidSpec", f"gate {gate.name} needs exactly one of {', '.join(GateKind)}"
            )
        if gate.before_traffic and gate.needs_traffic:
            return Refusal(
                "InvalidSpec",
                f"gate {gate.name} judges the target's share of the traffic and cannot run"
                " BeforeTraffic: leave its run out",
            )
        if (unfit := holdout_refusal(plan, gate) or outputs_refusal(plan, gate)) is not None:
            return unfit
    weights = [step.weight for step in plan.steps if step.weight is not None]
    mean = next((gate.name for gate in plan.gates if gate.mean_latency), None)
    if mean is not None and weights[0] == 100:
        return Refusal(
            "InvalidSpec",
            f"gate {mean} compares means, and at weight 100 the source has none to compare with: put a"
            " smaller weight first",
        )
    return untellable(plan, metrics)


def _overrides_refusal(plan: Plan) -> Refusal | None:
    """Say what a step has of its own and cannot have, or that names no gate of this rollout."""
    known = [gate.name for gate in plan.gates if not gate.before_traffic]
    for number, step in enumerate(plan.steps, start=1):
        here = f"spec.steps: step {number} ({step.description})"
        own = (step.settle, step.min_duration, step.max_duration, step.min_requests, step.gates)
        if step.weight is None and any(one is not None for one in own):
            return Refusal(
                "InvalidSpec", f"{here} is no weight step: it cannot have durations or gates"
            )
        unknown = [name for name in step.gates or () if name not in known]
        if unknown:
            names = ", ".join(known) or "none"
            return Refusal(
                "UnknownGate",
                f"{here} names gate {unknown[0]}, which is none that is judged at each step; those are:"
                f" {names}",
            )
    return None


def _replay_refusal(plan: Plan) -> Refusal | None:
    for gate in plan.gates:
        if gate.parity is None:
            continue
        fitting = FITTING[gate.parity.protocol]
        how = gate.parity.compare
        coarse = how is Compare.NUMERIC and gate.parity.precision in RANKS_ALONE
        if how is not None and (how not in fitting or coarse):
            return Refusal(
                "InvalidSpec",
                f"gate {gate.name} cannot compare answers of {gate.parity.protocol} by {how}: leave compare"
                " out, or see what fits with kubectl explain mro.spec.gates.parity",
            )
        for name, side in (("source", plan.source), ("target", plan.target)):
            if side.endpoint is None:
                return Refusal(
                    "InvalidSpec",
                    f"gate {gate.name} sends golden inputs to both sides' model servers: name the {name}'s"
                    f" in spec.{name}.endpoint",
                )
            if gate.parity.protocol in MODEL_IN_PATH and side.endpoint.model is None:
                return Refusal(
                    "InvalidSpec",
                    f"gate {gate.name} speaks {gate.parity.protocol}, which names the model in the path: set"
                    f" spec.{name}.endpoint.model",
                )
    return None


def _durations_refusal(plan: Plan) -> Refusal | None:
    refusal = _shorter_than_its_parts(plan.analysis, "spec.analysis")
    for number, step in enumerate(plan.steps, start=1):
        analysis = overridden(plan.analysis, step)
        if refusal is None and analysis is not plan.analysis:
            where = f"spec.steps: step {number} ({step.description}), with spec.analysis"
            refusal = _shorter_than_its_parts(analysis, where)
    return refusal


def _shorter_than_its_parts(analysis: Analysis, where: str) -> Refusal | None:
    longest = parse_duration(analysis.max_duration)
    for name, part in (("minDuration", analysis.min_duration), ("settle", analysis.settle)):
        if parse_duration(part) > longest:
            return Refusal(
                "InvalidSpec",
                f"{where}: {name} {part} is longer than maxDuration {analysis.max_duration}",
            )
    return None


def _endpoint_refusal(plan: Plan) -> Refusal | None:
    if plan.warm_up is None or plan.target.endpoint is not None:
        return None
    return Refusal(
        "InvalidSpec",
        "spec.warmUp sends requests to the target's model server: name it in spec.target.endpoint",
    )


def _workload_refusal(plan: Plan) -> Refusal | None:
    for name, side in (("source", plan.source), ("target", plan.target)):
        one = side.workload
        if one is not None and (one.api_version.partition("/")[0], one.kind) not in WORKLOADS:
            known = ", ".join(f"{kind} ({group})" for group, kind in WORKLOADS)
            return Refusal(
                "InvalidSpec",
                f"spec.{name}.workload is a {one.kind} of {one.api_version}, whose ready replicas the"
                f" operator cannot tell; it knows: {known}",
            )
    return None


def _namespace_refusal(plan: Plan, namespace: str) -> Refusal | None:
    """In the operator's own cluster a rollout may only touch its own namespace."""
    for field, ref in (
        ("source", plan.source.cluster),
        ("target", plan.target.cluster),
        ("traffic", plan.traffic.cluster),
    ):
        if ref.is_own and ref.namespace not in (None, namespace):
            return Refusal(
                "NamespaceNotAllowed",
                f"spec.{field}.cluster.namespace is {ref.namespace}, but in the operator's own cluster"
                f" only the rollout's namespace {namespace} may be used: move the rollout there or"
                " name another cluster, such as by kubeconfigSecretRef",
            )
    return None


def edited(plan: Plan, draft: Plan) -> bool:
    """Whether the draft differs in what evidence rests on: not in its author, nor in when it may go on."""
    author = {"generation": 0, "operator_version": "", "attempt": 0, "steps_omitted": None}
    neutral = {**author, "windows": []}
    return plan.model_copy(update=neutral) != draft.model_copy(update=neutral)


def unchanged(plan: Plan, draft: Plan) -> frozenset[str]:
    """The gates that ask the same of the same servers in both: what they proved still holds."""
    about = {"source", "target", "profile", "custom"}
    seen_anew = plan.traffic.gateway != draft.traffic.gateway
    if seen_anew or plan.model_dump(include=about) != draft.model_dump(include=about):
        return frozenset()
    return frozenset(gate.name for gate in draft.gates if gate in plan.gates)


def _rewritten(past: Sequence[Step], draft: Sequence[Step]) -> int | None:
    """Return the index of the first past step that the draft has otherwise or not at all."""
    return next((i for i, step in enumerate(past) if list(draft[i : i + 1]) != [step]), None)


def edit_refusal(plan: Plan, draft: Plan, executed: int) -> Refusal | None:
    """Say why the draft cannot replace the plan once ``executed`` steps (the current one included) are past."""
    rewritten = _rewritten(plan.steps[:executed], draft.steps)
    if rewritten is not None:
        return Refusal(
            "RewritesPast",
            f"spec.steps changes step {rewritten + 1} ({plan.steps[rewritten].description}), which is done"
            " or under way: the rollout goes on by its frozen plan; put that step back and change later ones",
        )
    frozen = {"on_override", "delivery", "gateway"}
    moved = (
        plan.source.cluster != draft.source.cluster
        or plan.target.cluster != draft.target.cluster
        or plan.traffic.model_dump(exclude=frozen) != draft.traffic.model_dump(exclude=frozen)
    )
    if moved:
        return Refusal(
            "ImmutableWhileMoving",
            "spec.source.cluster, spec.target.cluster and spec.traffic cannot change while traffic"
            " moves: the rollout goes on by its frozen plan; abort first, then raise attempt",
        )
    return None
