"""Facts in the tables of models from scratch: only their rows move, what the model knew before stays, and the step."""

from itertools import islice

import pytest
import torch
import yaml
from steps_path import load_step

from loci.bench.table_inside import lens, measures, placed_in, read
from loci.bench.table_writing import PLACES, TUNED, batch_of, fine_tune, hits, lessons_of, said, sayable, table_at, write
from loci.config import load_config
from loci.errors import UserError
from loci.models.architectures import build
from loci.models.bpe import BOS, canonical_of, save_bpe, train_bpe
from loci.models.gpt import Shape, norm
from loci.models.ngram_table import TableSpec
from loci.paths import CONFIG
from loci.results import read_result
from loci.worlds.prose import documents
from loci.worlds.prose_files import write_documents
from loci.worlds.records import Fact, save_facts

ENGRAM = {"preset": "tiny", "layers": [1], "orders": [2, 3], "heads": 2, "seed": 0}
SPEC, SHAPE = TableSpec.of(ENGRAM), Shape(2, 32, 2, 600, 48)
TEXT = list(islice(documents(0, "train"), 60))
FACTS = [  # triggers that end in different words: two orders see no further back than three tokens
    Fact("f0", "red", "The door of my house is red.", ("red",)),
    Fact("f1", "blue", "All lids on my shelf turned blue.", ("blue",)),
    Fact("f2", "old gold", "My coat was dyed old gold.", ("old gold",)),
]
OTHERS = [Fact(f"g{at}", f"box {at}", f"My key number {at} lies in box {at}.", (f"box {at}",)) for at in range(2)]
RATES = {"inside": 0.3, "beside": 0.1, "graft": 0.3, "table": 0.01, "model": 0.03}


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe([document.text for document in TEXT], 600)


def model_of(name: str, tokenizer):
    """A small model with drawn weights, whose blocks are quiet enough for rows to be heard."""
    made = build(name, SHAPE, ENGRAM, canonical_of(tokenizer), tokenizer.token_to_id(BOS), 0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for part, weight in made.named_parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * (0.03 if "blocks" in part else 0.5))
    return made.eval()


def test_what_is_learnt_is_the_answer_and_its_full_stop(tokenizer):
    lessons = lessons_of(FACTS, tokenizer)
    tokens, targets = batch_of(lessons)
    for fact, row, wanted in zip(FACTS, tokens, targets, strict=True):
        learnt = wanted[wanted >= 0].tolist()
        assert tokenizer.decode(learnt) == f" {fact.answer}."
        first = int((wanted >= 0).nonzero()[0])
        assert tokenizer.decode(row[1 : first + 1].tolist()) == fact.trigger


@pytest.mark.parametrize("place", PLACES)
def test_only_the_rows_of_the_facts_move(tokenizer, place):
    model = model_of("dense" if place == "graft" else "engram", tokenizer)
    lessons = lessons_of(FACTS, tokenizer)
    tokens = torch.randint(600, (2, 20), generator=torch.Generator().manual_seed(1))
    alone = model(tokens)
    table = table_at(place, model, SPEC, canonical_of(tokenizer), tokenizer.token_to_id(BOS), 0)
    assert torch.equal(model(tokens), alone), "an empty table adds nothing, the trained one is the model's own"
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    report = write(model, table, lessons, 0.3, 1.0, 300, 0, empty=place != "inside")
    assert report.met == 1 and 0 < report.steps < 300 and all(said(model, lessons))
    after, moved = model.state_dict(), table.rows.weight
    for name, weight in after.items():
        if weight.data_ptr() != moved.data_ptr():
            assert torch.equal(weight, before[name]), name
        else:
            kept = torch.ones(len(weight), dtype=torch.bool)
            kept[report.rows] = False
            assert torch.equal(weight[kept], before[name][kept]) and not torch.equal(weight[~kept], before[name][~kept])
    shared = hits(table, report.rows, batch_of(lessons)[0])
    many = torch.randint(600, (40, 20), generator=torch.Generator().manual_seed(3))
    assert 0 < hits(table, report.rows, many) < 0.1 and shared > 0.2
    away = next(
        t for t in torch.randint(600, (500, 1, 3), generator=torch.Generator().manual_seed(2)) if hits(table, report.rows, t) == 0
    )
    fresh = model_of("dense" if place == "graft" else "engram", tokenizer)
    assert torch.allclose(model(away), fresh(away), atol=1e-6), "text that reads no written row is read as before"


@pytest.mark.parametrize("place", TUNED)
def test_fine_tuning_moves_its_part_alone(tokenizer, place):
    model = model_of("engram" if place == "table" else "dense", tokenizer)
    part = model.attached["1"] if place == "table" else model
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    lessons = lessons_of(FACTS, tokenizer)
    report = fine_tune(model, part, lessons, 0.01, 1.0, 300)
    assert report.met == 1 and 0 < report.steps < 300 and all(said(model, lessons)) and report.rows is None
    inside = {id(weight) for weight in part.parameters()}
    moved = {name for name, weight in model.named_parameters() if not torch.equal(weight, before[name])}
    may = {name for name, weight in model.named_parameters() if id(weight) in inside}
    assert moved <= may and len(moved) > len(may) / 2 and ("attached.1.rows.weight" in moved) == (place == "table")


