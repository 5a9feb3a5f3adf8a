"""One look for all figures: names, colours, markers, sizes, and files that are the same bytes on every run."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # the back-end must be chosen first
from matplotlib.colors import to_rgb
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.text import Text

# Okabe and Ito's palette, safe for colour-blind readers; markers tell the memories apart in grey.
_LOOK = {
    "none": ("no memory", "#000000", "X"),
    "gold": ("needed facts in the prompt", "#000000", "*"),
    "all": ("everything in the prompt", "#555555", "s"),
    "recent": ("the latest notes", "#999999", "<"),
    "bm25": ("BM25", "#E69F00", "o"),
    "bm25w": ("BM25, windows of three", "#E69F00", "s"),
    "dense": ("sentence vectors", "#0072B2", "o"),
    "hybrid": ("BM25 and vectors, fused", "#009E73", "D"),
    "late": ("late interaction", "#0072B2", "^"),
    "managed": ("managed", "#D55E00", ">"),
    "managed_graph": ("managed, graph", "#D55E00", "v"),
    "managed_llm": ("managed, the model decides", "#D55E00", "x"),
    "distilled_llm": ("distilled by the model", "#009E73", "x"),
    "episodic": ("episodes", "#CC79A7", "P"),
    "ppr": ("triples, PageRank", "#56B4E9", "d"),
    "distilled": ("distilled text", "#009E73", "X"),
    "reset": ("summary and the latest", "#444444", "v"),
    "rows": ("rows, contextual joint", "#0072B2", "p"),
    "rows_joint": ("rows, joint", "#56B4E9", "s"),
    "rows_opt": ("rows, one at a time", "#009E73", "^"),
    "rows_dual": ("rows, value and gate (closed form)", "#E69F00", "D"),
    "rows_unembed": ("rows, unembedding (closed form)", "#D55E00", "h"),
    "rows_wte": ("rows, token embedding (control)", "#CC79A7", "<"),
    "rows_random": ("random rows, equal norm (control)", "#999999", "P"),
    "rows_donor": ("another user's rows (control)", "#666666", "d"),
    "prior": ("question-only prior (control)", "#444444", "_"),
    "rows_observed": ("rows, observations", "#0072B2", "H"),
    "rows_extracted": ("rows, our extraction", "#56B4E9", "H"),
    "rows_observed_donor": ("rows, another conversation's (control)", "#666666", "D"),
    "recite": ("reciting reader alone (control)", "#999999", "8"),
    "recite_rows_observed": ("reciting, rows, observations", "#D55E00", "p"),
    "recite_rows_extracted": ("reciting, rows, our extraction", "#E69F00", "p"),
    "recite_rows_observed_donor": ("reciting, another conversation's (control)", "#666666", "p"),
    "recite_gold": ("reciting, cited turns (oracle)", "#555555", "*"),
    "oracle_rows": ("rows of tested questions (oracle)", "#000000", "P"),
}
COLUMN_WIDTH = 3.5  # inches, one column
PAGE_WIDTH = 7.2
SMALLEST = 5.0  # points of the smallest letter
TELLING = 10.0  # difference of lightness (CIELAB, 0 to 100) by which two greys are told apart
_SUPERSCRIPT = 0.7  # of the size around it, in matplotlib's formulas


def name_of(memory: str) -> str:
    """A memory's name in figures and tables."""
    return _LOOK[memory][0]


def look_of(memory: str) -> dict[str, str]:
    """Colour and marker of a memory, as matplotlib keywords."""
    _, colour, marker = _LOOK[memory]
    return {"color": colour, "marker": marker}


def ordered(memories: list[str]) -> list[str]:
    """The memories in the order of figures and tables."""
    return [memory for memory in _LOOK if memory in memories]


