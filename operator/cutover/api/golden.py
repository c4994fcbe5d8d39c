"""Golden sets: requests whose answers of both sides are compared, and where they are kept.

A golden set is JSON Lines: each line one request body of the protocol, with an optional ``id`` and,
for gates that measure against the truth, a ``label``.
"""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from cutover.api.names import KeyName, ObjectName
from cutover.api.rules import ONE_OWNER, Rule, exactly_one, ruled_by
from cutover.api.wire import Wire

URL_PATTERN: Final = r"^(https|http|s3|gs|az)://[^\s@]+$"
NEARBY_PATTERN: Final = (
    r"^http://(localhost|127\.[0-9.]+|\[::1\]|[a-z0-9-]+"
    r"|[a-z0-9.-]+\.svc(\.cluster\.local)?)(:[0-9]+)?(/|$)"
)
"""http:// stays in the cluster: what people asked a model is nobody else's to read on the way."""
SHA256_PATTERN: Final = r"^[0-9a-f]{64}$"


class GoldenProtocol(StrEnum):
    """How the requests of a golden set are spelled, and where they are sent."""

    OPENAI_CHAT = "OpenAIChat"
    OPENAI_COMPLETIONS = "OpenAICompletions"
    OPENAI_EMBEDDINGS = "OpenAIEmbeddings"
    OPEN_INFERENCE_V2 = "OpenInferenceV2"
    KSERVE_V1 = "KServeV1"


MODEL_IN_PATH: Final = frozenset((GoldenProtocol.OPEN_INFERENCE_V2, GoldenProtocol.KSERVE_V1))
"""Protocols whose requests cannot be sent without the endpoint's model."""


class ConfigMapKeyRef(Wire):
    """A ConfigMap of the rollout's namespace."""

    model_config = ONE_OWNER

    name: ObjectName
    """Name of the ConfigMap."""
    key: KeyName | None = None
    """The key that holds the golden set. Omitted: the only one."""


class SecretKeyRef(Wire):
    """A Secret of the rollout's namespace."""

    model_config = ONE_OWNER

    name: ObjectName
    """Name of the Secret; it must carry the label cutover.dev/use: "true"."""
    key: KeyName | None = None
    """The key that holds the golden set. Omitted: the only one."""


class Dataset(Wire):
    """Where a golden set is kept: exactly one of the three."""

    model_config = ruled_by(
        exactly_one(
            "configMapKeyRef",
            "secretKeyRef",
            "url",
            says="a golden set is in one place: set exactly one of configMapKeyRef, secretKeyRef and url",
        ),
        Rule(
            "has(self.url) == has(self.sha256)",
            "a golden set behind a url is read only if it is the one that was meant: set url and sha256"
            " together (sha256sum FILE), or neither",
        ),
    )

    config_map_key_ref: ConfigMapKeyRef | None = None
    """A ConfigMap, up to 1 MiB."""
    secret_key_ref: SecretKeyRef | None = None
    """A Secret, for inputs that not everybody may read."""
    url: (
        Annotated[
            str,
            Field(min_length=8, max_length=2048, pattern=URL_PATTERN),
            Rule(
                f"!self.startsWith('http://') || self.matches(r'{NEARBY_PATTERN}')",
                "http:// can be read on the way: use https://, or an address inside the cluster such as"
                " http://evals.inference.svc/golden.jsonl",
            ),
        ]
        | None
    ) = None
    """Where it can be fetched: https://, s3://, gs:// or az:// (with the operator's own cloud identity), or http:// inside the cluster. Up to 32 MiB."""
    sha256: Annotated[str, Field(pattern=SHA256_PATTERN, max_length=64)] | None = None
    """SHA-256 of the file behind url, 64 hexadecimal digits; anything else is refused."""
