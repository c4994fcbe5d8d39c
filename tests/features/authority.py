"""How does a test make client certificates, and an API server that takes them?"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.lab import Lab
from tests.lab.private import PrivateCluster


class Authority:
    """Signs client certificates."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "clients")])
        certificate = self._signed(self._name, self._key, authority=True)
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)

    def user(self, name: str) -> dict[str, str]:
        """The user's entry of a kubeconfig."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        pem = self._signed(subject, key).public_bytes(serialization.Encoding.PEM)
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        return {
            "client-certificate-data": base64.b64encode(pem).decode(),
            "client-key-data": base64.b64encode(secret).decode(),
        }

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool = False
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        usage = [ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        return builder.sign(self._key, hashes.SHA256())


@contextmanager
def cluster_that_trusts(lab: Lab, authority: Authority, folder: Path) -> Iterator[PrivateCluster]:
    """The lab's API servers know tokens only: this one gets a flag more."""
    ca = folder / "clients.crt"
    ca.write_bytes(authority.pem)
    with lab.private_cluster(f"--client-ca-file={ca}") as private:
        yield private
