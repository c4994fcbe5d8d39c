"""Pictures of a backtest: as PNG (matplotlib, without a screen) and in the terminal (plotext)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from cutover.api.gates import Gate
from cutover.api.quantities import parse_share
from cutover.api.status import Plan
from cutover.foresight.past import Floats, Past
from cutover.foresight.trial import Trial

BINS: Final = 168
"""Points of a curve: an hour each of a week."""
WIDEST: Final = 120
"""Columns of the picture in a terminal."""
COLOURS: Final = ("tab:blue", "tab:orange", "tab:green", "tab:purple", "tab:brown", "tab:pink")


def write_png(file: str, name: str, plan: Plan, past: Past, trials: Sequence[Trial]) -> None:
    """Draw traffic, shares of bad requests with their limits, and when plans ended."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 9), layout="constrained")
    FigureCanvasAgg(figure)
    traffic, shares, ends = figure.subplots(3, 1)
    times = [datetime.fromtimestamp(at, UTC) for at in _times(past)]
    traffic.plot(times, _binned(past.requests) / past.look, color="tab:gray")
    traffic.set(title=f"{name}: the source's past", ylabel="requests/s", ylim=(0, None))
    _draw_shares(shares, times, plan, past, trials[0])
    _draw_ends(ends, trials)
    figure.savefig(file, format="png", dpi=110)


def _draw_shares(
    axes: Any, times: Sequence[datetime], plan: Plan, past: Past, sound: Trial
) -> None:
    gates = [gate for gate in plan.gates if gate.name in past.gates]
    for number, gate in enumerate(gates):
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(times, 100 * _share(past, gate), color=colour, label=gate.name)
        axes.axhline(100 * _limit(gate), color=colour, linestyle=":", linewidth=1)
    for number, run in enumerate(sound.fired):
        at = datetime.fromtimestamp(run.start + run.seconds, UTC)
        axes.axvline(at, color="tab:red", linewidth=1, label="" if number else "false alarm")
    axes.set(ylabel="bad requests, % (dotted: limit)", ylim=(0, None))
    axes.legend(loc="upper right", fontsize="small")


def _draw_ends(axes: Any, trials: Sequence[Trial]) -> None:
    for trial, colour, label in zip(
        trials,
        ("tab:green", "tab:red"),
        ("as good as the source: finished", "worse: caught"),
        strict=False,
    ):
        runs = trial.fired if trial.harm.slower or trial.harm.failing else trial.finished
        hours = np.sort([run.seconds / 3600 for run in runs])
        if len(hours):
            part = 100 * np.arange(1, len(hours) + 1) / len(trial.told)
            axes.step(hours, part, where="post", color=colour, label=label)
    axes.set(
        xlabel="hours since the first weight", ylabel="% of plans", ylim=(0, 105), xlim=(0, None)
    )
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", fontsize="small")


def draw_in_terminal(plan: Plan, past: Past, sound: Trial, width: int, *, colours: bool) -> str:
    """Draw the shares of bad requests over the hours, false alarms marked, and return the text."""
    from plotext import figure

    figure.clear()
    figure.plot_size(min(width, WIDEST), 18)
    hours = (_times(past) - past.begin) / 3600
    for gate in plan.gates:
        if gate.name in past.gates:
            share = 100 * _share(past, gate)
            known = np.isfinite(share)
            curve = figure.signal(hours[known].tolist(), share[known].tolist())
            curve.lines()
            curve.label(gate.name)
            figure.draw(curve)
    if sound.fired:
        at = [(run.start + run.seconds - past.begin) / 3600 for run in sound.fired]
        marks = figure.signal(at, [0.0] * len(at), marker="x")
        marks.label("false alarm")
        figure.draw(marks)
    figure.title("bad requests of the source, % over hours")
    return str(figure.build().string(colorless=not colours))


def _times(past: Past) -> Floats:
    width = max(1, past.looks // BINS)
    middles = (np.arange(past.looks // width) + 0.5) * width * past.look
    times: Floats = past.begin + middles.astype(np.float64)
    return times


def _binned(counts: Floats) -> Floats:
    """Return the mean of each bin's looks that are known; NaN where none is."""
    width = max(1, len(counts) // BINS)
    cut = counts[: len(counts) // width * width].reshape(-1, width)
    known = np.isfinite(cut).sum(axis=1)
    sums = np.nansum(cut, axis=1)
    means: Floats = np.where(known > 0, sums / np.maximum(known, 1), np.nan)
    return means


def _share(past: Past, gate: Gate) -> Floats:
    one = past.gates[gate.name]
    total = _binned(one.total)
    share: Floats = np.where(total > 0, _binned(one.bad) / np.where(total > 0, total, 1.0), np.nan)
    return share


def _limit(gate: Gate) -> float:
    if gate.latency is not None:
        return parse_share(gate.latency.max_above)
    return parse_share(gate.error_rate.max) if gate.error_rate is not None else 0.0
