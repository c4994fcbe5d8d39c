"""What each profile can tell, as far as a plan must know, and the gates that it would be judged by.

Token time is judged by the request's mean (TimePerOutputToken): the tests count independent requests,
and the tokens that InterTokenLatency counts are not independent. Thresholds are what people in front of
a chat take for quick, and one second for a whole request; where only means are known no threshold is
needed. Of a Custom server no latency can be guessed.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from cutover.api.gates import ErrorRateGate, Gate, LatencyGate, MeanLatencyGate
from cutover.api.sides import Profile
from cutover.decide.tellable import Tells
from cutover.judge.distribution import Scale
from cutover.metrics.profiles import NAMES
from cutover.metrics.profiles.names import Names, Sizes


def _limit(name: str, metric: str, threshold: str) -> Gate:
    latency = LatencyGate(metric=metric, threshold=threshold, max_above="5%", margin="2.5%")
    return Gate(name=name, latency=latency)


def _mean(name: str, metric: str) -> Gate:
    return Gate(name=name, mean_latency=MeanLatencyGate(metric=metric, max_increase="10%"))


_ERRORS: Final = Gate(name="errors", error_rate=ErrorRateGate(max="1%", ratio="2"))
_FIRST_TOKEN: Final = _limit("first-token", "TimeToFirstToken", "1s")
_TOKEN_TIME: Final = _limit("token-time", "TimePerOutputToken", "100ms")

DEFAULT_GATES: Final[Mapping[Profile, Sequence[Gate]]] = {
    Profile.VLLM: (_FIRST_TOKEN, _TOKEN_TIME, _ERRORS),
    Profile.SGLANG: (_FIRST_TOKEN, _TOKEN_TIME, _ERRORS),
    Profile.TRITON: (_mean("mean-latency", "EndToEnd"), _ERRORS),
    Profile.TGI: (_TOKEN_TIME, _ERRORS),
    Profile.NIM: (_FIRST_TOKEN, _ERRORS),
    Profile.KSERVE: (_limit("latency", "InferenceTime", "1s"), _ERRORS),
    Profile.MLSERVER: (_mean("mean-latency", "InferenceTime"), _ERRORS),
    Profile.TORCHSERVE: (_mean("mean-latency", "InferenceTime"), _ERRORS),
    Profile.RAY: (_limit("latency", "EndToEnd", "1s"), _ERRORS),
    Profile.TFSERVING: (_limit("latency", "EndToEnd", "1s"), _ERRORS),
    Profile.LLAMA_CPP: (_mean("token-time", "InterTokenLatency"), _ERRORS),
    Profile.CUSTOM: (_ERRORS,),
}
"""In force where ``gates`` is omitted and both sides can tell them."""


def _tells(names: Names) -> Tells:
    return Tells(
        latencies=tuple(names.latencies),
        means=tuple(dict.fromkeys([*names.means, *names.latencies])),
        requests=bool(names.requests),
        errors=bool(names.errors),
        running=bool(names.running),
        distributions={
            name: Scale.ORDERED if isinstance(one, Sizes) else Scale.CLASSES
            for name, one in names.distributions.items()
        },
    )


TELLS: Final[Mapping[Profile, Tells]] = {profile: _tells(names) for profile, names in NAMES.items()}
"""Of every profile but Custom."""
