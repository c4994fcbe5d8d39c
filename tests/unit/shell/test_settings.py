"""Each setting from its flag and from its twin; every bad value is refused by name."""

from pathlib import Path

import pytest

from cutover.errors import ConfigurationError
from cutover.settings import Listen, Settings, read_settings

BASE = {"POD_NAMESPACE": "cutover-system"}
NOWHERE = Path("/nonexistent")


def read(*arguments: str, **environment: str) -> Settings:
    return read_settings(arguments, BASE | environment, NOWHERE)


def test_the_defaults() -> None:
    assert read() == Settings(
        lease_namespace="cutover-system",
        listen=Listen("0.0.0.0", 8080),
        watch_namespaces=(),
        secret_namespaces=(),
        allow_insecure_tls=False,
        log_level="info",
        log_format="json",
    )


@pytest.mark.parametrize(
    ("flag", "text", "field", "value"),
    [
        ("--listen", "127.0.0.1:9090", "listen", Listen("127.0.0.1", 9090)),
        ("--listen", "[::]:0", "listen", Listen("::", 0)),
        ("--listen", ":8080", "listen", Listen("0.0.0.0", 8080)),
        ("--watch-namespaces", "a, b,a", "watch_namespaces", ("a", "b")),
        ("--lease-namespace", "here", "lease_namespace", "here"),
        ("--secret-namespaces", "argocd", "secret_namespaces", ("argocd",)),
        (
            "--identity-servers",
            "*.EKS.amazonaws.com, 10.0.0.7",
            "identity_servers",
            ("*.eks.amazonaws.com", "10.0.0.7"),
        ),
        ("--allow-insecure-tls", "true", "allow_insecure_tls", True),
        ("--allow-insecure-tls", "FALSE", "allow_insecure_tls", False),
        ("--log-level", "Debug", "log_level", "debug"),
        ("--log-format", "text", "log_format", "text"),
    ],
)
def test_flag_and_twin_say_the_same(flag: str, text: str, field: str, value: object) -> None:
    twin = "CUTOVER_" + flag.removeprefix("--").replace("-", "_").upper()
    assert getattr(read(flag, text), field) == value
    assert getattr(read(f"{flag}={text}"), field) == value
    assert getattr(read(**{twin: text}), field) == value


def test_the_flag_wins() -> None:
    assert read("--log-level=error", CUTOVER_LOG_LEVEL="debug").log_level == "error"


def test_a_flag_alone_says_yes() -> None:
    assert read("--allow-insecure-tls").allow_insecure_tls


@pytest.mark.parametrize(
    ("flag", "text", "words"),
    [
        ("--listen", "8080", "must be HOST:PORT"),
        ("--listen", "localhost:http", "must be HOST:PORT"),
        ("--listen", "localhost:65536", "must be HOST:PORT"),
        ("--listen", "::1:8080", "must be HOST:PORT"),
        ("--listen", "localhost:-1", "must be HOST:PORT"),
        ("--watch-namespaces", "team-*", "names 'team-*', which is no namespace"),
        ("--watch-namespaces", "a,,b", "names '', which is no namespace"),
        ("--watch-namespaces", "", "is empty; leave it out"),
        ("--lease-namespace", "Here", "names 'Here', which is no namespace"),
        ("--secret-namespaces", " ", "is empty; leave it out"),
        ("--identity-servers", "*", "names '*', which is no host"),
        ("--identity-servers", "https://a.example", "which is no host"),
        ("--identity-servers", "a.*.example", "which is no host"),
        ("--allow-insecure-tls", "yes", "must be one of true, false, not 'yes'"),
        ("--allow-insecure-tls", "", "is empty"),
        ("--log-level", "verbose", "must be one of debug, info, warning, error, not 'verbose'"),
        ("--log-format", "yaml", "must be one of json, text, not 'yaml'"),
    ],
)
def test_a_bad_value_is_refused_with_both_names(flag: str, text: str, words: str) -> None:
    twin = "CUTOVER_" + flag.removeprefix("--").replace("-", "_").upper()
    for said in (
        refusal(f"{flag}={text}"),
        refusal(**{twin: text}),
    ):
        assert said.startswith(f"{flag} ({twin}) ")
        assert words in said


def refusal(*arguments: str, **environment: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        read(*arguments, **environment)
    return str(refused.value)


@pytest.mark.parametrize("argument", ["--loglevel=debug", "--watch", "--log-l=debug", "file.yaml"])
def test_an_unknown_argument_is_refused(argument: str) -> None:
    assert f"unrecognized arguments: {argument}" in refusal(argument)


def test_a_misspelt_variable_is_refused() -> None:
    assert (
        refusal(CUTOVER_LOGLEVEL="debug") == "CUTOVER_LOGLEVEL is no setting; CUTOVER_LOG_LEVEL is"
    )
    assert "CUTOVER_WATCH_NAMESPACES is" in refusal(CUTOVER_WATCH_NAMESPACE="a")


@pytest.mark.parametrize(
    "name",
    ["CUTOVER_SERVICE_HOST", "CUTOVER_PORT", "CUTOVER_PORT_8080_TCP_ADDR", "CUTOVER_LAB_DIR"],
)
def test_variables_that_kubernetes_sets_beside_a_service_are_left_alone(name: str) -> None:
    read(**{name: "10.0.0.1"})


def test_the_lease_namespace_is_the_pods(tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("from-the-account\n")
    assert read_settings([], {}, tmp_path).lease_namespace == "from-the-account"
    assert read_settings([], {"POD_NAMESPACE": "pod"}, tmp_path).lease_namespace == "pod"
    twin = {"POD_NAMESPACE": "pod", "CUTOVER_LEASE_NAMESPACE": "set"}
    assert read_settings([], twin, tmp_path).lease_namespace == "set"


def test_without_any_namespace_it_says_what_is_missing() -> None:
    with pytest.raises(ConfigurationError, match=r"--lease-namespace \(CUTOVER_LEASE_NAMESPACE\)"):
        read_settings([], {}, NOWHERE)


def test_a_bad_pod_namespace_is_named() -> None:
    assert refusal(POD_NAMESPACE="NO").startswith("POD_NAMESPACE names 'NO'")


def test_help_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read("--help")
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for flag in ("--listen", "--watch-namespaces", "--lease-namespace", "--secret-namespaces"):
        assert flag in text
    assert "CUTOVER_LOG_LEVEL" in text
