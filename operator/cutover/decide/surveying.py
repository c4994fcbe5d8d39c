"""Checks of what preflight asks beside the looks: rights, models, what the target's pods need, golden sets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from cutover.api.completion import SourceAfter
from cutover.api.parity import PromptTokens
from cutover.api.status import Plan
from cutover.decide.check import Check, awaited, failed, passed, unknown, warned
from cutover.decide.readings import Gap, Missing
from cutover.decide.replaying import golden_askings
from cutover.decide.surroundings import Ending, Model, Prompts, Rights, Surroundings, Thing, Unfit
from cutover.judge.wording import count

SHOWN = 6
"""So many of a kind are named; more are counted."""
NOT_TOLD = frozenset({Missing.UNREACHABLE, Missing.UNAUTHORISED, Missing.CREDENTIALS})


def surroundings_checks(found: Surroundings | None, plan: Plan) -> Iterator[Check]:
    """Check what was asked; None: nothing was."""
    if found is None:
        return
    yield _rights(found.rights)
    yield from _models(found, plan)
    yield from _prompts(found.prompts, plan)
    if plan.target.workload is not None:
        yield _things("pod references", "ReferenceMissing", found.references, is_needed=True)
        yield _things("images", "ImageMissing", found.images, is_needed=False)
    yield from _golden(found.golden, plan)
    if plan.after_completion.source is SourceAfter.SCALE_TO_ZERO:
        yield _ending(found.ending)


def _rights(found: Rights | Gap | None) -> Check:
    name = "permissions"
    if found is None:
        return awaited(
            name, "PermissionsNotAsked", "the API servers are being asked what is allowed"
        )
    if isinstance(found, Gap):
        return unknown(name, found.missing.value, f"cannot be asked: {found.message}")
    needed = [one.what for one in found.denied if not one.without]
    if needed:
        text = (
            f"it is not allowed to {_listed(needed, '; to ')}: grant it to the account in use there"
        )
        return failed(name, "PermissionMissing", text)
    if found.denied:
        rest = _listed([one.what for one in found.denied], "; to ")
        then = "; ".join(dict.fromkeys(one.without for one in found.denied))
        return warned(name, "PermissionMissing", f"it is not allowed to {rest}: {then}")
    return passed(name, f"all {found.asked} things that the run does are allowed")


# --- models ---------------------------------------------------------------------------------------


def _models(found: Surroundings, plan: Plan) -> Iterator[Check]:
    sides = {"source": plan.source.endpoint, "target": plan.target.endpoint}
    for side in [name for name, endpoint in sides.items() if endpoint is None]:
        del sides[side]
    if not sides:
        return
    for side in sides:
        seen = found.models.get(side)
        if seen is None:
            yield awaited("model", "ModelNotAsked", f"the {side}'s endpoint is being asked")
            return
        if isinstance(seen, Gap):
            told = warned if seen.missing in NOT_TOLD else unknown
            yield told("model", seen.missing.value, f"spec.{side}.endpoint: {seen.message}")
            return
    known = {side: one for side, one in found.models.items() if isinstance(one, Model)}
    yield _not_served(known, plan) or _unlike(known, plan)


def _not_served(known: dict[str, Model], plan: Plan) -> Check | None:
    """Whether a side does not serve the model that its endpoint names."""
    for side, endpoint in (("source", plan.source.endpoint), ("target", plan.target.endpoint)):
        model, wanted = known.get(side), endpoint.model if endpoint is not None else None
        if model is not None and wanted is not None and wanted not in model.names:
            return failed(
                "model",
                "ModelNotServed",
                f"the {side}'s server serves {_listed(model.names)}, not {wanted}: correct"
                f" spec.{side}.endpoint.model, or serve it under that name",
            )
    return None


def _unlike(known: dict[str, Model], plan: Plan) -> Check:
    source, target = known.get("source"), known.get("target")
    if source is None or target is None:
        (side, only), *_ = known.items()
        return passed("model", f"the {side} serves {_listed(only.names)}")
    named = (plan.source.endpoint, plan.target.endpoint)
    ours, theirs = (one.model if one is not None else None for one in named)
    lacking = [one for one in source.names if one not in target.names]
    if lacking and (ours is None or theirs is None):
        return failed(
            "model",
            "ModelDiffers",
            f"the source serves {_listed(lacking)}, and the target {_listed(target.names)}: requests that"
            " name the source's model would fail there; serve it under the same name, or name both models"
            " in endpoint.model",
        )
    if ours != theirs and ours is not None and theirs is not None:
        return warned(
            "model",
            "ModelDiffers",
            f"the source's model is called {ours} and the target's {theirs}: requests that name it fail on"
            " the other side unless the gateway rewrites them",
        )
    if source.max_context and target.max_context and target.max_context < source.max_context:
        return warned(
            "model",
            "ContextShorter",
            f"the target takes {count(target.max_context)} tokens and the source"
            f" {count(source.max_context)}: longer requests would fail",
        )
    return passed(
        "model", f"both serve {_listed((ours and [ours]) or source.names)}{_beside(source, target)}"
    )


def _beside(source: Model, target: Model) -> str:
    told = []
    if source.max_context and source.max_context == target.max_context:
        told.append(f"{count(source.max_context)} tokens of context")
    if source.version and target.version:
        same = source.version == target.version
        versions = source.version if same else f"{source.version} and {target.version}"
        told.append(f"server version{'' if same else 's'} {versions}")
    return f", {', '.join(told)}" if told else ""


def _prompts(found: Prompts | Gap | None, plan: Plan) -> Iterator[Check]:
    gate = next((one for one in plan.gates if one.parity is not None), None)
    if gate is None or gate.parity is None:
        return
    name = "prompt tokens"
    if found is None:
        yield awaited(name, "PromptsNotAsked", "both sides are being asked one golden input")
    elif isinstance(found, Gap):
        yield unknown(name, found.missing.value, found.message)
    elif found.source is None or found.target is None:
        yield unknown(name, "NotTold", "the servers do not say how many tokens a prompt has")
    elif found.source == found.target:
        yield passed(name, f"both sides count {found.source} in golden item {found.item}")
    else:
        told = warned if gate.parity.prompt_tokens is PromptTokens.REPORT else failed
        yield told(
            name,
            "PromptTokensDiffer",
            f"in golden item {found.item} of gate {found.gate} the source counts {found.source} tokens and"
            f" the target {found.target}: their tokenizers or chat templates differ",
        )


# --- what the target's pods need ------------------------------------------------------------------


def _things(
    name: str, reason: str, found: tuple[Thing, ...] | Gap | None, *, is_needed: bool
) -> Check:
    if found is None:
        return awaited(name, f"{reason}Unknown", "is being looked for")
    if isinstance(found, Gap):
        return unknown(name, found.missing.value, found.message)
    missing = [one for one in found if one.present is False]
    unsure = [one for one in found if one.present is None]
    if missing:
        then = "no pod" if is_needed else "a node that cannot pull it either"
        could = "could be started anew" if is_needed else "could start no pod anew"
        text = f"the target's workload names {_with_why(missing)}: {then} {could}"
        return (failed if is_needed else warned)(name, reason, text)
    if unsure:
        return unknown(name, "NotTold", f"cannot be told of {_with_why(unsure)}")
    how = "" if is_needed else ", asked without credentials"
    return passed(name, f"all {len(found)} that the target's workload names are there{how}")


def _with_why(things: Sequence[Thing]) -> str:
    return _listed([f"{one.name} ({one.why})" if one.why else one.name for one in things])


# --- golden sets ----------------------------------------------------------------------------------


def _golden(found: Mapping[str, int | Unfit] | Gap | None, plan: Plan) -> Iterator[Check]:
    wanted = golden_askings(plan)
    if not wanted:
        return
    name = "golden sets"
    if found is None:
        yield awaited(name, "GoldenSetNotRead", "are being fetched")
    elif isinstance(found, Gap):
        yield unknown(name, found.missing.value, found.message)
    else:
        unfit = {who: one for who, one in found.items() if isinstance(one, Unfit)}
        for who, one in unfit.items():
            only_reports = any(gate.name == who and gate.only_reports for gate in plan.gates)
            told = warned if only_reports else failed
            yield told(f"golden set of {who}", one.reason, one.message)
        if not unfit:
            sizes = ", ".join(
                f"{who}: {count(n)} items" for who, n in found.items() if isinstance(n, int)
            )
            yield passed(name, sizes)


# --- the end --------------------------------------------------------------------------------------


def _ending(found: Ending | Gap | None) -> Check:
    """Whether the source, as it is now, would be scaled to zero at the end."""
    name = "source's end"
    if found is None:
        return awaited(name, "SourceNotRead", "the source's workload is being read")
    if isinstance(found, Gap):
        return unknown(name, found.missing.value, found.message)
    if found.kept is not None:
        text = f"afterCompletion.source: ScaleToZero would keep the source: {found.kept}"
        return warned(name, "SourceWouldBeKept", text)
    first = f", after {_listed(found.paused)}" if found.paused else ""
    return passed(name, f"its workload can be scaled to zero{first}")


def _listed(names: Iterable[str], between: str = ", ") -> str:
    given = list(names)
    more = len(given) - SHOWN
    return between.join(given[:SHOWN]) + (f" and {more} more" if more > 0 else "")
