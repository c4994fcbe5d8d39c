"""How are figures written down, and what did a process use?"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Self

_TICK = os.sysconf("SC_CLK_TCK")


def load() -> str:
    """Every figure depends on it: two cores, and others use them too."""
    return "load average " + "/".join(f"{one:.1f}" for one in os.getloadavg())


def title(text: str) -> None:
    print(f"\n{text}  [{load()}]", flush=True)


def spread(seconds: Sequence[float]) -> str:
    """Median, most and the quarters between."""
    ordered = sorted(seconds)
    if not ordered:
        return "no runs"
    picks = [ordered[min(len(ordered) - 1, int(len(ordered) * q))] for q in (0.1, 0.25, 0.75, 0.9)]
    low, first, third, high = picks
    return (
        f"median {median(ordered):6.3f} s   max {ordered[-1]:6.3f} s"
        f"   (p10 {low:.3f}, p25 {first:.3f}, p75 {third:.3f}, p90 {high:.3f}, n={len(ordered)})"
    )


def bars(seconds: Sequence[float], width: float) -> None:
    """The distribution, one line per ``width`` seconds."""
    counts: dict[int, int] = {}
    for one in seconds:
        counts[int(one / width)] = counts.get(int(one / width), 0) + 1
    for slot in range(max(counts, default=-1) + 1):
        low = slot * width
        print(f"    {low:5.2f} – {low + width:5.2f} s  {'█' * counts.get(slot, 0)}")


@dataclass(frozen=True)
class Used:
    """What a process has used so far."""

    cpu: float
    """Seconds of processor time."""
    resident: float
    """MiB."""

    @classmethod
    def by(cls, pid: int) -> Self:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        cpu = (int(fields[11]) + int(fields[12])) / _TICK
        return cls(cpu, pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
