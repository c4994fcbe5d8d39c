"""What can be made to happen at one model server?"""

from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Levers:
    """Times are in seconds, shares between 0 and 1. The defaults are a healthy, quick server."""

    ttft: float = 0.01
    """Median time to the first token."""
    ttft_sigma: float = 0.0
    """Spread of ttft: multiplied by exp(sigma * N(0, 1))."""
    itl: float = 0.0
    """Median time between tokens; 0: as quickly as the model computes."""
    itl_sigma: float = 0.0
    slow_fraction: float = 0.0
    """Share of requests whose first token takes slow_ttft instead."""
    slow_ttft: float = 1.5
    error_rate: float = 0.0
    error_status: int = 500
    wrong_answers: float = 0.0
    """Share of requests answered by other weights of the model."""
    nudge: float = 0.0
    """Answer everything by weights that are moved by that share of their spread: the model was converted
    a little badly. Latencies and errors stay as they are."""
    output_tokens: int = 8
    """Answers are half to one and a half times as long, by prompt; the request may ask for less."""
    cut_short: float = 0.0
    """Share of answers that end in the middle, with the finish reason length; as quick as the others."""
    tokens_per_letter: float = 1.0
    """How many tokens prompts are counted as: another tokenizer, or other prompts."""
    hang: bool = False
    """Accept inference requests and never answer; metrics and health still do."""
    refuse: bool = False
    """Refuse connections: the port is closed, for scrapes and probes too."""
    ready: bool = True
    """What health and readiness say."""
    metrics: bool = True
    """False: /metrics answers 500."""
    xid: int | None = None
    """Last XID error of the server's GPU, as the DCGM exporter tells it (0: it never had one); None: nothing is
    told of a GPU."""
    places: int = 256
    """Requests that are served at a time; more than that count as waiting, and their answers take no longer."""
    model: str = "tiny"
    version: str = "0.33.0"
    max_model_len: int = 2048
    edges: tuple[float, ...] = ()
    """Other bucket edges for the latency histograms; setting them starts these at zero."""
    labels: dict[str, str] = field(default_factory=dict)
    """Further labels on every vllm series."""
    rename: dict[str, str] = field(default_factory=dict)
    """Labels of the vllm series that are called differently, such as model_name."""
    seed: int = 1
    """Of the random choices: shares and spreads."""

    def changed(self, changes: dict[str, Any]) -> "Levers":
        unknown = changes.keys() - asdict(self).keys()
        if unknown:
            raise ValueError(f"No such lever: {', '.join(sorted(unknown))}")
        if "edges" in changes:
            changes = changes | {"edges": tuple(float(edge) for edge in changes["edges"] or ())}
        return replace(self, **changes)
