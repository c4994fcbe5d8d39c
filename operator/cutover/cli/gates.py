"""What each gate says and what that rests on, whatever kind it is: told of its status alone."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.text import Text

from cutover.api.drift import REPORTED_ONLY
from cutover.api.evidence import GateStatus
from cutover.api.gates import OnFail, Run
from cutover.api.verdict import Verdict
from cutover.cli.columns import Cells, columns
from cutover.cli.words import clock, count, quantity, since

VERDICT_MARK: Final = {
    Verdict.PASS: ("✔", "green"),
    Verdict.FAIL: ("✖", "bold red"),
    Verdict.INCONCLUSIVE: ("…", "yellow"),
    Verdict.ERROR: ("!", "bold magenta"),
}


def draw_gates(gates: Sequence[GateStatus], now: datetime, *, evidence: bool) -> list[Text]:
    """Draw one line a gate and, where it does not pass, its sentence; with ``evidence`` all it rests on."""
    told_above = bool(common_time(gates, now))
    lines = columns([_gate(gate, now, told_above=told_above) for gate in gates])
    for line, gate in zip(lines, gates, strict=True):
        if gate.message and (evidence or gate.verdict != Verdict.PASS):
            said = gate.message.removeprefix(f"{gate.name}: ")
            line.append(f"\n{said}", style=VERDICT_MARK[gate.verdict][1])
        if evidence:
            for what, told in _evidence(gate, now):
                line.append(f"\n{what + ':':<9}{told}", style="dim")
    return lines


def common_time(gates: Sequence[GateStatus], now: datetime) -> str:
    """When and over what the gates looked, told once where it is the same for all."""
    times = {_time(gate, now) for gate in gates}
    return f": {time}" if len(times) == 1 and (time := times.pop()) else ""


def _gate(gate: GateStatus, now: datetime, *, told_above: bool) -> Cells:
    mark, style = VERDICT_MARK[gate.verdict]
    failing = f"failing for {since(gate.failing_since, now)}" if gate.failing_since else ""
    time = "" if told_above else _time(gate, now)
    return (
        (mark, style),
        (gate.name, "bold"),
        (str(gate.verdict), style),
        (_held_against(gate), ""),
        (_counted(gate), ""),
        (", ".join(filter(None, (time, failing, _role(gate)))), "dim"),
    )


def _role(gate: GateStatus) -> str:
    """What is special about the gate: when it is judged, what its Fail leads to."""
    told = []
    if gate.run == Run.BEFORE_TRAFFIC:
        told.append("stands for the attempt" if gate.stands else "before traffic")
    if gate.on_fail == OnFail.REPORT or gate.reason == REPORTED_ONLY:
        told.append("only reported")
    if gate.on_fail == OnFail.PAUSE:
        told.append("a Fail pauses")
    return ", ".join(told)


def _held_against(gate: GateStatus) -> str:
    if gate.value is None:
        return ""
    value = quantity(gate.value, gate.unit)
    return value if gate.bound is None else f"{value} vs {quantity(gate.bound, gate.unit)}"


def _counted(gate: GateStatus) -> str:
    if gate.target_count is None:
        return ""
    beside = "" if gate.source_count is None else f", {count(gate.source_count)} on source"
    return f"{count(gate.target_count)} on target{beside}"


def _time(gate: GateStatus, now: datetime) -> str:
    over = f"over {gate.window}" if gate.window else ""
    looked = f"looked {since(gate.looked_at, now)} ago" if gate.looked_at else ""
    return ", ".join(filter(None, (over, looked)))


def _evidence(gate: GateStatus, now: datetime) -> list[tuple[str, str]]:
    told = [("reason", f"{gate.reason}, which pauses" if gate.pauses else gate.reason)]
    if gate.looked_at is not None:
        window = f" over the {gate.window} before" if gate.window else ""
        told.append(("looked", f"{clock(gate.looked_at, now)}{window}"))
    if gate.failing_since is not None:
        told.append(("failing", f"since {clock(gate.failing_since, now)}"))
    if gate.source_running is not None and gate.target_running is not None:
        each = f"{gate.target_running:.3g} on target, {gate.source_running:.3g} on source"
        told.append(("running", f"{each}, for each server"))
    if gate.query:
        told.append(("query", " ".join(gate.query.split())))
    return told
