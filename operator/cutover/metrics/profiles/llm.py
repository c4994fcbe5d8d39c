"""Servers of language models: vLLM, SGLang, Text Generation Inference, NVIDIA NIM, llama.cpp."""

from typing import Final

from cutover.judge.drift import PROMPT_TOKENS
from cutover.metrics.profiles.names import (
    FINISH_REASON,
    OUTPUT_TOKENS,
    Counter,
    Gauge,
    Kinds,
    Latency,
    Mean,
    Names,
    Sizes,
)

# fmt: off
_TOKEN_EDGES: Final = (.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1., 2.5, 5., 7.5, 10., 20., 40., 80.)
_FIRST_TOKEN_EDGES: Final = (
    .001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1., 2.5, 5., 7.5, 10., 20., 40., 80., 160., 640., 2560.,
)
_REQUEST_EDGES: Final = (
    .3, .5, .8, 1., 1.5, 2., 2.5, 5., 10., 15., 20., 30., 40., 50., 60., 120., 240., 480., 960., 1920., 7680.,
)
# fmt: on

_INFERENCE: Final = 'method="POST",handler!~"none|/tokenize|/detokenize"'
"""All that infers is POSTed, and little else; ``none`` is what no route matches."""
_HTTP: Final = "http_requests_total"
_HTTP_CREATED: Final = "http_requests_created"
_FINISHED: Final = "vllm:request_success_total"

VLLM: Final = Names(
    # The HTTP layer also counts what never reached the engine (a dead engine answers 500), and a
    # prompt list once. Where it is not scraped (the simulator has none, and matchers such as
    # model_name select none of it), the engine's own counter is read; despite its name that one
    # counts every end: stop, length, abort, error, repetition.
    requests=((Counter(_HTTP, _INFERENCE, _HTTP_CREATED),), (Counter(_FINISHED),)),
    # An engine error is answered with HTTP 500 if it comes before the headers, and inside a 200 if
    # it comes later: neither layer alone has all failures, and their sum has some twice. The larger
    # one is a count of different requests, never more than there were. 4xx is the client's doing.
    errors=(
        Counter(_HTTP, f'status=~"5..",{_INFERENCE}', _HTTP_CREATED),
        Counter(_FINISHED, 'finished_reason="error"'),
        Counter(_FINISHED, 'finish_reason="error"'),  # as the simulator spells it
    ),
    heartbeat=_FINISHED,
    latencies={
        "TimeToFirstToken": Latency(
            "vllm:time_to_first_token_seconds",
            _FIRST_TOKEN_EDGES,
            "From arrival to the first token, queueing included; one observation per request.",
        ),
        "TimePerOutputToken": Latency(
            "vllm:request_time_per_output_token_seconds",
            _TOKEN_EDGES,
            "A request's mean time between its tokens; one observation per request.",
        ),
        "InterTokenLatency": Latency(
            "vllm:inter_token_latency_seconds",
            _TOKEN_EDGES,
            "One observation per token, not per request: long answers weigh more, and tokens of one"
            " request are slow together, so that far fewer independent events stand behind a count.",
            older=("vllm:time_per_output_token_seconds",),
        ),
        "EndToEnd": Latency(
            "vllm:e2e_request_latency_seconds",
            _REQUEST_EDGES,
            "From arrival to the last token; grows with the length of the answer.",
        ),
        "QueueTime": Latency(
            "vllm:request_queue_time_seconds",
            _REQUEST_EDGES,
            "Waiting before the engine begins; nothing below 0.3 s can be told apart.",
        ),
        "PrefillTime": Latency(
            "vllm:request_prefill_time_seconds",
            _REQUEST_EDGES,
            "Reading the prompt; grows with its length.",
        ),
        "DecodeTime": Latency(
            "vllm:request_decode_time_seconds",
            _REQUEST_EDGES,
            "Writing the answer; grows with its length.",
        ),
        "InferenceTime": Latency(
            "vllm:request_inference_time_seconds",
            _REQUEST_EDGES,
            "Prefill and decode without queueing.",
        ),
    },
    running=(Gauge("vllm:num_requests_running"),),
    waiting=(Gauge("vllm:num_requests_waiting"),),
    kv_cache=(Gauge("vllm:kv_cache_usage_perc"), Gauge("vllm:gpu_cache_usage_perc")),  # 0 to 1 both
    distributions={
        OUTPUT_TOKENS: Sizes(
            "vllm:request_generation_tokens",
            "Length of an answer; a model that rambles shows here.",
        ),
        PROMPT_TOKENS: Sizes(
            "vllm:request_prompt_tokens",
            "Length of a prompt as the server's tokenizer counts it: differs with the tokenizer, or where"
            " the split is not random.",
        ),
        FINISH_REASON: Kinds(
            Counter(_FINISHED),
            ("finished_reason", "finish_reason"),  # the latter as the simulator spells it
            "How answers end: stop, length, abort, error, repetition.",
        ),
    },
)

# fmt: off
_SGLANG_FIRST_TOKEN: Final = (.1, .2, .4, .6, .8, 1., 2., 4., 6., 8., 10., 20., 40., 60., 80., 100., 200., 400.)
_SGLANG_TOKEN: Final = (
    .002, .004, .006, .008, .01, .015, .02, .025, .03, .035, .04, .06, .08, .1, .2, .4, .6, .8, 1., 2., 4., 6., 8.,
)
# fmt: on
_SGLANG_INFERENCE: Final = 'method="POST",endpoint=~"/generate|/encode|/classify|/api/.*|/v1/.*"'