def draw_intervals(axes, x: list, y: list[dict], memory: str, **keywords) -> None:
    """Points of a memory with the 95 % intervals of their ledger entries. x: numbers, or ledger entries too."""
    measured = isinstance(x[0], dict)
    ends = {"yerr": whiskers(y)} | ({"xerr": whiskers(x)} if measured else {})
    looks = {"linestyle": "none", "markersize": 5, "elinewidth": 0.7, "capsize": 1.5, "label": name_of(memory), **look_of(memory)}
    at = [one["value"] for one in x] if measured else x
    axes.errorbar(at, [one["value"] for one in y], **ends, **{**looks, **keywords})


def whiskers(entries: list[dict]) -> list[list[float]]:
    """Distances from each value down and up to the ends of its interval, 0 for a count that has none: [2, n]."""
    return [
        [one["value"] - one.get("low", one["value"]) for one in entries],
        [one.get("high", one["value"]) - one["value"] for one in entries],
    ]


def draw_dots(axes, at: Sequence[float], entries: list[dict], colour: str, marker: str, **more) -> None:
    """Values of entries at heights `at`, with horizontal intervals."""
    style = {"color": colour, "marker": marker, "markersize": 3.5, "linestyle": "none", "elinewidth": 0.7, "capsize": 1.5}
    axes.errorbar([one["value"] for one in entries], at, xerr=whiskers(entries), **style, **more)


def lightness(colour: str) -> float:
    """CIELAB lightness of a colour, 0 (black) to 100 (white): all that is left of it in grey."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 116 * luminance ** (1 / 3) - 16 if luminance > 216 / 24389 else luminance * 24389 / 27


def alike_in_grey(axes) -> list[tuple[str, str]]:
    """Pairs of series in an axes' legend that are drawn alike in grey: same marker, line, filling and hatch, and nearly the same
    lightness."""
    handles, labels = axes.get_legend_handles_labels()
    looks = [_grey_look(handle) for handle in handles]
    pairs = combinations(zip(labels, looks, strict=True), 2)
    return [
        (left, right) for (left, (shape, grey)), (right, (other, tone)) in pairs if shape == other and abs(grey - tone) < TELLING
    ]


def _grey_look(handle) -> tuple[tuple, float]:
    """(shape, lightness) of what stands in a legend: a line, points with intervals, bars or an area."""
    if isinstance(handle, ErrorbarContainer):
        handle = handle.lines[0]
    elif isinstance(handle, BarContainer):
        handle = handle.patches[0]
    if isinstance(handle, plt.Line2D):
        hollow = str(handle.get_markerfacecolor()) == "none"
        return ("line", str(handle.get_marker()), str(handle.get_linestyle()), hollow), lightness(handle.get_color())
    colour = handle.get_facecolor()
    return (type(handle).__name__, handle.get_hatch()), lightness(colour[0] if getattr(colour, "ndim", 1) == 2 else colour)


def smallest_text(figure) -> float:
    """Size in points of the smallest letter that is drawn, superscripts of formulas among them."""
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return min(text.get_fontsize() * (_SUPERSCRIPT if "^" in text.get_text() else 1) for text in texts)


def off_the_page(figure) -> float:
    """Inches by which what is drawn stands beyond the page, on the side where it is most."""
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    return max(0.0, -drawn.x0, -drawn.y0, drawn.x1 - width, drawn.y1 - height)


def use_style() -> None:
    """Fonts, sizes and the settings that make files reproducible."""
    plt.rcParams.update(
        {
            "font.size": 8,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#e6e6e6",
            "grid.linewidth": 0.5,
            "axes.axisbelow": True,
            "legend.frameon": False,
            "figure.dpi": 150,
            "savefig.dpi": 200,
            "pdf.fonttype": 42,
            "svg.hashsalt": "loci",
        }
    )


def save(figure, paths: list[Path]) -> None:
    """Write a figure in each format that the paths name; no date goes into a file."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"CreationDate": None} if path.suffix == ".pdf" else {"Software": None}
        figure.savefig(path, metadata=metadata)
    plt.close(figure)
