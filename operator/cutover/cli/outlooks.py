"""What a plan is expected to do, for a person and as JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from cutover.api.quantities import format_duration
from cutover.api.status import Plan
from cutover.cli.columns import Cells, columns
from cutover.decide.applying import overridden
from cutover.decide.windows import told
from cutover.foresight.chances import RUNS, TRIED
from cutover.foresight.finishing import finished_at
from cutover.foresight.outlook import GateOutlook, Outlook, StepOutlook
from cutover.judge.guards import ERROR_BURST, LATENCY_BURST
from cutover.judge.wording import about, percent

TITLES: Final = (
    "STEP",
    "WEIGHT",
    "TARGET",
    "GATE",
    "NEEDS",
    "PASSES IN",
    "9 IN 10",
    "IN TIME",
    "SEES",
)


def draw_outlook(name: str, plan: Plan, outlook: Outlook, now: datetime) -> RenderableType:
    """Draw the table of steps and gates, and below it what it comes to and what it cannot tell."""
    rows: list[Cells] = [[(title, "bold") for title in TITLES]]
    for number, step in enumerate(plan.steps, start=1):
        weight = next((one for one in outlook.steps if one.number == number), None)
        if weight is None:
            rows.append(((str(number), ""), (step.description, "dim")))
        else:
            rows += _rows(weight, outlook)
    lines = [*_sums(plan, outlook), *_windows(plan, outlook, now), *_unseen(outlook), _method()]
    return Group(_header(name, plan, outlook), Text(""), *columns(rows), Text(""), *lines)


def _header(name: str, plan: Plan, outlook: Outlook) -> Text:
    shares = ", ".join(f"{gate} {percent(share)}" for gate, share in outlook.assumed.items())
    return Text.assemble(
        (name, "bold"),
        f"  at {_rate(outlook.rate)}, looks every {plan.analysis.interval}",
        f"\nThe source's own share of bad requests is taken to be: {shares}" if shares else "",
    )


def _rows(step: StepOutlook, outlook: Outlook) -> Iterator[Cells]:
    """Write a line for each gate; gates that have everything in common share one."""
    share = f"{step.mirrored} % copied" if step.mirrored else f"{step.weight} %"
    head = (str(step.number), share, _rate(step.target_rate))
    for gate, names in _alike(step, outlook):
        yield (
            *((cell, "") for cell in head),
            (", ".join(names), "bold"),
            (_needs(gate), ""),
            (_time(gate.median), ""),
            (_time(gate.nine_in_ten), ""),
            ("yes", "green") if gate.fits else (f"no, {_chance(gate.pass_chance)}", "bold red"),
            (gate.note or _sees(gate, outlook.assumed[gate.gate]), ""),
        )
        head = ("", "", "")


def _alike(step: StepOutlook, outlook: Outlook) -> Iterator[tuple[GateOutlook, list[str]]]:
    groups: dict[object, list[str]] = {}
    for gate in step.gates:
        key = (replace(gate, gate=""), outlook.assumed.get(gate.gate))
        groups.setdefault(key, []).append(gate.gate)
    by_name = {gate.gate: gate for gate in step.gates}
    for names in groups.values():
        yield by_name[names[0]], names


def _needs(gate: GateOutlook) -> str:
    if gate.requests is not None:
        return about(gate.requests)
    return "–" if gate.note else "no end"


def _sees(gate: GateOutlook, assumed: float) -> str:
    if gate.sees_from is None:
        return "nothing"
    return f"{percent(assumed)} → {percent(gate.sees_from)}"


def _sums(plan: Plan, outlook: Outlook) -> Iterator[Text]:
    if outlook.fits:
        waits = f", {_time(outlook.waits)} of it pauses and soak" if outlook.waits else ""
        total = f"{_time(outlook.median)}{waits}; 9 in 10 within {_time(outlook.nine_in_ten)}"
        yield Text.assemble(("Whole plan: ", "bold"), f"about {total}")
    for step in outlook.steps:
        if not step.fits:
            first = step.first_fit
            longest = overridden(plan.analysis, plan.steps[step.number - 1]).max_duration
            better = (
                f"the first weight that fits is {first}: begin there, or raise maxDuration"
                if first is not None and first > step.weight
                else "raise maxDuration"
                if first is not None
                else "raise maxDuration, or mirror more"
                if step.mirrored
                else "no weight fits: raise maxDuration, or widen the limits"
            )
            yield Text(
                f"Does not fit: step {step.number} ({step.description}) passes within"
                f" {longest} in {_chance(step.pass_chance)} of rollouts: {better}",
                style="bold red",
            )
    for early in outlook.early:
        yield Text.assemble(("Before any traffic: ", "bold"), f"{early.gate}: {early.words}")
    for name in outlook.approvals:
        yield Text(f"Waits for a person besides: approval {name}")


def _windows(plan: Plan, outlook: Outlook, now: datetime) -> Iterator[Text]:
    if not plan.windows:
        return
    yield Text.assemble(("Windows: ", "bold"), told(plan.windows, now))
    done = finished_at(plan, outlook, now)
    if done is not None:
        yield Text(f"Begun now, it would be finished about {done:%a %d %b %H:%MZ}")


def _unseen(outlook: Outlook) -> Iterator[Text]:
    """Say what no gate would notice, which is as much a result as what it would."""
    unseen: list[str] = []
    for gate, assumed in outlook.assumed.items():
        least = outlook.seen_from(gate)
        upto = "anything" if least is None else f"{percent(assumed)} → less than {percent(least)}"
        unseen.append(f"{gate}: {upto}")
    if unseen:
        yield Text.assemble(("Not seen by any step 9 times in 10: ", "bold"), "; ".join(unseen))
    quick = [step for step in outlook.steps if step.guards_after is not None]
    blind = [str(step.weight) for step in outlook.steps if step.guards_after is None]
    if quick:
        yield Text(
            f"Guards (from {percent(ERROR_BURST)} errors, {percent(LATENCY_BURST)} slow) say something from"
            f" {_time(quick[0].guards_after)} after weight {quick[0].weight}"
        )
    if blind:
        yield Text(
            f"Guards see too few requests to say anything at weight {', '.join(blind)}",
            style="yellow",
        )


def _method() -> Text:
    return Text(
        f"How: {RUNS} simulated steps for a time and {TRIED} for each size of regression, judged by the operator's own rules; requests independent of"
        " each other. NEEDS: target requests until about half of equal targets have passed. SEES: the"
        " smallest rise that fails the gate before it passes, 9 times in 10, to within 8 %. Bursts and"
        " quiet hours make all of it slower: kubectl cutover backtest tells what they would have done.",
        style="dim",
    )


def _rate(rate: float) -> str:
    return f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.3g}/s"


def _time(seconds: float | None) -> str:
    if seconds is None or not isfinite(seconds):
        return "–"
    return format_duration(timedelta(seconds=seconds))


def _chance(chance: float) -> str:
    return f"{100.0 * chance:.0f} %"


def as_json(name: str, plan: Plan, outlook: Outlook, now: datetime) -> dict[str, Any]:
    """Write the outlook with camelCase keys; what is infinite is null."""
    whole = _plain(asdict(outlook))
    whole["steps"] = [
        step | {"fits": one.fits} for step, one in zip(whole["steps"], outlook.steps, strict=True)
    ]
    done = finished_at(plan, outlook, now) if plan.windows else None
    return {
        "name": name,
        "maxDuration": plan.analysis.max_duration,
        "fits": outlook.fits,
        "firstFit": outlook.first_fit,
        **whole,
        "finishedAbout": done.isoformat(timespec="minutes") if done else None,
        "seesFrom": {gate: outlook.seen_from(gate) for gate in outlook.assumed},
    }


def _plain(value: Any) -> Any:
    match value:
        case Mapping():
            return {
                _camel(key) if _is_field(key) else key: _plain(one) for key, one in value.items()
            }
        case list() | tuple():
            return [_plain(one) for one in value]
        case float() if not isfinite(value):
            return None
        case _:
            return value


def _is_field(key: str) -> bool:
    """Gate names are labels: they hold no underscore."""
    return "_" in key


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)
