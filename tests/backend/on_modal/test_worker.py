"""What a GPU container does with a job: an envelope always, whatever the engine does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from unittest.mock import Mock

import pytest

from backend.engines import Answer, EngineFailed, EngineUnavailable, RequestRefused, TextPiece
from backend.queues.envelope import Envelope
from backend.queues.job_board import JobBoard
from backend.services import CAPTIONING
from backend.worker import TIMEOUT_MARGIN_S, Worker
from tests.backend.on_modal.container import a_request
from tests.backend.scripted_engine import CAPTION, USAGE, ScriptedEngine, whole_answer


class MemoryBoard(JobBoard):
    """A board without Modal."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.changed = asyncio.Event()
        self.is_broken = False

    async def report(self, call_id: str, text: str) -> None:
        if self.is_broken:
            raise ConnectionError("no Modal here")
        self.told.append(text)
        self.changed.set()


@pytest.fixture
def board() -> MemoryBoard:
    return MemoryBoard()


async def run(engine: ScriptedEngine, board: JobBoard, **fields: object) -> Envelope:
    worker = Worker(CAPTIONING, engine, board, clock=lambda: 1004.5)
    return Envelope.model_validate(await worker.answer("fc-7", a_request(**fields)))


async def test_an_answer_becomes_a_completion_with_the_engines_own_figures(board: MemoryBoard) -> None:
    envelope = await run(ScriptedEngine(*whole_answer(CAPTION, "length")), board)

    completion = envelope.completion
    assert completion is not None
    assert (envelope.status, envelope.error, envelope.finished_at) == (200, None, 1004.5)
    assert (completion.id, completion.model, completion.created) == ("chatcmpl-fc-7", CAPTIONING.model, 1004)
    assert (completion.text, completion.finish_reason, completion.usage) == (CAPTION, "length", USAGE)


async def test_the_text_is_told_while_the_job_runs(board: MemoryBoard) -> None:
    engine = ScriptedEngine(TextPiece("A runway"), ScriptedEngine.GO_ON, Answer("A runway.", usage=USAGE))
    job = asyncio.create_task(run(engine, board))
    async with asyncio.timeout(10):
        while board.told[-1:] != ["A runway"]:
            await board.changed.wait()
            board.changed.clear()
    engine.go_on.set()

    assert (await job).status == 200
    assert set(board.told) <= {"", "A runway"}


async def test_a_board_that_cannot_be_reached_does_not_harm_the_job(board: MemoryBoard) -> None:
    board.is_broken = True

    assert (await run(ScriptedEngine(), board)).status == 200


@pytest.mark.parametrize(
    ("error", "status"),
    [(RequestRefused("Too long"), 400), (EngineUnavailable("Too long"), 503), (EngineFailed("Too long"), 500)],
)
async def test_an_engine_error_is_returned_not_raised(board: MemoryBoard, error: Exception, status: int) -> None:
    envelope = await run(ScriptedEngine(TextPiece("A"), error), board)

    assert (envelope.status, envelope.completion) == (status, None)
    assert envelope.error is not None
    assert envelope.error.error == "Too long"
    assert "Traceback" in (envelope.error.traceback or "")


@pytest.mark.parametrize("error", [TimeoutError(), ValueError("what"), MemoryError()])
async def test_any_other_error_is_returned_too(board: MemoryBoard, error: Exception) -> None:
    envelope = await run(ScriptedEngine(error), board)

    assert envelope.status == 500
    assert envelope.error is not None


async def test_an_engine_that_stops_without_an_answer_has_failed(board: MemoryBoard) -> None:
    assert (await run(ScriptedEngine(TextPiece("A")), board)).status == 500


async def test_a_body_that_is_no_request_is_returned_as_an_error(board: MemoryBoard) -> None:
    worker = Worker(CAPTIONING, ScriptedEngine(), board)

    assert (await worker.answer("fc-7", {"messages": []}))["status"] == 500


async def test_the_container_gives_up_before_modal_would_kill_it(
    board: MemoryBoard,
) -> None:
    engine = ScriptedEngine(TextPiece("A"), ScriptedEngine.GO_ON)
    worker = Worker(replace(CAPTIONING, timeout_s=TIMEOUT_MARGIN_S), engine, board)

    envelope = Envelope.model_validate(await worker.answer("fc-7", a_request()))

    assert envelope.status == 500
    assert envelope.error is not None
    assert "ran longer than" in envelope.error.error


async def test_a_cancelled_job_stops_the_engine(board: MemoryBoard) -> None:
    engine = ScriptedEngine(TextPiece("A"), ScriptedEngine.GO_ON)
    job = asyncio.create_task(run(engine, board))
    await board.changed.wait()
    job.cancel()

    with pytest.raises(asyncio.CancelledError):
        await job
    assert engine.abandoned.is_set()


async def test_the_services_defaults_stand_where_the_caller_said_nothing(board: MemoryBoard) -> None:
    engine = ScriptedEngine()
    engine.answer = Mock(wraps=engine.answer)  # type: ignore[method-assign]

    await run(engine, board, temperature=1.5)

    (asked,) = engine.answer.call_args.args
    assert (asked.max_tokens, asked.temperature) == (CAPTIONING.max_tokens, 1.5)
