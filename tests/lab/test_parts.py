"""Where parts are found, without building any."""

from pathlib import Path

import pytest

from tests.lab import parts
from tests.lab.progress import LineProgress


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for part in parts.PARTS.values():
        monkeypatch.delenv(part.variable, raising=False)
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def make(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


def test_explicit_then_kubebuilder_then_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert parts.find("etcd") is None
    cached = make(parts.PARTS["etcd"].cached)
    assert parts.find("etcd") == cached
    assets = make(tmp_path / "assets" / "etcd")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets.parent))
    assert parts.find("etcd") == assets
    explicit = make(tmp_path / "mine")
    monkeypatch.setenv("CUTOVER_LAB_ETCD", str(explicit))
    assert parts.find("etcd") == explicit
    assert parts.ensure(["etcd"]) == {"etcd": explicit}


def test_a_wrong_explicit_path_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUTOVER_LAB_KUBE_APISERVER", "/nowhere")
    with pytest.raises(
        parts.PartUnavailableError, match="CUTOVER_LAB_KUBE_APISERVER names /nowhere"
    ):
        parts.find("kube-apiserver")


@pytest.mark.parametrize("name", list(parts.PARTS))
def test_every_part_is_pinned_with_checksums(name: str) -> None:
    part = parts.PARTS[name]
    assert part.version.count(".") == 2
    assert part.key.startswith(f"{name}-{part.version}-")
    assert (part.folder / "go.sum").exists()


def test_a_failed_build_shows_its_log(tmp_path: Path) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho the reason >&2; exit 3\n")
    go.chmod(0o755)
    progress = LineProgress()
    with pytest.raises(parts.PartUnavailableError, match="the reason"):
        parts.build(parts.PARTS["etcd"], go, progress)
    assert parts.find("etcd") is None
