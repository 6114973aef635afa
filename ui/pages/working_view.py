"""What Caption and Ask have in common: scene and settings on the left, job and answer on the right."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from backend.contract import MAX_OUTPUT_TOKENS
from backend.services import ServiceSpec
from client.jobs import JobClient
from client.payload import MAX_PROMPT_CHARACTERS, Detail, offered_details
from client.samples import Sample
from ui.components.answer import Action, Remedies, render_empty
from ui.components.scene import SceneValue, scene_panel
from ui.components.snippets import build_snippets
from ui.desk import JobDesk
from ui.fragments import render
from ui.record import read_record
from ui.shelf import SceneShelf, Sizing

CHECK_SERVICES_ID = "nd-check-services"
"""Element id of the button that looks at the services again."""

DETAIL_LABELS = {
    Detail.FAST: "Fast, up to 1 megapixel",
    Detail.STANDARD: "Standard, up to 4 megapixels",
    Detail.FULL: "Full, up to 16.8 megapixels",
}


@dataclass(frozen=True)
class ViewText:
    """The words of one working view."""

    name: str
    """Begins the element ids: `caption` or `ask`."""
    prompt_label: str
    prompt_placeholder: str
    prompt: str
    presets: tuple[tuple[str, str], ...]
    """Label and text of each preset."""
    action: str
    empty_icon: str
    empty_title: str
    empty_message: str


@dataclass
class WorkingView:
    """The components of one working view, and the desk that works for them."""

    service: ServiceSpec
    text: ViewText
    desk: JobDesk
    shelf: SceneShelf
    scene: gr.HTML
    prompt: gr.Textbox
    max_tokens: gr.Slider
    temperature: gr.Slider
    detail: gr.Dropdown
    enlarge: gr.Checkbox
    go: gr.Button
    cancel: gr.Button
    again: gr.Button
    keep_waiting: gr.Button
    reopen: gr.Button
    """Shows the job that the history has made this tab's own."""
    status: gr.HTML
    answer: gr.HTML
    record: gr.JSON

    @property
    def shown(self) -> list[gr.components.Component]:
        """What a desk's handlers change."""
        return [self.status, self.answer, self.record, self.go]

    @property
    def entered(self) -> list[gr.components.Component]:
        """What the user has a say in, as a record keeps it."""
        return [self.scene, self.prompt, self.max_tokens, self.temperature, self.detail, self.enlarge]


