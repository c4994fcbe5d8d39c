"""`make demo`: the whole story on one screen, on real parts, for somebody who has never seen Cutover.

First a healthy target gets everything, judged at each step. Then, with a second rollout, the target
turns slow half-way, is caught, and loses its traffic again; the evidence is shown. The operator is
the one that is installed anywhere else, run as its ServiceAccount with its Role.
"""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from tests.features.rollouts.stage import Operator
from tests.lab import OPERATOR, Lab, Route, Slot, Traffic

REPOSITORY = Path(__file__).parents[2]
NAMESPACE = "inference"
RATE = 200
LONGEST = 150.0
PATH = f"/apis/cutover.dev/v1alpha1/namespaces/{NAMESPACE}/migrationrollouts"

YAML = """\
apiVersion: cutover.dev/v1alpha1
kind: MigrationRollout
metadata: {{name: {name}, namespace: inference}}
spec:
  source: {{prometheus: {{address: "{prometheus}", matchers: {{slot: "{slot}", cluster: source}}}}}}
  target: {{prometheus: {{address: "{prometheus}", matchers: {{slot: "{slot}", cluster: target}}}}}}
  traffic: {{httpRoute: {{name: chat, sourceBackend: {{name: {source}}}, targetBackend: {{name: {target}}}}}}}
  steps: [{{weight: 5}}, {{weight: 25}}, {{weight: 50}}, {{weight: 100}}, {{soak: {{duration: 5s}}}}]
  analysis: {{interval: 1s, guardInterval: 1s, settle: 1s, minDuration: 3s}}   # a minute instead of an hour
"""

console = Console(highlight=False)


@dataclass
class Scene:
    """What is on the screen."""

    lab: Lab
    route: Route
    traffic: Traffic
    name: str
    title: str
    began: float = field(default_factory=time.time)
    notes: list[str] = field(default_factory=list)

    def rollout(self) -> dict[str, Any]:
        try:
            return self.lab.source.call("GET", f"{PATH}/{self.name}")
        except httpx.HTTPError:
            return {}

    def draw(self, status: dict[str, Any]) -> RenderableType:
        return Panel(
            Group(
                self._traffic(),
                Text(""),
                self._steps(status),
                Text(""),
                self._gates(status),
                Text(""),
                *self._words(status),
            ),
            title=f"[bold]{self.title}",
            subtitle=f"{time.time() - self.began:.0f} s",
            padding=(1, 2),
        )

    def _traffic(self) -> RenderableType:
        weights = self.route.weights()
        recent = self.traffic.records(since=time.time() - 2.0)
        table = Table.grid(padding=(0, 2))
        for side, weight, colour in (
            ("source", weights.source, "cyan"),
            ("target", weights.target, "magenta"),
        ):
            mine = [one for one in recent if one.side == side]
            slow = sorted(one.latency for one in mine)
            p95 = f"p95 {1000 * slow[int(len(slow) * 0.95)]:.0f} ms" if slow else ""
            bad = sum(not one.ok for one in mine)
            table.add_row(
                f"[bold]{side}",
                f"[{colour}]{'█' * round(weight / 5)}[/]{'·' * (20 - round(weight / 5))}",
                f"weight {weight}",
                f"{len(mine) / 2:.0f} requests/s",
                p95,
                f"[red]{bad} failed" if bad else "",
            )
        return table

    def _steps(self, status: dict[str, Any]) -> RenderableType:
        plan = (status.get("plan") or {}).get("steps") or []
        index = (status.get("step") or {}).get("index", -1)
        phase = status.get("phase", "")
        words: list[str] = []
        for number, step in enumerate(plan):
            name = f"{step['weight']} %" if "weight" in step else f"soak {step['soak']['duration']}"
            done = number < index or phase == "Completed"
            if done:
                words.append(f"[green]✔ {name}[/]")
            elif number == index and phase not in ("RolledBack", "RollingBack"):
                words.append(f"[bold yellow]▶ {name}[/]")
            else:
                words.append(f"[dim]{name}[/]")
        return Text.from_markup("steps    " + "   ".join(words))

    def _gates(self, status: dict[str, Any]) -> RenderableType:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for heading in ("gate", "verdict", "target", "bound", "requests s / t"):
            table.add_column(heading, style="dim" if heading != "verdict" else "", no_wrap=True)
        colours = {"Pass": "green", "Fail": "red", "Error": "red"}
        for gate in status.get("gates") or []:
            counts = ""
            if gate.get("targetCount") is not None:
                counts = f"{gate.get('sourceCount', 0):,.0f} / {gate['targetCount']:,.0f}"
            table.add_row(
                gate["name"],
                f"[{colours.get(gate['verdict'], 'yellow')}]{gate['verdict']}",
                _percent(gate.get("value")),
                _percent(gate.get("bound")),
                counts,
            )
        return table

    def _words(self, status: dict[str, Any]) -> Iterator[RenderableType]:
        phase = status.get("phase") or "…"
        colour = {"RolledBack": "red", "RollingBack": "red", "Completed": "green"}.get(
            phase, "yellow"
        )
        yield Text.from_markup(f"[bold {colour}]{phase}[/]  {status.get('message', '')}")
        for note in self.notes:
            yield Text.from_markup(note)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2g} %"


# --- the story ----------------------------------------------------------------------------------


