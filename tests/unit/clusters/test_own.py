"""Where the operator's own credentials come from."""

import base64
import json
from pathlib import Path

import pytest

from cutover.clusters.own import own_access
from cutover.errors import ConfigurationError

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def write_kubeconfig(folder: Path) -> Path:
    document = {
        "clusters": [
            {"name": "c", "cluster": {"server": "https://api", "certificate-authority": "ca.crt"}}
        ],
        "users": [{"name": "u", "user": {"tokenFile": "token"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (folder / "ca.crt").write_text(PEM)
    (folder / "token").write_text("t\n")
    path = folder / "config"
    path.write_text(json.dumps(document))
    return path


def test_a_kubeconfig_of_our_own_may_name_files(tmp_path: Path) -> None:
    access = own_access({"KUBECONFIG": str(write_kubeconfig(tmp_path))})
    assert (access.server, access.ca, access.token) == ("https://api", PEM, "t")


def test_the_pods_account(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text(PEM)
    (tmp_path / "token").write_text("t")
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    access = own_access(environment, account=tmp_path)
    assert access.server == "https://[fd00::1]:6443"
    assert (access.ca, access.token_file) == (PEM, str(tmp_path / "token"))


def test_home_is_the_last_place(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    write_kubeconfig(tmp_path / ".kube")
    assert own_access({"HOME": str(tmp_path)}).server == "https://api"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        pytest.param({}, "set KUBECONFIG", id="nothing"),
        pytest.param({"KUBECONFIG": "/nowhere/config"}, "/nowhere/config", id="no-file"),
        pytest.param({"KUBERNETES_SERVICE_HOST": "x"}, "automount", id="no-account"),
    ],
)
def test_what_is_missing_is_named(environment: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=words):
        own_access(environment, account=tmp_path)


def test_exec_is_refused_in_our_own_too(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path)
    document = json.loads(path.read_text())
    document["users"][0]["user"] = {"exec": {"command": "aws"}}
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigurationError, match="exec"):
        own_access({"KUBECONFIG": str(path)})


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path)
    (tmp_path / "ca.crt").unlink()
    with pytest.raises(ConfigurationError, match=r"ca\.crt"):
        own_access({"KUBECONFIG": str(path)})


def test_inline_data_wins_over_a_file(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path)
    document = json.loads(path.read_text())
    cluster = document["clusters"][0]["cluster"]
    cluster["certificate-authority"] = "/nowhere"
    cluster["certificate-authority-data"] = base64.b64encode(PEM.encode()).decode()
    path.write_text(json.dumps(document))
    assert own_access({"KUBECONFIG": str(path)}).ca == PEM
