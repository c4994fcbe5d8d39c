"""What preflight asks beside the metrics and the workloads, as values. None: not answered yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cutover.decide.readings import Gap


@dataclass(frozen=True, slots=True)
class Denied:
    """Something that the run does on an API server and may not do there."""

    what: str
    """In words: ``patch httproutes.gateway.networking.k8s.io chat in namespace x of the …``."""
    without: str = ""
    """What comes of it, where the rollout goes on without; empty: it does not."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What the API servers say of what the run will do there."""

    asked: int
    denied: tuple[Denied, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """What a side's endpoint says that it serves."""

    names: tuple[str, ...]
    max_context: int | None = None
    """Tokens."""
    version: str = ""
    """Of the server; empty: it does not say."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """How many tokens each side counts in the same prompt."""

    gate: str
    item: str
    """Id of the golden item."""
    source: int | None
    target: int | None


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that the target's pods need."""

    name: str
    """``Secret llama-auth``, ``image registry.example/llama:1``."""
    present: bool | None
    """None: it cannot be told."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Unfit:
    """A golden set that cannot be used: reason and sentence."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Ending:
    """What scaling the source to zero would come to, if it were done now."""

    kept: str | None
    """Why it would be kept instead; None: it would not."""
    paused: tuple[str, ...] = ()
    """What would be paused first: ``ScaledObject chat``."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All of it."""

    rights: Rights | Gap | None = None
    models: Mapping[str, Model | Gap] = field(default_factory=dict)
    """By side; one that is not here has not answered yet."""
    prompts: Prompts | Gap | None = None
    references: tuple[Thing, ...] | Gap | None = None
    """Secrets and ConfigMaps that the target's pods name."""
    images: tuple[Thing, ...] | Gap | None = None
    golden: Mapping[str, int | Unfit] | Gap | None = None
    """By what names it: items, or what is wrong."""
    ending: Ending | Gap | None = None
    """Where the source is to be scaled to zero at the end."""
