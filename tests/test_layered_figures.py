"""Figures of the layered conditions, of where rows fire, of density and of sharing: every point is an entry of the ledger."""

import pytest
from steps_path import load_step

from loci.bench.layer_titles import TITLES
from loci.bench.layered import CONTRASTS
from loci.bench.layers import CONDITIONS
from loci.bench.ledger import Ledger, write_ledger
from loci.bench.style import plt
from loci.errors import UserError
from loci.results import write_json

ASKED = ("a", "ke", "ks", "k")
TABLES = ("n30", "n300")
SIZES = (34, 1000)
LEAKS = ("exact", "leaked_absent", "leaked_own")


def entry_of(at: int) -> dict:
    value = 0.1 + 0.7 * (at * 0.618 % 1)
    return {"value": value, "n": 40, "low": value - 0.05, "high": value + 0.03 + 0.001 * (at % 7), "source": "hand.json"}


@pytest.fixture
def entries() -> dict:
    """Every key that the figures ask for; `a` was not asked chained questions."""
    layered, firing = load_step("draw_layered"), load_step("draw_firing")
    keys = [f"layered.{name}.b.{measure}" for name in ASKED for measure in layered.MEASURES]
    keys.remove("layered.a.b.chained.exact")
    keys += [f"layered.k_minus_{name}.b.{measure}" for name in ("ke", "ks") for measure in layered.MEASURES]
    keys += [f"layered.{name}.b.{kind}.{part}" for name in ("ks", "k") for kind in firing.KINDS for part in firing.PARTS]
    keys += [f"layered.k.b.{kind}.gate" for kind in firing.KINDS]
    keys += [f"density.rows.b.{table}{form}.exact" for table in TABLES for form in ("", ".float16", ".int8", ".midconv")]
    variants = [f"n300.{name}" for name in ("shared2", "orders2-3", "heads1")]
    keys += [f"density.rows.b.{table}{part}.exact" for table in variants for part in ("", ".midconv")]
    growth = load_step("draw_layered_growth")
    keys += [f"layered.{name}.b.n{size}.{measure}" for name in growth.LOOKS for size in SIZES for measure in growth.MEASURES]
    keys += [f"layered_growth.{store}.b.n{size}.bytes" for store in growth.STORES for size in SIZES]
    sharing = load_step("draw_sharing")
    keys += [f"tenants.{mode}.b.n{size}.{part}" for mode in sharing.MODES for size in (2, 100) for part in LEAKS]
    for table in (*sharing.TABLES, "layer.depth10", "layer.depth90"):
        keys += [f"stress.{table}.b.{what}.exact" for what in sharing.ASKED[table.partition(".")[0]]]
    keys += [f"stress.{table}.b.{what}.stale" for table, what in (("update.in_place", "changed"), ("deletion.in_place", "gone"))]
    ledger = {key: entry_of(at) for at, key in enumerate(keys)}
    for at, table in enumerate((*TABLES, *variants)):
        for measure in (
            "hit_rate",
            "dnats_at_hits",
            "bytes_per_100_facts",
            "float16.bytes_per_100_facts",
            "int8.bytes_per_100_facts",
        ):
            ledger[f"density.rows.b.{table}.{measure}"] = {"value": 0.01 * at * len(measure), "n": 30, "source": "hand.json"}
    return ledger


@pytest.fixture
def ledger(tmp_path):
    def written(entries: dict) -> Ledger:
        write_ledger(tmp_path / "summary.json", entries)
        return Ledger(tmp_path / "summary.json")

    return written


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def across(axes) -> list[tuple]:
    """(x, row, low, high) of every horizontal bar of an interval on an axes."""
    out = []
    for container in axes.containers:
        points, _, (bars,) = container.lines
        for x, y, segment in zip(*points.get_data(), bars.get_segments(), strict=True):
            out.append((x, y, *segment[:, 0]))
    return out


