"""Which protocol a replay speaks."""

from cutover.api.golden import GoldenProtocol
from cutover.decide.asking import Asking
from cutover.replay.openai import Chat, Completions, Embeddings, Scoring
from cutover.replay.spelling import Spelling
from cutover.replay.tensors import KServe, OpenInference


def spelling(asking: Asking) -> Spelling:
    """Choose the protocol of a replay."""
    match asking.protocol:
        case GoldenProtocol.OPENAI_CHAT:
            return Chat(logprobs=asking.logprobs)
        case GoldenProtocol.OPENAI_COMPLETIONS:
            return Scoring() if asking.scoring else Completions(logprobs=asking.logprobs)
        case GoldenProtocol.OPENAI_EMBEDDINGS:
            return Embeddings()
        case GoldenProtocol.OPEN_INFERENCE_V2:
            return OpenInference()
        case GoldenProtocol.KSERVE_V1:
            return KServe()
