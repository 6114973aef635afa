from __future__ import annotations

from base64 import b64encode

from fastapi import FastAPI, Request

from client.wire import pooled_http
from tests.serving import serving


async def test_a_user_and_a_password_in_the_address_arrive_once_and_as_credentials() -> None:
    seen: list[str | None] = []
    app = FastAPI()

    @app.get("/health")
    async def health(request: Request) -> dict[str, str]:
        seen.append(request.headers.get("authorization"))
        return {"status": "ok"}

    async with serving(app) as url:
        http = pooled_http()
        response = await http.get(url.replace("http://", "http://operator:hidden@") + "/health")
        await http.aclose()
    assert response.json() == {"status": "ok"}
    assert seen == ["Basic " + b64encode(b"operator:hidden").decode()]
