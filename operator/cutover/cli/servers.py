"""Both sides' servers as a person on call sees them: replicas, load, GPUs. Pure."""

from rich.text import Text

from cutover.api.facts import SideFacts
from cutover.api.status import Status
from cutover.cli.columns import Cells
from cutover.cli.words import count, percent


def server_rows(status: Status) -> list[Cells]:
    """One row for each side of which anything is known."""
    sides = (("source", status.facts.source), ("target", status.facts.target))
    return [((name, "bold"), *_cells(side)) for name, side in sides if side != SideFacts()]


def _cells(side: SideFacts) -> Cells:
    return (
        _replicas(side),
        (_load(side), ""),
        (_gpus(side), ""),
        _errors(side),
    )


def _replicas(side: SideFacts) -> tuple[str, str]:
    if side.ready is None:
        return (f"replicas unknown: {side.message}", "yellow") if side.message else ("", "")
    wanted = f" of {side.replicas}" if side.replicas is not None else ""
    short = side.ready == 0 or (side.replicas is not None and side.ready < side.replicas)
    return f"{side.ready}{wanted} ready", "yellow" if short else ""


def _load(side: SideFacts) -> str:
    parts = [
        f"{count(side.running)} running" if side.running is not None else "",
        f"{count(side.waiting)} waiting" if side.waiting is not None else "",
        f"KV cache {_share(side.kv_cache)}" if side.kv_cache is not None else "",
    ]
    return ", ".join(filter(None, parts))


def _gpus(side: SideFacts) -> str:
    if side.gpus is None:
        return ""
    parts = [
        f"{side.gpus} GPU{'s' if side.gpus != 1 else ''}",
        f"{_share(side.gpu_busy)} busy" if side.gpu_busy is not None else "",
        f"memory {_share(side.gpu_memory)}" if side.gpu_memory is not None else "",
    ]
    return ", ".join(filter(None, parts))


def _share(value: float) -> str:
    return percent(100.0 * value)


def _errors(side: SideFacts) -> tuple[str, str]:
    told = ", ".join(f"{gpu}: XID {xid}" for gpu, xid in sorted(side.xids.items()))
    return told, "yellow"


def probes_line(status: Status) -> Text | None:
    """How many probes of the target failed in a row; None: none did."""
    probes = status.probes
    if probes is None or not probes.failures:
        return None
    plural = "s" if probes.failures > 1 else ""
    said = f"{probes.failures} probe{plural} of the target's endpoint failed: {probes.message}"
    return Text(said, style="yellow")
