"""Every state of a Modal call, as a status of a job."""

from __future__ import annotations

import asyncio

import pytest
from grpclib import GRPCError, Status
from modal.exception import InputCancellation

from backend.contract import Completion, ErrorBody, Stage
from backend.queues import JobStatus, QueueFull, QueueUnavailable, UnknownJob
from backend.queues.envelope import Envelope
from backend.queues.job_board import JobBoard
from backend.queues.modal import ModalQueue
from backend.services import CAPTIONING, VQA
from tests.backend.on_modal.container import a_chat_request
from tests.modal_stub.control_plane import ControlPlane
from tests.modal_stub.objects import Result, platform_failure, raised, stopped, success, timed_out
from tests.modal_stub.server import RunningStub
from tests.waiting import until

COMPLETION = Completion.model_validate(
    {
        "id": "chatcmpl-fc-1",
        "model": CAPTIONING.model,
        "choices": [{"message": {"content": "A harbour with"}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 283, "completion_tokens": 3, "total_tokens": 286},
    }
)


@pytest.fixture
def queue(plane: ControlPlane) -> ModalQueue:
    return ModalQueue(CAPTIONING, "VisionModel", max_pixels=4_194_304, clock=lambda: 1000.0)


def end(stub: RunningStub, call_id: str, result: Result) -> None:
    stub.do(lambda plane: plane.calls[call_id].end(result))


def done_envelope(finished_at: float = 1004.0) -> Result:
    envelope = Envelope(status=200, completion=COMPLETION, finished_at=finished_at)
    return success(envelope.model_dump(mode="json"))


async def test_a_submitted_job_is_a_call_of_the_gpu_class(queue: ModalQueue, plane: ControlPlane) -> None:
    call_id = await queue.submit(a_chat_request("What is it?", max_tokens=7))

    call = plane.calls[call_id]
    assert call_id.startswith("fc-")
    assert call.function_id == plane.apps[CAPTIONING.app_name].functions["VisionModel.*"]
    assert call.method == "answer"
    assert call.args[0]["messages"] == [{"role": "user", "content": "What is it?"}]
    assert call.args[0]["max_tokens"] == 7


async def test_a_large_request_travels_as_a_blob(queue: ModalQueue, plane: ControlPlane) -> None:
    call_id = await queue.submit(a_chat_request("x" * 50_000))

    assert len(plane.calls[call_id].args[0]["messages"][0]["content"]) == 50_000
    assert plane.blobs


async def test_a_job_without_a_container_is_starting(queue: ModalQueue, plane: ControlPlane) -> None:
    plane.containers = 0

    status = await queue.status(await queue.submit(a_chat_request()))

    assert status.stage is Stage.STARTING
    assert status.elapsed_s == 0


async def test_a_job_is_starting_while_the_container_loads_the_model(queue: ModalQueue) -> None:
    await JobBoard.of(CAPTIONING.app_name).report_engine(Stage.STARTING)

    assert (await queue.status(await queue.submit(a_chat_request()))).stage is Stage.STARTING


async def test_a_job_that_a_loaded_container_has_not_taken_is_queued(queue: ModalQueue) -> None:
    await JobBoard.of(CAPTIONING.app_name).report_engine(Stage.RUNNING)

    assert (await queue.status(await queue.submit(a_chat_request()))).stage is Stage.QUEUED


async def test_a_running_job_shows_its_text(queue: ModalQueue) -> None:
    call_id = await queue.submit(a_chat_request())
    await JobBoard.of(CAPTIONING.app_name).report(call_id, "A harbour")

    status = await queue.status(call_id)

    assert (status.stage, status.partial) == (Stage.RUNNING, "A harbour")


async def test_a_done_job_has_the_completion_that_the_container_returned(queue: ModalQueue, stub: RunningStub) -> None:
    call_id = await queue.submit(a_chat_request())
    end(stub, call_id, done_envelope(finished_at=1004.0))

    status = await queue.status(call_id)

    assert status == JobStatus(call_id, Stage.DONE, elapsed_s=4.0, completion=COMPLETION)


async def test_a_job_that_the_engine_refused_has_failed_with_its_status(queue: ModalQueue, stub: RunningStub) -> None:
    call_id = await queue.submit(a_chat_request())
    error = ErrorBody(error="The prompt is too long", traceback="Traceback ...")
    end(stub, call_id, success(Envelope(status=400, error=error, finished_at=1001.0).model_dump(mode="json")))

    status = await queue.status(call_id)

    assert (status.stage, status.error, status.error_status) == (Stage.FAILED, "The prompt is too long", 400)
    assert status.traceback == "Traceback ..."


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (timed_out(), "longer than 600 seconds"),
        (stopped(), "stopped before the job was done"),
        (platform_failure(), "Modal failed"),
        (raised(RuntimeError("vLLM ended with code 1")), "could not run the job: vLLM ended with code 1. See"),
        (raised(InputCancellation("cancelled")), "stopped before the job was done"),
        (raised(asyncio.CancelledError()), "stopped before the job was done"),
        (raised(SystemExit(1)), "could not run the job"),
        (success({"not": "an envelope"}), "could not run the job"),
    ],
    ids=["timeout", "stopped", "platform", "raised", "input-cancelled", "task-cancelled", "exit", "no-envelope"],
)
async def test_a_call_that_did_not_return_an_envelope_has_failed(
    queue: ModalQueue, stub: RunningStub, result: Result, message: str
) -> None:
    call_id = await queue.submit(a_chat_request())
    end(stub, call_id, result)

    status = await queue.status(call_id)

    assert status.stage is Stage.FAILED
    assert status.error_status == 500
    assert message in (status.error or "")


