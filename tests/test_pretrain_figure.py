"""The figure of models from scratch: every point is an entry of the ledger."""

import pytest
from steps_path import load_step

from loci.bench.ledger import Ledger, write_ledger
from loci.bench.style import plt
from loci.errors import UserError

STEPS, LAYERS = (50, 100), (0, 1, 2)


@pytest.fixture
def entries() -> dict:
    step = load_step("draw_pretrain")
    keys = []
    for name in ("dense", "engram"):
        keys += [f"pretrain.{name}.val_bpb", *(f"pretrain.{name}.step{at}.val_bpb" for at in STEPS)]
        keys += [f"pretrain.{name}.lens.layer{at}.nats" for at in LAYERS]
    keys += [f"pretrain.engram.silenced_{part}.{kind}.dnats" for part in ("engram", "mlp0", "mlp1") for kind in step.PROBES]
    keys += [f"pretrain.engram.silenced_mlp{at}.gap" for at in (0, 1)]
    keys += [f"pretrain.engram_minus_dense.{band}.dnats" for band in step.BANDS]
    keys += [f"pretrain.engram.{kind}.nats" for kind in step.PROBES]
    values = {key: 0.1 + 0.7 * (at * 0.618 % 1) for at, key in enumerate(keys)}
    return {
        key: {"value": one, "n": 3, "low": one - 0.05, "high": one + 0.03, "source": "hand.json"} for key, one in values.items()
    }


def drawn(axes) -> list[tuple[list, list]]:
    """(x, y) of each row of points with intervals on an axes."""
    return [tuple(list(part) for part in container.lines[0].get_data()) for container in axes.containers]


def test_points_are_their_entries(entries, tmp_path):
    step = load_step("draw_pretrain")
    write_ledger(tmp_path / "summary.json", entries)
    loss, silent, lens, tokens = step.draw(Ledger(tmp_path / "summary.json")).axes
    value = {key: entry["value"] for key, entry in entries.items()}
    for axes, before, after, at in ((loss, "step", ".val_bpb", STEPS), (lens, "lens.layer", ".nats", LAYERS)):
        wanted = [(list(at), [value[f"pretrain.{name}.{before}{one}{after}"] for one in at]) for name in ("dense", "engram")]
        assert drawn(axes) == wanted
    wanted = [
        [value[f"pretrain.engram.silenced_{part}.{kind}.dnats"] for part in ("engram", "mlp0", "mlp1")] for kind in step.PROBES
    ]
    assert [points for _, points in drawn(silent)] == wanted
    assert [label.get_text() for label in silent.get_xticklabels()] == ["Engram tables", "MLP of block 1", "MLP of block 2"]
    assert [points for _, points in drawn(tokens)] == [
        [value[f"pretrain.engram_minus_dense.{band}.dnats"] for band in step.BANDS]
    ]
    plt.close("all")


def test_the_grid_of_tables(tmp_path):
    step = load_step("draw_capacity")
    keys = [f"capacity.{name}.steps{at}.val_bpb" for name in ("none", "tiny", "large") for at in (1000, 100)]
    keys += [f"capacity.{name}_minus_none.steps{at}.val_bpb" for name in ("tiny", "large") for at in (1000, 100)]
    entries = {
        key: {"value": at / 10, "n": 3, "low": at / 10 - 0.05, "high": at / 10 + 0.03, "source": "hand.json"}
        for at, key in enumerate(keys)
    }
    write_ledger(tmp_path / "summary.json", entries)
    bits, gaps = step.draw(Ledger(tmp_path / "summary.json")).axes
    assert [points for _, points in drawn(bits)] == [
        [entries[f"capacity.{name}.steps{at}.val_bpb"]["value"] for at in (100, 1000)] for name in ("none", "tiny", "large")
    ]
    assert [points for _, points in drawn(gaps)] == [
        [entries[f"capacity.{name}_minus_none.steps{at}.val_bpb"]["value"] for at in (100, 1000)] for name in ("tiny", "large")
    ]
    labels = [text.get_text() for text in bits.get_legend().get_texts()]
    assert labels[0] == "no table" and labels[1] == "tiny: 5,000 slots x 8"
    plt.close("all")
    write_ledger(tmp_path / "none.json", {"a.b": {"value": 1, "n": 1, "source": "hand.json"}})
    with pytest.raises(UserError, match="holds no grid of tables"):
        step.draw(Ledger(tmp_path / "none.json"))


def test_a_ledger_without_models_is_refused(tmp_path):
    write_ledger(tmp_path / "summary.json", {"a.b": {"value": 1, "n": 1, "source": "hand.json"}})
    with pytest.raises(UserError, match="holds no models from scratch"):
        load_step("draw_pretrain").draw(Ledger(tmp_path / "summary.json"))
