"""Both sides' servers as a person wants to see them; nothing is decided on these."""

from cutover.api.facts import Facts, SideFacts
from cutover.api.status import Plan, Status
from cutover.decide.health import gauges_of
from cutover.decide.observation import Observation, Replicas
from cutover.decide.readings import Gap, Gpus, Reading

SHOWN_XIDS = 8


def with_facts(seen: Observation, status: Status, plan: Plan) -> Status:
    """Put in what this look shows; what it did not ask for stays as it was told last."""
    health, before = seen.health, status.facts
    source = _side(before.source, seen.source, health.source_replicas)
    target = _side(before.target, seen.target, health.target_replicas)
    if plan.source.workload is None:
        source = source.model_copy(update={"ready": None, "replicas": None, "message": ""})
    if plan.target.workload is None:
        target = target.model_copy(update={"ready": None, "replicas": None, "message": ""})
    return status.model_copy(update={"facts": Facts(source=source, target=target)})


def _side(before: SideFacts, reading: Reading | None, replicas: Replicas | Gap | None) -> SideFacts:
    update: dict[str, object] = {}
    match replicas:
        case Replicas(ready=ready, desired=desired):
            update |= {"ready": ready, "replicas": desired, "message": ""}
        case Gap(message=message):
            update |= {"ready": None, "replicas": None, "message": message[:1024]}
        case None:
            pass
    if reading is not None:
        gauges = gauges_of(reading)
        update |= {
            "running": _number(gauges.running),
            "waiting": _number(gauges.waiting),
            "kv_cache": _number(gauges.kv_cache),
            **_gpus(before, gauges.gpus),
        }
    return before.model_copy(update=update)


def _number(value: float | Gap) -> float | None:
    return None if isinstance(value, Gap) else round(value, 4)


def _gpus(before: SideFacts, gpus: Gpus | Gap) -> dict[str, object]:
    """Looks of the guards ask neither for how busy the GPUs are nor for their memory."""
    if isinstance(gpus, Gap):
        return {"gpus": None, "gpu_busy": None, "gpu_memory": None, "xids": {}}
    busy = before.gpu_busy if gpus.busy is None else round(gpus.busy, 4)
    memory = before.gpu_memory
    if gpus.memory_used_mib is not None and gpus.memory_mib:
        memory = round(gpus.memory_used_mib / gpus.memory_mib, 4)
    xids = dict(sorted(gpus.xids.items())[:SHOWN_XIDS])
    return {"gpus": gpus.count, "gpu_busy": busy, "gpu_memory": memory, "xids": xids}