@contextmanager
def running_lab() -> Iterator[Lab]:
    folder = Path(tempfile.mkdtemp(prefix="cutover-demo-"))
    try:
        with console.status(
            "Starting two Kubernetes API servers, Contour and Envoy, Prometheus, model servers …"
        ):
            began = time.time()
            started = Lab.start(folder, slots=1)
            lab = started.__enter__()
        try:
            table = Table(
                box=None,
                title=f"Real parts, up after {time.time() - began:.0f} s",
                title_justify="left",
            )
            table.add_column("part", style="bold")
            table.add_column("at")
            table.add_row("API server, source cluster", lab.source.server)
            table.add_row("API server, target cluster", lab.target.server)
            table.add_row("gateway (Contour, Envoy)", lab.gateway.url)
            table.add_row("Prometheus", lab.prometheus.url)
            table.add_row("model servers", f"{lab.slot(0).source.url}  {lab.slot(0).target.url}")
            console.print(table, "")
            yield lab
        finally:
            started.__exit__(None, None, None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def install(lab: Lab) -> None:
    for cluster in (lab.source, lab.target):
        cluster.ensure_namespace("cutover-system")
        cluster.kubectl(
            *("apply", "--server-side"),
            *("-f", str(REPOSITORY / "crds" / "cutover.dev_migrationrollouts.yaml")),
            *("-f", str(REPOSITORY / "manifests" / "operator" / "service-account.yaml")),
            *("-f", str(REPOSITORY / "manifests" / "operator" / "roles.yaml")),
        )
    while not lab.source.is_established("migrationrollouts.cutover.dev"):
        time.sleep(0.1)


def apply(lab: Lab, route: Route, slot: Slot, name: str) -> None:
    text = YAML.format(
        name=name,
        prometheus=lab.prometheus.url,
        slot=slot.number,
        source=route.source_backend,
        target=route.target_backend,
    )
    console.print("[bold]$ kubectl apply -f -")
    console.print(Syntax(text, "yaml", background_color="default", word_wrap=True))
    console.print(lab.source.kubectl("apply", "-f", "-", input=text))


def play(scene: Scene, at_weight: int | None = None, lever: Any = None) -> dict[str, Any]:
    """Show the rollout until it ends; once the route is at ``at_weight`` pull the lever."""
    status: dict[str, Any] = {}
    pulled = 0.0
    with Live(console=console, refresh_per_second=4, transient=False) as live:
        while time.time() - scene.began < LONGEST:
            status = scene.rollout().get("status") or {}
            target = scene.route.weights().target
            if lever is not None and not pulled and target == at_weight:
                asyncio.run(lever())
                pulled = time.time()
                scene.notes.append(
                    "[bold magenta]— the target turns slow: 3 in 10 requests take 1.5 s to their first token —"
                )
            live.update(scene.draw(status))
            if status.get("phase") in ("Completed", "RolledBack"):
                break
            time.sleep(0.25)
    if pulled:
        evidence(scene, status, pulled)
    return status


def evidence(scene: Scene, status: dict[str, Any], pulled: float) -> None:
    time.sleep(2.0)
    records = [one for one in scene.traffic.records(since=pulled) if one.side == "target"]
    last = max((one.at for one in records), default=pulled)
    rollback = status.get("rollback") or {}
    table = Table(box=None, show_header=False, title="The evidence", title_justify="left")
    table.add_row("why", f"[red]{rollback.get('reason')}: {rollback.get('message')}")
    for gate in status.get("gates") or []:
        if gate["verdict"] == "Fail":
            table.add_row(
                "window",
                f"{gate.get('window')}, {gate.get('sourceCount', 0):,.0f} source and {gate.get('targetCount', 0):,.0f} target requests",
            )
            table.add_row("query", gate.get("query") or "")
    table.add_row(
        "caught",
        f"{last - pulled:.1f} s after it turned slow the last request was sent to the target",
    )
    table.add_row("now", f"all traffic on the source: weights {tuple(scene.route.weights())}")
    console.print(table, "")


def main() -> int:
    console.rule("[bold]Cutover: moving inference traffic, and putting it back by itself")
    with running_lab() as lab:
        install(lab)
        slot = lab.slot(0)
        route = lab.route(NAMESPACE, "chat", slot)
        kubeconfig = lab.source.kubeconfig_for(user=OPERATOR)
        operator = Operator(kubeconfig, "cutover-system", lab.folder)
        operator.watched = ""
        operator.start()
        try:
            with Traffic(lab, route.host, rate=RATE, log=lab.folder / "traffic.log") as traffic:
                console.print(f"Users send {RATE} requests a second through the gateway.", "")
                traffic.wait_for(RATE * 5)
                apply(lab, route, slot, "chat")
                first = play(Scene(lab, route, traffic, "chat", "1 · a healthy target"))
                console.print(lab.source.kubectl("get", "mro", "-n", NAMESPACE))
                route.set_weights(100, 0)
                console.print(
                    "[dim]The route is set back to 100 / 0 by hand; a second rollout begins.\n"
                )
                apply(lab, route, slot, "chat-again")
                second = play(
                    Scene(lab, route, traffic, "chat-again", "2 · the target turns slow"),
                    at_weight=25,
                    lever=lambda: slot.target.set(slow_fraction=0.3, slow_ttft=1.5),
                )
                console.print(lab.source.kubectl("get", "mro", "-n", NAMESPACE))
        finally:
            code = operator.stop()
        ends = (first.get("phase"), second.get("phase"), code)
    if ends != ("Completed", "RolledBack", 0):
        console.print(f"[red]The story did not end as it should: {ends}")
        return 1
    console.print("[green]Both ended as they should. To see more: make test, make bench, README.md")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
