"""Servers of any model: Triton, KServe, MLServer, TorchServe, Ray Serve, TensorFlow Serving."""

from typing import Final

from cutover.metrics.profiles.names import (
    MICROSECONDS,
    MILLISECONDS,
    Counter,
    Gauge,
    Latency,
    Mean,
    Names,
)

# fmt: off
_PYTHON_EDGES: Final = (.005, .01, .025, .05, .075, .1, .25, .5, .75, 1., 2.5, 5., 7.5, 10.)
"""What prometheus_client has where nobody says otherwise."""
_RAY_EDGES: Final = (
    .001, .002, .005, .01, .02, .05, .1, .2, .3, .4, .5, 1., 2., 5., 10., 60., 120.,
)
_TENSORFLOW_EDGES: Final = tuple(10e-6 * 1.8**k for k in range(33))
# fmt: on

_SUCCEEDED: Final = "nv_inference_request_success"
_FAILED: Final = Counter("nv_inference_request_failure", 'reason!="CANCELED"', late=True)
"""A client that gave up is no failure; releases before 24.05 have no ``reason``, and all are counted."""


def _triton(duration: str, note: str) -> Mean:
    return Mean(
        Counter(f"nv_inference_{duration}_duration_us"), Counter(_SUCCEEDED), note, MICROSECONDS
    )


TRITON: Final = Names(
    requests=((Counter(_SUCCEEDED), _FAILED),),
    errors=(_FAILED,),
    heartbeat=_SUCCEEDED,
    latencies={},
    means={
        "EndToEnd": _triton("request", "From arrival to the answer, queueing included."),
        "QueueTime": _triton("queue", "Waiting for the scheduler."),
        "InferenceTime": _triton("compute_infer", "The model alone."),
    },
    running=(
        Gauge("nv_trt_llm_request_metrics", 'request_type="scheduled"'),
        Gauge("trtllm_num_requests_running"),
    ),
    waiting=(
        Gauge("nv_trt_llm_request_metrics", 'request_type="waiting"'),
        Gauge("trtllm_num_requests_waiting"),
        Gauge("nv_inference_pending_request_count"),
    ),
    kv_cache=(
        Gauge("nv_trt_llm_kv_cache_block_metrics", 'kv_cache_block_type="fraction"'),
        Gauge("trtllm_kv_cache_utilization"),
    ),
    cannot=(
        "Has only means: judge meanLatency, or the gateway's latency.",
        "Its optional summaries cannot be added up over servers.",
        "Has no time to first token.",
        "Running requests and the KV cache are told by the TensorRT-LLM backend alone.",
    ),
)

KSERVE: Final = Names(
    requests=(
        (Counter("request_predict_seconds_count", created="request_predict_seconds_created"),),
    ),
    errors=(),
    heartbeat="python_info",
    latencies={
        "InferenceTime": Latency(
            "request_predict_seconds",
            _PYTHON_EDGES,
            "The model alone, without reading the request.",
        ),
        "PreprocessTime": Latency(
            "request_preprocess_seconds",
            _PYTHON_EDGES,
            "What is done to a request before the model.",
        ),
        "PostprocessTime": Latency(
            "request_postprocess_seconds", _PYTHON_EDGES, "What is done to the model's answer."
        ),
        "ExplainTime": Latency(
            "request_explain_seconds", _PYTHON_EDGES, "Explanations, where they are asked for."
        ),
    },
    cannot=(
        "Counts no errors: judge errorRate at the gateway (vantage: Gateway).",
        "Tells neither how many requests are running nor how many wait.",
        "A runtime on vLLM has vLLM's names too: use the profile VLLM there.",
    ),
)

_INFER: Final = 'method="POST",path=~"/v2/models/.*/infer"'


def _mlserver(outcome: str) -> Counter:
    return Counter(
        f"model_infer_request_{outcome}_total", created=f"model_infer_request_{outcome}_created"
    )


