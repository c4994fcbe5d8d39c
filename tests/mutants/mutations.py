"""Small ways to break a law of the decision, each a text in one file and what replaces it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """One fault that somebody could write, and the law or the gate whose test must notice it."""

    law: int | str
    """A law's number, or the name of a test file below tests/unit without ``test_`` and ``.py``."""
    fault: str
    file: str
    """In decide/, unless it names another package."""
    changes: tuple[tuple[str, str], ...]


def one_change(law: int | str, fault: str, file: str, old: str, new: str) -> Mutation:
    """A fault that replaces one text."""
    return Mutation(law, fault, file, ((old, new),))


_VERDICT = """\
    before, status = status, _looked(seen, with_facts(seen, status, plan), plan)
    alarm = alarms.failed(status) or alarms.overdue(seen, status, plan)
    if alarm is not None:
        return roll_back(seen, status, alarm)
"""
_EDITS = "    status, plan, refusal = _with_edits(seen, status, plan)\n"

_INTENT_FIRST = """\
    if not _intent_is_stored(seen, status):
        return Decision(status, look_again=AT_ONCE)
    original"""
_STEP_BEGINS = (
    '    return Decision(status, look_again=AT_ONCE, said=(Said("StepBegun", message),))\n'
)
_STEP_RAISES = """\
    raised = _write_weight(seen, status, plan) if step.weight else None
    return raised or Decision(status, look_again=AT_ONCE)
"""

LAWS = (
    one_change(
        1,
        "an edit is followed before the look's verdict is heard",
        "rollout.py",
        _VERDICT + _EDITS,
        _EDITS + _VERDICT,
    ),
    one_change(
        1,
        "an abort waits for the end of a pause",
        "alarms.py",
        "    if seen.commands.abort:\n",
        "    if seen.commands.abort and status.pause is None:\n",
    ),
    one_change(
        2,
        "a weight is raised on an intent alone, however old",
        "stepping.py",
        "    return proven(seen, status, plan, within=freshness(plan))\n",
        "    return True\n",
    ),
    one_change(
        2,
        "nobody asks whether requests show the weight",
        "stepping.py",
        "        and delivered(status, plan)\n",
        "",
    ),
    one_change(
        3,
        "a rolled-back rollout begins again by itself",
        "leaving.py",
        "commands.attempt > (status.attempt or 1)",
        "commands.attempt >= (status.attempt or 1)",
    ),
    Mutation(
        4,
        "the route is raised before the intent is stored",
        "stepping.py",
        (
            (_INTENT_FIRST, "    original"),
            (
                _STEP_BEGINS,
                _STEP_RAISES,
            ),
        ),
    ),
    one_change(
        4,
        "every new leader waits anew",
        "forward.py",
        "        return Decision(status, ClaimRoute(mine), look_again=AT_ONCE)\n",
        "        from cutover.decide.record import clock_started\n"
        "        return Decision(clock_started(status, seen.now), ClaimRoute(mine), look_again=AT_ONCE)\n",
    ),
    one_change(
        5,
        "an outage begins anew at every look",
        "rollout.py",
        "since = status.outage_since or seen.now",
        "since = seen.now",
    ),
    one_change(
        5,
        "a clock that was set back has waited as long as it went",
        "clocks.py",
        "max(NOTHING, now - since)",
        "abs(now - since)",
    ),
    one_change(
        6,
        "metrics out of reach are a reason to roll back",
        "alarms.py",
        "analysis.on_outage is OnOutage.ROLL_BACK and ",
        "",
    ),
    one_change(
        6,
        "what could not be looked at is like what is not there yet",
        "telling.py",
        "Verdict.INCONCLUSIVE if gap.missing is Missing.NO_DATA else Verdict.ERROR",
        "Verdict.INCONCLUSIVE",
    ),
    one_change(
        6,
        "replicas that cannot be read are none",
        "health.py",
        """    if not isinstance(found, Replicas) or found.at is None:
        return None
""",
        """    if not isinstance(found, Replicas) or found.at is None:
        return 0
""",
    ),
    one_change(
        7,
        "a lost status is forgotten after one look that could not go on",
        "entering.py",
        "return claim if seen.status_lost or route.highest > 0 or claim.mirror else None",
        "return claim if seen.status_lost else None",
    ),
    one_change(
        7,
        "whoever resumes from foreign weights need not approve",
        "pausing.py",
        "    while index > 0 and _comes_first(plan.steps[index - 1], shadow=shadow):\n        index -= 1\n",
        "",
    ),
    one_change(
        8,
        "the step under way can be rewritten",
        "rollout.py",
        "executed = (status.step.index if status.step else 0) + 1",
        "executed = status.step.index if status.step else 0",
    ),
    one_change(
        9,
        "an emergency stop is undone like any other change",
        "override.py",
        "        kind = OverrideKind.LOWERED\n",
        "        kind = OverrideKind.RAISED\n",
    ),
    one_change(
        9,
        "a raise that is undone before the gateway took it is written again, without end",
        "override.py",
        "return weights_at(original, desired) if raised and desired else expected_weights(status)",
        "return expected_weights(status)",
    ),
    one_change(
        10,
        "a route out of reach is given up after two seconds",
        "leaving.py",
        "RELEASE_AFTER = timedelta(minutes=2)",
        "RELEASE_AFTER = timedelta(seconds=2)",
    ),
    one_change(
        10,
        "deleted in preflight, the claim stays on the route",
        "leaving.py",
        "    if status.phase not in MOVED and not _claimed_by_us(seen):\n",
        "    if status.phase not in MOVED:\n",
    ),
    one_change(
        11,
        "a leader that was followed by another goes on",
        "claims.py",
        "    epoch, route = seen.identity.epoch, seen.route\n",
        "    return False\n    epoch, route = seen.identity.epoch, seen.route\n",
    ),
    one_change(
        11,
        "a claim whose owner cannot be asked counts as left behind",
        "claims.py",
        "seen.claim_owner.alive is False",
        "seen.claim_owner.alive is not True",
    ),
    one_change(
        12,
        "a new leader begins at the first step",
        "forward.py",
        "        return Decision(status, ClaimRoute(mine), look_again=AT_ONCE)\n",
        "        from cutover.decide.record import at_step\n"
        "        return Decision(at_step(status, plan, 0, seen.now), ClaimRoute(mine), look_again=AT_ONCE)\n",
    ),
    one_change(
        "decide/shadowing",
        "a rollback is done once the weights are back",
        "leaving.py",
        " and not route.mirrors_any\n",
        "\n",
    ),
    one_change(
        "decide/shadowing",
        "copies go on after their step",
        "shadowing.py",
        "    return route.claim.mirror if status.pause is None or mirrored(status) else 0\n",
        "    return route.claim.mirror\n",
    ),
    one_change(
        "decide/shadowing",
        "a mirror that somebody took away is put back",
        "shadowing.py",
        "    if claim.mirror and route.mirrored != claim.mirror:\n",
        "    if False:\n",
    ),
    one_change(
        "decide/shadowing",
        "copies count like a weight",
        "share.py",
        "    return 100.0 * percent / (100.0 + percent)\n",
        "    return float(percent)\n",
    ),
    one_change(
        "decide/delivering",
        "the servers count although the gateway is named",
        "delivering.py",
        "    if not plan.traffic.counted_at_gateway:\n        return window.requests\n",
        "    return window.requests\n",
    ),
    one_change(
        "decide/delivering",
        "a backend that the gateway does not know has no requests",
        "delivering.py",
        "found.missing is Missing.NO_DATA else found",
        "True else found",
    ),
)