def test_conditions_and_contrasts_are_their_entries(entries, ledger):
    step = load_step("draw_layered")
    figure = step.draw(ledger(entries), "b")
    names = [name for name in TITLES if name in ASKED]
    pairs = [(left, right) for left, right in CONTRASTS if f"layered.{left}_minus_{right}.b.direct.exact" in entries]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [TITLES[name] for name in names]
    assert [label.get_text() for label in figure.axes[len(step.MEASURES)].get_yticklabels()] == ["K − KE", "K − KS"]
    for column, measure in enumerate(step.MEASURES):
        wanted = [(row, entries.get(f"layered.{name}.b.{measure}")) for row, name in enumerate(names)]
        gaps = [(row, entries[f"layered.{left}_minus_{right}.b.{measure}"]) for row, (left, right) in enumerate(pairs)]
        for axes, found in ((figure.axes[column], wanted), (figure.axes[len(step.MEASURES) + column], gaps)):
            lines = [(entry["value"], row, entry["low"], entry["high"]) for row, entry in found if entry]
            assert [pytest.approx(line) for line in lines] == across(axes)


def test_every_condition_has_a_title():
    assert set(TITLES) == set(CONDITIONS)


def test_bars_of_firing_are_their_entries(entries, ledger):
    step = load_step("draw_firing")
    figure = step.draw(ledger(entries), "b")
    names = [name for name in TITLES if name in ("ks", "k")]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [TITLES[name] for name in names]
    for axes, kind in zip(figure.axes, step.KINDS, strict=True):
        widths = [patch.get_width() for patch in axes.patches]
        assert widths == [entries[f"layered.{name}.b.{kind}.{part}"]["value"] for part in step.PARTS for name in names]
        gate = entries[f"layered.k.b.{kind}.gate"]["value"]
        assert [text.get_text() for text in axes.texts] == [f"gate\n{gate:.2f}"]


def test_points_of_density_are_their_entries(entries, ledger):
    step = load_step("draw_density")
    figure = step.draw(ledger(entries), "b")
    recall, size, variants, elsewhere = figure.axes
    forms = [*step.FORMATS, ".midconv"]
    for container, form in zip(recall.containers, forms, strict=True):
        points, _, (bars,) = container.lines
        found = [entries[f"density.rows.b.{table}{form}.exact"] for table in TABLES]
        assert list(points.get_xdata()) == [30, 300] and list(points.get_ydata()) == [one["value"] for one in found]
        assert [list(segment[:, 1]) for segment in bars.get_segments()] == [
            pytest.approx([one["low"], one["high"]]) for one in found
        ]
    for container, form in zip(size.containers, step.FORMATS, strict=True):
        wanted = [entries[f"density.rows.b.{table}{form}.bytes_per_100_facts"]["value"] / 1000 for table in TABLES]
        assert list(container.lines[0].get_xdata()) == wanted
    tables = {"n30": "30 facts", "n300": "300 facts", "n300.shared2": "300 facts, triggers share their last 2"}
    tables |= {"n300.orders2-3": "300 facts, orders 2, 3", "n300.heads1": "300 facts, heads 1"}
    assert [label.get_text() for label in variants.get_yticklabels()] == list(tables.values())
    wanted = [
        (one["value"], row + down, one["low"], one["high"])
        for row, table in enumerate(tables)
        for part, down in (("", -0.15), (".midconv", 0.15))
        for one in [entries[f"density.rows.b.{table}{part}.exact"]]
    ]
    assert [pytest.approx(point) for point in wanted] == across(variants)
    bars = [patch.get_width() for patch in elsewhere.patches]
    assert bars == [100 * entries[f"density.rows.b.{table}.hit_rate"]["value"] for table in tables]
    said = [text.get_text().strip() for text in elsewhere.texts]
    assert said[0] == "none" and said[1] == f"Δ {entries['density.rows.b.n300.dnats_at_hits']['value']:+.2f} nats after a hit"


