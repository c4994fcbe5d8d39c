"""Reaching a real Prometheus: passwords, certificates, and everything that stands in the way."""

import asyncio
import datetime as dt
import ipaddress
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cutover.api.sides import Profile, Prometheus, Side
from cutover.decide.readings import Gap, Missing, Reading, SideReading
from cutover.metrics.answers import Answer, Vector
from cutover.metrics.joined import SideMetrics
from cutover.metrics.profiles.defaults import DEFAULT_GATES
from cutover.metrics.prometheus import PrometheusPool
from tests.lab import Lab, Slot
from tests.lab.children import Child
from tests.lab.ports import free_ports

pytestmark = pytest.mark.lab

PASSWORD = "open sesame"
HASHED = "$2b$04$l69AkCR4VsGB0mmUKicphuDyToBmuOn44ZCDmTlXdPoIOzGzMNEh6"
"""The same, by bcrypt."""
PEM = serialization.Encoding.PEM


class FakeSecrets:
    """Secrets by name; what is not there is a gap, as from a cluster."""

    def __init__(self) -> None:
        self.content: dict[str, dict[str, bytes]] = {}

    async def read(self, namespace: str, name: str, key: str | None) -> Mapping[str, bytes] | Gap:
        if name not in self.content:
            return Gap(Missing.CREDENTIALS, f"Secret {namespace}/{name} does not exist: create it")
        return {k: v for k, v in self.content[name].items() if key in (None, k)}


@pytest.fixture
def secrets() -> FakeSecrets:
    return FakeSecrets()


@pytest.fixture
async def pool(secrets: FakeSecrets) -> AsyncIterator[PrometheusPool]:
    one = PrometheusPool(secrets)
    yield one
    await one.aclose()


# --- a Prometheus behind a password or certificates -----------------------------------------------


@dataclass(frozen=True)
class Issued:
    certificate: bytes
    key: bytes


class Authority:
    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        self.pem = self._signed(self._name, self._key, names=None).public_bytes(PEM)

    def issue(self, host: str) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(host)]
        if host == "127.0.0.1":
            names = [x509.IPAddress(ipaddress.ip_address(host))]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        private = key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Issued(self._signed(subject, key, names).public_bytes(PEM), private)

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        names: list[x509.GeneralName] | None,
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
        )
        if names is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
            usages = x509.ExtendedKeyUsage(self._usages)
            builder = builder.add_extension(usages, critical=False)
        return builder.sign(self._key, hashes.SHA256())


