"""The plot of docs/operating-characteristics.md: what identical sides and worse targets come to under each rule."""

from io import BytesIO
from pathlib import Path
from typing import Any

from tests.bench.characteristics.figures import PlanFigures, Results, clopper_pearson
from tests.bench.characteristics.outcome import End
from tests.bench.characteristics.worlds import CHANGES, MAX_LOOKS, WORLDS

COLOURS = {
    "cutover": "#1b6e4b",
    "point-5m": "#c2571a",
    "kayenta": "#5b4b9a",
    "kayenta-50": "#9a8fd0",
    "plain": "#8a8a8a",
}
LOOKS_SHOWN = 30


def draw(results: Results, path: Path) -> None:
    """Write a PNG of less than 100 KiB."""
    import matplotlib as mpl
    from PIL import Image

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(
        1, 3, figsize=(13.5, 6.2), gridspec_kw={"width_ratios": [1.0, 1.0, 1.15]}, dpi=80
    )
    worlds = [
        one.name for one in WORLDS if one.target_latency is None and one.target_errors is None
    ]
    rows = {(one.world, one.rule): one for one in results.plans}
    _dots(axes[0], worlds, rows, "rolled back (gates and guards)", (End.ROLLED_BACK, End.GUARD))
    _dots(axes[1], worlds, rows, "finished", (End.PASSED,))
    axes[0].set_yticks(range(len(worlds)), worlds, fontsize=7)
    axes[1].set_yticks([])
    if results.plans:
        axes[0].legend(fontsize=7, loc="lower right")
    _curves(axes[2], results)
    figure.tight_layout()
    drawn = BytesIO()
    figure.savefig(drawn, format="png")
    plt.close(figure)
    # Few colours are enough, and a third of the size.
    Image.open(drawn).convert("RGB").quantize(160, method=Image.Quantize.FASTOCTREE).save(
        path, optimize=True
    )


def _dots(
    axis: Any,
    worlds: list[str],
    rows: dict[tuple[str, str], PlanFigures],
    title: str,
    ends: tuple[End, ...],
) -> None:
    for which, (rule, colour) in enumerate(COLOURS.items()):
        points = [
            (100 * row.count(*ends) / row.n, place, clopper_pearson(row.count(*ends), row.n))
            for place, world in enumerate(worlds)
            if (row := rows.get((world, rule))) is not None
        ]
        if not points:
            continue
        shift = (which - 2) * 0.13
        axis.errorbar(
            [x for x, _, _ in points],
            [place + shift for _, place, _ in points],
            xerr=[
                [x - 100 * low for x, _, (low, _) in points],
                [100 * high - x for x, _, (_, high) in points],
            ],
            fmt="o",
            color=colour,
            markersize=3.5,
            elinewidth=0.8,
            label=rule,
        )
    axis.set_xlim(-3, 103)
    axis.set_ylim(len(worlds) - 0.4, -0.6)
    axis.set_title(f"identical sides: plans {title}, %", fontsize=9)
    axis.grid(axis="x", alpha=0.3)
    axis.tick_params(labelsize=7)


def _curves(axis: Any, results: Results) -> None:
    found = {(one.change, one.rule): one for one in results.power}
    shown = [change for change in CHANGES if change.by_look]
    for change in shown:
        row = found.get((change.name, "cutover"))
        if row is None:
            continue
        looks = range(min(LOOKS_SHOWN, MAX_LOOKS) + 1)
        caught = [0.0, *(100 * k / row.n for k in row.caught_by[:LOOKS_SHOWN])]
        style = "--" if change.wander else "-"
        (line,) = axis.step(looks, caught, style, where="post", linewidth=1.4, label=change.name)
        axis.plot(
            change.by_look, 99, marker="v", color=line.get_color(), markersize=6, linestyle="none"
        )
    axis.set_title("a worse target: rolled back by look, % (▼ the goal)", fontsize=9)
    axis.set_xlabel("looks of 30 s since settle", fontsize=8)
    axis.legend(fontsize=7, loc="lower right")
    axis.grid(alpha=0.3)
    axis.tick_params(labelsize=7)