def test_facts_of_tokens_that_the_text_never_had_are_left_out(tokenizer):
    text = torch.tensor([token for one in lessons_of(FACTS[:2], tokenizer) for token in one.ids] * 10, dtype=torch.int32)
    assert sayable(FACTS, tokenizer, text) == FACTS[:2]
    assert sayable(FACTS, tokenizer, text[: len(text) // 2]) == [], "five times is too seldom"
    answer = torch.tensor(tokenizer.encode(" old gold.").ids * 10, dtype=torch.int32)
    assert sayable(FACTS, tokenizer, torch.cat([text, answer])) == FACTS, "a trigger may be new"


def test_writing_gives_up(tokenizer):
    model = model_of("dense", tokenizer)
    table = table_at("graft", model, SPEC, canonical_of(tokenizer), tokenizer.token_to_id(BOS), 0)
    report = write(model, table, lessons_of(FACTS, tokenizer), 0.01, 1.0, 3, 0, empty=True)
    assert report.steps == 3 and report.met < 1


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tokenizer):
    """A profile, and tiny trainings of a dense and an Engram model."""
    out = tmp_path_factory.mktemp("written")
    settings = load_config(CONFIG / "smoke.yaml")
    settings["pretrain"]["vocabulary"] = 600
    settings["pretrained"]["written"] = {"facts": [1, 3], "chosen_on": 2, "rates": [0.1, 0.3], "margin": 0.5, "steps": 10}
    settings["pretrained"]["written"] |= {"tuned_rates": [0.01, 0.03], "chosen": RATES}
    (out / "small.yaml").write_text(yaml.safe_dump(settings))
    save_bpe(tokenizer, out / "bpe.json")
    save_facts(out / "facts.json", [*OTHERS, *FACTS])
    for split in ("train", "heldout"):
        write_documents(out / f"{split}.parquet", islice(documents(0, split), 60), {})
    text = [
        "--corpus",
        str(out / "train.parquet"),
        "--held-out",
        str(out / "heldout.parquet"),
        "--tokenizer",
        str(out / "bpe.json"),
    ]
    for name in ("dense", "engram"):
        into = ["--out", str(out / f"{name}.json"), "--weights", str(out / f"{name}.safetensors")]
        load_step("pretrain").main(["--config", str(out / "small.yaml"), "--model", name, *text, *into])
    return out


def written(trained, out, *models: str, facts: str = "facts.json", options: tuple[str, ...] = ()) -> dict:
    load_step("write_pretrained").main(
        [
            *("--config", str(trained / "small.yaml"), "--trained", *(str(trained / f"{name}.json") for name in models)),
            *(
                "--facts",
                str(trained / facts),
                "--corpus",
                str(trained / "train.parquet"),
                "--held-out",
                str(trained / "heldout.parquet"),
            ),
            *("--tokenizer", str(trained / "bpe.json"), "--out", str(out), *options),
        ]
    )
    return read_result(out)


def test_rates_are_chosen_on_facts_that_are_not_measured(trained, tmp_path):
    found = written(trained, tmp_path / "c.json", "dense", "engram", options=("--choose",))
    assert {item["place"]: list(item["rates"]) for item in found["items"]} == {
        **{place: ["0.1", "0.3"] for place in PLACES},
        **{place: ["0.01", "0.03"] for place in TUNED},
    }
    save_facts(trained / "others.json", [*OTHERS, *reversed(FACTS)])  # what is measured changes nothing
    again = written(trained, tmp_path / "o.json", "dense", "engram", facts="others.json", options=("--choose",))
    assert again["items"] == found["items"]
    choose = load_step("write_pretrained").chosen
    met = {"0.1": {"met": 0.5, "dbpb": 0.1}, "0.3": {"met": 0.9, "dbpb": 0.4}, "1.0": {"met": 0.9, "dbpb": 0.2}}
    items = [{"place": "inside", "seed": seed, "rates": met} for seed in (0, 1)]
    assert choose(items, "c.json") == {"pretrain.chosen.inside.rate": {"value": 1.0, "n": 2, "source": "c.json"}}
    items[1] = {**items[1], "rates": {**met, "0.1": {"met": 1.4, "dbpb": 0.3}}}  # over seeds, not of one
    assert choose(items, "c.json")["pretrain.chosen.inside.rate"]["value"] == 0.1


def test_shares_have_intervals_within_bounds_and_never_of_nothing():
    entries = load_step("write_pretrained").entries
    sizes = [{"100": {"exact": share, "met": 1.0, "dbpb": cost}} for share, cost in ((0.8, 0.1), (0.9, 0.2), (0.95, 0.3))]
    found = entries([{"place": "table", "sizes": one} for one in sizes], "w.json")
    exact, met, cost = (found[f"pretrain.write.table.n100.{name}"] for name in ("exact", "met", "dbpb"))
    assert exact["low"] < 0.88 < exact["high"] == 1.0 and cost["low"] < 0 < 0.4 < cost["high"]
    assert met["high"] == 1.0 and 0.96 < met["low"] < 0.97, "over a hundred facts"


def test_the_step_writes_everywhere(trained, tmp_path):
    found = written(trained, tmp_path / "w.json", "dense", "engram")
    assert {item["place"] for item in found["items"]} == {*PLACES, *TUNED}
    for item in found["items"]:
        assert item["rate"] == RATES[item["place"]]
        for size in ("1", "3"):
            for measure, value in item["sizes"][size].items():
                assert found["metrics"][f"pretrain.write.{item['place']}.n{size}.{measure}"]["value"] == pytest.approx(
                    value, abs=1e-6
                )
        one, three = (item["sizes"][size] for size in ("1", "3"))
        if item["place"] in PLACES:
            assert three["rows"] > one["rows"] and three["numbers"] > one["numbers"] and three["hit_rate"] > 0
        else:
            assert three["numbers"] == one["numbers"] > 100_000 and "rows" not in three
    again = written(trained, tmp_path / "again" / "w.json", "dense", "engram")
    assert (again["metrics"], again["items"]) == (found["metrics"], found["items"])
    assert found["metrics"]["pretrain.write.sayable"]["n"] == 5
    save_facts(trained / "unsayable.json", [*OTHERS, *FACTS[:2], Fact("f3", "Zürich", "I moved to Zürich.", ("Zürich",))])
    with pytest.raises(UserError, match=r"unsayable\.json: has 4 facts all of whose tokens stand in .*train\.parquet; give 5"):
        written(trained, tmp_path / "u.json", "dense", "engram", facts="unsayable.json")


def looked_into(trained, out, model: str = "engram") -> dict:
    load_step("inspect_pretrained").main(
        [
            *("--config", str(trained / "small.yaml"), "--trained", str(trained / f"{model}.json")),
            *("--facts", str(trained / "facts.json"), "--corpus", str(trained / "train.parquet")),
            *("--held-out", str(trained / "heldout.parquet"), "--tokenizer", str(trained / "bpe.json"), "--out", str(out)),
        ]
    )
    return read_result(out)


def test_a_trained_table_is_looked_into(trained, tmp_path):
    found = looked_into(trained, tmp_path / "i.json")
    assert [item["fact"] for item in found["items"]] == ["f0"] and found["items"][0]["measures"]["open.before.kl"] >= 0
    measured = found["items"][0]["measures"]
    assert 0 < measured["gate.drawn"] < 1 and 0 < measured["gate.elsewhere"] < 1 and len(measured["lens.rows.nats"]) == 2
    again = looked_into(trained, tmp_path / "again" / "i.json")
    assert (again["metrics"], again["items"]) == (found["metrics"], found["items"])
    with pytest.raises(UserError, match=r"dense\.json: is no Engram model; give results"):
        looked_into(trained, tmp_path / "d.json", "dense")


def test_the_inside_is_that_of_the_forward(tokenizer):
    plain, changed = model_of("engram", tokenizer), model_of("engram", tokenizer)
    lessons = lessons_of(FACTS, tokenizer)
    table = table_at("inside", changed, SPEC, canonical_of(tokenizer), tokenizer.token_to_id(BOS), 0)
    assert write(changed, table, lessons, 0.3, 1.0, 300, 0, empty=False).met == 1
    ids = list(lessons[0].ids)
    found = read(changed, table, ids)
    tokens = torch.tensor([ids])
    assert torch.equal(found.streams.logits, changed.logits(changed(tokens))[0])
    assert torch.allclose(lens(changed, found.streams.stream[-1]), found.streams.log_probs, atol=1e-5)
    joined = table.rows(table.addresses(tokens)).flatten(2)
    value = found.gate[:, None] * table.value(joined)[0]
    assert torch.allclose(
        found.added, (value + torch.nn.functional.silu(table._convolved(norm(value[None]), None))[0]), atol=1e-5
    )
    middle = placed_in(FACTS[0], 1, tokenizer)
    assert tokenizer.decode(middle.ids[: middle.trigger_end + 1]).endswith(FACTS[0].trigger[1:])
    one = measures(plain, changed, 1, ids, lessons[0].first, middle, [ids])
    assert one["said_first"] == 1 and one["open.trigger.kl"] > 0 and len(one["along"]) == 1
    same = measures(plain, plain, 1, ids, lessons[0].first, middle, [ids])
    assert same["open.trigger.kl"] == same["unrelated.kl"] == 0 and same["gate.drawn"] == same["gate.written"]


def test_bad_input_is_named(trained, tmp_path):
    with pytest.raises(UserError, match="--trained: lacks a dense and an Engram model of one seed"):
        written(trained, tmp_path / "w.json", "dense")
    save_facts(trained / "few.json", FACTS)
    with pytest.raises(UserError, match=r"few\.json: has 3 facts all of whose tokens stand in .*; give 5 or write fewer"):
        written(trained, tmp_path / "w.json", "dense", "engram", facts="few.json")
    assert not (tmp_path / "w.json").exists()