async def test_a_result_that_modal_removed_has_expired(queue: ModalQueue, stub: RunningStub) -> None:
    call_id = await queue.submit(a_chat_request())

    def expire(plane: ControlPlane) -> None:
        plane.calls[call_id].is_expired = True
        plane.calls[call_id].end(done_envelope())

    stub.do(expire)

    assert (await queue.status(call_id)).stage is Stage.EXPIRED


@pytest.mark.parametrize("call_id", ["fc-unknown", "nonsense", "", "job:1"])
async def test_an_id_that_nobody_gave_out_is_unknown(queue: ModalQueue, call_id: str) -> None:
    with pytest.raises(UnknownJob):
        await queue.status(call_id)
    with pytest.raises(UnknownJob):
        await queue.cancel(call_id)


async def test_a_job_that_modal_forgot_is_unknown(queue: ModalQueue, plane: ControlPlane) -> None:
    call_id = await queue.submit(a_chat_request())
    del plane.calls[call_id]

    with pytest.raises(UnknownJob):
        await queue.status(call_id)


async def test_a_job_of_another_service_is_unknown(queue: ModalQueue, stub: RunningStub) -> None:
    call_id = await queue.submit(a_chat_request())
    end(stub, call_id, done_envelope())
    other = ModalQueue(VQA, "VisionModel")

    with pytest.raises(UnknownJob):
        await other.status(call_id)
    with pytest.raises(UnknownJob):
        await other.cancel(call_id)


async def test_cancelling_spares_the_container_that_others_share(queue: ModalQueue, plane: ControlPlane) -> None:
    call_id = await queue.submit(a_chat_request())

    status = await queue.cancel(call_id)

    assert status.stage is Stage.CANCELLED
    assert plane.calls[call_id].cancelled
    assert not plane.calls[call_id].terminated_containers


async def test_a_cancelled_job_stays_cancelled_for_every_gateway(queue: ModalQueue, stub: RunningStub) -> None:
    call_id = await queue.submit(a_chat_request())
    await queue.cancel(call_id)
    other_container = ModalQueue(CAPTIONING, "VisionModel")

    assert (await other_container.status(call_id)).stage is Stage.CANCELLED
    assert (await queue.cancel(call_id)).stage is Stage.CANCELLED


async def test_cancelling_a_done_job_leaves_its_result(queue: ModalQueue, stub: RunningStub) -> None:
    call_id = await queue.submit(a_chat_request())
    end(stub, call_id, done_envelope())

    assert (await queue.cancel(call_id)).completion == COMPLETION


