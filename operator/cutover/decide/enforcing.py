"""What is done about somebody else's weights: a stop is obeyed, a raise undone or left to a person."""

from math import ceil

from cutover.api.status import PauseCause, Plan, Status
from cutover.api.traffic import OnOverride
from cutover.decide import claims, clocks, record
from cutover.decide.applying import analysis_in_force
from cutover.decide.clocks import AT_ONCE
from cutover.decide.decision import Decision, Lower, Said
from cutover.decide.looking import watching
from cutover.decide.observation import Observation, Refusal
from cutover.decide.override import (
    Override,
    OverrideKind,
    contested,
    enforced,
    expected_weights,
)
from cutover.decide.record import from_status
from cutover.decide.route import RouteSeen
from cutover.decide.share import mirrored

HALF_WRITTEN = "HalfWritten"


def answer_override(
    seen: Observation, status: Status, plan: Plan, route: RouteSeen, override: Override
) -> Decision:
    """Decide about weights that are not ours."""
    live, who = f"{override.live:g} %", override.manager
    if override.kind is OverrideKind.LOWERED:
        message = (
            f"{who} lowered the target to {live}: taken as an emergency stop and left as it is;"
            " resume to go on from there, or abort"
        )
        return _stopped(seen, status, plan, route, (PauseCause.EMERGENCY_STOP, message))
    if plan.traffic.on_override is OnOverride.PAUSE:
        message = (
            f"{who} raised the target to {live}; left as it is (onOverride: Pause): resume or abort"
        )
        return _stopped(seen, status, plan, route, (PauseCause.OVERRIDDEN, message))
    if contested(status, seen.now):
        message = (
            f"{who} keeps raising the target (now {live}), put back five times in ten minutes: the weights"
            " are left as they are; stop that writer, then resume"
        )
        return _stopped(seen, status, plan, route, (PauseCause.CONTESTED, message))
    return _put_back(seen, status, plan, override)


def _put_back(seen: Observation, status: Status, plan: Plan, override: Override) -> Decision:
    """Undo a raise; what was counted meanwhile was counted at other weights.

    A write that did not get through is the same enforcement tried again: counted, told and noted once.
    """
    percent = status.weights.applied or 0
    message = (
        f"{override.manager} raised the target to {override.live:g} %; put back to {percent} %"
        " (onOverride: Enforce)"
    )
    original = from_status(status.original)
    claim = claims.claim_for(seen, status, original, mirror=mirrored(status))
    action = Lower(expected_weights(status), claim, percent)
    trouble = Refusal("TrafficOverridden", message)
    if seen.trouble or seen.raced:
        return Decision(status, action, trouble=trouble, look_again=AT_ONCE)
    settled = clocks.settled(status, analysis_in_force(plan, status), seen.now)
    status = record.proof_afresh(status, seen.now if settled else None)
    status = record.noted(enforced(status, seen.now), seen.now, "TrafficOverridden", message)
    said = (Said("TrafficOverridden", message, warning=True),)
    return Decision(status, action, trouble=trouble, look_again=AT_ONCE, said=said)


def level(seen: Observation, status: Status, plan: Plan) -> Decision:
    """Take back a raise that reached only some of several routes; it is proven anew and tried again."""
    percent = status.weights.applied or 0
    message = (
        "an earlier raise reached only some of the routes that move together; all are put back to"
        f" {percent} %"
    )
    claim = claims.claim_for(seen, status, from_status(status.original))
    action = Lower(expected_weights(status), claim, percent)
    trouble = Refusal(HALF_WRITTEN, message)
    if seen.trouble or seen.raced:
        return Decision(status, action, trouble=trouble, look_again=AT_ONCE)
    settled = clocks.settled(status, analysis_in_force(plan, status), seen.now)
    status = record.proof_afresh(status, seen.now if settled else None)
    status = record.noted(status, seen.now, HALF_WRITTEN, message)
    said = (Said(HALF_WRITTEN, message, warning=True),)
    return Decision(status, action, trouble=trouble, look_again=AT_ONCE, said=said)


def _stopped(
    seen: Observation,
    status: Status,
    plan: Plan,
    route: RouteSeen,
    why: tuple[PauseCause, str],
) -> Decision:
    """Leave the weights as they are and wait for a person, whatever the rollout was paused for before."""
    cause, message = why
    live = ceil(route.highest)
    weights = status.weights.model_copy(
        update={
            "standing": record.to_status(route.rules),
            "desired": live,
            "applied": live,
            "applied_at": seen.now,
            "mirrored": None,
        }
    )
    status = record.proof_afresh(status.model_copy(update={"weights": weights}), None)
    status = record.paused(status, cause, seen.now, message)
    said = (Said(cause.value, message, warning=True),)
    return Decision(status, look_again=watching(status, plan), said=said)
