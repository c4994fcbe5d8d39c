"""Who may speak to the lab's API servers, and how is their TLS verified?"""

import base64
import datetime as dt
import ipaddress
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

OPERATOR = "system:serviceaccount:cutover-system:cutover"
PEOPLE = ("alice", "bob", "carol", "dave", "erin", "gitops", "oncall", "viewer")
"""bob and viewer may read, alice may edit, gitops may do everything; the others nothing."""

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Credentials:
    folder: Path
    tokens: dict[str, str]
    """User name to token, the same on every API server of the lab."""

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def certificate(self) -> Path:
        return self.folder / "server.crt"

    @property
    def key(self) -> Path:
        return self.folder / "server.key"

    @property
    def token_file(self) -> Path:
        return self.folder / "tokens.csv"

    @property
    def signing_key(self) -> Path:
        return self.folder / "service-accounts.key"

    @classmethod
    def make(cls, folder: Path) -> "Credentials":
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        tokens = {user: secrets.token_hex(16) for user in ("admin", OPERATOR, *PEOPLE)}
        made = cls(folder, tokens)
        _write_certificates(made)
        rows = [f'{token},{user},{user},"{_groups(user)}"' for user, token in tokens.items()]
        made.token_file.write_text("\n".join(rows) + "\n")
        made.token_file.chmod(0o600)
        return made


def _groups(user: str) -> str:
    if user == "admin":
        return "system:masters"
    if user.startswith("system:serviceaccount:"):
        return f"system:serviceaccounts,system:serviceaccounts:{user.split(':')[2]}"
    return "lab"


def _write_certificates(credentials: Credentials) -> None:
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cutover-lab-ca")])
    ca = _certificate(ca_name, ca_name, ca_key, ca_key, authority=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cutover-lab")])
    certificate = _certificate(name, ca_name, key, ca_key, authority=False)
    pem = serialization.Encoding.PEM
    credentials.ca.write_bytes(ca.public_bytes(pem))
    credentials.certificate.write_bytes(certificate.public_bytes(pem))
    _write_key(credentials.key, key)
    _write_key(credentials.signing_key, rsa.generate_private_key(65537, 2048))


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: Key, issuer_key: Key, *, authority: bool
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_encipherment=not authority,
                key_cert_sign=authority,
                crl_sign=authority,
                **usage,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if not authority:
        names: list[x509.GeneralName] = [x509.DNSName("localhost")]
        names += [x509.IPAddress(ipaddress.ip_address(host)) for host in ("127.0.0.1", "::1")]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())


def _write_key(path: Path, key: Key) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def kubeconfig(server: str, ca_pem: str, token: str, namespace: str = "default") -> str:
    """A kubeconfig's text (JSON, which is YAML)."""
    cluster = {
        "server": server,
        "certificate-authority-data": base64.b64encode(ca_pem.encode()).decode(),
    }
    context = {"cluster": "lab", "user": "lab", "namespace": namespace}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": "lab", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": context}],
        "current-context": "lab",
    }
    return json.dumps(content, indent=1)