@contextmanager
def guarded(lab: Lab, folder: Path, web: dict[str, Any]) -> Iterator[int]:
    """A Prometheus that scrapes nothing, with this web configuration; its port."""
    (folder / "prometheus.yaml").write_text("{}")
    (folder / "web.yaml").write_text(yaml.safe_dump(web))
    (port,) = free_ports(1)
    command: list[str | Path] = [
        lab.program("prometheus"),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--web.config.file={folder / 'web.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    child = Child("guarded-prometheus", command, folder / "prometheus.log")
    try:
        child.wait_until(lambda: "Server is ready" in child.log.read_text())
        yield port
    finally:
        child.stop()


async def ask(pool: PrometheusPool, address: str, **more: Any) -> Answer:
    where = Prometheus.model_validate({"address": address, "matchers": {"a": "b"}} | more)
    return await pool.query("inference", where, "vector(1)")


def gap(answer: Answer | Reading, missing: Missing) -> str:
    assert isinstance(answer, Gap), answer
    assert answer.missing is missing, answer
    return answer.message


BASIC = {
    "basicAuth": {
        "username": {"name": "login", "key": "user"},
        "password": {"name": "login", "key": "password"},
    }
}


async def test_a_password(
    lab: Lab, tmp_path: Path, pool: PrometheusPool, secrets: FakeSecrets
) -> None:
    with guarded(lab, tmp_path, {"basic_auth_users": {"ann": HASHED}}) as port:
        address = f"http://127.0.0.1:{port}"
        told = gap(await ask(pool, address), Missing.UNAUTHORISED)
        assert f"{address} refused our credentials (HTTP 401)" in told
        told = gap(await ask(pool, address, **BASIC), Missing.CREDENTIALS)
        assert "Secret inference/login does not exist" in told
        secrets.content["login"] = {"user": b"ann\n", "password": b"wrong"}
        gap(await ask(pool, address, **BASIC), Missing.UNAUTHORISED)
        secrets.content["login"] = {"user": b"ann\n", "password": PASSWORD.encode()}
        assert isinstance(await ask(pool, address, **BASIC), Vector)


def trusting(name: str, **more: Any) -> dict[str, Any]:
    return {"tlsConfig": {"ca": {"secret": {"name": name, "key": "ca.crt"}}} | more}


async def test_certificates(
    lab: Lab, tmp_path: Path, pool: PrometheusPool, secrets: FakeSecrets
) -> None:
    ours, others = Authority("ours"), Authority("others")
    server = ours.issue("prometheus.gke")
    (tmp_path / "server.crt").write_bytes(server.certificate)
    (tmp_path / "server.key").write_bytes(server.key)
    secrets.content = {"ours": {"ca.crt": ours.pem}, "others": {"ca.crt": others.pem}}
    tls = {"cert_file": "server.crt", "key_file": "server.key"}
    with guarded(lab, tmp_path, {"tls_server_config": tls}) as port:
        address = f"https://127.0.0.1:{port}"
        named = trusting("ours", serverName="prometheus.gke")
        assert isinstance(await ask(pool, address, **named), Vector)
        for wrong in ({}, trusting("others", serverName="prometheus.gke"), trusting("ours")):
            told = gap(await ask(pool, address, **wrong), Missing.UNREACHABLE)
            assert "certificate of" in told
            assert "check tlsConfig.ca and serverName" in told
        told = gap(await ask(pool, f"http://127.0.0.1:{port}"), Missing.UNREACHABLE)
        assert "Client sent an HTTP request to an HTTPS server" in told


async def test_a_client_certificate(
    lab: Lab, tmp_path: Path, pool: PrometheusPool, secrets: FakeSecrets
) -> None:
    ours, others = Authority("ours"), Authority("others")
    server = ours.issue("127.0.0.1")
    (tmp_path / "server.crt").write_bytes(server.certificate)
    (tmp_path / "server.key").write_bytes(server.key)
    (tmp_path / "ca.crt").write_bytes(ours.pem)
    secrets.content["ours"] = {"ca.crt": ours.pem}
    for name, issued in (("mine", ours.issue("cutover")), ("alien", others.issue("cutover"))):
        secrets.content[name] = {"tls.crt": issued.certificate, "tls.key": issued.key}
    tls = {
        "cert_file": "server.crt",
        "key_file": "server.key",
        "client_ca_file": "ca.crt",
        "client_auth_type": "RequireAndVerifyClientCert",
    }

    def presenting(name: str) -> dict[str, Any]:
        cert = {"secret": {"name": name, "key": "tls.crt"}}
        return trusting("ours", cert=cert, keySecret={"name": name, "key": "tls.key"})

    with guarded(lab, tmp_path, {"tls_server_config": tls}) as port:
        address = f"https://127.0.0.1:{port}"
        assert isinstance(await ask(pool, address, **presenting("mine")), Vector)
        for wrong in (trusting("ours"), presenting("alien")):
            # The server's alert may come too late to be read: then the sentence asks.
            refused = await ask(pool, address, **wrong)
            assert isinstance(refused, Gap)
            assert refused.missing in (Missing.UNAUTHORISED, Missing.UNREACHABLE)
            assert "client certificate" in refused.message


# --- whole looks through trouble ------------------------------------------------------------------


def metrics(pool: PrometheusPool, address: str, slot: Slot) -> SideMetrics:
    def side(matchers: dict[str, str]) -> Side:
        return Side.model_validate({"prometheus": {"address": address, "matchers": matchers}})

    return SideMetrics(
        side(slot.target.matchers),
        side(slot.source.matchers),
        name="target",
        profile=Profile.VLLM,
        custom=None,
        gates=DEFAULT_GATES[Profile.VLLM],
        namespace="inference",
        client=pool,
    )


async def test_a_prometheus_that_is_killed_and_comes_back(
    lab: Lab, slot: Slot, pool: PrometheusPool
) -> None:
    with lab.private_prometheus([slot]) as prometheus:
        prometheus.wait_scraped()
        side = metrics(pool, prometheus.url, slot)
        assert isinstance(await side.look([10]), SideReading)
        prometheus.kill()
        told = gap(await side.look([10]), Missing.UNREACHABLE)
        assert f"{prometheus.url} cannot be reached" in told
        prometheus.restart()
        assert isinstance(await side.look([10]), SideReading)


async def test_a_prometheus_that_hangs_costs_a_bounded_time(
    lab: Lab, slot: Slot, pool: PrometheusPool
) -> None:
    with lab.proxy(lab.prometheus.url) as proxy:
        side = metrics(pool, proxy.url, slot)
        assert isinstance(await side.look([10]), SideReading)
        proxy.hang()
        began = time.monotonic()
        told = gap(await side.look([10]), Missing.UNREACHABLE)
        assert time.monotonic() - began < 8
        assert f"{proxy.url} did not answer within 5 s" in told
        proxy.pass_through()
        assert isinstance(await side.look([10]), SideReading)


async def test_pooled_connections_that_end_are_not_noticed(
    lab: Lab, slot: Slot, pool: PrometheusPool
) -> None:
    with lab.proxy(lab.prometheus.url) as proxy:
        side = metrics(pool, proxy.url, slot)
        assert isinstance(await side.look([10]), SideReading)
        proxy.reset()
        proxy.pass_through()
        assert isinstance(await side.look([10]), SideReading)
        proxy.lose_answers(count=1)
        assert isinstance(await side.look([10]), SideReading)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status": 200, "body": "<!doctype html><title>Log in"}, "a web page (HTTP 200)"),
        ({"status": 302, "headers": "Location: https://login.example/?a=1\r\n"}, "login.example/,"),
        ({"status": 503, "body": "upstream connect error"}, '"upstream connect error" (HTTP 503)'),
    ],
)
async def test_something_else_stands_in_front(
    lab: Lab, slot: Slot, pool: PrometheusPool, answer: dict[str, Any], words: str
) -> None:
    with lab.proxy(lab.prometheus.url) as proxy:
        proxy.fail(**answer)
        told = gap(await metrics(pool, proxy.url, slot).look([10]), Missing.UNREACHABLE)
        assert f"{proxy.url} answered with " in told
        assert words in told
        assert "is there a login page in front?" in told


async def test_nothing_of_a_password_is_told(
    lab: Lab, tmp_path: Path, pool: PrometheusPool, secrets: FakeSecrets
) -> None:
    secrets.content["login"] = {"user": b"ann", "password": PASSWORD.encode()}
    with guarded(lab, tmp_path, {"basic_auth_users": {"ann": HASHED}}) as port:
        address = f"http://127.0.0.1:{port}"
        where = Prometheus.model_validate({"address": address, "matchers": {"a": "b"}} | BASIC)
        answer = await pool.query("inference", where, "sum(")
        told = gap(answer, Missing.INVALID_QUERY)
        assert "parse error" in told
        assert PASSWORD not in told


async def test_many_looks_at_once_share_a_few_connections(
    lab: Lab, slot: Slot, pool: PrometheusPool
) -> None:
    side = metrics(pool, lab.prometheus.url, slot)
    readings = await asyncio.gather(*(side.look([10, 30]) for _ in range(50)))
    assert all(isinstance(one, SideReading) for one in readings)
    assert len(pool._kept) == 1
