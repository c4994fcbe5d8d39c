"""What replayed plans came to, for a person and as JSON."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from cutover.api.quantities import format_duration
from cutover.api.status import Plan
from cutover.cli.columns import Cells, columns
from cutover.foresight.past import Past
from cutover.foresight.replay import End, Run
from cutover.foresight.trial import Trial, at_most, left_out
from cutover.judge.wording import percent

SHOWN: Final = 5
"""Of what fired, so many are told one by one."""


def draw_trials(
    name: str, plan: Plan, past: Past, trials: Sequence[Trial], factor: float
) -> RenderableType:
    """Draw what was read, what would have fired, and how soon a worse target would have been caught."""
    sound, *worse = trials
    lines: list[Text] = [_header(name, past), _shares(past), Text("")]
    lines += _sound(sound)
    for trial in worse:
        lines += [Text(""), *_caught(trial, factor)]
    lines += [Text(""), *_not_replayed(plan, past), _how(past)]
    return Group(*lines)


def _header(name: str, past: Past) -> Text:
    known = percent(float(past.known.mean()))
    length = _time(past.looks * past.look)
    begin, end = (
        datetime.fromtimestamp(at, UTC).strftime("%b %d %H:%MZ")
        for at in (past.begin, past.begin + past.looks * past.look)
    )
    return Text.assemble(
        (name, "bold"),
        f"  {length} of the source's past ({begin} to {end}), {past.looks:,} looks of {past.look:g} s,"
        f" {known} of them known",
    )


def _shares(past: Past) -> Text:
    shares = ", ".join(f"{gate} {percent(one.share)}" for gate, one in past.gates.items())
    given = " ".join(f"--share {gate}={_flag(one.share)}" for gate, one in past.gates.items())
    return Text.assemble(
        f"The source: {past.rate:.3g} requests/s; bad: {shares}\n",
        (f"For plan: --rate {past.rate:.3g}/s {given}", "dim"),
    )


def _flag(share: float) -> str:
    """Write a share as flags read it."""
    return f"{100.0 * share:.4f}".rstrip("0").rstrip(".") + "%"


def _sound(trial: Trial) -> Iterator[Text]:
    told, finished = trial.told, trial.finished
    yield Text.assemble(
        ("A/A, the target as good as the source: ", "bold"),
        f"{len(told)} plans replayed, {len(finished)} finished",
        f"; about {_median(finished)}" if finished else "",
    )
    cut = len(trial.runs) - len(told)
    if cut:
        yield Text(f"{cut} more were cut off by the end of the past and are left out", style="dim")
    yield from columns(_fired_rows(trial))
    for run in trial.unfinished[:SHOWN]:
        when = datetime.fromtimestamp(run.start, UTC).strftime("%b %d %H:%MZ")
        yield Text(
            f"begun {when}, at weight {run.weight} after {_time(run.seconds)}: {run.message}"
        )
    if len(trial.unfinished) > SHOWN:
        yield Text(f"… and {len(trial.unfinished) - SHOWN} more", style="dim")


def _fired_rows(trial: Trial) -> list[Cells]:
    titles = ("", "FIRED", "OF", "AT MOST (95 %)")
    rows: list[Cells] = [[(title, "bold") for title in titles]]
    n = len(trial.told)
    for what, count in trial.alarms().items():
        style = "red" if count else ""
        rows.append(
            ((what, ""), (str(count), style), (str(n), ""), (percent(at_most(count, n)), ""))
        )
    return rows


def _caught(trial: Trial, factor: float) -> Iterator[Text]:
    told, fired = trial.told, trial.fired
    what = " and ".join(
        filter(
            None,
            (
                f"every request takes {factor:g} times as long" if trial.harm.slower else "",
                f"{percent(trial.harm.failing)} more of them fail" if trial.harm.failing else "",
            ),
        )
    )
    yield Text.assemble(
        ("A worse target: ", "bold"),
        f"{what}; caught in {len(fired)} of {len(told)} plans",
    )
    if fired:
        seconds = [run.seconds for run in fired]
        weights = sorted({run.weight for run in fired})
        by = ", ".join(f"weight {at}: {sum(r.weight == at for r in fired)}" for at in weights)
        requests = float(np.median([run.target_requests for run in fired]))
        yield Text(
            f"After {_median(fired)} (9 in 10 within {_time(float(np.quantile(seconds, 0.9)))}),"
            f" {requests:,.0f} requests on the target by then; {by}"
        )
    for (end, who), count in trial.by_whom().most_common():
        yield Text(f"{count:>5}  {end}{f' ({who})' if who else ''}")
    passed = len(told) - sum(trial.by_whom().values())
    if passed:
        yield Text(f"{passed:>5}  went through to the end unnoticed", style="yellow")


def _not_replayed(plan: Plan, past: Past) -> Iterator[Text]:
    for gate, why in left_out(plan, past).items():
        yield Text(f"{gate} is not replayed: {why}", style="yellow")
    shadows = [step.description for step in plan.steps if step.shadow is not None]
    if shadows:
        yield Text(
            f"{', '.join(shadows)}: waited for and not judged, since copies of one side's past are that past"
            " again; kubectl cutover plan tells what they need",
            style="yellow",
        )


def _how(past: Past) -> Text:
    return Text(
        "How: each look's requests are dealt out by chance to source and target as the weight says, and judged"
        f" by the operator's own code every {past.look:g} s; guards see whole looks. Not replayed: the guard"
        " against silence, delivery, prompts that differ, what gates have in common. AT MOST: Clopper–Pearson, one-sided; plans"
        " that overlap or share a day are not independent, which it takes them to be.",
        style="dim",
    )


def _median(runs: Sequence[Run]) -> str:
    return _time(float(np.median([run.seconds for run in runs])))


def _time(seconds: float) -> str:
    if seconds >= 48 * 3600:
        return f"{seconds / 86400:.3g} days"
    return format_duration(timedelta(seconds=seconds))


def as_json(name: str, plan: Plan, past: Past, trials: Sequence[Trial]) -> dict[str, Any]:
    """Write everything with camelCase keys."""
    return {
        "name": name,
        "begin": datetime.fromtimestamp(past.begin, UTC).isoformat(),
        "looks": past.looks,
        "lookSeconds": past.look,
        "known": float(past.known.mean()),
        "rate": past.rate,
        "shares": {gate: one.share for gate, one in past.gates.items()},
        "leftOut": left_out(plan, past),
        "trials": [_trial(trial) for trial in trials],
    }


def _trial(trial: Trial) -> dict[str, Any]:
    n = len(trial.told)
    return {
        "slower": trial.harm.slower,
        "failing": trial.harm.failing,
        "plans": n,
        "cutOff": len(trial.runs) - n,
        "finished": len(trial.finished),
        "alarms": {
            what: {"fired": count, "atMost": at_most(count, n)}
            for what, count in trial.alarms().items()
        },
        "runs": [
            {
                "start": datetime.fromtimestamp(run.start, UTC).isoformat(),
                "end": str(run.end),
                "who": run.who,
                "weight": run.weight,
                "seconds": run.seconds,
                "targetRequests": run.target_requests,
                "message": run.message,
            }
            for run in trial.runs
            if run.end is not End.CUT_OFF
        ],
    }