MLSERVER: Final = Names(
    requests=((_mlserver("success"), _mlserver("failure")),),
    errors=(_mlserver("failure"),),
    heartbeat="python_info",
    latencies={
        "EndToEnd": Latency(
            "rest_server_request_duration_seconds",
            _PYTHON_EDGES,
            "From arrival to the answer, over REST alone; of all models of the server together.",
            only=_INFER,
        ),
    },
    means={
        "InferenceTime": Mean(
            Counter(
                "model_infer_request_duration_sum", created="model_infer_request_duration_created"
            ),
            Counter(
                "model_infer_request_duration_count", created="model_infer_request_duration_created"
            ),
            "The model with its codecs, REST and gRPC; failed requests are in it.",
        ),
    },
    running=(Gauge("rest_server_requests_in_progress", 'method="POST"'),),
    cannot=(
        "A request that is the client's fault (an unknown model, a wrong shape) counts as failed.",
        "Of gRPC there is only the mean.",
    ),
)

TORCHSERVE: Final = Names(
    requests=((Counter("ts_inference_requests_total", late=True),),),
    errors=(Counter("Requests5XX", late=True),),
    heartbeat="up",
    latencies={},
    means={
        "InferenceTime": Mean(
            Counter("ts_inference_latency_microseconds", late=True),
            Counter("ts_inference_requests_total", late=True),
            "The model with its handler.",
            MICROSECONDS,
        ),
        "QueueTime": Mean(
            Counter("ts_queue_latency_microseconds", late=True),
            Counter("ts_inference_requests_total", late=True),
            "Waiting for a worker.",
            MICROSECONDS,
        ),
    },
    cannot=(
        "Has metrics for Prometheus only with metrics_mode=prometheus.",
        "Has only means: judge meanLatency, or the gateway's latency.",
        "Its failures carry no model's name: matchers such as model_name select none of them.",
        "Tells neither how many requests are running nor how many wait.",
    ),
)

_RAY_REQUESTS: Final = "ray_serve_num_http_requests"
_RAY_ERRORS: Final = "ray_serve_num_http_error_requests"

RAY: Final = Names(
    # Exporters built on OpenTelemetry add _total.
    requests=(
        (Counter(f"{_RAY_REQUESTS}_total", late=True),),
        (Counter(_RAY_REQUESTS, late=True),),
    ),
    errors=(
        Counter(f"{_RAY_ERRORS}_total", 'error_code=~"5.."', late=True),
        Counter(_RAY_ERRORS, 'error_code=~"5.."', late=True),
    ),
    heartbeat="ray_serve_num_ongoing_http_requests",
    latencies={
        "EndToEnd": Latency(
            "ray_serve_http_request_latency_ms",
            _RAY_EDGES,
            "From arrival at the proxy to the answer.",
            unit=MILLISECONDS,
        ),
        "InferenceTime": Latency(
            "ray_serve_deployment_processing_latency_ms",
            _RAY_EDGES,
            "In a replica, for every deployment that a request passes.",
            unit=MILLISECONDS,
        ),
    },
    running=(Gauge("ray_serve_num_ongoing_http_requests"),),
    waiting=(Gauge("ray_serve_deployment_queued_queries"),),
    cannot=(
        "Has no time to first token; vLLM under Ray has its metrics under other names: use Custom.",
        "gRPC requests are not counted.",
    ),
)

_TENSORFLOW: Final = ":tensorflow:serving:"
_OWN_FAULT: Final = (
    'status!~"OK|CANCELLED|INVALID_ARGUMENT|NOT_FOUND|ALREADY_EXISTS|PERMISSION_DENIED'
    '|FAILED_PRECONDITION|OUT_OF_RANGE|UNAUTHENTICATED"'
)
"""Without what the client caused."""

TENSORFLOW: Final = Names(
    requests=((Counter(f"{_TENSORFLOW}request_count", late=True),),),
    errors=(Counter(f"{_TENSORFLOW}request_count", _OWN_FAULT, late=True),),
    heartbeat="up",
    latencies={
        "EndToEnd": Latency(
            f"{_TENSORFLOW}request_latency",
            _TENSORFLOW_EDGES,
            "From arrival to the answer.",
            unit=MICROSECONDS,
        ),
        "InferenceTime": Latency(
            f"{_TENSORFLOW}runtime_latency", (), "The graph alone.", unit=MICROSECONDS
        ),
    },
    cannot=(
        "Has metrics only with --monitoring_config_file, on a path of its own.",
        "Tells neither how many requests are running nor how many wait.",
    ),
)