def build_view(
    client: JobClient, shelf: SceneShelf, samples: Sequence[Sample], text: ViewText, onward: Sequence[Action] = ()
) -> WorkingView:
    """Lays out a working view. To be called within a tab; `connect_view` gives it life."""
    service, asks = client.service, text.name == "ask"
    remedies = Remedies(
        again=Action("Send again", "rotate-cw", f"{text.name}-again"),
        check=Action("Check the service", "refresh-cw", CHECK_SERVICES_ID),
        keep_waiting=Action("Keep waiting", "clock-3", f"{text.name}-keep-waiting"),
        onward=(*onward, Action("Use via API", "code-xml", f"{text.name}-api")),
    )
    desk = JobDesk(client, shelf, remedies=remedies, cancel_target=f"{text.name}-cancel", asks=asks)
    with gr.Row(elem_classes=["nd-columns"], equal_height=False):
        with gr.Column(scale=5, min_width=320, elem_classes=["nd-left"]):
            scene = scene_panel(f"{text.name}-scene")
            gr.HTML(_draw_samples(samples), apply_default_css=False)
            prompt = gr.Textbox(
                value=text.prompt,
                label=text.prompt_label,
                placeholder=text.prompt_placeholder,
                lines=2,
                max_lines=8,
                max_length=MAX_PROMPT_CHARACTERS,
                elem_id=f"{text.name}-prompt",
            )
            gr.HTML(
                render("presets.html", presets=text.presets, into=f"{text.name}-prompt"),
                apply_default_css=False,
            )
            go = gr.Button(text.action, variant="primary", elem_id=f"{text.name}-go", elem_classes=["nd-go"])
            with gr.Accordion("Settings", open=False, elem_classes=["nd-settings"]):
                detail = _detail_chooser(Detail.STANDARD)
                enlarge = gr.Checkbox(
                    label="Enlarge small chips", info="Up to four times per side; more tokens, and small things larger"
                )
                max_tokens = gr.Slider(
                    16, MAX_OUTPUT_TOKENS, value=service.max_tokens, step=16, label="Longest answer", info="In tokens"
                )
                temperature = gr.Slider(
                    0, 1.5, value=service.temperature, step=0.05, label="Temperature", info="0 is the most repeatable"
                )
            gr.HTML(render("more.html", target=f"{text.name}-api"), apply_default_css=False)
        with gr.Column(scale=7, min_width=320, elem_classes=["nd-right", "nd-panel"]):
            status = gr.HTML("", elem_id=f"{text.name}-status", apply_default_css=False)
            answer = gr.HTML(
                _draw_empty(text),
                js_on_load=f"nadir.attachAnswer(element, '{text.name}-scene', watch)",
                elem_id=f"{text.name}-answer",
                elem_classes=["nd-result"],
                apply_default_css=False,
            )
    entered = [scene, prompt, max_tokens, temperature, detail, enlarge]
    build_snippets(service, client.base_url, f"{text.name}-api", entered)
    return WorkingView(
        service=service,
        text=text,
        desk=desk,
        shelf=shelf,
        scene=scene,
        prompt=prompt,
        max_tokens=max_tokens,
        temperature=temperature,
        detail=detail,
        enlarge=enlarge,
        go=go,
        cancel=_unseen_button(f"{text.name}-cancel"),
        again=_unseen_button(f"{text.name}-again"),
        keep_waiting=_unseen_button(f"{text.name}-keep-waiting"),
        reopen=_unseen_button(f"{text.name}-reopen"),
        status=status,
        answer=answer,
        record=gr.JSON(visible=False),
    )


def connect_view(view: WorkingView, page: gr.Blocks) -> None:
    """Wires a view's events: choosing a scene, sending, watching, cancelling, and finding its job again on load."""
    _connect_scene(view)
    inputs = [*view.entered, view.record]
    watches = [_watch_job(view, view.keep_waiting)]
    for trigger in (view.go.click, view.again.click):
        drawn_up = trigger(None, inputs=inputs, outputs=[view.record], js=_new_job_js(view), api_visibility="private")
        watches.append(_run_job(view, drawn_up))
    view.cancel.click(_cancel_handler(view), inputs=[view.record], outputs=[], queue=False, api_visibility="private")
    show_current = _unseen_button(f"{view.text.name}-show-current")
    watches += [_show_current(view, trigger) for trigger in (page.load, show_current.click)]
    # A view shows one job: what it watched before goes on unseen, and the history hears of its end.
    left = view.reopen.click(None, js="() => []", cancels=watches, api_visibility="private")
    left.then(None, js=f"() => nadir.press('{view.text.name}-show-current')", api_visibility="private")


def _show_current(view: WorkingView, trigger: Any) -> Any:
    """Finds this tab's job, and shows it with its scene, prompt and settings."""
    found = trigger(
        None, outputs=[view.record], js=f"() => nadir.currentJob('{view.service.key}')", api_visibility="private"
    )
    restored = found.then(
        _restore_handler(view),
        inputs=[view.record],
        outputs=view.entered,
        show_progress="hidden",
        api_visibility="private",
    )
    restored.then(None, js=f"() => nadir.restoreDraft('{view.text.name}')", api_visibility="private")
    return _run_job(view, restored)


def _connect_scene(view: WorkingView) -> None:
    async def show(value: SceneValue, detail: str, enlarge: bool) -> SceneValue:
        return await view.shelf.show(value, Sizing(Detail(detail), enlarge, await view.desk.max_pixels()))

    chosen, *_ = [
        changed(
            show,
            inputs=[view.scene, view.detail, view.enlarge],
            outputs=[view.scene],
            show_progress="hidden",
            trigger_mode="multiple",
            api_visibility="private",
        )
        for changed in (view.scene.input, view.scene.edit, view.detail.input, view.enlarge.input)
    ]
    # In the browser, so that no job can begin between the look at the record and its end.
    empty = json.dumps(_draw_empty(view.text))
    job = [view.status, view.answer, view.record]
    chosen.then(
        None,
        inputs=[view.scene, *job],
        outputs=job,
        js=f"(...shown) => nadir.leaveScene('{view.service.key}', {empty}, ...shown)",
        api_visibility="private",
    )


