from __future__ import annotations

import pytest

from backend.contract import AnswerMessage, Choice, Completion, Health, Stage
from backend.services import CAPTIONING
from client.clock import Clock
from client.errors import ServiceUnreachable
from client.events import Done, Queued, Running, Starting, Unreachable
from client.jobs import JobClient
from client.logbook import JobTimes, Logbook, Phase
from client.warmup import Asked, Ready
from ui.components.latencies import nice_ceiling, render_latencies, summary
from ui.components.service_card import gpu_line, health_line, jobs_line, public_address, render_service
from ui.pages.services import warm_up_text

ANSWER = Completion(id="x", model="m", choices=[Choice(message=AnswerMessage(content="A dam."))])


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def logbook_at(time: Time) -> Logbook:
    return Logbook(CAPTIONING, Clock(now=time))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@example.org/captioning", "https://example.org/captioning"),
        ("https://example.org:8443?token=secret#secret", "https://example.org:8443"),
        ("http://127.0.0.1:7860/vqa", "http://127.0.0.1:7860/vqa"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert public_address(url) == shown


def test_a_gpu_of_which_nothing_was_seen_is_not_known() -> None:
    assert gpu_line(CAPTIONING, logbook_at(Time()), "vllm").word == "Not known"


def test_the_preview_engine_needs_no_gpu() -> None:
    assert gpu_line(CAPTIONING, logbook_at(Time()), "preview").word == "Needs none"


def test_a_gpu_is_followed_from_its_start_to_its_being_switched_off() -> None:
    time = Time()
    logbook = logbook_at(time)
    words = []
    logbook.submitted("fc-1", 0.0)
    for event in (Queued("fc-1"), Starting("fc-1"), Running("fc-1"), Done("fc-1", ANSWER)):
        time.now += 1
        logbook.heard(event)
        words.append(gpu_line(CAPTIONING, logbook, "vllm").word)
    time.now += CAPTIONING.scaledown_s + 1
    words.append(gpu_line(CAPTIONING, logbook, "vllm").word)
    assert words == ["Not known", "Starting", "Warm", "Warm", "Probably off"]


def test_an_own_server_is_not_said_to_be_switched_off() -> None:
    time = Time()
    logbook = logbook_at(time)
    logbook.submitted("fc-1", 0.0)
    logbook.heard(Done("fc-1", ANSWER))
    time.now += 10 * CAPTIONING.scaledown_s
    assert gpu_line(CAPTIONING, logbook, "openai").word == "Not told"


def test_jobs_in_flight_are_counted() -> None:
    logbook = logbook_at(Time())
    assert jobs_line(logbook).word == "None"
    for call_id in ("fc-1", "fc-2"):
        logbook.submitted(call_id, 0.0)
    logbook.heard(Running("fc-1"))
    line = jobs_line(logbook)
    assert line.word == "2 jobs"
    assert line.note.startswith("1 running")


def test_health_is_a_word_and_a_reason() -> None:
    assert health_line(Health(model="m"), None).word == "Up"
    unwell = health_line(Health(model="m", status="degraded", detail="No weights."), None)
    assert (unwell.word, unwell.note) == ("Not well", "No weights.")
    assert health_line(None, ServiceUnreachable("Nothing answers.")).word == "Not reached"


async def test_a_card_escapes_what_a_service_says() -> None:
    async with JobClient(CAPTIONING, "http://127.0.0.1:9") as client:
        html = render_service(client, Health(model="<script>alert(1)</script>"), None, warm_target="warm")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert CAPTIONING.model in html, "the model that was expected is named"


@pytest.mark.parametrize(
    ("seconds", "top"), [(0.0, 0.1), (0.3, 0.5), (1.0, 1.0), (1.2, 2.0), (42.0, 50.0), (99.0, 100.0)]
)
def test_the_scale_ends_at_a_round_number_at_or_above_the_longest_job(seconds: float, top: float) -> None:
    assert nice_ceiling(seconds) == pytest.approx(top)


def test_the_plot_draws_every_phase_of_every_job_and_says_it_in_words() -> None:
    jobs = [
        JobTimes("fc-1", Stage.DONE, {Phase.SUBMIT: 0.5, Phase.QUEUE: 1.0, Phase.START: 20.0, Phase.RUN: 4.0}),
        JobTimes("fc-2", Stage.FAILED, {Phase.SUBMIT: 0.5, Phase.RUN: 2.0}),
    ]
    html = render_latencies(jobs)
    assert html.count("<g>") == 2
    assert "Failed after 2.5 s: submit 0.5 s, run 2.0 s" in html
    assert "Not told apart" not in html
    assert "longest cold start 20 s" in summary(jobs)


def test_a_service_without_jobs_has_no_plot() -> None:
    assert "<svg" not in render_latencies([])


async def test_a_warm_up_is_told_in_sentences() -> None:
    async with JobClient(CAPTIONING, "http://127.0.0.1:9") as client:
        assert "no warm-up of its own" in warm_up_text(Asked(is_supported=False), client)
        assert "The GPU is starting" in warm_up_text(Starting("fc-1"), client)
        assert "It is asked again" in warm_up_text(Unreachable("fc-1", message="Nothing answers."), client)
        assert warm_up_text(Ready(23.4), client) == "Ready: it answered a tiny job 23 s after it was asked."
