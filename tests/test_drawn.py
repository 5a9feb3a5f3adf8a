"""Every figure of the paper as it is drawn: its bytes, its width, its letters, and what is left of it in grey."""

import subprocess
import sys
from pathlib import Path

import pytest
from drawing import commands, draw_all

from loci.bench.style import PAGE_WIDTH, SMALLEST, alike_in_grey, lightness, off_the_page, plt, smallest_text
from loci.paths import PAPER, ROOT


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> tuple[dict[str, bytes], dict[str, dict]]:
    """(bytes by file, what was seen of each figure): all of them, drawn once."""
    seen = {}

    def look(name, figure):
        figure.canvas.draw()
        seen[name] = {
            "width": figure.get_figwidth(),
            "smallest": smallest_text(figure),
            "beyond": off_the_page(figure),
            "alike": [pair for axes in figure.axes for pair in alike_in_grey(axes)],
        }

    return draw_all(tmp_path_factory.mktemp("drawn"), look), seen


def test_make_figures_draws_every_figure_of_the_paper():
    named = {Path(one).name for command in commands() for one in command if one.startswith("paper/figures/")}
    committed = subprocess.run(["git", "ls-files", "paper/figures"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {Path(line).name for line in committed.split()} == named


def test_figures_are_the_committed_bytes_and_the_same_in_every_process(drawn, tmp_path):
    made, _ = drawn
    other = [name for name, content in made.items() if content != (PAPER / "figures" / name).read_bytes()]
    if other:  # out of date, or not the same bytes twice? Draw again, in another process, in the opposite order.
        subprocess.run([sys.executable, str(ROOT / "tests" / "drawing.py"), str(tmp_path)], check=True, capture_output=True)
        unsteady = [name for name in made if (tmp_path / name).read_bytes() != made[name]]
        assert unsteady == [], "not the same bytes in two processes"
    assert other == [], "paper/figures is not what the reference gives: run `make figures`"


def test_figures_fit_the_page_and_can_be_read(drawn):
    assert {name: one["width"] for name, one in drawn[1].items() if one["width"] > PAGE_WIDTH} == {}
    assert {name: one["smallest"] for name, one in drawn[1].items() if one["smallest"] < SMALLEST} == {}
    assert {name: one["beyond"] for name, one in drawn[1].items() if one["beyond"] > 0.01} == {}


def test_series_are_told_apart_in_grey(drawn):
    assert {name: one["alike"] for name, one in drawn[1].items() if one["alike"]} == {}


def test_lightness_is_that_of_the_eye():
    assert [round(lightness(colour), 1) for colour in ("black", "white", "#777777", "red")] == [0.0, 100.0, 50.0, 53.2]


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ({"color": "#0072B2", "marker": "o"}, {"color": "#D55E00", "marker": "o"}, True),
        ({"color": "#0072B2", "marker": "o"}, {"color": "#D55E00", "marker": "s"}, False),
        ({"color": "#0072B2", "marker": "o"}, {"color": "#E69F00", "marker": "o"}, False),
        ({"color": "#0072B2", "linestyle": "-"}, {"color": "#D55E00", "linestyle": ":"}, False),
        ({"color": "#0072B2", "marker": "o"}, {"color": "#D55E00", "marker": "o", "markerfacecolor": "none"}, False),
    ],
)
def test_two_series_are_alike_in_grey_by_lightness_and_shape(first, second, alike):
    for kind in ("plot", "errorbar"):
        _, axes = plt.subplots()
        for label, look in (("a", first), ("b", second)):
            getattr(axes, kind)([0, 1], [0, 1], label=label, **look)
        axes.plot([0, 1], [1, 0], color="#0072B2", marker="o")  # in no legend
        assert alike_in_grey(axes) == ([("a", "b")] if alike else [])
        plt.close("all")


def test_bars_are_told_apart_by_lightness_or_hatch():
    for hatch, alike in ((None, [("a", "b")]), ("//", [])):
        _, axes = plt.subplots()
        axes.bar([0], [1], color="#0072B2", label="a")
        axes.bar([1], [1], color="#D55E00", label="b", hatch=hatch)
        assert alike_in_grey(axes) == alike
        plt.close("all")


def test_superscripts_count_as_small_as_they_are():
    figure, axes = plt.subplots()
    axes.set_axis_off()
    axes.text(0, 0, "$10^{2}$", fontsize=8)
    assert smallest_text(figure) == pytest.approx(5.6)
    plt.close("all")


def test_what_stands_beyond_the_page_is_found():
    figure, axes = plt.subplots(figsize=(2, 1))
    axes.set_axis_off()
    assert off_the_page(figure) == 0
    figure.text(1.1, 0.5, "cut")
    assert off_the_page(figure) > 0.2
    plt.close("all")
