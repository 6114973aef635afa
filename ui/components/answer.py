"""The answer, or what stands in its place: nothing yet, or what went wrong and the button that mends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.contract import Completion
from client.errors import (
    AccessError,
    InputError,
    JobCancelled,
    JobExpired,
    JobFailed,
    NadirError,
    ProtocolError,
    SceneError,
    ServiceBusy,
    ServiceUnreachable,
    WaitTimeout,
)
from client.events import Cancelled, Expired, Failed, FinalEvent
from ui.components.objects import ObjectsView
from ui.components.viewer import PictureView
from ui.fragments import format_seconds, render

DATA_BEGINNINGS = ("[", "{", "```", "<|")
"""How an answer begins that is boxes and no prose; the list of objects then stands for it."""
ENGINE_NAMES = {"openai": "own server", "vllm": "vLLM on Modal"}


@dataclass(frozen=True)
class Action:
    """A button within a fragment: it presses the element with the id `target`."""

    label: str
    icon: str
    target: str


@dataclass(frozen=True)
class Remedies:
    """The buttons that a page offers with an answer or a failure, by what they do."""

    again: Action
    check: Action
    keep_waiting: Action
    onward: tuple[Action, ...] = ()
    """What else can be done with a finished answer."""


class NothingSent(InputError):
    """Something is missing on the page, and nothing was sent."""


TITLES: tuple[tuple[type[NadirError], str], ...] = (
    (NothingSent, "Nothing was sent"),
    (SceneError, "The scene cannot be read"),
    (InputError, "The request was not accepted"),
    (AccessError, "The service wants credentials"),
    (ServiceBusy, "The service is busy"),
    (ServiceUnreachable, "The service cannot be reached"),
    (ProtocolError, "This is not a Nadir service"),
    (JobFailed, "The job failed"),
    (JobCancelled, "The job was cancelled"),
    (JobExpired, "The job is gone"),
    (WaitTimeout, "Still waiting"),
)


def render_empty(icon_name: str, title: str, message: str) -> str:
    """Renders the place of the answer before there is a job."""
    return render("empty.html", icon_name=icon_name, title=title, message=message)


def render_partial(text: str, *, question: str = "") -> str:
    """Renders the text so far of a job that goes on; placeholders while there is none."""
    return _render_answer(text, question=question, writing=True)


def render_completion(
    completion: Completion,
    *,
    engine: str,
    total_s: float | None,
    max_tokens: int,
    remedies: Remedies,
    question: str = "",
    area: str = "",
    picture: PictureView | None = None,
    objects: ObjectsView | None = None,
) -> str:
    """Renders a finished answer with its facts and buttons.

    Args:
        engine: what answered, by the name that the service gives; empty where it does not say.
        total_s: seconds from submission to the end; None where that is not known.
        max_tokens: what the answer was limited to.
        area: which part of the scene it is about; empty for the whole.
        picture: what the model saw.
        objects: what the answer marks on the scene.
    """
    return _render_answer(
        completion.text.strip() or "The service returned an empty answer.",
        question=question,
        facts=[*answer_facts(completion, engine=engine, total_s=total_s), *([area] if area else [])],
        cut_off=completion.finish_reason == "length",
        max_tokens=max_tokens,
        document=completion.model_dump_json(indent=2),
        filename=f"{completion.id}.json",
        actions=(remedies.again, *remedies.onward),
        picture=picture,
        objects=objects,
    )


def answer_facts(completion: Completion, *, engine: str, total_s: float | None) -> list[str]:
    """Returns the quiet line under the answer: model, engine, tokens, how it ended, time."""
    facts = (
        ["preview engine, no model"] if engine == "preview" else [completion.model, ENGINE_NAMES.get(engine, engine)]
    )
    usage = completion.usage
    if usage.prompt_tokens:
        facts.append(f"{usage.prompt_tokens} + {usage.completion_tokens} tokens")
    elif usage.completion_tokens:
        facts.append(f"{usage.completion_tokens} tokens")
    facts.append(
        {"stop": "complete", "length": "cut off"}.get(completion.finish_reason or "", completion.finish_reason or "")
    )
    if total_s is not None:
        facts.append(format_seconds(total_s))
    return [fact for fact in facts if fact]


def render_failure(error: NadirError, remedies: Remedies) -> str:
    """Renders what went wrong, what to do about it, and the buttons that do it."""
    title = next(title for kind, title in (*TITLES, (NadirError, "Something went wrong")) if isinstance(error, kind))
    return render("failure.html", title=title, message=str(error), remedy="", actions=_failure_actions(error, remedies))


def final_error(event: FinalEvent) -> NadirError:
    """Returns the error that a job's end without an answer stands for."""
    match event:
        case Failed(call_id=call_id, message=message):
            return JobFailed(message, call_id=call_id)
        case Cancelled(call_id=call_id, message=message):
            return JobCancelled(message, call_id=call_id)
        case Expired(call_id=call_id, message=message):
            return JobExpired(message, call_id=call_id)
    raise TypeError(f"{event} is an answer")


def _failure_actions(error: NadirError, remedies: Remedies) -> Sequence[Action]:
    if isinstance(error, (SceneError, NothingSent)):
        return ()
    if isinstance(error, WaitTimeout):
        return (remedies.keep_waiting, remedies.check)
    if isinstance(error, (AccessError, ProtocolError, ServiceUnreachable, ServiceBusy)):
        return (remedies.again, remedies.check)
    return (remedies.again,)


def _render_answer(
    text: str,
    *,
    question: str = "",
    writing: bool = False,
    facts: Sequence[str] = (),
    cut_off: bool = False,
    max_tokens: int = 0,
    document: str = "",
    filename: str = "",
    actions: Sequence[Action] = (),
    picture: PictureView | None = None,
    objects: ObjectsView | None = None,
) -> str:
    return render(
        "answer.html",
        text=text,
        is_data=objects is not None and text.lstrip().startswith(DATA_BEGINNINGS),
        question=question,
        writing=writing,
        facts=facts,
        cut_off=cut_off,
        max_tokens=max_tokens,
        document=document,
        filename=filename,
        actions=actions,
        picture=picture,
        objects=objects,
    )
