"""Figures of the memories: every point and cell is an entry of the ledger, and the files repeat byte for byte."""

from itertools import count

import numpy as np
import pytest
from steps_path import load_step

from loci.bench.ledger import Ledger, write_ledger
from loci.bench.style import _LOOK, name_of, ordered, plt
from loci.errors import UserError
from loci.memories.registry import TEXT_MEMORIES
from loci.results import result, write_json

MEMORIES = ("gold", "all", "bm25")
KINDS = ("direct", "updated")
SIZES, USERS = (34, 1000), (10, 100)
STEPS = ("matrix", "budget", "growth")


def numbers():
    """Entries whose values never repeat, with intervals that are not symmetric."""
    for at in count(1):
        value = 0.1 + 0.7 * (at * 0.618 % 1)
        yield {"value": value, "n": 40, "low": value - 0.05, "high": value + 0.03 + 0.001 * (at % 7), "source": "hand.json"}


@pytest.fixture
def entries() -> dict:
    """Every key that the figures ask for; `all` was not asked chained questions."""
    number, keys = numbers(), []
    for experiment in ("matrix", "matrix_dialogue"):
        step = load_step("draw_matrix")
        measures = [*(f"{kind}.exact" for kind in step.KINDS), *step.LOW]
        keys += [f"{experiment}.{memory}.b.{name}" for memory in MEMORIES for name in measures]
        keys += [f"{experiment}.{memory}.b.question.context_tokens" for memory in MEMORIES]
        keys.remove(f"{experiment}.all.b.chained.exact")
    keys.append("matrix.prior.b.direct.exact")  # a control, no memory
    keys += [f"growth.bm25.n{size}.direct.at_5" for size in SIZES]
    keys += [f"growth.bm25.b.n{size}.direct.exact" for size in SIZES]
    keys += [
        f"population.bm25.u{users}.{store}.{what}"
        for users in USERS
        for store in ("shared", "filtered")
        for what in ("at_5", "leak")
    ]
    return {key: next(number) for key in keys}


@pytest.fixture
def ledger(tmp_path):
    """Writes entries as a ledger file and opens it."""

    def written(entries: dict) -> Ledger:
        write_ledger(tmp_path / "summary.json", entries)
        return Ledger(tmp_path / "summary.json")

    return written


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def drawn(axes) -> list[tuple]:
    """What errorbar drew on an axes, in order: label, x, y, and the ends of its vertical bars [n, 2]."""
    found = []
    for container in axes.containers:
        points, _, collections = container.lines
        ends = [segment[:, 1] for segment in collections[-1].get_segments()]
        found.append((container.get_label(), *map(list, points.get_data()), np.array(ends)))
    return found


def ends(entries: list[dict]) -> np.ndarray:
    return np.array([[entry["low"], entry["high"]] for entry in entries])


def test_memories_are_told_apart_in_colour_and_in_grey():
    pairs = [(colour, marker) for _, colour, marker in _LOOK.values()]
    assert len(set(pairs)) == len(pairs) and len({name for name, *_ in _LOOK.values()}) == len(_LOOK)
    assert set(TEXT_MEMORIES) <= set(_LOOK)
    assert ordered(["bm25", "nothing known", "gold"]) == ["gold", "bm25"]


def test_every_cell_of_the_matrix_is_its_entry(entries, ledger):
    step = load_step("draw_matrix")
    figure = step.draw(ledger(entries), "b")
    for axes, experiment in zip(figure.axes, step.WRITES, strict=True):
        assert [label.get_text() for label in axes.get_yticklabels()] == [name_of(memory) for memory in MEMORIES]
        texts = {}
        for text in axes.texts:
            x, y = text.get_position()
            texts.setdefault((int(x), int(y)), []).append(text.get_text())
        for row, memory in enumerate(MEMORIES):
            for column, measure in enumerate([*(f"{kind}.exact" for kind in step.KINDS), *step.LOW]):
                entry = entries.get(f"{experiment}.{memory}.b.{measure}")
                shown = [f"{entry['value']:.2f}", f"{entry['low']:.2f}–{entry['high']:.2f}"] if entry else ["–"]
                assert texts[column, row] == shown
        assert axes.get_xticklabels()[0].get_text() == "statement\n(n = 40)"


def test_every_point_of_the_budget_is_its_entry(entries, ledger):
    step = load_step("draw_budget")
    figure = step.draw(ledger(entries), "b")
    panels = iter(figure.axes)
    for kind in step.KINDS:
        for experiment in step.WRITES:
            points = drawn(next(panels))
            assert [label for label, *_ in points] == [name_of(memory) for memory in MEMORIES]
            for memory, (_, x, y, bars) in zip(MEMORIES, points, strict=True):
                entry = entries[f"{experiment}.{memory}.b.{kind}.exact"]
                assert x == [entries[f"{experiment}.{memory}.b.question.context_tokens"]["value"]] and y == [entry["value"]]
                assert bars == pytest.approx(ends([entry]))


