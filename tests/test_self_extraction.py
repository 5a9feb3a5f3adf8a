"""A model that says triplets of its own context: what it is taught, how what it says is read, and the step."""

import pytest
import torch
import yaml
from steps_path import dies_after, load_step

from loci.bench.evicted import read
from loci.bench.self_extraction import END, START, emission, emitted, emitting
from loci.config import load_config
from loci.errors import UserError
from loci.models.bpe import BOS, train_bpe
from loci.models.gpt import GPT, Shape
from loci.paths import CONFIG
from loci.results import read_result
from loci.worlds.extracted_files import read_extracted
from loci.worlds.prose import document
from loci.worlds.prose_exams import passage_of
from loci.worlds.prose_files import read_documents
from loci.worlds.prose_records import Sentence, Triplet

EXAMS = [document(at, 5, "train", "people") for at in range(60)]
TOWN = Triplet("Ada Garde", "lives_in", "Ulm", "yes", 1990)
NOT = Triplet("Ada Garde", "studied", "law", "no", None)


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe([emitting(one).text for one in EXAMS], 600)


def test_what_is_said_is_learnt_and_nothing_else(tokenizer):
    for one in EXAMS[:10]:
        taught, passage = emitting(one), passage_of(one)
        assert [sentence.text for sentence in taught.sentences[::2]] == [sentence.text for sentence in passage]
        made = read(taught, tokenizer)
        said = [
            tokenizer.decode(list(made.ids[first : first + count]), skip_special_tokens=False) for first, count in made.answers
        ]
        assert said == [emission(sentence.triplets).removeprefix(START) for sentence in passage]
        assert all(made.ids[first - 1] == tokenizer.token_to_id(START) for first, _ in made.answers)


class Script(GPT):
    """A model that says what it is told to, token by token, whatever it reads; it notes what it read."""

    def __init__(self, tokens: list[int]):
        super().__init__(Shape(1, 32, 1, 600, 64))
        self.script, self.fed = tokens, []

    def forward(self, tokens, memory=None, cache=None):
        self.fed += tokens[0].tolist()
        return super().forward(tokens, memory, cache)

    def logits(self, hidden):
        out = torch.zeros(*hidden.shape[:-1], 600)
        out[..., self.script.pop(0)] = 1
        return out


def test_what_is_said_is_parsed_line_by_line(tokenizer):
    def ids(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False).ids

    told = [Sentence("Ada lives in Ulm.", ()), Sentence("It rains.", (), " "), Sentence("She reads.", (), " ")]
    first = ids(emission([TOWN, NOT]).removeprefix(START))
    cut = ids(" Ada | is\n Ada Garde | lives_in | Ulm (1990)\n Ada Gar")
    most = max(len(first), len(cut))
    cut += ids(" x")[:1] * (most - len(cut))
    model = Script([*first, *cut, *ids(END)])
    found, broken = emitted(model, told, tokenizer, most)
    assert found == [[TOWN, NOT], [TOWN], []] and broken == 1
    begin, start, end = (tokenizer.token_to_id(token) for token in (BOS, START, END))
    fed = [begin, *ids("Ada lives in Ulm."), start, *first, *ids(" It rains."), start, *cut, end, *ids(" She reads."), start]
    assert model.fed == fed, "all that was said, and its end, stays in the context"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    out = tmp_path_factory.mktemp("self")
    settings = load_config(CONFIG / "smoke.yaml")
    settings["windowed"] |= {"steps": 6, "batch_tokens": 256}
    (out / "small.yaml").write_text(yaml.safe_dump(settings))
    for split, words in (("train", 4000), ("heldout", 1500)):
        made = ["--exams", "people", "--tokens", str(words), "--split", split, "--out", str(out / f"{split}.parquet")]
        load_step("make_prose").main(made)
    load_step("train_bpe").main(["--corpus", str(out / "train.parquet"), "--vocabulary", "400", "--out", str(out / "bpe.json")])
    shared = ["--config", str(out / "small.yaml"), "--tokenizer", str(out / "bpe.json")]
    for arm in ("self", "raw_quarter"):
        more = [
            "--corpus",
            str(out / "train.parquet"),
            "--out",
            str(out / f"{arm}.json"),
            "--weights",
            str(out / f"{arm}.safetensors"),
        ]
        load_step("train_windowed").main([*shared, "--arm", arm, *more])
    return out


def say(files, out, arm: str = "self") -> None:
    named = {"config": files / "small.yaml", "trained": files / f"{arm}.json", "text": files / "heldout.parquet"}
    named |= {"tokenizer": files / "bpe.json", "out": out / "said.parquet", "result": out / "said.json"}
    load_step("extract_self").main([part for name, value in named.items() for part in (f"--{name}", str(value))])


def test_the_step_reads_every_exam_and_goes_on(files, tmp_path, monkeypatch):
    say(files, tmp_path / "one")
    found = read_extracted(tmp_path / "one" / "said.parquet")
    exams = list(read_documents(files / "heldout.parquet"))
    assert {name: len(part) for name, part in found.items()} == {one.doc_id: len(one.sentences) for one in exams}
    assert read_result(tmp_path / "one" / "said.json")["metrics"]["documents"] == len(exams)
    with dies_after(monkeypatch):
        say(files, tmp_path / "two")
    assert not list((tmp_path / "two").glob("said.*"))
    say(files, tmp_path / "two")
    assert read_extracted(tmp_path / "two" / "said.parquet") == found
    named = {"text": files / "heldout.parquet", "extracted": tmp_path / "one" / "said.parquet", "tokenizer": files / "bpe.json"}
    more = ["--passages", "--strategy", "exams.c", "--out", str(tmp_path / "m.json")]
    load_step("measure_extraction").main([part for name, value in named.items() for part in (f"--{name}", str(value))] + more)
    metrics = read_result(tmp_path / "m.json")["metrics"]
    stated = sum(len(sentence.triplets) for one in exams for sentence in passage_of(one))
    assert metrics["extraction.exams.c.all.recall"]["n"] == stated and not any("compression" in key for key in metrics)
    with pytest.raises(UserError, match=r"raw_quarter\.json: is arm raw_quarter, which says no triplets; give one with `emits`"):
        say(files, tmp_path / "no", "raw_quarter")
