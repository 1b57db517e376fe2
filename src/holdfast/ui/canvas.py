"""The paper charts are drawn on: a white card, quiet axes, colours for all eyes, and SVG that is always the same."""

from __future__ import annotations

import io
import re

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from holdfast.ui import words

INK, GREY, BLUE, TEAL, RED, AMBER = "#22303c", "#7b8894", "#1f6fb2", "#0b8a6f", "#c23b3b", "#d98a00"

_STYLE = {
    "svg.hashsalt": "holdfast",
    "svg.fonttype": "none",
    "svg.image_inline": True,
    "font.family": ["DejaVu Sans"],
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


def canvas(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    """A figure of `width` by `height` inches with one pair of axes; `title` is what a screen reader says."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height))
        FigureCanvasSVG(figure)
        figure.set_gid(title)
        return figure, figure.subplots()


def svg(figure: Figure, name: str) -> str:
    """`figure` as an `<svg>` element that can stand alone or in a page: every id and style in it belongs to `name`."""
    buffer = io.StringIO()
    title = figure.get_gid() or name
    figure.set_gid(None)
    with rc_context(_STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "Holdfast", "Title": legible(title, 120)})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    text = text.replace("*{stroke-linejoin", f"#chart-{name} *{{stroke-linejoin")
    return text.replace("<svg ", f'<svg id="chart-{name}" role="img" ', 1)


def legible(text: str, limit: int) -> str:
    """Foreign text for a picture: one line, cut at `limit`, only characters that the font has."""
    return "".join(c if ord(c) < 0x500 or 0x2010 <= ord(c) <= 0x22FF else "·" for c in words.clean(text, limit))
