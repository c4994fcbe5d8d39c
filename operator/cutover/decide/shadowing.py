"""A shadow step: copies of requests go to the target, it is judged by what it makes of them, and nobody sees that.

What is mirrored stands twice on the route, in filters and in the claim, and both are always written
together: where they differ, somebody else's hand was in between.
"""

from cutover.api.status import PauseCause, Plan, Status
from cutover.decide import claims, record
from cutover.decide.applying import shadow_percent
from cutover.decide.clocks import AT_ONCE
from cutover.decide.decision import ClaimRoute, Decision, Said
from cutover.decide.looking import watching
from cutover.decide.observation import Observation
from cutover.decide.record import from_status
from cutover.decide.route import RouteSeen
from cutover.decide.share import mirrored


def kept_mirror(status: Status, plan: Plan, route: RouteSeen) -> int:
    """Percent that may go on being mirrored: what a shadow step has brought, or is about to."""
    if route.claim is None or shadow_percent(plan, status) is None or _is_half_written(route):
        return 0
    return route.claim.mirror if status.pause is None or mirrored(status) else 0


def tidied(seen: Observation, status: Status, plan: Plan, route: RouteSeen) -> Decision | Status:
    """Take away what no step mirrors any more, and stop where somebody else changed what we mirror."""
    claim = route.claim
    if claim is None or (not claim.mirror and not mirrored(status)):
        return status
    if kept_mirror(status, plan, route) < claim.mirror:
        ended = claims.claim_for(seen, status, from_status(status.original))
        return Decision(status, ClaimRoute(ended), look_again=AT_ONCE)
    if claim.mirror and route.mirrored != claim.mirror:
        return _stopped(seen, status, plan, route)
    return record.mirror_left(status) if not claim.mirror else status


def _is_half_written(route: RouteSeen) -> bool:
    """Whether our own write reached only some of several routes: each mirrors what its own claim says."""
    wanted = {rule.rule: one.mirror for one in route.every_claim for rule in one.original}
    seen = {one.rule: one.percent for one in route.mirrors}
    return len(set(wanted.values())) > 1 and wanted == seen


def _stopped(seen: Observation, status: Status, plan: Plan, route: RouteSeen) -> Decision:
    """Law 9 for a mirror: whoever takes it away, or another share of it, wants it to stop."""
    message = (
        f"{route.last_manager or 'somebody'} changed or removed the filter that mirrors requests to the target:"
        " taken as an emergency stop, nothing is mirrored; resume to begin the shadow step again, or abort"
    )
    status = record.mirror_left(status)
    status = record.paused(status, PauseCause.EMERGENCY_STOP, seen.now, message)
    said = (Said(PauseCause.EMERGENCY_STOP.value, message, warning=True),)
    return Decision(status, look_again=watching(status, plan), said=said)