async def test_the_same_key_gives_the_same_job_in_every_gateway(queue: ModalQueue, plane: ControlPlane) -> None:
    first = await queue.submit(a_chat_request(), idempotency_key="k1")
    second = await ModalQueue(CAPTIONING, "VisionModel").submit(a_chat_request(), idempotency_key="k1")
    third = await queue.submit(a_chat_request(), idempotency_key="k2")

    assert first == second != third
    assert set(plane.calls) == {first, third}


async def test_of_submissions_at_the_same_moment_with_one_key_one_runs(queue: ModalQueue, plane: ControlPlane) -> None:
    call_ids = await asyncio.gather(*(queue.submit(a_chat_request(), idempotency_key="k1") for _ in range(5)))

    assert len(set(call_ids)) == 1
    assert [call.call_id for call in plane.calls.values() if not call.cancelled] == [call_ids[0]]


async def test_a_held_status_answers_when_the_job_ends(queue: ModalQueue, stub: RunningStub) -> None:
    call_id = await queue.submit(a_chat_request())
    held = asyncio.create_task(queue.status(call_id, wait_s=20))
    await until(lambda: stub.plane.log.count("FunctionGetOutputs") >= 2)
    end(stub, call_id, done_envelope())

    async with asyncio.timeout(10):
        assert (await held).stage is Stage.DONE


async def test_a_held_status_answers_when_there_is_new_text(queue: ModalQueue, stub: RunningStub) -> None:
    call_id = await queue.submit(a_chat_request())
    seen = await queue.status(call_id)
    held = asyncio.create_task(queue.status(call_id, wait_s=20, seen=seen))
    await until(lambda: stub.plane.log.count("FunctionGetOutputs") >= 2)
    await JobBoard.of(CAPTIONING.app_name).report(call_id, "A harbour")

    async with asyncio.timeout(10):
        assert (await held).partial == "A harbour"


async def test_a_held_status_answers_when_another_gateway_cancels(queue: ModalQueue, stub: RunningStub) -> None:
    call_id = await queue.submit(a_chat_request())
    held = asyncio.create_task(queue.status(call_id, wait_s=20))
    await until(lambda: stub.plane.log.count("FunctionGetOutputs") >= 2)
    await ModalQueue(CAPTIONING, "VisionModel").cancel(call_id)

    async with asyncio.timeout(10):
        assert (await held).stage is Stage.CANCELLED


@pytest.mark.parametrize("status", [Status.UNAVAILABLE, Status.INTERNAL, Status.UNAUTHENTICATED])
async def test_while_modal_cannot_be_reached_the_queue_is_unavailable(
    queue: ModalQueue, plane: ControlPlane, status: Status
) -> None:
    call_id = await queue.submit(a_chat_request())
    plane.refusal = GRPCError(status, "maintenance")

    attempts = (queue.submit(a_chat_request()), queue.status(call_id), queue.cancel(call_id), queue.warm_up())
    for failure in await asyncio.gather(*attempts, return_exceptions=True):
        assert isinstance(failure, QueueUnavailable)
        assert "cannot be reached" in str(failure)


async def test_when_modal_takes_no_more_jobs_the_queue_is_full(queue: ModalQueue, plane: ControlPlane) -> None:
    plane.refusal = GRPCError(Status.RESOURCE_EXHAUSTED, "too many inputs")

    with pytest.raises(QueueFull) as caught:
        await queue.submit(a_chat_request())
    assert caught.value.retry_after_s > 0


async def test_a_service_without_its_gpu_class_says_that_it_is_not_deployed(plane: ControlPlane) -> None:
    queue = ModalQueue(CAPTIONING, "NoSuchModel")

    with pytest.raises(QueueUnavailable, match="not deployed"):
        await queue.submit(a_chat_request())


async def test_warming_up_calls_the_gpu_class_and_waits_for_nothing(queue: ModalQueue, plane: ControlPlane) -> None:
    await queue.warm_up()

    (call,) = plane.calls.values()
    assert call.method == "warm"
    assert not call.ended.is_set()
