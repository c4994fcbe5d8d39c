"""The process as people and kubelets meet it: start, follow, lead, stop, and every way to end."""

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.features.admission.rollouts import DEFINITION, Rollouts, install_definition, spec
from tests.features.running import Operator, eventually, scribes
from tests.lab import Cluster, Lab

pytestmark = pytest.mark.lab

LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases/cutover"


@pytest.fixture(scope="module")
def source(clusters: tuple[Cluster, Cluster]) -> Cluster:
    install_definition(clusters[0], yaml.safe_load(DEFINITION.read_text()))
    return clusters[0]


@pytest.fixture
def namespace(source: Cluster) -> str:
    name = f"shell-{uuid.uuid4().hex[:8]}"
    source.ensure_namespace(name)
    return name


@pytest.fixture
def rollouts(source: Cluster, namespace: str) -> Rollouts:
    return Rollouts(source, namespace)


@pytest.fixture
def scribe(tmp_path: Path, source: Cluster, namespace: str) -> Iterator[Operator]:
    with scribes(tmp_path, source, namespace, 1) as (one,):
        one.wait_state("leading")
        yield one


def lease(cluster: Cluster, namespace: str) -> dict[str, object]:
    answer: dict[str, object] = cluster.call("GET", LEASES.format(namespace))["spec"]
    return answer


def looks(operator: Operator, name: str, what: str = "looked") -> list[dict[str, object]]:
    return [w for w in operator.written() if w["name"] == name and w["what"] == what]


# --- the command line ---------------------------------------------------------------------------


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-P", "-m", "cutover", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_wrong_flag_ends_with_its_name() -> None:
    done = run("--log-level=loud", POD_NAMESPACE="x")
    assert done.returncode == 2
    assert done.stderr.startswith("cutover: --log-level (CUTOVER_LOG_LEVEL) must be one of")
    assert len(done.stderr.splitlines()) == 1


def test_without_a_cluster_it_says_what_to_set(tmp_path: Path) -> None:
    done = run("--listen=127.0.0.1:0", POD_NAMESPACE="x", HOME=str(tmp_path))
    assert done.returncode == 2
    assert "set KUBECONFIG to a file" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cluster_without_the_kind_is_named(lab: Lab, tmp_path: Path) -> None:
    with (
        lab.private_cluster() as bare,
        Operator(tmp_path, bare.cluster.kubeconfig_for("admin"), "default") as operator,
    ):
        assert operator.wait_end() == 3
        assert any(
            "does not know MigrationRollout: install the CustomResourceDefinition" in message
            for message in operator.messages()
        )


# --- a whole life -------------------------------------------------------------------------------


def test_the_operator_starts_leads_and_stops_within_seconds(
    tmp_path: Path, source: Cluster, namespace: str
) -> None:
    with Operator(tmp_path, source.kubeconfig_for("admin"), namespace) as operator:
        operator.wait_state("leading")
        assert operator.get("/healthz").text == "ok\n"
        metrics = operator.get("/metrics").text
        assert "cutover_leader 1.0" in metrics
        assert "cutover_leader_epoch 1.0" in metrics
        assert "cutover_queue_depth 0.0" in metrics
        assert lease(source, namespace)["leaseTransitions"] == 1
        began = time.monotonic()
        operator.child.process.terminate()
        assert operator.wait_end() == 0
        assert time.monotonic() - began < 10
        assert lease(source, namespace)["holderIdentity"] == ""
        assert "Traceback" not in operator.output()
        assert "Unclosed" not in operator.output()


def test_a_stop_before_the_api_server_answers(lab: Lab, source: Cluster, tmp_path: Path) -> None:
    with lab.proxy(source) as proxy:
        proxy.refuse()
        kubeconfig = source.kubeconfig_for("admin", server=proxy.url)
        with Operator(tmp_path, kubeconfig, "default") as operator:
            operator.wait(lambda: any("Waiting for the API" in m for m in operator.messages()))
            assert operator.get("/readyz").status_code == 503
            assert operator.get("/healthz").status_code == 200
            operator.child.process.terminate()
            assert operator.wait_end(10) == 0


# --- what it hears ------------------------------------------------------------------------------


def test_changes_are_heard_and_own_status_writes_are_not(
    scribe: Operator, rollouts: Rollouts
) -> None:
    name = rollouts.stored({})
    eventually(lambda: len(looks(scribe, name)) == 1)
    began = time.time()
    rollouts.edit(name, spec({"onlyForThisTest": None, "paused": False}))
    eventually(lambda: len(looks(scribe, name)) == 2)
    assert time.time() - began < 5
    rollouts.write_status(name, {"message": "first"})  # no status before: that is news
    eventually(lambda: len(looks(scribe, name)) == 3)
    rollouts.write_status(name, {"message": "second"})
    rollouts.write_status(name, {"message": "third"})
    time.sleep(2)
    assert len(looks(scribe, name)) == 3
    rollouts.delete(name)
    eventually(lambda: len(looks(scribe, name, "gone")) == 1)


def test_an_abort_is_not_kept_waiting_by_a_look_that_hangs(
    scribe: Operator, rollouts: Rollouts
) -> None:
    name = rollouts.stored(spec({"paused": True}))
    eventually(lambda: len(looks(scribe, name, "began")) == 1)
    time.sleep(1)
    began = time.time()
    rollouts.edit(name, spec({"abort": True}))
    eventually(lambda: len(looks(scribe, name, "aborted")) == 1)
    aborted = float(str(looks(scribe, name, "aborted")[0]["at"]))
    assert aborted - began < 3


