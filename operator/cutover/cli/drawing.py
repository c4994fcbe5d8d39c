"""One rollout as a person on call sees it: what is going on, why, and how to stop it.

Pure: a sight and a moment in, something for rich to print out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from cutover.api.conditions import Condition, ConditionStatus, ConditionType
from cutover.api.leftovers import SourceFate
from cutover.api.preflight import CheckState
from cutover.api.status import Phase
from cutover.cli.columns import Cells, columns
from cutover.cli.gates import common_time, draw_gates
from cutover.cli.servers import probes_line, server_rows
from cutover.cli.sight import Sight
from cutover.cli.words import clock, percent, since
from cutover.decide.windows import is_open, rises_later, told

Command = Callable[[str], str]
"""Makes a verb into a command line for this rollout."""

PHASE_STYLE: Final = {
    Phase.COMPLETED: "bold green",
    Phase.ROLLING_BACK: "bold red",
    Phase.ROLLED_BACK: "bold red",
}
CELL_STYLE: Final = {
    "Completed": "green",
    "RollingBack": "red",
    "RolledBack": "red",
    "Paused": "yellow",
    "Pass": "green",
    "Fail": "red",
    "Inconclusive": "yellow",
    "Error": "magenta",
}
MUST_BE_TRUE: Final = (
    ConditionType.ACCEPTED,
    ConditionType.TRAFFIC_APPLIED,
    ConditionType.ANALYSIS_HEALTHY,
    ConditionType.FEASIBLE,
    ConditionType.ROLLBACK_READY,
    ConditionType.SOURCE_REACHABLE,
    ConditionType.TARGET_REACHABLE,
)
MARKS: Final = {
    CheckState.PASSED: ("✔", "green"),
    CheckState.FAILED: ("✖", "bold red"),
    CheckState.WARNING: ("!", "bold yellow"),
    CheckState.UNKNOWN: ("?", "magenta"),
}
SHOWN_TRANSITIONS: Final = 4
STEPS_BEFORE, STEPS_AFTER = 4, 6
"""Of many steps, how many are shown before and after the one in force."""


def draw(
    sight: Sight, now: datetime, command: Command, *, evidence: bool = False
) -> RenderableType:
    """Draw the whole tree and, below it, what a person can do; ``evidence``: with all that gates rest on."""
    tree = Tree(Text("\n").join([_header(sight), *_warnings(sight, now)]), guide_style="dim")
    _branch(tree, _weights(sight, now), ())
    _branch(tree, _step_title(sight), _steps(sight, now))
    _branch(tree, _windows(sight, now), ())
    _branch(tree, Text("Preflight"), _preflight(sight))
    gates = sight.status.gates
    _branch(
        tree, Text(f"Gates{common_time(gates, now)}"), draw_gates(gates, now, evidence=evidence)
    )
    _branch(tree, Text("Servers"), _servers(sight))
    _branch(tree, Text("Conditions"), _conditions(sight, now))
    _branch(tree, Text("Rollback"), _rollback(sight, now))
    _branch(tree, Text("Left behind"), _left_behind(sight))
    _branch(tree, Text("History"), _history(sight, now))
    return Group(tree, *_choices(sight, now, command))


def _branch(tree: Tree, title: Text | None, rows: Iterable[Text]) -> None:
    """Add a branch unless there is nothing to tell in it."""
    told = list(rows)
    if title is None or (not told and ":" not in title.plain):
        return
    branch = tree.add(title)
    for row in told:
        branch.add(row)


# --- what is going on ---------------------------------------------------------------------------


def _header(sight: Sight) -> Text:
    status, summary = sight.status, sight.status.summary
    shown = summary.phase or status.phase or "not yet seen by the operator"
    style = PHASE_STYLE.get(status.phase, "bold cyan") if status.phase else "bold yellow"
    text = Text.assemble(
        (f"{sight.namespace}/{sight.name}", "bold"),
        ("  ", ""),
        (shown, "bold yellow" if shown == "Paused" else style),
        (f"  {summary.source} → {summary.target}" if summary.target else "", ""),
        (f"  attempt {status.attempt or sight.attempt}", "dim"),
    )
    if status.message:
        text.append(f"\n{status.message}", style="")
    if sight.stalled is not None and not sight.is_finished:
        text.append(f"\nA person must act ({sight.stalled.reason})", style="bold red")
        if sight.stalled.message not in ("", status.message):
            text.append(f": {sight.stalled.message}", style="red")
    return text


def _weights(sight: Sight, now: datetime) -> Text | None:
    weights = sight.status.weights
    if weights.desired is None and weights.declared is None:
        return None
    drifted = weights.declared not in (None, weights.desired)
    text = Text.assemble(
        "Target's share: ",
        (percent(weights.desired), "bold"),
        " desired, ",
        (percent(weights.declared), "bold yellow" if drifted else "bold"),
        " declared, ",
        (percent(weights.delivered), "bold"),
        " delivered",
    )
    if weights.delivered_at is not None:
        text.append(f" ({since(weights.delivered_at, now)} ago)", style="dim")
    return text


def _windows(sight: Sight, now: datetime) -> Text | None:
    plan = sight.status.plan
    if plan is None or not rises_later(sight.status, plan):
        return None
    style = "" if is_open(plan.windows, now) else "yellow"
    return Text.assemble("Windows: ", (told(plan.windows, now), style))


def _step_title(sight: Sight) -> Text:
    step = sight.status.step
    return Text(f"Steps: {step.index + 1} of {step.total}" if step else "Steps")


def _steps(sight: Sight, now: datetime) -> list[Text]:
    step, steps = sight.status.step, sight.steps
    at = step.index if step else -1
    over = sight.status.phase == Phase.COMPLETED
    rows: list[Cells] = []
    for index, each in enumerate(steps):
        number, name = f"{index + 1:>2}", each.description
        if over or index < at:
            rows.append((("✔", "green"), (number, "dim"), (name, "dim")))
        elif index == at and step is not None:
            mark, style = _mark_of_current(sight)
            rows.append(((mark, style), (number, ""), (name, "bold"), (_at_step(sight, now), "")))
        else:
            rows.append((("·", "dim"), (number, "dim"), (name, "")))
    return _around(columns(rows), len(rows) if over else at)


def _at_step(sight: Sight, now: datetime) -> str:
    if sight.status.step is None or sight.status.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK):
        return "stopped here"
    waiting = ", waits for a person's yes" if sight.waits_for else ""
    return f"for {since(sight.status.step.started_at, now)}{waiting}"


def _mark_of_current(sight: Sight) -> tuple[str, str]:
    if sight.status.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK):
        return "✖", "bold red"
    return ("‖", "bold yellow") if sight.status.pause or sight.paused else ("▶", "bold cyan")


def _around(rows: Sequence[Text], at: int) -> list[Text]:
    """Leave out what is far from the step in force, and say how much."""
    first = max(0, min(at, len(rows)) - STEPS_BEFORE)
    last = max(0, at) + STEPS_AFTER + 1
    if len(rows) <= STEPS_BEFORE + STEPS_AFTER + 2:
        return list(rows)
    shown = list(rows[first:last])
    if first:
        shown.insert(0, Text(f"… {first} before", style="dim"))
    if last < len(rows):
        shown.append(Text(f"… {len(rows) - last} more", style="dim"))
    return shown


# --- why ----------------------------------------------------------------------------------------


def _preflight(sight: Sight) -> list[Text]:
    """What is not as it should be before the first step; afterwards it has been told."""
    if sight.status.phase != Phase.PREFLIGHT:
        return []
    rows = [
        ((MARKS[one.state][0], MARKS[one.state][1]), (one.name, "bold"), (one.message, ""))
        for one in sight.status.preflight
        if one.state is not CheckState.PASSED
    ]
    return columns(rows)


def _servers(sight: Sight) -> list[Text]:
    if sight.is_finished:
        return []
    failing = probes_line(sight.status)
    return [*columns(server_rows(sight.status)), *([failing] if failing else [])]


def _conditions(sight: Sight, now: datetime) -> list[Text]:
    """Only those that are not as they should be."""
    rows = [
        (("✖", "bold red"), (one.type, "bold"), (one.reason, ""), (_told(one, now), ""))
        for one in sight.status.conditions
        if one.type in MUST_BE_TRUE and one.status == ConditionStatus.FALSE
    ]
    paused = sight.condition(ConditionType.PAUSED)
    if paused is not None and paused.status == ConditionStatus.TRUE:
        told = _told(paused, now)
        rows.append((("‖", "bold yellow"), ("Paused", "bold"), (paused.reason, ""), (told, "")))
    return columns(rows)


def _told(condition: Condition, now: datetime) -> str:
    since_when = f"for {since(condition.last_transition_time, now)}"
    return f"{since_when}: {condition.message}" if condition.message else since_when


def _rollback(sight: Sight, now: datetime) -> list[Text]:
    rollback = sight.status.rollback
    if rollback is None:
        return []
    done = "not yet restored"
    if rollback.restored_at is not None:
        took = (rollback.restored_at - rollback.decided_at).total_seconds()
        done = f"restored {took:.1f} s later"
    decided = f"decided {clock(rollback.decided_at, now)}, {done}"
    return [Text.assemble((rollback.reason, "bold red"), f": {rollback.message} ({decided})")]


def _left_behind(sight: Sight) -> list[Text]:
    """What the rollout leaves where it is, once it has ended."""
    end = sight.status.after_completion
    return columns(
        [((one.object, ""), (f"({one.of})", "dim"), (one.state, "")) for one in end.left_behind]
        if end is not None
        else []
    )


def _history(sight: Sight, now: datetime) -> list[Text]:
    rows = [
        (
            (clock(one.at, now), "dim"),
            (
                one.to_phase
                if one.from_phase in ("", one.to_phase)
                else f"{one.from_phase} → {one.to_phase}",
                "",
            ),
            ("" if one.weight is None else f"at {one.weight} %", ""),
            (f"{one.reason}: {one.message}" if one.message else one.reason, "dim"),
        )
        for one in sight.status.history[-SHOWN_TRANSITIONS:]
    ]
    return columns(rows)


# --- what a person should know, and can do ------------------------------------------------------


def _warnings(sight: Sight, now: datetime) -> list[Text]:
    told = []
    if not sight.is_read:
        what = "abort is asked and" if sight.abort else "the last edit is"
        told.append(f"{what} not yet read by the operator, which takes seconds where it runs")
    silence = sight.silence(now)
    if silence is not None:
        told.append(
            f"nothing was reported for {silence}: the operator may be down, and nobody watching"
        )
    if sight.status.trouble:
        told.append(f"the last write failed: {sight.status.trouble}")
    told += [
        f"status.{part} was written by another version of the operator and is not shown:"
        " bring this program up to date"
        for part in sight.unread
    ]
    return [Text(f"! {one}", style="bold magenta") for one in told]


def _choices(sight: Sight, now: datetime, command: Command) -> list[Text]:
    rows: list[Cells] = [
        ((f"{what}:", "bold"), (command(verb), "cyan"), (why, "dim"))
        for what, verb, why in _open_choices(sight)
    ]
    plan = sight.status.plan
    if plan is not None and not sight.is_finished and sight.silence(now) is not None:
        place = plan.traffic.cluster.namespace or sight.namespace
        for route in plan.traffic.every_route:
            edit = f"kubectl edit {route.kind.lower()} {route.name} -n {place}"
            why = "set the target's weight to 0; the operator never undoes that"
            rows.append((("By hand:", "bold"), (edit, "cyan"), (why, "dim")))
    return [Text(""), *columns(rows)] if rows else []


def _open_choices(sight: Sight) -> list[tuple[str, str, str]]:
    if sight.is_rolled_back:
        return [("Try again", "retry", "from the first step, once the cause is gone")]
    end = sight.status.after_completion
    if sight.status.phase == Phase.COMPLETED:
        choices = [("Go back", "reverse", "prints the rollout that does")]
        if end is not None and end.source == SourceFate.SCALED_TO_ZERO:
            choices.append(("Undo it", "restore-source", "the source's servers run again"))
        return choices
    if sight.is_finished or sight.abort or sight.status.phase == Phase.ROLLING_BACK:
        return []
    choices = []
    if sight.waits_for:
        choices.append(("Go on", "approve", f"says yes to {sight.waits_for}"))
    if sight.paused or sight.status.pause is not None:
        choices.append(("Go on", "resume", "from where it is"))
    else:
        choices.append(("Hold it", "pause", "guards keep watching"))
    return [*choices, ("Stop it", "abort", "puts all traffic back in seconds")]


def draw_table(table: Mapping[str, Any], *, namespaces: bool, wide: bool) -> RenderableType:
    """Draw what the API server made of the definition's columns."""
    defined = table["columnDefinitions"]
    shown = [i for i, one in enumerate(defined) if wide or not one.get("priority")]
    titles = ["NAMESPACE"] * namespaces + [defined[i]["name"].upper() for i in shown]
    rows: list[Cells] = [[(title, "bold") for title in titles]]
    for row in table["rows"]:
        place = [(row["object"]["metadata"]["namespace"], "")] * namespaces
        cells = [("" if row["cells"][i] is None else str(row["cells"][i])) for i in shown]
        rows.append([*place, *((cell, CELL_STYLE.get(cell, "")) for cell in cells)])
    return Group(*columns(rows))
