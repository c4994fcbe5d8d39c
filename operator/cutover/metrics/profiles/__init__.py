"""Whose metric names are read: data, and each profile's default gates.

``names``     what a profile consists of
``llm``       servers of language models
``classic``   servers of any model
``gateways``  what gateways count of each backend
``defaults``  the gates in force where a spec names none
"""

from collections.abc import Mapping
from typing import Final

from cutover.api.sides import Profile
from cutover.metrics.profiles.classic import KSERVE, MLSERVER, RAY, TENSORFLOW, TORCHSERVE, TRITON
from cutover.metrics.profiles.llm import LLAMA_CPP, NIM, SGLANG, TGI, VLLM
from cutover.metrics.profiles.names import Names

NAMES: Final[Mapping[Profile, Names]] = {
    Profile.VLLM: VLLM,
    Profile.SGLANG: SGLANG,
    Profile.TRITON: TRITON,
    Profile.TGI: TGI,
    Profile.NIM: NIM,
    Profile.KSERVE: KSERVE,
    Profile.MLSERVER: MLSERVER,
    Profile.TORCHSERVE: TORCHSERVE,
    Profile.RAY: RAY,
    Profile.TFSERVING: TENSORFLOW,
    Profile.LLAMA_CPP: LLAMA_CPP,
}
"""Every profile but Custom, whose queries are the user's own."""
