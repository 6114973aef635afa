"""The page's look: Gradio's base theme in Nadir's colours and fonts, and the style sheet and script beside it."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes.utils import colors

ASSETS = Path(__file__).resolve().parent.parent / "assets"
STYLE_SHEETS = sorted(ASSETS.glob("*.css"))
SCRIPTS = sorted(ASSETS.glob("*.js"))
FAVICON = ASSETS / "favicon.svg"

_TEAL = colors.Color(
    name="nadir_teal",
    c50="#effaf8",
    c100="#d3f1ec",
    c200="#a8e2d9",
    c300="#74ccc1",
    c400="#45b0a5",
    c500="#2a948a",
    c600="#0f766e",
    c700="#0d5f59",
    c800="#104c48",
    c900="#113f3c",
    c950="#042524",
)


def make_theme() -> gr.themes.Base:
    """Returns the theme. Its fonts ship with Gradio, so that the page asks nobody for them."""
    theme = gr.themes.Base(
        primary_hue=_TEAL,
        secondary_hue=_TEAL,
        neutral_hue=gr.themes.colors.gray,
        radius_size=gr.themes.sizes.radius_sm,
        text_size=gr.themes.sizes.text_md,
        font=[gr.themes.LocalFont("Source Sans Pro", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=[gr.themes.LocalFont("IBM Plex Mono", weights=(400,)), "ui-monospace", "monospace"],
    )
    return theme.set(
        body_background_fill="var(--nd-paper)",
        body_background_fill_dark="var(--nd-paper)",
        body_text_color="var(--nd-ink)",
        body_text_color_dark="var(--nd-ink)",
        body_text_color_subdued="var(--nd-muted)",
        body_text_color_subdued_dark="var(--nd-muted)",
        background_fill_primary="var(--nd-panel)",
        background_fill_primary_dark="var(--nd-panel)",
        background_fill_secondary="var(--nd-paper)",
        background_fill_secondary_dark="var(--nd-paper)",
        block_background_fill="var(--nd-panel)",
        block_background_fill_dark="var(--nd-panel)",
        block_border_color="var(--nd-line)",
        block_border_color_dark="var(--nd-line)",
        block_radius="8px",
        container_radius="8px",
        input_radius="6px",
        input_border_width="1px",
        button_border_width="1px",
        button_large_radius="6px",
        button_medium_radius="6px",
        button_small_radius="6px",
        block_shadow="none",
        block_shadow_dark="none",
        block_label_text_color="var(--nd-muted)",
        block_label_text_color_dark="var(--nd-muted)",
        block_title_text_color="var(--nd-ink)",
        block_title_text_color_dark="var(--nd-ink)",
        block_title_text_weight="400",
        border_color_primary="var(--nd-line)",
        border_color_primary_dark="var(--nd-line)",
        input_background_fill="var(--nd-field)",
        input_background_fill_dark="var(--nd-field)",
        input_border_color="var(--nd-line-strong)",
        input_border_color_dark="var(--nd-line-strong)",
        input_border_color_focus="var(--nd-accent)",
        input_border_color_focus_dark="var(--nd-accent)",
        input_placeholder_color="var(--nd-muted)",
        input_placeholder_color_dark="var(--nd-muted)",
        input_shadow="none",
        input_shadow_focus="none",
        button_primary_background_fill="var(--nd-accent-fill)",
        button_primary_background_fill_dark="var(--nd-accent-fill)",
        button_primary_background_fill_hover="var(--nd-accent-hover)",
        button_primary_background_fill_hover_dark="var(--nd-accent-hover)",
        button_primary_text_color="var(--nd-on-accent)",
        button_primary_text_color_dark="var(--nd-on-accent)",
        button_primary_border_color="transparent",
        button_primary_shadow="none",
        button_secondary_background_fill="var(--nd-panel)",
        button_secondary_background_fill_dark="var(--nd-panel)",
        button_secondary_background_fill_hover="var(--nd-paper)",
        button_secondary_background_fill_hover_dark="var(--nd-paper)",
        button_secondary_border_color="var(--nd-line-strong)",
        button_secondary_border_color_dark="var(--nd-line-strong)",
        button_secondary_text_color="var(--nd-ink)",
        button_secondary_text_color_dark="var(--nd-ink)",
        button_large_text_weight="700",
        button_transition="background-color 120ms ease",
        color_accent_soft="var(--nd-accent-soft)",
        color_accent_soft_dark="var(--nd-accent-soft)",
        slider_color="var(--nd-accent)",
        slider_color_dark="var(--nd-accent)",
        link_text_color="var(--nd-accent)",
        link_text_color_dark="var(--nd-accent)",
    )


def head() -> str:
    """Returns what goes into the page's head: the scripts, before any component runs."""
    return "".join(f"<script>{script.read_text(encoding='utf-8')}</script>" for script in SCRIPTS)