SGLANG: Final = Names(
    requests=((Counter("sglang:http_responses_total", _SGLANG_INFERENCE, late=True),),),
    errors=(
        Counter(
            "sglang:http_responses_total", f'status_code=~"5..",{_SGLANG_INFERENCE}', late=True
        ),
    ),
    heartbeat="sglang:num_running_reqs",
    latencies={
        "TimeToFirstToken": Latency(
            "sglang:time_to_first_token_seconds",
            _SGLANG_FIRST_TOKEN,
            "From arrival to the first token; nothing below 0.1 s can be told apart.",
        ),
        "TimePerOutputToken": Latency(
            "sglang:request_time_per_output_token_seconds",
            _SGLANG_TOKEN,
            "A request's mean time between its tokens; one observation per request.",
        ),
        "InterTokenLatency": Latency(
            "sglang:inter_token_latency_seconds",
            _SGLANG_TOKEN,
            "One observation per token, not per request: tokens of one request are slow together.",
        ),
        "EndToEnd": Latency(
            "sglang:e2e_request_latency_seconds",
            (*_SGLANG_FIRST_TOKEN, 600.0, 1200.0, 1800.0, 2400.0),
            "From arrival to the last token; grows with the length of the answer.",
        ),
    },
    running=(Gauge("sglang:num_running_reqs"),),
    waiting=(Gauge("sglang:num_queue_reqs"),),
    kv_cache=(Gauge("sglang:token_usage"),),
    distributions={
        OUTPUT_TOKENS: Sizes(
            "sglang:generation_tokens_histogram",
            "Length of an answer; only where the server was told to keep histograms of tokens.",
        ),
    },
    cannot=(
        "Has metrics only with --enable-metrics.",
        "A stream that breaks off after its headers counts as a success.",
    ),
)

TGI: Final = Names(
    requests=((Counter("tgi_request_count", late=True),),),
    # What clients ask wrongly, and what they give up, is no failure of the server.
    errors=(Counter("tgi_request_failure", 'err!~"validation|dropped"', late=True),),
    heartbeat="tgi_queue_size",
    latencies={
        "EndToEnd": Latency(
            "tgi_request_duration",
            (),
            "From arrival to the last token; grows with the length of the answer.",
        ),
        "TimePerOutputToken": Latency(
            "tgi_request_mean_time_per_token_duration",
            (),
            "A request's mean time between its tokens; one observation per request.",
        ),
        "QueueTime": Latency("tgi_request_queue_duration", (), "Waiting for a place in a batch."),
        "InferenceTime": Latency("tgi_request_inference_duration", (), "Without queueing."),
    },
    running=(Gauge("tgi_batch_current_size"),),
    waiting=(Gauge("tgi_queue_size"),),
    distributions={
        OUTPUT_TOKENS: Sizes("tgi_request_generated_tokens", "Length of an answer."),
        PROMPT_TOKENS: Sizes("tgi_request_input_length", "Length of a prompt."),
    },
    cannot=(
        "Has no time to first token: judge the gateway's latency, or EndToEnd.",
        "Does not tell how full the KV cache is.",
    ),
)

NIM: Final = Names(
    requests=(
        (
            Counter("request_success_total", late=True),
            Counter("request_failure_total", late=True),
        ),
    ),
    errors=(Counter("request_failure_total", late=True),),
    heartbeat="num_requests_running",
    latencies={
        "TimeToFirstToken": Latency(
            "time_to_first_token_seconds", (), "From arrival to the first token, queueing included."
        ),
        "InterTokenLatency": Latency(
            "time_per_output_token_seconds",
            (),
            "One observation per token, not per request: tokens of one request are slow together.",
        ),
        "EndToEnd": Latency(
            "e2e_request_latency_seconds",
            (),
            "From arrival to the last token; grows with the length of the answer.",
        ),
    },
    running=(Gauge("num_requests_running"),),
    waiting=(Gauge("num_requests_waiting"),),
    kv_cache=(Gauge("gpu_cache_usage_perc"),),
    cannot=(
        "Its names have no prefix: matchers must keep other servers' metrics out (job, namespace).",
        "Newer images that are built on vLLM have vLLM's names: use the profile VLLM there.",
    ),
)

LLAMA_CPP: Final = Names(
    requests=(),
    errors=(),
    heartbeat="llamacpp:requests_processing",
    latencies={},
    means={
        "InterTokenLatency": Mean(
            Counter("llamacpp:tokens_predicted_seconds_total"),
            Counter("llamacpp:tokens_predicted_total"),
            "Mean over tokens: long answers weigh more.",
        ),
        "TimePerPromptToken": Mean(
            Counter("llamacpp:prompt_seconds_total"),
            Counter("llamacpp:prompt_tokens_total"),
            "Mean over the tokens of the prompts; cached ones are not read.",
        ),
    },
    running=(Gauge("llamacpp:requests_processing"),),
    waiting=(Gauge("llamacpp:requests_deferred"),),
    cannot=(
        "Has metrics only with --metrics.",
        "Counts neither requests nor errors: traffic.gateway must count them.",
        "Has no histogram: judge meanLatency, or the gateway's latency.",
    ),
)