def test_points_of_growth_are_their_entries(entries, ledger):
    step = load_step("draw_layered_growth")
    figure = step.draw(ledger(entries), "b")
    for axes, measure in zip(figure.axes, step.MEASURES, strict=False):
        for container, name in zip(axes.containers, step.LOOKS, strict=True):
            points, _, (bars,) = container.lines
            found = [entries[f"layered.{name}.b.n{size}.{measure}"] for size in SIZES]
            assert tuple(points.get_xdata()) == pytest.approx(SIZES, rel=0.35), "beside each other at a size"
            assert list(points.get_ydata()) == [one["value"] for one in found]
            ends = [pytest.approx([one["low"], one["high"]]) for one in found]
            assert [list(segment[:, 1]) for segment in bars.get_segments()] == ends
        places = [float(container.lines[0].get_xdata()[0]) for container in axes.containers]
        assert places == sorted(places) and len({*places}) == len(places)
    for line, store in zip(figure.axes[len(step.MEASURES)].lines, step.STORES, strict=True):
        assert list(line.get_ydata()) == [entries[f"layered_growth.{store}.b.n{size}.bytes"]["value"] for size in SIZES]


def test_points_of_sharing_are_their_entries(entries, ledger):
    step = load_step("draw_sharing")
    own, stress, leaks = step.draw(ledger(entries), "b").axes
    assert stress.get_xlabel() == "share of sentences"
    drawn = [list(container.lines[0].get_ydata()) for container in own.containers]
    assert drawn == [[entries[f"tenants.{mode}.b.n{size}.exact"]["value"] for size in (2, 100)] for mode in step.MODES]
    wanted = [
        [entries[f"tenants.{mode}.b.n{size}.{part}"]["value"] for size in (2, 100)] for mode in step.MODES for part in LEAKS[1:]
    ]
    assert [list(container.lines[0].get_ydata()) for container in leaks.containers] == wanted
    rows = dict(zip((label.get_text() for label in stress.get_yticklabels()), stress.get_yticks(), strict=True))
    assert len(stress.get_yticks()) == len(step.TABLES) + 2  # two tables of the same name share a key above
    found = across(stress)
    for label, table, what in (
        ("two wordings", "wording.two_wordings", "reworded"),
        ("at 90 % of the depth", "layer.depth90", "bare"),
    ):
        one = entries[f"stress.{table}.b.{what}.exact"]
        assert pytest.approx((one["value"], rows[label], one["low"], one["high"])) in found
    gone = entries["stress.deletion.in_place.b.gone.stale"]
    assert pytest.approx((gone["value"], rows["rows dropped"], gone["low"], gone["high"])) in found


def lora_study() -> dict:
    """Two variants of two users; the first is the frozen one."""
    about = {"format": "statement", "targets": "attention", "rate": 0.001, "tokens": 512, "keep": 0}
    items = []
    for at, (name, rank) in enumerate((("rank 4", 4), ("published", 64))):
        for user in (0, 1):
            value = 0.1 * (1 + at) + 0.05 * user
            passed = [{"recall": 0.25 + 0.1 * user, "prose": value / 4}, {"recall": 0.5, "prose": value / 2}][: 2 - user]
            said = {"statement": 0.9 - value, "midconv": 0.5 - value, "direct": 0.3 - value, "paraphrase": 0.25 - value}
            about_user = {"variant": name, "uid": f"u{user}", "recall": 1.0, "delta": {"prose": value}, "passed": passed}
            items.append({**about, "rank": rank, **about_user, "exact": said})
    return {"config": {}, "items": items}


def test_points_of_the_lora_sweep_are_its_items():
    step = load_step("draw_lora")
    frozen = {"format": "statement", "targets": "attention", "rate": 0.001, "tokens": 512, "keep": 0, "rank": 4, "passes": 40}
    figure = step.draw(lora_study(), frozen)
    along, end, names = figure.axes
    first, second = along.lines
    assert list(first.get_xdata()) == pytest.approx([(0.1 + 0.15) / 8, 0.125]) and list(first.get_ydata()) == pytest.approx(
        [0.3, 1]
    )
    assert first.get_color() == step.COLOURS["frozen"] and second.get_color() == step.COLOURS["published"]
    found = [(line.get_xdata()[0], line.get_ydata()[0]) for line in end.lines if len(line.get_xdata())]
    wanted = [(x, mean - x) for x in (0.125, 0.225) for mean in (0.9, 0.5, 0.3, 0.25)]
    assert found == [pytest.approx(point) for point in wanted]
    assert names.texts[0].get_text().splitlines() == ["1  rank 4 (frozen)", "2  published"]
    with pytest.raises(UserError, match="holds no variants"):
        step.draw({"config": {}, "items": []}, frozen)


