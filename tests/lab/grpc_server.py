"""A gRPC server without any protocol of its own: every method answers with the server's name, whatever it is sent."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc  # type: ignore[import-untyped]

METHOD = "/inference.GRPCInferenceService/ModelInfer"


class _Any(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers bytes with bytes: nothing is compiled from .proto files."""

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.calls = 0

    def service(self, handler_call_details: Any) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(self.answer)

    def answer(self, _request: bytes, _context: Any) -> bytes:
        self.calls += 1
        return self.name


class GrpcServer:
    """One server on both loopback addresses; Envoy resolves `source.localhost` to ::1 first."""

    def __init__(self, name: str) -> None:
        self._handler = _Any(name.encode())
        self._server = grpc.server(ThreadPoolExecutor(2), handlers=[self._handler])
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.add_insecure_port(f"[::1]:{self.port}")

    @property
    def calls(self) -> int:
        return self._handler.calls

    @contextmanager
    def serving(self) -> Iterator["GrpcServer"]:
        self._server.start()
        try:
            yield self
        finally:
            self._server.stop(None)


@contextmanager
def calling(address: str, host: str) -> Iterator[grpc.UnaryUnaryMultiCallable]:
    """A client that asks the gateway at an address for a host; each call has a deadline."""
    options = [("grpc.default_authority", host), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(address, options=options) as channel:
        yield channel.unary_unary(METHOD)
