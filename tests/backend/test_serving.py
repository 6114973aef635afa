from __future__ import annotations

import pytest
from fastapi import FastAPI, Request
from httpx import ASGITransport, AsyncClient

from backend.body import BodyLimit
from backend.serving import AddressTaken, listen, own_address


@pytest.mark.parametrize(("host", "start"), [("127.0.0.1", "http://127.0.0.1:"), ("0.0.0.0", "http://127.0.0.1:")])
def test_a_listener_tells_where_this_machine_reaches_it(host: str, start: str) -> None:
    with listen(host, 0) as listener:
        assert own_address(listener).startswith(start)


def test_a_port_that_is_taken_is_named() -> None:
    with listen("127.0.0.1", 0) as listener, pytest.raises(AddressTaken, match="Set PORT"):
        listen("127.0.0.1", listener.getsockname()[1])


async def test_a_body_that_is_too_large_or_hides_its_size_is_not_read() -> None:
    app = FastAPI()

    @app.post("/api/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    app.add_middleware(BodyLimit, path="/api/", max_bytes=10)

    async def pieces():
        yield b"x" * 5

    async with AsyncClient(transport=ASGITransport(app), base_url="http://app") as http:
        assert (await http.post("/api/echo", content=b"x" * 10)).json() == 10
        assert (await http.post("/api/echo", content=b"x" * 11)).status_code == 413
        hidden = await http.post("/api/echo", content=pieces())
        assert hidden.status_code == 411
        assert hidden.json()["error"]