def test_forty_hanging_looks_do_not_hold_up_another_rollouts_abort(
    scribe: Operator, rollouts: Rollouts
) -> None:
    hanging = [rollouts.stored(spec({"paused": True})) for _ in range(40)]
    eventually(lambda: sum(bool(looks(scribe, name, "began")) for name in hanging) >= 24)
    name = rollouts.stored({})
    rollouts.edit(name, spec({"abort": True}))
    eventually(lambda: bool(looks(scribe, name, "aborted")), 15)


# --- two of them --------------------------------------------------------------------------------


def test_a_follower_is_ready_and_takes_over_from_a_leader_that_was_killed(
    tmp_path: Path, source: Cluster, namespace: str, rollouts: Rollouts
) -> None:
    rollouts.stored({"metadata": {"name": "fast"}})
    with scribes(tmp_path, source, namespace, 1) as (first,):
        first.wait_state("leading")
        with scribes(tmp_path / "later", source, namespace, 1) as (second,):
            second.wait_state("following")
            assert second.get("/readyz").status_code == 200
            assert "cutover_leader 0.0" in second.get("/metrics").text
            first.child.kill()
            second.wait_state("leading", 40)
            assert lease(source, namespace)["leaseTransitions"] == 2
            assert second.written() == [] or second.written()[0]["epoch"] == 2


def test_a_leader_that_was_stopped_writes_nothing_when_it_goes_on(
    tmp_path: Path, source: Cluster, namespace: str, rollouts: Rollouts
) -> None:
    name = rollouts.stored({})
    with scribes(tmp_path, source, namespace, 1) as (first,):
        first.wait_state("leading")
        eventually(lambda: bool(looks(first, name)))
        with scribes(tmp_path / "later", source, namespace, 1) as (second,):
            second.wait_state("following")
            first.child.freeze()
            second.wait_state("leading", 40)
            took_over = time.time()
            eventually(lambda: bool(looks(second, name)))
            first.child.thaw()
            assert first.wait_end() == 1
            assert all(float(str(w["at"])) < took_over for w in first.written())
            assert any("The Lease is lost" in m for m in first.messages())
            assert "Traceback" not in first.output()
            second.wait_state("leading")


def test_a_stopped_leader_hands_over_at_once(
    tmp_path: Path, source: Cluster, namespace: str
) -> None:
    with scribes(tmp_path, source, namespace, 1) as (first,):
        first.wait_state("leading")
        with scribes(tmp_path / "later", source, namespace, 1) as (second,):
            second.wait_state("following")
            first.child.process.terminate()
            assert first.wait_end() == 0
            began = time.monotonic()
            second.wait_state("leading")
            assert time.monotonic() - began < 8


# --- the API server goes away -------------------------------------------------------------------


def test_a_short_outage_of_the_api_server_is_survived(
    lab: Lab, tmp_path: Path, source: Cluster, namespace: str, rollouts: Rollouts
) -> None:
    with lab.proxy(source) as proxy:
        kubeconfig = source.kubeconfig_for("admin", server=proxy.url)
        script = Path(__file__).parent / "scribe.py"
        with Operator(tmp_path, kubeconfig, namespace, script=script) as operator:
            operator.wait_state("leading")
            name = rollouts.stored({})
            eventually(lambda: bool(looks(operator, name)))
            proxy.refuse()
            time.sleep(4)
            proxy.pass_through()
            rollouts.edit(name, spec({"abort": True}))
            eventually(lambda: bool(looks(operator, name, "aborted")), 30)
            assert operator.child.running


@pytest.mark.parametrize("fault", ["refuse", "hang", "reset"])
def test_a_long_outage_of_the_api_server_ends_the_process(
    lab: Lab,
    tmp_path: Path,
    source: Cluster,
    rollouts: Rollouts,
    fault: str,
) -> None:
    with lab.proxy(source) as proxy:
        kubeconfig = source.kubeconfig_for("admin", server=proxy.url)
        script = Path(__file__).parent / "scribe.py"
        with Operator(tmp_path, kubeconfig, rollouts.namespace, script=script) as operator:
            operator.wait_state("leading")
            name = rollouts.stored({})
            eventually(lambda: bool(looks(operator, name)))
            getattr(proxy, fault)()
            began = time.monotonic()
            assert operator.wait_end() == 1
            assert time.monotonic() - began < 25
            assert any("could not be renewed" in m for m in operator.messages())


@pytest.mark.parametrize("status", [401, pytest.param(403, marks=pytest.mark.long)])
def test_a_watch_that_is_refused_ends_the_process_in_words(
    lab: Lab, tmp_path: Path, source: Cluster, rollouts: Rollouts, status: int
) -> None:
    """The Lease stays ours, so that nothing but the watch can end the process."""
    with lab.proxy(source) as proxy:
        kubeconfig = source.kubeconfig_for("admin", server=proxy.url)
        script = Path(__file__).parent / "scribe.py"
        with Operator(tmp_path, kubeconfig, rollouts.namespace, script=script) as operator:
            operator.wait_state("leading")
            eventually(lambda: any("watch=true" in seen.path for seen in proxy.requests))
            proxy.fail("migrationrollouts", status=status)
            proxy.reset()
            proxy.pass_through()
            assert operator.wait_end(150) == 1
            (said,) = [m for m in operator.messages() if m.startswith("The watch ended")]
            assert "refused the credentials" in said or "Forbidden" in said
            assert lease(source, rollouts.namespace)["holderIdentity"] == ""
