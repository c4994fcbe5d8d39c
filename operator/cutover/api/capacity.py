"""Whether the target has room for the next weight, and what it is asked before the first one."""

from typing import Annotated

from pydantic import Field

from cutover.api.golden import Dataset, GoldenProtocol
from cutover.api.quantities import Share
from cutover.api.rules import SOME, Rule, ruled_by
from cutover.api.wire import Wire


class Capacity(Wire):
    """How much the servers can take; a weight that would need more is held back."""

    concurrency_per_replica: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Requests that one server can work on at a time (max-num-seqs of vLLM), 1 to 100000."""
    headroom: Annotated[Share, SOME] = "80%"
    """Share of that, and of the KV cache, that the next weight may be expected to use, such as 80%."""


class WarmUp(Wire):
    """Requests that fill caches and compile kernels before users' requests come."""

    model_config = ruled_by(
        Rule(
            "has(self.dataset) || self.protocol.startsWith('OpenAI')",
            "what a request of this protocol looks like only you know: name some in dataset",
            at=".dataset",
        )
    )

    requests: Annotated[int, Field(ge=1, le=200)] = 20
    """Requests for each ready replica, or in all where replicas are not known, 1 to 200; never more than 1000 together."""
    protocol: GoldenProtocol = GoldenProtocol.OPENAI_CHAT
    """How the requests are spelled, and where they are sent."""
    dataset: Dataset | None = None
    """Requests to send, one after the other and again from the first, such as the golden set of a parity gate. Omitted: "Hello", a few tokens long."""
