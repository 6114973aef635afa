from __future__ import annotations

import pytest

from backend.contract import AnswerMessage, Choice, Completion, Usage
from client.errors import (
    AccessError,
    InputError,
    JobFailed,
    NadirError,
    SceneError,
    ServiceBusy,
    ServiceUnreachable,
    WaitTimeout,
)
from client.events import Cancelled, Expired, Failed, FinalEvent
from ui.components.answer import (
    Action,
    Remedies,
    answer_facts,
    final_error,
    render_completion,
    render_failure,
    render_partial,
)

REMEDIES = Remedies(
    again=Action("Send again", "rotate-cw", "again"),
    check=Action("Check the service", "refresh-cw", "check"),
    keep_waiting=Action("Keep waiting", "clock-3", "wait"),
)


def completion(text: str, finish_reason: str = "stop", usage: Usage | None = None) -> Completion:
    choice = Choice(message=AnswerMessage(content=text), finish_reason=finish_reason)
    return Completion(id="chatcmpl-fc-1", model="qwen-caption-special", choices=[choice], usage=usage or Usage())


def shown(answer: Completion) -> str:
    return render_completion(answer, engine="openai", total_s=4.0, max_tokens=64, remedies=REMEDIES)


def test_markdown_is_rendered_and_markup_is_not() -> None:
    html = render_partial("**Dam** <script>alert(1)</script> [x](javascript:alert(1)) ![y](http://a/b.png)")
    assert "<strong>Dam</strong>" in html
    assert "<script>" not in html
    assert "<a " not in html
    assert "<img" not in html


def test_an_answer_that_was_cut_off_says_so() -> None:
    assert "cut off at 64 tokens" in shown(completion("A", "length"))
    assert "cut off" not in shown(completion("A"))


def test_zeros_for_tokens_are_not_shown_as_a_count() -> None:
    assert answer_facts(completion("A"), engine="", total_s=None) == ["qwen-caption-special", "complete"]


def test_the_facts_name_model_engine_tokens_end_and_time() -> None:
    usage = Usage(prompt_tokens=1042, completion_tokens=5, total_tokens=1047)
    facts = answer_facts(completion("A", usage=usage), engine="openai", total_s=12.3)
    assert facts == ["qwen-caption-special", "own server", "1042 + 5 tokens", "complete", "12 s"]


def test_the_preview_engine_is_never_shown_as_the_model() -> None:
    assert answer_facts(completion("A"), engine="preview", total_s=None)[0] == "preview engine, no model"


def test_an_empty_answer_is_not_an_empty_page() -> None:
    assert "empty answer" in shown(completion("  "))


def test_what_is_copied_is_the_text_itself() -> None:
    assert 'data-copy="Roofs &lt; 3 &amp; &#34;a&#34;"' in shown(completion('Roofs < 3 & "a"'))


@pytest.mark.parametrize(
    ("error", "title", "targets"),
    [
        (SceneError("No image."), "The scene cannot be read", []),
        (InputError("Too long."), "The request was not accepted", ["again"]),
        (AccessError("Set MODAL_KEY."), "The service wants credentials", ["again", "check"]),
        (ServiceUnreachable("Nothing answers."), "The service cannot be reached", ["again", "check"]),
        (ServiceBusy("Full."), "The service is busy", ["again", "check"]),
        (JobFailed("It broke."), "The job failed", ["again"]),
        (WaitTimeout("600 s."), "Still waiting", ["wait", "check"]),
    ],
)
def test_a_failure_says_what_happened_and_offers_what_helps(error: NadirError, title: str, targets: list[str]) -> None:
    html = render_failure(error, REMEDIES)
    assert title in html
    assert str(error) in html
    assert [target for target in ("again", "wait", "check") if f'data-press="{target}"' in html] == targets


@pytest.mark.parametrize("event", [Failed("fc-1", "It broke."), Cancelled("fc-1"), Expired("fc-1", "Gone.")])
def test_every_end_without_an_answer_is_an_error_with_its_call_id(event: FinalEvent) -> None:
    error = final_error(event)
    assert str(error)
    assert error.call_id == "fc-1"