def _run_job(view: WorkingView, after: Any) -> Any:
    async def submit(record: Any) -> AsyncIterator[tuple[Any, ...]]:
        async for shown in view.desk.submit(record):
            yield shown.outputs(view.text.action)

    submitted = after.then(
        submit, inputs=[view.record], outputs=view.shown, show_progress="hidden", api_visibility="private"
    )
    kept = submitted.then(None, inputs=[view.record], js="(record) => nadir.keepJob(record)", api_visibility="private")
    return _watch_job(view, kept)


def _watch_job(view: WorkingView, after: Any) -> Any:
    async def watch(record: Any) -> AsyncIterator[tuple[Any, ...]]:
        async for shown in view.desk.watch(record):
            yield shown.outputs(view.text.action)

    begin = after.click if isinstance(after, gr.Button) else after.then
    watched = begin(watch, inputs=[view.record], outputs=view.shown, show_progress="hidden", api_visibility="private")
    watched.then(None, inputs=[view.record], js="(record) => nadir.endWatch(record)", api_visibility="private")
    return watched


def _cancel_handler(view: WorkingView) -> Any:
    async def cancel(record: Any) -> None:
        if trouble := await view.desk.cancel(record):
            raise gr.Error(trouble, title="Not cancelled", print_exception=False)

    return cancel


def _restore_handler(view: WorkingView) -> Any:
    async def restore(value: Any) -> tuple[Any, ...]:
        max_pixels = await view.desk.max_pixels()
        record = read_record(value)
        detail = _detail_offered(record.detail if record else Detail.STANDARD, max_pixels)
        chooser = _detail_chooser(detail, max_pixels)
        if record is None or record.scene is None:
            return (*(gr.skip(),) * 4, chooser, gr.skip())
        scene = await view.shelf.show(record.scene.panel_value, Sizing(detail, record.enlarge, max_pixels))
        return (scene, record.prompt, record.max_tokens, record.temperature, chooser, record.enlarge)

    return restore


def _new_job_js(view: WorkingView) -> str:
    asks = json.dumps(view.text.name == "ask")
    return (
        "(scene, prompt, max_tokens, temperature, detail, enlarge, before) => nadir.newJob("
        f"'{view.service.key}', {{scene, prompt, max_tokens, temperature, detail, enlarge}}, before, {asks})"
    )


def _detail_chooser(detail: Detail, max_pixels: int | None = None) -> gr.Dropdown:
    """Returns the choice of detail, without those that the service would throw away."""
    limit = f"; this service looks at up to {max_pixels / 1e6:.1f} megapixels" if max_pixels else ""
    return gr.Dropdown(
        [(DETAIL_LABELS[offered], offered.value) for offered in offered_details(max_pixels)],
        value=detail.value,
        label="Detail",
        info=f"How many pixels the model gets{limit}",
    )


def _detail_offered(wanted: Detail, max_pixels: int | None) -> Detail:
    offered = offered_details(max_pixels)
    return wanted if wanted in offered else offered[-1]


def _draw_samples(samples: Sequence[Sample]) -> str:
    pictures = [
        {
            "key": sample.key,
            "title": sample.title,
            "short_title": sample.short_title,
            "thumbnail": "data:image/webp;base64," + base64.b64encode(sample.thumbnail.read_bytes()).decode("ascii"),
        }
        for sample in samples
    ]
    return render("samples.html", samples=pictures)


def _draw_empty(text: ViewText) -> str:
    return render_empty(text.empty_icon, text.empty_title, text.empty_message)


def _unseen_button(elem_id: str) -> gr.Button:
    return gr.Button(visible="hidden", elem_id=elem_id)