@pytest.mark.parametrize(
    ("step", "gone", "message"),
    [
        ("layered", "layered.", "holds no layered conditions"),
        ("firing", "layered.", "does not say where rows fire"),
        ("density", "density.", "holds no density"),
        ("layered_growth", "layered.k.b.n", "holds no growth of condition k"),
        ("sharing", "tenants.", "holds no tenants"),
        ("sharing", "stress.", "holds no stress"),
        ("density", "density.rows.b.n30.int8", "density.rows.b.n30.int8.exact: no such key"),
    ],
)
def test_a_missing_key_is_one_clear_line_and_no_figure(entries, ledger, tmp_path, step, gone, message):
    ledger({key: entry for key, entry in entries.items() if not key.startswith(gone)})
    with pytest.raises(UserError) as fault:
        load_step(f"draw_{step}").main(
            ["--ledger", str(tmp_path / "summary.json"), "--base", "b", "--out", str(tmp_path / "f.png")]
        )
    assert message in str(fault.value) and not (tmp_path / "f.png").exists()


def test_figures_are_the_same_bytes_on_every_run(entries, ledger, tmp_path):
    ledger(entries)
    for step in ("layered", "firing", "density", "layered_growth"):
        made = []
        for name in ("a", "b"):
            files = [tmp_path / f"{name}.{step}.{kind}" for kind in ("pdf", "png")]
            load_step(f"draw_{step}").main(["--ledger", str(tmp_path / "summary.json"), "--base", "b", "--out", *map(str, files)])
            made.append([path.read_bytes() for path in files])
        assert made[0] == made[1]


def study_of(at: int, variant: dict, condition: str, unseen: bool) -> dict:
    """A result of sweep_shared with a value for each measure of the figure."""
    figure = load_step("draw_shared")
    names = [f"{condition}.{measure}" for measure in (*figure.MEASURES, *(figure.APART if unseen else ()))]
    scores = {name: entry_of(9 * at + place) for place, name in enumerate(names)}
    config = {"variant": variant, "pupils": 7, "users": ["u000", "u001"], "reader": {"rank": 16, "users": 9}}
    return {"experiment": "sweep_shared", "config": config, "metrics": {"scores": scores}}


def test_every_training_of_a_shared_reader_has_a_line():
    figure = load_step("draw_shared")
    studies = [
        study_of(0, {}, "k", False),
        study_of(1, {"reader": "answer", "rank": 4}, "golda", False),
        study_of(2, {"without": ["age", "multi"]}, "k", True),
    ]
    drawn = figure.draw(studies)
    panels = drawn.axes
    assert [text.get_text() for text in panels[0].get_yticklabels()] == [
        "the profile's: reader recite; rank 16",
        "reader answer; rank 4",
        "without age, multi",
    ]
    for axes, measure in zip(panels, figure.MEASURES, strict=False):
        shown = sorted(float(container.lines[0].get_xdata()[0]) for container in axes.containers)
        wanted = [studies[0], studies[2]]
        values = [study["metrics"]["scores"][f"k.{measure}"]["value"] for study in wanted]
        values.append(studies[1]["metrics"]["scores"][f"golda.{measure}"]["value"])
        assert shown == sorted(values), measure
    apart = [float(container.lines[0].get_xdata()[0]) for container in panels[-1].containers]
    assert apart == [studies[2]["metrics"]["scores"][f"k.{measure}"]["value"] for measure in figure.APART]
    plt.close(drawn)


def test_a_result_of_another_step_is_no_variant(tmp_path, capsys):
    figure = load_step("draw_shared")
    path = tmp_path / "other.json"
    write_json(path, study_of(0, {}, "k", False) | {"schema": 1, "seed": 0, "items": [], "provenance": {}, "experiment": "rows"})
    with pytest.raises(UserError, match=r"other\.json: experiment: 'rows'"):
        figure.main(["--studies", str(path), "--out", str(tmp_path / "f.png")])
    assert not (tmp_path / "f.png").exists()
