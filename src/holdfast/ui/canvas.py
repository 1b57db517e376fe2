"""The paper charts are drawn on: a white card, quiet axes, colours for all eyes, and SVG that is always the same."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from holdfast.ui import words

INK, GREY, BLUE, TEAL, RED, AMBER = "#22303c", "#7b8894", "#1f6fb2", "#0b8a6f", "#c23b3b", "#d98a00"

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "holdfast",
    "svg.fonttype": "none",
    "svg.image_inline": True,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans", "Verdana"],  # the second, where a reader lacks the first, is as wide
    "text.parse_math": False,
    "font.size": 9.0,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6ebef",
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "figure.constrained_layout.use": True,
}
"""What every chart is drawn under: `@rc_context(STYLE)`, which changes matplotlib's settings for that call only."""


def canvas(width: float, height: float, heights: Sequence[float] = (1,)) -> tuple[Figure, list[Axes]]:
    """A figure of `width` by `height` inches with axes one above the other, of these relative `heights`."""
    figure = Figure(figsize=(width, height))
    FigureCanvasSVG(figure)
    axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)
    return figure, list(axes[:, 0])


def svg(figure: Figure, name: str, title: str) -> str:
    """`figure` as an `<svg>` element that can stand alone or in a page: every id and style in it belongs to `name`.

    `title` is what a screen reader says. The same figure gives the same text.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "Holdfast", "Title": legible(title, 120)})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<[^>]+>", lambda tag: re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", tag[0]), text)
    text = text.replace("*{stroke-linejoin", f"#chart-{name} *{{stroke-linejoin")
    return text.replace("<svg ", f'<svg id="chart-{name}" role="img" ', 1)


def legible(text: str, limit: int) -> str:
    """Foreign text for a picture: one line, cut at `limit`, only characters that the font has."""
    return "".join(c if ord(c) < 0x500 or 0x2010 <= ord(c) <= 0x22FF else "·" for c in words.clean(text, limit))
