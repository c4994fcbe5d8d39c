"""Images in a registry that answers as registries do: found, missing, behind a login, gone."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from cutover.decide.surroundings import Thing
from cutover.inspection.registry import Image, find_images, parse_image

DIGEST = "sha256:" + "a" * 64
NAMES: dict[str, Image | None] = {
    "vllm/vllm-openai:v0.6.3": Image("registry-1.docker.io", "vllm/vllm-openai", "v0.6.3"),
    "nginx": Image("registry-1.docker.io", "library/nginx", "latest"),
    "docker.io/nginx:1": Image("registry-1.docker.io", "library/nginx", "1"),
    "ghcr.io/a/b/c:1": Image("ghcr.io", "a/b/c", "1"),
    f"ghcr.io/a/b:1@{DIGEST}": Image("ghcr.io", "a/b", DIGEST),
    "localhost:5000/a": Image("localhost:5000", "a", "latest"),
    "127.0.0.1:5000/a/b:x": Image("127.0.0.1:5000", "a/b", "x"),
    "": None,
    "UPPER/case": None,
    "a/b:with space": None,
    "ghcr.io/a/../b": None,
}


@pytest.mark.parametrize("text", NAMES)
def test_names_are_taken_apart_as_container_runtimes_do(text: str) -> None:
    assert parse_image(text) == NAMES[text]


def test_loopback_registries_are_asked_without_tls_and_all_others_with_it() -> None:
    near, far = parse_image("127.0.0.1:5000/a"), parse_image("ghcr.io/a/b:1")
    assert near is not None
    assert far is not None
    assert near.url == "http://127.0.0.1:5000/v2/a/manifests/latest"
    assert far.url == "https://ghcr.io/v2/a/b/manifests/1"


class _Registry(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        known = {"/v2/there/manifests/1": 200, "/v2/locked/manifests/1": 401}
        self.send_response(known.get(self.path, 404))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def registry() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Registry)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_a_registry_says_and_what_it_does_not(
    registry: str, unused_tcp_port_factory: Callable[[], int]
) -> None:
    gone = f"127.0.0.1:{unused_tcp_port_factory()}/there:1"
    images = (f"{registry}/there:1", f"{registry}/missing:1", f"{registry}/locked:1", gone)
    found = asyncio.run(find_images(images, ssl.create_default_context()))
    assert [one.present for one in found] == [True, False, None, None]
    assert found[1] == Thing(
        f"image {registry}/missing:1",
        present=False,
        why=f"{registry} does not have it, or not without a login",
    )
    assert "wants a login, and is asked without one" in found[2].why