def test_what_adds_nothing_to_the_prompt_is_a_line(entries, ledger):
    for experiment in load_step("draw_budget").WRITES:
        entries |= {f"{experiment}.none.b.{kind}.exact": {"value": 0.25, "n": 40, "low": 0.2, "high": 0.3} for kind in KINDS}
    figure = load_step("draw_budget").draw(ledger(entries), "b")
    for axes in figure.axes:
        (line,) = [line for line in axes.lines if line.get_label() == name_of("none")]
        assert list(line.get_ydata()) == [0.25, 0.25]


def test_every_point_of_growth_is_its_entry(entries, ledger):
    figure = load_step("draw_growth").draw(ledger(entries), "b")
    wanted = [
        [("growth.bm25.n{}.direct.at_5", SIZES)],
        [("growth.bm25.b.n{}.direct.exact", SIZES)],
        [("population.bm25.u{}.shared.at_5", USERS), ("population.bm25.u{}.filtered.at_5", USERS)],
        [("population.bm25.u{}.shared.leak", USERS), ("population.bm25.u{}.filtered.leak", USERS)],
    ]
    for axes, curves in zip(figure.axes, wanted, strict=True):
        assert axes.get_xscale() == "log"
        for (_, x, y, bars), (key, sizes) in zip(drawn(axes), curves, strict=True):
            found = [entries[key.format(size)] for size in sizes]
            assert tuple(x) == sizes and y == [entry["value"] for entry in found]
            assert bars == pytest.approx(ends(found))


@pytest.mark.parametrize(
    ("step", "gone", "message"),
    [
        ("matrix", "matrix_dialogue.", "holds no matrix of both writes"),
        ("budget", "matrix.bm25.b.question", "matrix.bm25.b.question.context_tokens: no such key"),
        ("growth", "growth.bm25.n", "holds no key like growth"),
    ],
)
def test_a_missing_key_is_one_clear_line_and_no_figure(entries, ledger, tmp_path, step, gone, message):
    ledger({key: entry for key, entry in entries.items() if not key.startswith(gone)})
    with pytest.raises(UserError) as fault:
        load_step(f"draw_{step}").main(
            ["--ledger", str(tmp_path / "summary.json"), "--base", "b", "--out", str(tmp_path / "f.png")]
        )
    assert message in str(fault.value) and not (tmp_path / "f.png").exists()


def study() -> list[dict]:
    """Two candidates of each of the reader's two studies, the second of which is frozen."""
    number, panels = numbers(), load_step("draw_reader").PANELS
    names = {"one example": False, "five examples": True}
    return [
        {"form": form, "candidate": name, "frozen": frozen, "measures": {measure: next(number) for measure in panels[form]}}
        for form in panels
        for name, frozen in names.items()
    ]


def test_every_point_of_the_reader_study_is_its_measure():
    step, items = load_step("draw_reader"), study()
    axes = iter(step.draw(items, 10).axes)
    for form, measures in step.PANELS.items():
        asked = [item for item in items if item["form"] == form]
        for at, measure in enumerate(measures):
            panel = next(axes)
            if at == 0:
                labels = [label.get_text() for label in panel.get_yticklabels()]
                assert labels == ["one example", "five examples (frozen)"]
            for place, (container, item) in enumerate(zip(panel.containers, asked, strict=True)):
                points, _, (across,) = container.lines
                entry = item["measures"][measure]
                assert (list(points.get_xdata()), list(points.get_ydata())) == ([entry["value"]], [place])
                assert across.get_segments()[0][:, 0] == pytest.approx([entry["low"], entry["high"]])


def test_figures_are_the_same_bytes_on_every_run(entries, ledger, tmp_path):
    ledger(entries)
    write_json(tmp_path / "study.json", result("sweep_reader", {}, 0, {"users": 10}, study(), {}))
    for step in (*STEPS, "reader"):
        source = ["--study", "study.json"] if step == "reader" else ["--base", "b", "--ledger", "summary.json"]
        made = []
        for name in ("a", "b"):
            files = [tmp_path / f"{name}.{step}.{kind}" for kind in ("pdf", "png")]
            load_step(f"draw_{step}").main([*source[:-1], str(tmp_path / source[-1]), "--out", *map(str, files)])
            made.append([path.read_bytes() for path in files])
        assert made[0] == made[1]
