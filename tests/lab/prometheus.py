"""How is a Prometheus started, and what does it scrape?"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.lab.children import Child


@dataclass(frozen=True)
class Target:
    port: int
    labels: dict[str, str]


def start_prometheus(
    program: Path, folder: Path, port: int, name: str = "prometheus", *, retention: str = "1d"
) -> Child:
    """Its configuration must have been written; a restart finds its own storage again."""
    return Child(
        name,
        [
            program,
            f"--config.file={folder / f'{name}.yaml'}",
            f"--storage.tsdb.path={folder / name}",
            f"--storage.tsdb.retention.time={retention}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ],
        folder / f"{name}.log",
    )


def write_config(
    folder: Path,
    scrape: str,
    targets: Iterable[Target],
    stats_port: int | None,
    name: str = "prometheus",
) -> None:
    """The models' servers with their labels, and Envoy where a stats port is given."""
    servers = [{"targets": [f"127.0.0.1:{t.port}"], "labels": t.labels} for t in targets]
    jobs: list[dict[str, Any]] = [{"job_name": "models", "static_configs": servers}]
    if stats_port is not None:
        static = [{"targets": [f"127.0.0.1:{stats_port}"]}]
        path = "/stats/prometheus"
        jobs.append({"job_name": "envoy", "metrics_path": path, "static_configs": static})
    times = {"scrape_interval": scrape, "scrape_timeout": scrape, "evaluation_interval": scrape}
    text = yaml.safe_dump({"global": times, "scrape_configs": jobs})
    (folder / f"{name}.yaml").write_text(text)


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def count_up(url: str) -> int:
    """How many of its targets this run of it has scraped with success."""
    try:
        answer = httpx.get(f"{url}/api/v1/targets?state=active", timeout=2, trust_env=False)
        targets = answer.json()["data"]["activeTargets"]
    except (httpx.HTTPError, KeyError, ValueError):
        return 0
    return sum(target["health"] == "up" for target in targets)
