"""How full one side's servers are and what its GPUs say, as further branches of the joined query.

A look never fails for want of them: most clusters have no DCGM exporter, and many servers no queue
that they tell of. Then the number is a ``Gap``. A guard look asks for what guards need; a full look
also for what people want to see.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cutover.decide.readings import NOT_ASKED, Gap, Gauges, Gpus, Missing
from cutover.metrics import promql
from cutover.metrics.answers import Row
from cutover.metrics.profiles.names import Gauge, Names
from cutover.metrics.promql import GATE, Encoded
from cutover.metrics.readings import Answered

XID: Final = "DCGM_FI_DEV_XID_ERRORS"
"""A gauge: the code of the last XID error of a GPU, 0 if it never had one. It stays until the next one."""
BUSY: Final = "DCGM_FI_DEV_GPU_UTIL"
"""Percent."""
MEMORY_USED: Final = "DCGM_FI_DEV_FB_USED"
MEMORY_FREE: Final = "DCGM_FI_DEV_FB_FREE"
"""MiB."""

_GPU: Final = "UUID,gpu,Hostname,hostname"
"""Labels of a GPU; a part of one that was divided (MIG) shares them."""

_INSTANCES: Final = "instances"
_RUNNING: Final = "running"
_WAITING: Final = "waiting"
_MOST_WAITING: Final = "mostWaiting"
_KV_CACHE: Final = "kvCache"
_XIDS: Final = "xids"
_GPUS: Final = "gpus"
_BUSY: Final = "gpuBusy"
_MEMORY: Final = "gpuMemory"
_ALL_MEMORY: Final = "gpuAllMemory"
"""Values of ``gate`` in the joined query."""


@dataclass(frozen=True, slots=True)
class GaugeQuestions:
    """What is asked about one side's gauges, encoded once; and what to say of those that are not there."""

    at_any_look: Encoded
    at_full_looks: Encoded
    gaps: Mapping[str, Gap]


def ask_gauges(
    names: Names | None, profile: str, matchers: str, gpu_matchers: str
) -> GaugeQuestions:
    """Put the questions together; ``names`` is None where nobody knows the server's gauges."""
    asked: dict[str, str] = {}
    gaps: dict[str, Gap] = {}
    for tag, told, form in (
        (_INSTANCES, names.running if names else (), "count(count by (instance)({}))"),
        (_RUNNING, names.running if names else (), "sum({})"),
        (_WAITING, names.waiting if names else (), "sum({})"),
        (_MOST_WAITING, names.waiting if names else (), "max(sum by (instance)({}))"),
        (_KV_CACHE, names.kv_cache if names else (), "max({})"),
    ):
        if told:
            selected = [promql.selector(one.metric, one.only, matchers) for one in told]
            asked[tag] = promql.joined(form.format(one) for one in selected)
        gaps[tag] = _absent(tag, profile, told, matchers)
    xid, used, free, busy = (
        promql.selector(metric, gpu_matchers) for metric in (XID, MEMORY_USED, MEMORY_FREE, BUSY)
    )
    guards = asked | {_XIDS: f"max by ({_GPU})({xid})>0", _GPUS: f"count(max by ({_GPU})({xid}))"}
    people = {
        _BUSY: f"avg({busy})",
        _MEMORY: f"sum({used})",
        _ALL_MEMORY: f"sum({used})+sum({free})",
    }
    gaps[_GPUS] = Gap(
        Missing.NO_SERIES,
        f"no DCGM exporter tells of GPUs with {gpu_matchers} ({XID}): scrape one, or name the labels"
        " of its series in prometheus.gpuMatchers",
    )
    return GaugeQuestions(_tagged(guards), _tagged(people), gaps)


NO_GAUGES: Final = GaugeQuestions(Encoded(""), Encoded(""), {})
"""A gateway has neither GPUs nor a queue that would be anybody's."""


def _absent(tag: str, profile: str, told: Sequence[Gauge], matchers: str) -> Gap:
    if not told:
        return Gap(Missing.NO_SERIES, f"the profile {profile} cannot tell {_WORDS[tag]}")
    return Gap(
        Missing.NO_SERIES,
        f"no {told[0].metric} with {matchers}: the server does not tell {_WORDS[tag]}",
    )


_WORDS: Final = {
    _INSTANCES: "how many servers there are",
    _RUNNING: "how many requests are running",
    _WAITING: "how many requests are waiting",
    _MOST_WAITING: "how many requests are waiting",
    _KV_CACHE: "how full the KV cache is",
}


def _tagged(asked: Mapping[str, str]) -> Encoded:
    return Encoded.joined(promql.tagged(one, GATE, tag) for tag, one in asked.items())


def read_gauges(asked: GaugeQuestions, seen: Answered, stale: Gap | None) -> Gauges:
    """Read what came; a side whose newest sample is too old tells nothing about now."""

    def number(tag: str) -> float | Gap:
        value = seen.vital(tag)
        if value is None or not value >= 0.0:  # NaN too
            return asked.gaps.get(tag, NOT_ASKED)
        return stale or value

    return Gauges(
        instances=number(_INSTANCES),
        running=number(_RUNNING),
        waiting=number(_WAITING),
        most_waiting=number(_MOST_WAITING),
        kv_cache=number(_KV_CACHE),
        gpus=_gpus(asked, seen),
    )


def _gpus(asked: GaugeQuestions, seen: Answered) -> Gpus | Gap:
    count = seen.vital(_GPUS)
    if not count:
        return asked.gaps.get(_GPUS, NOT_ASKED)
    busy, used, memory = (seen.vital(tag) for tag in (_BUSY, _MEMORY, _ALL_MEMORY))
    return Gpus(
        count=round(count),
        xids={_gpu(row): round(row.value) for row in seen.rows.get((_XIDS, ""), ())},
        busy=None if busy is None else min(1.0, max(0.0, busy / 100.0)),
        memory_used_mib=used,
        memory_mib=memory,
    )


def _gpu(row: Row) -> str:
    """Name a GPU for people, the same at every look: its node and index, else its UUID."""
    labels = row.labels
    node, index = labels.get("Hostname") or labels.get("hostname"), labels.get("gpu")
    return f"{node} GPU {index}" if node and index else labels.get("UUID") or f"GPU {index or '?'}"
