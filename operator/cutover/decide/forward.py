"""Forward motion of a rollout that nothing calls back: whose route is it, what does it show, what comes next.

The default is to stay; going on needs a reason, and it is in words.
"""

from cutover.api.status import PauseCause, Plan, Status
from cutover.decide import claims, record
from cutover.decide.clocks import AT_ONCE, SOON
from cutover.decide.decision import ClaimRoute, Decision, Said
from cutover.decide.enforcing import answer_override, level
from cutover.decide.looking import guard_interval, watching
from cutover.decide.observation import Observation, Refusal
from cutover.decide.override import find_override, is_half_written
from cutover.decide.pausing import asked, begun, may_end, resume
from cutover.decide.route import RULES, RouteGone, RouteSeen, RouteUnreadable, rule_name
from cutover.decide.shadowing import kept_mirror, tidied
from cutover.decide.stepping import take_step


def go_on(seen: Observation, status: Status, plan: Plan) -> Decision:
    """Decide for a rollout that goes step by step and that nothing calls back."""
    route = seen.route
    match route:
        case None:
            return Decision(status, look_again=AT_ONCE)
        case RouteGone():
            message = f"{route.message}; nothing can be moved until it is back"
            return _stands(seen, status, plan, Refusal("RouteNotFound", message))
        case RouteUnreadable():
            return _stands(seen, status, plan, Refusal(f"Route{route.reason}", route.message))
        case RouteSeen():
            return _with_route(seen, status, plan, route)


def _stands(seen: Observation, status: Status, plan: Plan, trouble: Refusal) -> Decision:
    """Nothing can be written to the route; what people ask for is noted, and the guards watch on."""
    status = asked(seen, status)
    return Decision(status, trouble=trouble, look_again=min(guard_interval(plan), 5 * SOON))


def _with_route(seen: Observation, status: Status, plan: Plan, route: RouteSeen) -> Decision:
    other = claims.foreign(seen, route)
    if other is not None:
        return _stands(seen, status, plan, claims.in_use(other))
    if route.claim is None and route.claim_text is not None:
        return _stands(seen, status, plan, _problem(route))
    if not claims.current(seen, status, route.claim):
        original = claims.original_weights(seen, status)
        mine = claims.claim_for(seen, status, original, mirror=kept_mirror(status, plan, route))
        return Decision(status, ClaimRoute(mine), look_again=AT_ONCE)
    if seen.status.leader_epoch != seen.identity.epoch:
        return Decision(status, look_again=AT_ONCE)
    tidy = tidied(seen, status, plan, route)
    if isinstance(tidy, Decision):
        return tidy
    status = tidy
    others = _hands(seen, status, plan, route)
    if others is not None:
        return others
    obstacle = _obstacle(status, route)
    if obstacle is not None:
        return _stands(seen, record.clock_stopped(status), plan, obstacle)
    status = begun(seen, status, plan)
    if status.pause is None:
        return take_step(seen, status, plan, route)
    if may_end(seen, status):
        status = resume(seen, status, plan, route)
        return Decision(status, look_again=AT_ONCE, said=(Said("Resumed", "the rollout goes on"),))
    said = _pause_said(seen.status, status)
    return Decision(status, look_again=watching(status, plan), said=said)


def _hands(seen: Observation, status: Status, plan: Plan, route: RouteSeen) -> Decision | None:
    """Answer weights that are not as they were left: somebody else's, or ours on some of several routes alone."""
    if is_half_written(status, route):
        return level(seen, status, plan)
    override = find_override(seen.status, status, route)
    return answer_override(seen, status, plan, route, override) if override is not None else None


def _pause_said(before: Status, status: Status) -> tuple[Said, ...]:
    """Tell of a pause when it begins."""
    if before.pause is not None or status.pause is None:
        return ()
    cause = status.pause.cause
    return (
        Said(f"Paused{cause}", status.pause.message, warning=cause is not PauseCause.REQUESTED),
    )


def _obstacle(status: Status, route: RouteSeen) -> Refusal | None:
    """Say what about the route itself keeps weights from being moved."""
    if route.problem is not None:
        return _problem(route)
    meant = {(one.rule, one.others > 0) for one in status.original}
    found = {(one.rule, one.others > 0) for one in route.rules}
    if found == meant:
        return None
    return Refusal(
        "RulesChanged",
        f"the route's rules are {_rules(found)} now and were {_rules(meant)} when the rollout began: put"
        " them back, or abort and raise spec.attempt to begin with the new ones",
    )


def _problem(route: RouteSeen) -> Refusal:
    return Refusal(
        route.problem_reason or "RouteUnusable", route.problem or "the route is unusable"
    )


def _rules(rules: set[tuple[int, bool]]) -> str:
    beside = {True: " (with further backends)", False: ""}
    named = (
        (rule_name(rule) if rule >= RULES else str(rule), beside[others])
        for rule, others in sorted(rules)
    )
    return ", ".join(f"{name}{further}" for name, further in named) or "none"
