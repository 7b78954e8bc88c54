"""The page's colours, type and spacing as a Gradio theme. What a theme cannot say is in assets/style.css.

One accent, a deep green, has one meaning everywhere: learned. Trained tokens, the tuned answer and the training curve
wear it. Fonts are those of the reader's system, Japanese ones among them; nothing is downloaded.
"""

from __future__ import annotations

import gradio as gr

ACCENT = gr.themes.Color(
    name="pine",
    c50="#eaf7f2", c100="#cdeee2", c200="#9fdcc8", c300="#68c3a8", c400="#3aa689", c500="#1d8a70",
    c600="#12705a", c700="#0f5a49", c800="#0f483c", c900="#0e3b32", c950="#06231e",
)  # fmt: skip
INK = gr.themes.Color(
    name="ink",
    c50="#f6f7f6", c100="#eceeed", c200="#dde1df", c300="#c3cac7", c400="#95a09c", c500="#67736f",
    c600="#4c5754", c700="#38413f", c800="#232a29", c900="#171d1c", c950="#0e1312",
)  # fmt: skip
FONT = (
    "system-ui", "-apple-system", "Segoe UI", "Hiragino Sans", "Hiragino Kaku Gothic ProN", "Yu Gothic UI", "Meiryo",
    "Noto Sans JP", "Noto Sans CJK JP", "sans-serif",
)  # fmt: skip
FONT_MONO = (
    "ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "DejaVu Sans Mono", "Noto Sans Mono CJK JP", "monospace",
)  # fmt: skip


def theme() -> gr.themes.Base:
    base = gr.themes.Base(
        primary_hue=ACCENT,
        secondary_hue=ACCENT,
        neutral_hue=INK,
        text_size=gr.themes.sizes.text_md,
        radius_size=gr.themes.sizes.radius_md,
        font=FONT,
        font_mono=FONT_MONO,
    )
    return base.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_900",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        background_fill_primary="white",
        background_fill_primary_dark="*neutral_900",
        background_fill_secondary="*neutral_50",
        background_fill_secondary_dark="*neutral_800",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_700",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_border_width_dark="0px",
        block_padding="0px",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_title_text_color="*neutral_900",
        block_title_text_color_dark="*neutral_100",
        block_title_text_weight="600",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        input_background_fill="white",
        input_background_fill_dark="*neutral_950",
        input_border_color="*neutral_400",
        input_border_color_dark="*neutral_600",
        input_border_color_focus="*primary_600",
        input_border_color_focus_dark="*primary_400",
        input_border_width="1px",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        button_secondary_background_fill="white",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_600",
        button_border_width="1px",
        button_large_radius="*radius_lg",
        layout_gap="16px",
        form_gap_width="16px",
        checkbox_background_color_selected="*primary_600",
        checkbox_border_color="*neutral_400",
    )
