"""What each answer of a service means to the caller, and which answers are tried again."""

from __future__ import annotations

import httpx
import pytest

from backend.contract import CANCELLED_MESSAGE
from backend.services import VQA
from client.errors import (
    AccessError,
    GarbledAnswer,
    InputError,
    JobCancelled,
    JobExpired,
    JobFailed,
    NadirError,
    ProtocolError,
    ServiceBusy,
    ServiceUnreachable,
)
from client.jobs import JobClient
from client.wire import Credentials
from tests.client.asking import question
from tests.client.scripted_service import URL, ScriptedService, body_of, completed, half_of

FINAL_ANSWERS = [
    (httpx.Response(400, json={"error": "no image"}), InputError, "no image"),
    (httpx.Response(401, text="missing credentials"), AccessError, "MODAL_KEY"),
    (httpx.Response(403, json={"error": "no"}), AccessError, "MODAL_KEY"),
    (httpx.Response(404, json={"error": CANCELLED_MESSAGE}), JobCancelled, "cancelled"),
    (httpx.Response(404, json={"error": "Job result expired (older than 7 days)"}), JobExpired, "7 days"),
    (httpx.Response(404, json={"detail": "Not Found"}), ProtocolError, "address"),
    (httpx.Response(413, text="<html>"), InputError, "lower detail"),
    (httpx.Response(500, json={"error": "CUDA out of memory", "traceback": None}), JobFailed, "CUDA"),
]
PASSING_ANSWERS = [
    httpx.ConnectError("refused"),
    httpx.ConnectError("[Errno -2] Name or service not known"),
    httpx.ReadError("reset"),
    httpx.RemoteProtocolError("no answer"),
    httpx.ReadTimeout("slow"),
    httpx.ConnectTimeout("slow"),
    httpx.Response(200, text="<html>Sign in</html>"),
    half_of(completed("A harbor.")),
    httpx.Response(404, text="<html>no such page</html>"),
    httpx.Response(429, json={"error": "full"}, headers={"Retry-After": "1"}),
    httpx.Response(500, text="Internal Server Error"),
    httpx.Response(502, text="<html>"),
    httpx.Response(503, json={"error": "the engine is away"}),
    httpx.Response(504, text="<html>"),
]


@pytest.mark.parametrize(("answer", "error", "words"), FINAL_ANSWERS, ids=lambda value: getattr(value, "text", "")[:30])
async def test_a_final_answer_ends_the_wait_with_its_own_error(
    answer: httpx.Response, error: type[NadirError], words: str
) -> None:
    service = ScriptedService(answers=[answer])
    with pytest.raises(error, match=words) as raised:
        await service.client().job("fc-1").result()
    assert len(service.requests) == 1
    assert raised.value.call_id == "fc-1"


@pytest.mark.parametrize("answer", PASSING_ANSWERS, ids=repr)
async def test_a_passing_trouble_is_tried_again(answer: httpx.Response | Exception) -> None:
    service = ScriptedService(job_s=0, answers=[answer])
    assert (await service.client().job("fc-1").result()).text == "A harbor."
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (lambda: httpx.ConnectError("refused"), ServiceUnreachable),
        (lambda: httpx.Response(200, text="<html>"), GarbledAnswer),
        (lambda: httpx.Response(500, text="Internal Server Error"), ServiceUnreachable),
        (lambda: httpx.Response(429, json={"error": "full"}), ServiceBusy),
    ],
)
async def test_a_trouble_that_stays_ends_the_wait_after_a_bounded_number_of_tries(trouble, error) -> None:
    service = ScriptedService(answers=[trouble() for _ in range(50)])
    with pytest.raises(error):
        await service.client().job("fc-1").result()
    assert len(service.requests) == 10


async def test_the_pause_that_a_busy_service_asks_for_is_kept() -> None:
    busy = httpx.Response(429, json={"error": "full"}, headers={"Retry-After": "30"})
    service = ScriptedService(answers=[busy])
    began = service.time.now_s
    await service.client().submit(question())
    assert service.time.now_s - began >= 30


async def test_every_try_of_a_submission_has_the_same_key_and_every_submission_its_own() -> None:
    service = ScriptedService(answers=[httpx.ReadTimeout("slow"), httpx.Response(502)])
    client = service.client()
    await client.submit(question())
    await client.submit(question())
    keys = [request.headers["Idempotency-Key"] for request in service.requests]
    assert len(keys) == 4
    assert len(set(keys[:3])) == 1
    assert keys[3] != keys[0]


async def test_a_submission_says_only_what_it_means() -> None:
    service = ScriptedService()
    await service.client().submit(question("How many ships?"))
    assert body_of(service.requests[0]) == {
        "model": VQA.model,
        "messages": [{"role": "user", "content": "How many ships?"}],
    }


async def test_a_redirect_of_a_long_request_is_followed_with_get() -> None:
    moved = httpx.Response(303, headers={"Location": f"{URL}/v1/chat/completions?__modal_function_call_id=fc-9"})
    service = ScriptedService(answers=[moved, completed("A harbor.")])
    assert (await service.client().complete(question())).text == "A harbor."
    assert [request.method for request in service.requests] == ["POST", "GET"]


async def test_a_redirect_to_another_host_gets_no_credentials() -> None:
    away = httpx.Response(307, headers={"Location": "http://elsewhere.test/status"})
    service = ScriptedService(answers=[away, completed("A harbor.")])
    client = service.client(credentials=Credentials("key", "secret"))
    await client.job("fc-1").result()
    assert service.requests[0].headers["Modal-Secret"] == "secret"
    assert "Modal-Secret" not in service.requests[1].headers


async def test_redirects_in_a_circle_end() -> None:
    circle = [httpx.Response(307, headers={"Location": f"{URL}/again"}) for _ in range(50)]
    with pytest.raises(ProtocolError, match="circles"):
        await ScriptedService(answers=list(circle)).client().job("fc-1").result()


async def test_a_submission_to_an_address_that_moved_says_where_to() -> None:
    moved = httpx.Response(301, headers={"Location": "https://new.test/v1/chat/completions/async"})
    with pytest.raises(ProtocolError, match=r"https://new\.test"):
        await ScriptedService(answers=[moved]).client().submit(question())


async def test_a_secret_is_not_shown() -> None:
    assert "hush" not in repr(Credentials("key", "hush"))


@pytest.mark.parametrize("url", ["", "example.com", "ftp://example.com", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="not an address"):
        JobClient(VQA, url)


@pytest.mark.parametrize("call_id", ["", "../health", "a b", "x" * 300])
async def test_what_is_no_call_id_is_not_sent(call_id: str) -> None:
    service = ScriptedService()
    with pytest.raises(InputError):
        await service.client().job(call_id).status()
    assert service.requests == []
