"""Gauges ride in every look, and no look fails for want of them. Real answers are in tests/features."""

from cutover.api.sides import Side
from cutover.decide.readings import Gap, Gauges, Gpus, Missing
from cutover.metrics.answers import Row
from tests.unit.metrics.test_joined import CUSTOM, FRESH, FakePool, always, metrics, rows

GPU = {"gpu": "1", "Hostname": "node-3", "UUID": "GPU-7"}


def xid(code: float, **labels: str) -> Row:
    return Row({"gate": "xids", **labels}, code)


async def gauges(pool: FakePool, *, full: bool = True, **more: object) -> Gauges:
    reading = await metrics(pool, **more).look((30,), full=full)  # type: ignore[arg-type]
    assert not isinstance(reading, Gap), reading
    assert len([one for one in pool.asked if "gpus" in one]) == 1
    return reading.gauges


async def test_what_there_is_is_read_and_what_there_is_not_is_a_gap() -> None:
    seen = await gauges(always(rows(running=12.0, instances=2.0, waiting=0.0, **FRESH)))
    assert (seen.running, seen.instances, seen.waiting) == (12.0, 2.0, 0.0)
    assert seen.kv_cache == Gap(
        Missing.NO_SERIES,
        'no vllm:kv_cache_usage_perc with cluster="gke": the server does not tell how full the KV'
        " cache is",
    )
    assert isinstance(seen.gpus, Gap)
    assert "DCGM_FI_DEV_XID_ERRORS" in seen.gpus.message


async def test_no_number_is_none() -> None:
    seen = await gauges(always(rows(running=float("nan"), **FRESH)))
    assert isinstance(seen.running, Gap)


async def test_of_a_server_that_is_no_longer_scraped_nothing_is_known_now() -> None:
    seen = await gauges(always(rows(running=3.0, newest=FRESH["newest"] - 500, scrape=15.0)))
    assert isinstance(seen.running, Gap)
    assert seen.running.missing is Missing.STALE


async def test_of_an_unknown_server_gauges_are_not_asked() -> None:
    pool = always(rows(**FRESH))
    seen = await gauges(pool, custom=CUSTOM)
    assert seen.running == Gap(
        Missing.NO_SERIES, "the profile Custom cannot tell how many requests are running"
    )


async def test_a_gpu_that_had_an_error_is_named_with_its_last_one() -> None:
    pool = always(rows(gpus=8.0, **FRESH), [xid(48.0, **GPU), xid(13.0, UUID="GPU-9")])
    seen = await gauges(pool)
    assert seen.gpus == Gpus(count=8, xids={"node-3 GPU 1": 48, "GPU-9": 13})


async def test_memory_and_use_are_for_full_looks() -> None:
    numbers = rows(gpus=2.0, gpuBusy=75.0, gpuMemory=130.0, gpuAllMemory=160.0, **FRESH)
    pool = always(numbers)
    assert (await gauges(pool)).gpus == Gpus(2, {}, 0.75, 130.0, 160.0)
    assert "DCGM_FI_DEV_FB_USED" in pool.asked[0]
    guard = always(numbers)
    await gauges(guard, full=False)
    assert "DCGM_FI_DEV_FB_USED" not in guard.asked[0]
    assert "DCGM_FI_DEV_XID_ERRORS" in guard.asked[0]


async def test_gpus_may_have_labels_of_their_own() -> None:
    where = {"address": "http://p:9090", "matchers": {"cluster": "gke"}}
    own = where | {"gpuMatchers": {"exported_namespace": "chat"}}
    pool = always(rows(**FRESH))
    await gauges(pool, side=Side.model_validate({"prometheus": own}))
    assert 'DCGM_FI_DEV_XID_ERRORS{exported_namespace="chat"}' in pool.asked[0]
    assert 'vllm:num_requests_waiting{cluster="gke"}' in pool.asked[0]
