"""The Batch page: many scenes, one or several prompts, one table that fills."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from pydantic import ValidationError

from backend.contract import MAX_OUTPUT_TOKENS
from backend.services import CAPTIONING, SERVICES, VQA
from client.batch_desk import BatchDesk, Draft, Reading
from client.batch_input import Upload
from client.batch_plan import MAX_PROMPTS, BatchSettings
from client.errors import InputError, NadirError
from client.payload import MAX_PROMPT_CHARACTERS, Detail
from client.samples import Sample
from ui.batch_room import PICTURES, BatchRoom
from ui.components.answer import render_empty
from ui.components.batch import ROW_STAGES, batch_title, rounded_time
from ui.components.scene import resolve_upload
from ui.fragments import render

FORMATS = (
    ("csv", "CSV", "spreadsheets"),
    ("jsonl", "JSON Lines", "scripts"),
    ("parquet", "Parquet", "pandas, DuckDB"),
    ("geojson", "GeoJSON", "footprints and answers"),
    ("gpkg", "GeoPackage", "the same, for QGIS"),
    (PICTURES, "Pictures with boxes", "ZIP, where answers have boxes"),
)
FILTERS = (
    ("all", "All"),
    ("waiting", "Waiting"),
    ("running", "Running"),
    ("done", "Done"),
    ("failed", "Failed"),
    ("cancelled", "Cancelled"),
)
DETAILS = [
    ("Fast, up to 1 megapixel", Detail.FAST.value),
    ("Standard, up to 4 megapixels", Detail.STANDARD.value),
    ("Full, up to 16.8 megapixels", Detail.FULL.value),
]
DEFAULT_TILE = 1024


@dataclass
class BatchForm:
    """What is chosen for a new batch."""

    files: gr.JSON
    service: gr.Radio
    prompts: gr.Textbox
    tiled: gr.Checkbox
    tile_size: gr.Number
    overlap: gr.Number
    detail: gr.Dropdown
    enlarge: gr.Checkbox
    max_tokens: gr.Slider
    temperature: gr.Slider
    look: gr.Button

    @property
    def entered(self) -> list[gr.components.Component]:
        """What a first look is told, in the order in which it is told."""
        sizes = [self.tiled, self.tile_size, self.overlap, self.detail, self.enlarge]
        return [self.files, self.service, self.prompts, *sizes, self.max_tokens, self.temperature]


def build_batch(room: BatchRoom, samples: Sequence[Sample]) -> None:
    """Lays out the Batch page and wires it. To be called within a tab."""
    with gr.Row(elem_id="batch-new", elem_classes=["nd-columns"], equal_height=False):
        with gr.Column(scale=5, min_width=320, elem_classes=["nd-left"]):
            form = _build_form(samples)
        with gr.Column(scale=7, min_width=320, elem_classes=["nd-right", "nd-panel"]):
            shown = gr.HTML(_empty(), elem_id="batch-look", apply_default_css=False)
    gr.HTML(
        render("batch_board.html", formats=FORMATS, filters=FILTERS, stages=ROW_STAGES),
        js_on_load="nadirBatch.attachBoard(element, server)",
        server_functions=room.answers,
        elem_id="batch-board",
        apply_default_css=False,
    )
    form.look.click(
        _look_handler(room.desk, samples, room.uploads),
        inputs=form.entered,
        outputs=[shown],
        js="(_, ...rest) => [nadirBatch.beginLook(), ...rest]",
        show_progress="hidden",
        api_visibility="private",
    )
    form.service.input(
        None,
        inputs=[form.service, form.prompts],
        outputs=[form.prompts, form.max_tokens, form.temperature],
        js=_defaults_js(),
        api_visibility="private",
    )


def _build_form(samples: Sequence[Sample]) -> BatchForm:
    names = json.dumps([{"sample": sample.key, "name": sample.path.name} for sample in samples])
    gr.HTML(
        render("batch_files.html", samples=names),
        js_on_load="nadirBatch.attachFiles(element)",
        elem_id="batch-files",
        apply_default_css=False,
    )
    service = gr.Radio(
        [("Caption", CAPTIONING.key), ("Ask", VQA.key)], value=CAPTIONING.key, label="Task", elem_id="batch-service"
    )
    prompts = gr.Textbox(
        CAPTIONING.default_prompt,
        label="Prompts",
        info="One per line; each is asked of every scene",
        lines=2,
        max_lines=8,
        max_length=MAX_PROMPTS * MAX_PROMPT_CHARACTERS,
        elem_id="batch-prompts",
    )
    with gr.Accordion("Tiles", open=False, elem_classes=["nd-settings"]):
        tiled = gr.Checkbox(label="Cut every scene into tiles", elem_id="batch-tiled")
        tile_size = gr.Number(DEFAULT_TILE, label="Side in pixels", precision=0, minimum=64, elem_id="batch-tile")
        overlap = gr.Number(0, label="Overlap in pixels", precision=0, minimum=0)
    with gr.Accordion("Settings", open=False, elem_classes=["nd-settings"]):
        detail = gr.Dropdown(DETAILS, value=Detail.STANDARD.value, label="Detail")
        enlarge = gr.Checkbox(label="Enlarge small chips", info="Up to four times per side; more tokens")
        max_tokens = gr.Slider(16, MAX_OUTPUT_TOKENS, CAPTIONING.max_tokens, step=16, label="Longest answer")
        temperature = gr.Slider(0, 1.5, CAPTIONING.temperature, step=0.05, label="Temperature")
    return BatchForm(
        files=gr.JSON(visible=False),
        service=service,
        prompts=prompts,
        tiled=tiled,
        tile_size=tile_size,
        overlap=overlap,
        detail=detail,
        enlarge=enlarge,
        max_tokens=max_tokens,
        temperature=temperature,
        look=gr.Button("Take a first look", variant="primary", elem_id="batch-look-go", elem_classes=["nd-go"]),
    )


def _look_handler(desk: BatchDesk, samples: Sequence[Sample], uploads: Path) -> Any:
    by_key = {sample.key: sample for sample in samples}

    def locate(files: Any) -> list[Upload]:
        located = []
        for one in files if isinstance(files, list) else []:
            path = resolve_upload(str(one.get("path") or ""), uploads)
            if sample := by_key.get(str(one.get("sample"))):
                path = sample.path
            if path is None:
                raise InputError("Some files are no longer on the server. Choose them again.")
            located.append(Upload(path, str(one.get("name") or path.name)[:1000]))
        if not located:
            raise InputError("There are no files yet. Drop some on the left, or use the samples.")
        return located

    async def look(files: Any, *entered: Any) -> AsyncIterator[str]:
        try:
            settings = _settings(*entered)
            async for step in desk.draw_up(locate(files), settings):
                yield _draw_reading(step) if isinstance(step, Reading) else _draw_draft(step)
        except NadirError as error:
            yield render("batch_look.html", reading=None, failure=str(error))

    return look


def _settings(
    service: str,
    prompts: str,
    tiled: bool,
    tile_size: Any,
    overlap: Any,
    detail: str,
    enlarge: bool,
    max_tokens: int,
    temperature: float,
) -> BatchSettings:
    lines = list(dict.fromkeys(line.strip() for line in prompts.splitlines() if line.strip()))
    if len(lines) > MAX_PROMPTS:
        raise InputError(f"There are {len(lines)} prompts; a batch takes up to {MAX_PROMPTS}.")
    if any(len(line) > MAX_PROMPT_CHARACTERS for line in lines):
        raise InputError(f"A prompt has more than {MAX_PROMPT_CHARACTERS:,} characters. Shorten it.")
    try:
        return BatchSettings(
            service=service,
            prompts=lines,
            detail=Detail(detail),
            enlarge=enlarge,
            max_tokens=max_tokens,
            temperature=temperature,
            tile_size=int(tile_size or 0) if tiled else None,
            overlap=int(overlap or 0) if tiled else 0,
        )
    except (ValidationError, ValueError):
        raise InputError("A setting is out of its range. Open Settings and choose again.") from None


def _defaults_js() -> str:
    # In the browser, so that no late answer overwrites what was typed meanwhile.
    defaults = {each.key: [each.default_prompt, each.max_tokens, each.temperature] for each in SERVICES.values()}
    return f"(service, prompts) => nadirBatch.defaultsOf({json.dumps(defaults)}, service, prompts)"


def _draw_reading(reading: Reading) -> str:
    return render("batch_look.html", reading=reading, failure="")


def _draw_draft(draft: Draft) -> str:
    plan = draft.run.plan
    seconds = draft.estimate.seconds
    return render(
        "batch_look.html",
        reading=None,
        failure="",
        id=plan.id,
        title=batch_title(plan),
        estimate=draft.estimate,
        tiles=len({(job.scene, job.tile) for job in plan.jobs if job.tile}),
        prompts=len({job.prompt for job in plan.jobs}),
        time=None if seconds is None else f"about {rounded_time(seconds)}",
        refusals=plan.refusals,
        counted=counted,
    )


def counted(count: int, one: str, many: str = "") -> str:
    """Returns `1 scene`, `12 scenes`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _empty() -> str:
    return render_empty(
        "list-checks",
        "No batch yet",
        "Choose scenes and a prompt on the left. The first look says what the batch takes before anything is sent.",
    )
