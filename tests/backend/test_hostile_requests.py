"""Whatever arrives, the answer is the contract's JSON error with one sentence: never a stack trace, never a hang."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from starlette.requests import Request

from backend.answers import Refusal
from backend.body import read_body
from backend.contract import ChatRequest
from backend.gateway import GatewayOptions
from backend.validation import parse_request
from tests.backend.calls import COMPLETE, MODEL, STATUS, SUBMIT, chat, data_url, picture
from tests.backend.running import Running, running_gateway

LIMIT = 200_000
IMAGE_HOSTS = ("tiles.example", "localhost:8080", "93.184.216.34")


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_gateway() -> AsyncIterator[Running]:
    async with running_gateway(options=GatewayOptions(max_request_bytes=LIMIT, image_hosts=IMAGE_HOSTS)) as running:
        yield running


@pytest.fixture
def gateway(shared_gateway: Running) -> Running:
    """The module's gateway, which has taken no request yet: one for all, as no refusal may harm the next call."""
    shared_gateway.queue.requests.clear()
    return shared_gateway


def assert_is_error(answer: httpx.Response, status: int, words: str) -> None:
    """The answer is the contract's error: this status, JSON, and a sentence with these words in it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"error", "traceback"}
    sentence = answer.json()["error"]
    assert answer.json()["traceback"] is None
    assert words in sentence
    assert len(sentence) < 400
    assert "\n" not in sentence
    assert sentence.endswith(".")


def raw(text: str) -> bytes:
    """A request with this JSON, as it stands, in the place of an unknown field."""
    return json.dumps(chat())[:-1].encode() + b', "extra": ' + text.encode() + b"}"


def with_content(*parts: Any) -> dict[str, Any]:
    return chat(messages=[{"role": "user", "content": list(parts)}])


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose head claims the size and whose pixels are not there."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


UNREADABLE_BODIES = {
    "nothing": (b"", "is empty"),
    "blanks": (b" \n ", "is empty"),
    "no JSON": (b"model=qwen", "not valid JSON"),
    "half of it": (json.dumps(chat()).encode()[:-9], "not valid JSON"),
    "more than it": (json.dumps(chat()).encode() + b"{}", "not valid JSON"),
    "a list": (b"[]", "must be a JSON object"),
    "null": (b"null", "must be a JSON object"),
    "a string": (b'"model"', "must be a JSON object"),
    "no UTF-8": (b'{"model": "\xff\xfe"}', "not valid JSON"),
    "UTF-16": ('{"model": "x"}'.encode("utf-16"), "not valid JSON"),
    "a lone surrogate": (raw('"\\ud800"'), "not valid JSON"),
    "a surrogate in bytes": (raw('"@"').replace(b"@", b"\xed\xa0\x80"), "not valid JSON"),
    "NaN": (raw("NaN"), "not valid JSON"),
    "Infinity": (raw("-Infinity"), "not valid JSON"),
    "deep lists": (b"[" * 50_000 + b"]" * 50_000, "not valid JSON"),
    "deep objects": (raw('{"a":' * 5_000 + "1" + "}" * 5_000), "not valid JSON"),
    "a number of 5000 digits": (raw("9" * 5_000), "not valid JSON"),
    "gzip": (b"\x1f\x8b\x08\x00" + b"\x00" * 20, "not valid JSON"),
    "a form": (b"--x\r\nContent-Disposition: form-data; name=model\r\n\r\nx\r\n--x--", "not valid JSON"),
}

UNACCEPTABLE_REQUESTS: dict[str, tuple[dict[str, Any], str]] = {
    "no model": ({"messages": chat()["messages"]}, "model is missing"),
    "another model": (chat(model="gpt-4"), f'model must be "{MODEL}"'),
    "a model of 100 kB": (chat(model="x" * 100_000), "model must be"),
    "a model that is a number": (chat(model=7), "model must be a string"),
    "no messages": ({"model": MODEL}, "messages is missing"),
    "an empty conversation": (chat(messages=[]), "messages must not be empty"),
    "messages that are a string": (chat(messages="hello"), "messages must be a list"),
    "10000 messages": (chat(messages=[1] * 10_000), "messages must have at most 200 items"),
    "a message that is null": (chat(messages=[None]), "messages[0] must be an object"),
    "a message without content": (chat(messages=[{"role": "user"}]), "messages[0].content is missing"),
    "content that is a number": (
        chat(messages=[{"role": "user", "content": 5}]),
        "messages[0].content must be a string",
    ),
    "content without parts": (with_content(), "messages[0].content must not be empty"),
    "1000 parts": (with_content(*[{"type": "text", "text": ""}] * 1000), "content must have at most 64 items"),
    "an unknown role": (chat(messages=[{"role": "root", "content": "x"}]), "messages[0].role must be"),
    "no user": (chat(messages=[{"role": "system", "content": "x"}]), "at least one message whose role"),
    "a part of an unknown type": (
        with_content({"type": "audio"}),
        'content[0] must have the type "text" or "image_url"',
    ),
    "a part without a type": (with_content({"text": "x"}), 'must have the type "text" or "image_url"'),
    "an image that is a string": (with_content({"type": "image_url", "image_url": "x"}), "image_url must be an object"),
    "an image without a URL": (with_content({"type": "image_url", "image_url": {}}), "image_url.url is missing"),
    "too long a text": (chat(prompt="a" * 100_001), "100000 characters"),
    "a NUL character": (chat(prompt="a\0b"), "NUL character"),
    "nine images": (chat(*[data_url()] * 9), "9 images"),
    "max_tokens 0": (chat(max_tokens=0), "max_tokens must be greater than or equal to 1"),
    "max_tokens beyond the limit": (chat(max_tokens=4097), "max_tokens must be less than or equal to 4096"),
    "max_tokens as words": (chat(max_tokens="many"), "max_tokens must be an integer"),
    "max_tokens of 400 digits": (chat(max_tokens=10**400), "max_tokens must be less than"),
    "max_completion_tokens -1": (chat(max_completion_tokens=-1), "max_completion_tokens must be greater than"),
    "temperature -0.1": (chat(temperature=-0.1), "temperature must be greater than or equal to 0"),
    "temperature 2.1": (chat(temperature=2.1), "temperature must be less than or equal to 2"),
    "top_p 0": (chat(top_p=0), "top_p must be greater than 0"),
    "two answers": (chat(n=2), "n must be 1"),
    "a seed of 100 digits": (chat(seed=10**100), "seed must be less than"),
    "stream maybe": (chat(stream="maybe"), "stream must be a boolean"),
    "100 stops": (chat(stop=["x"] * 100), "stop"),
}

NO_IMAGES = {
    "not a data URL": "picture.png",
    "nothing": "",
    "a file": "file:///etc/passwd",
    "FTP": "ftp://tiles.example/1.png",
    "no base64": "data:image/png,hello",
    "damaged base64": "data:image/png;base64,iVBOR*w0KGgo",
    "the document's placeholder": "data:image/png;base64,iVBORw0KGgoAAAANS...",
    "no bytes": "data:image/png;base64,",
    "words": data_url(b"hello world"),
    "HTML": data_url(b"<html><script>alert(1)</script></html>", "text/html"),
    "SVG": data_url(b'<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
    "a PDF": data_url(b"%PDF-1.7\n%\xe2\xe3"),
    "EPS": data_url(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
    "a TIFF": data_url(picture("TIFF"), "image/tiff"),
    "a PNG's first bytes": data_url(picture()[:20]),
    "100 megapixels": data_url(png_of_size(10_000, 10_000)),
    "a decompression bomb": data_url(png_of_size(2**31 - 1, 2**31 - 1)),
    "no pixels": data_url(png_of_size(0, 0)),
}

FOREIGN_URLS = [
    "http://evil.example/1.png",
    "https://tiles.example.evil.example/1.png",
    "https://tiles.example@evil.example/1.png",
    "https://evil.example@tiles.example/1.png",
    "https://user:secret@tiles.example/1.png",
    "https://tiles.example\\@evil.example/1.png",
    "https://tiles.example:8443/1.png",
    "https://tiles.example./1.png",
    "https://tiles.exam\tple/1.png",
    "https://tiles.example\n.evil.example/1.png",
    "https://tiles.exampl\u0435/1.png",
    "https://sub.tiles.example/1.png",
    "http://127.0.0.1/1.png",
    "http://2130706433/1.png",
    "http://[::1]/1.png",
    "http://[::ffff:127.0.0.1]:8080/",
    "http://[not-an-address/1.png",
    "http://169.254.169.254/latest/meta-data/",
    "http://localhost/1.png",
    "http://localhost:99999/1.png",
    "http:///1.png",
    "https://%74iles.example/1.png",
]


@pytest.mark.parametrize(("body", "words"), UNREADABLE_BODIES.values(), ids=UNREADABLE_BODIES.keys())
async def test_a_body_that_is_no_json_object_is_refused(gateway: Running, body: bytes, words: str) -> None:
    assert_is_error(await gateway.http.post(SUBMIT, content=body), 400, words)
    assert gateway.queue.requests == []


@pytest.mark.parametrize(("body", "words"), UNACCEPTABLE_REQUESTS.values(), ids=UNACCEPTABLE_REQUESTS.keys())
async def test_a_request_that_is_not_acceptable_names_the_field(
    gateway: Running, body: dict[str, Any], words: str
) -> None:
    for path in (SUBMIT, COMPLETE):
        assert_is_error(await gateway.http.post(path, json=body), 400, words)
    assert gateway.queue.requests == []


@pytest.mark.parametrize("url", NO_IMAGES.values(), ids=NO_IMAGES.keys())
async def test_what_is_no_image_is_refused(gateway: Running, url: str) -> None:
    answer = await gateway.http.post(SUBMIT, json=chat(data_url(), url))
    assert_is_error(answer, 400, "messages[0].content[2].image_url.url")
    assert gateway.queue.requests == []


@pytest.mark.parametrize("url", FOREIGN_URLS)
async def test_an_image_of_a_host_that_is_not_allowed_is_refused(gateway: Running, url: str) -> None:
    answer = await gateway.http.post(SUBMIT, json=chat(url))
    assert_is_error(answer, 400, "send the image itself as a data URL")
    assert gateway.queue.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "https://tiles.example/1.png?z=1&x=2",
        "HTTP://TILES.EXAMPLE/1.png",
        "https://tiles.example:443/1.png",
        "http://localhost:8080/1.png",
        "http://93.184.216.34/1.png",
    ],
)
async def test_an_image_of_an_allowed_host_is_passed_on_and_not_fetched(gateway: Running, url: str) -> None:
    assert (await gateway.http.post(SUBMIT, json=chat(url))).status_code == 200
    assert gateway.queue.requests[0].image_urls == [url]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("claimed", ["image/png", "image/jpg", "application/octet-stream", ""])
async def test_an_image_under_a_wrong_type_is_taken_for_what_it_is(gateway: Running, kind: str, claimed: str) -> None:
    assert (await gateway.http.post(SUBMIT, json=chat(data_url(picture(kind), claimed)))).status_code == 200
    assert gateway.queue.requests[0].image_urls == [data_url(picture(kind), f"image/{kind.lower()}")]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "nonsense", ""])
async def test_valid_json_under_a_wrong_content_type_is_taken(gateway: Running, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    body = b"\xef\xbb\xbf" + json.dumps(chat()).encode()
    assert (await gateway.http.post(SUBMIT, content=body, headers=headers)).status_code == 200


async def test_fields_of_openais_api_that_mean_nothing_here_are_ignored(gateway: Running) -> None:
    body = chat(user="me", logprobs=True, tools=[], response_format={"type": "text"}, max_completion_tokens=9)
    assert (await gateway.http.post(SUBMIT, json=body)).status_code == 200
    assert gateway.queue.requests[0].max_tokens == 9


async def test_a_body_that_would_unpack_into_too_many_values_is_refused() -> None:
    async with running_gateway() as running:
        answer = await running.http.post(SUBMIT, content=raw("[" + "{}," * 400_000 + "{}]"))
    assert_is_error(answer, 400, "too many values")


@pytest.mark.parametrize("path", [SUBMIT, COMPLETE])
@pytest.mark.parametrize("size", [LIMIT + 1, 3 * LIMIT], ids=["just", "far"])
async def test_a_body_over_the_limit_is_refused(gateway: Running, path: str, size: int) -> None:
    assert_is_error(await gateway.http.post(path, content=b"x" * size), 413, "larger than 0.191 MiB")


async def test_a_chunked_body_over_the_limit_is_refused_as_it_arrives(gateway: Running) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * (LIMIT // 20)

    assert_is_error(await gateway.http.post(SUBMIT, content=pieces()), 413, "larger than")


async def test_a_body_at_the_limit_is_read(gateway: Running) -> None:
    body = json.dumps(chat()).encode().ljust(LIMIT)
    assert (await gateway.http.post(SUBMIT, content=body)).status_code == 200


async def test_a_caller_who_asks_first_is_refused_before_it_sends(gateway: Running) -> None:
    url = httpx.URL(gateway.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"POST {SUBMIT} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {LIMIT * 1000}\r\n\r\n"
    writer.write(head.encode())
    async with asyncio.timeout(10):
        assert await reader.readline() == b"HTTP/1.1 413 Request Entity Too Large\r\n"
    writer.close()
    await writer.wait_closed()


async def test_a_body_that_stops_arriving_is_not_waited_for_without_end() -> None:
    async def silence() -> Any:
        await asyncio.Event().wait()

    with pytest.raises(Refusal, match="stopped arriving") as refused:
        await read_body(Request({"type": "http", "method": "POST", "headers": []}, silence), LIMIT, idle_s=0.01)
    assert refused.value.status == 408


@pytest.mark.parametrize("key", ["", "two words", "x" * 201, "tab\there", "caf\u00e9"])
async def test_an_odd_idempotency_key_is_refused(gateway: Running, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    assert_is_error(await gateway.http.post(SUBMIT, json=chat(), headers=headers), 400, "Idempotency-Key must be")


@pytest.mark.parametrize("wait", ["nan", "-1", "inf", "-inf", "soon", "", "1,5", "0x10", "1e999"])
async def test_a_wait_that_is_no_duration_is_refused(gateway: Running, wait: str) -> None:
    assert_is_error(await gateway.http.get(STATUS + "fc-1", params={"wait": wait}), 400, "wait must be")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/health/", 404),
        ("GET", "/v1/chat/completions/status/", 404),
        ("GET", "/v1/chat/completions/status/a/b", 404),
        ("GET", "/v1/chat/completions/status/a%2Fb", 404),
        ("GET", "/..%2f..%2fetc/passwd", 404),
        ("GET", "/v1/embeddings", 404),
        ("GET", SUBMIT, 405),
        ("PUT", COMPLETE, 405),
        ("POST", STATUS + "fc-1", 405),
        ("POST", "/health", 405),
        ("BREW", "/health", 405),
    ],
)
async def test_what_is_no_route_answers_in_the_contracts_form(
    gateway: Running, method: str, path: str, status: int
) -> None:
    assert_is_error(await gateway.http.request(method, path), status, "/docs")


async def test_a_request_that_takes_long_to_check_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, gateway: Running
) -> None:
    has_begun, may_end = threading.Event(), threading.Event()

    def slow_check(*args: Any) -> ChatRequest:
        has_begun.set()
        assert may_end.wait(timeout=10)
        return parse_request(*args)

    monkeypatch.setattr("backend.gateway.parse_request", slow_check)
    slow = asyncio.create_task(gateway.http.post(SUBMIT, json=chat(data_url()), timeout=20))
    assert await asyncio.to_thread(has_begun.wait, 10)
    assert (await gateway.http.get("/health")).status_code == 200
    assert not slow.done()
    may_end.set()
    assert (await slow).status_code == 200


async def test_a_large_image_comes_through_whole() -> None:
    large = picture("BMP", (1500, 1500))
    async with running_gateway() as running:
        assert (await running.http.post(SUBMIT, json=chat(data_url(large)), timeout=30)).status_code == 200
    assert running.queue.requests[0].image_urls == [data_url(large, "image/bmp")]
