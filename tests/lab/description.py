"""What does lab.json say, so that other processes can use a lab that is up?"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.lab.prometheus import Target


@dataclass(frozen=True)
class SlotDescription:
    number: int
    control: int
    source: int
    target: int

    def targets(self) -> list[Target]:
        """What Prometheus scrapes of it, with the labels that a rollout's matchers name."""
        slot = str(self.number)
        return [
            Target(port, {"slot": slot, "side": side, "cluster": side})
            for side, port in (("source", self.source), ("target", self.target))
        ]


@dataclass(frozen=True)
class ClusterDescription:
    name: str
    server: str
    kubeconfig: str
    ca: str
    tokens: dict[str, str]
    kubectl: str


@dataclass(frozen=True)
class Description:
    folder: str
    pid: int
    source: ClusterDescription
    target: ClusterDescription
    gateway_url: str
    gateway_stats_port: int
    envoy_admin: str
    prometheus_url: str
    scrape: str
    etcd_port: int
    slots: list[SlotDescription]
    programs: dict[str, str]

    def write(self, path: Path) -> None:
        scratch = path.with_suffix(".new")
        scratch.touch(mode=0o600)
        scratch.write_text(json.dumps(asdict(self), indent=1))
        os.replace(scratch, path)

    @classmethod
    def read(cls, path: Path) -> "Description":
        content: dict[str, Any] = json.loads(path.read_text())
        content["source"] = ClusterDescription(**content["source"])
        content["target"] = ClusterDescription(**content["target"])
        content["slots"] = [SlotDescription(**slot) for slot in content["slots"]]
        return cls(**content)
