"""Exams read through a window: what is asked, what counts as evicted, what stands in the zone, and the steps on tiny models."""

import json
import random
from collections import Counter
from dataclasses import replace

import pytest
import torch
import yaml
from steps_path import dies_after, load_step

from loci.bench.arms import Arm, parts_of
from loci.bench.evicted import Remembered, Windows, answer_targets, read, windows
from loci.bench.exam_asking import Contents
from loci.bench.exams import posed
from loci.config import load_config
from loci.errors import UserError
from loci.models.bpe import train_bpe
from loci.models.trainer import Trainer
from loci.paths import CONFIG
from loci.results import read_jsonl, read_result, sha256_file
from loci.worlds.extracted_files import write_extracted
from loci.worlds.prose import document
from loci.worlds.prose_exams import OF, SETS, answer_of, passage_of, questions_of
from loci.worlds.prose_files import read_documents
from loci.worlds.prose_lexicon import many_valued, relations
from loci.worlds.prose_records import Document, Sentence, Triplet

EXAMS = [document(at, 5, "train", "all") for at in range(120)]


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe([one.text for one in EXAMS], 600)


def test_exams_are_the_same_every_time_and_other_than_prose():
    assert document(3, 5, "train", "all") == EXAMS[3] != document(4, 5, "train", "all")
    assert {one.kind for one in EXAMS} == {"exam"} and document(3, 5, "train").kind != "exam"


def test_exams_of_people_tell_of_nothing_else():
    few = [document(at, 5, "train", "people") for at in range(80)]
    told = {triplet.relation for one in few for sentence in one.sentences for triplet in sentence.triplets}
    assert (
        told == OF["people"][1]
        and len({triplet.relation for one in EXAMS for each in one.sentences for triplet in each.triplets}) > 35
    )
    counts = Counter(asked.set for one in few for asked in questions_of(one))
    assert counts.keys() == set(SETS) and len({one.text for one in few}) == 80


def test_every_question_has_its_answer_and_its_set():
    counts = Counter(asked.set for one in EXAMS for asked in questions_of(one))
    assert counts.keys() == set(SETS) and min(counts.values()) > 4
    for one in EXAMS:
        assert 0 < sum(len(sentence.text.split()) for sentence in passage_of(one)) <= 130
        for asked in questions_of(one):
            question, answer = one.sentences[asked.sentence : asked.sentence + 2]
            assert question.text.startswith("Question: ") and answer.text.startswith("Answer: ") and answer_of(answer)


def test_answers_follow_from_the_passage():
    for one in EXAMS:
        stated = [triplet for sentence in passage_of(one) for triplet in sentence.triplets]
        for asked in questions_of(one):
            answer = one.sentences[asked.sentence + 1]
            if asked.set in ("fact", "update", "confusion"):
                (fact,) = answer.triplets
                symmetric = relations()[fact.relation].symmetric
                names = {(each.subject, each.object) for each in stated if each.relation == fact.relation}
                assert (fact.subject, fact.object) in names or (symmetric and (fact.object, fact.subject) in names)
            if asked.set == "verbatim":
                assert any(answer_of(answer).casefold() in sentence.text.casefold() for sentence in passage_of(one))


def test_a_confusion_names_what_another_subject_has():
    found = 0
    for one in EXAMS:
        stated = {(each.relation, each.subject, each.object) for sentence in passage_of(one) for each in sentence.triplets}
        for asked in questions_of(one):
            if asked.set == "confusion":
                (fact,) = one.sentences[asked.sentence + 1].triplets
                having = {subject for relation, subject, object_ in stated if (relation, object_) == (fact.relation, asked.other)}
                assert having - {fact.subject} and asked.other != fact.object
                found += 1
    assert found > 4


def exam_of(*stated: tuple[str, tuple[Triplet, ...]], question: str, answer: str, facts: tuple[Triplet, ...] = ()) -> Document:
    told = [Sentence(text, triplets, " " if at else "") for at, (text, triplets) in enumerate(stated)]
    asked = [Sentence(f"Question: {question}", (), "\n\n"), Sentence(f"Answer: {answer}", facts, "\n")]
    return Document("d", "exam", "none", (*told, *asked))


def lives(who: str, where: str, polarity: str = "yes", time: int = 1990) -> Triplet:
    return Triplet(who, "lives_in", where, polarity, time)


MOVED = lives("Ada Garde", "Tolm", time=1991)


def test_what_is_evicted_is_what_no_window_shows(tokenizer):
    filler = ("Rain drummed on the roofs while a dog barked somewhere.", ())
    first, last = (
        ("Ada Garde lives in Garn.", (lives("Ada Garde", "Garn"),)),
        ("Ada Garde moved to Tolm.", (MOVED,)),
    )
    moved = exam_of(first, filler, last, filler, question="Where does Ada Garde live?", answer="Tolm", facts=(MOVED,))
    (one,) = posed(moved, tokenizer)
    text = tokenizer.decode(list(one.text.ids[1:]))
    assert (
        text.startswith("Ada Garde lives") and text.endswith("Question: Where does Ada Garde live?\nAnswer:") and "Tolm." in text
    )
    assert tokenizer.decode(list(one.text.ids[1 : one.told])).endswith("moved to Tolm.") and one.kind == "update"
    behind = len(one.text.ids) - one.told
    assert one.is_evicted(behind) and not one.is_evicted(behind + 1)
    assert [each.object for each in one.seen(behind, many_valued()).standing] == ["Tolm"]
    assert [each.object for each in one.seen(behind + 1, many_valued()).standing] == ["Garn"]
    assert one.seen(10_000, many_valued()).standing == () and one.seen(10_000, many_valued()).start == 0
    (wrong,) = posed(moved, tokenizer, [[lives("Ada Garde", "Ulm")], [], [], [], [], []])
    assert [each.object for each in wrong.seen(4, many_valued()).standing] == ["Ulm"] and wrong.told == one.told
    silent = exam_of(first, filler, question="What does Ada Garde drink?", answer="Not mentioned.")
    (one,) = posed(silent, tokenizer)
    assert one.kind == "silent" and len(one.accepted) > 1 and tokenizer.decode(list(one.text.ids[1 : one.told])) == first[0]


def test_answers_are_where_they_are_read(tokenizer):
    for one in EXAMS[:20]:
        made = read(one, tokenizer)
        wanted = [f" {answer_of(one.sentences[asked.sentence + 1])}" for asked in questions_of(one)]
        found = [tokenizer.decode(list(made.ids[first : first + count])) for first, count in made.answers]
        assert [text.rstrip("\n") for text in found] == wanted
        assert all(text.endswith("\n") for text in found[:-1]) and len(found) > 3
        marked = {
            window.start + 1 + at
            for window in windows([made], 32, many_valued())
            for at in answer_targets(window, 32).nonzero().flatten().tolist()
        }
        assert marked == {token for first, count in made.answers for token in range(first, first + count)}


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_answers_have_their_share_of_the_loss(tokenizer, share):
    found = windows([read(one, tokenizer) for one in EXAMS[:20]], 64, many_valued())
    batch = Windows(found, 64, 8, Remembered("nothing", 0), parts_of(tokenizer), 0, share).next()
    alike = Windows(found, 64, 8, Remembered("nothing", 0), parts_of(tokenizer), 0).next()
    assert alike.weights is None and torch.equal(alike.targets, batch.targets)
    rows = {window.document.ids[window.start : window.start + 65]: window for window in found}
    read_ = [
        tuple(tokens[: (wanted >= 0).sum()].tolist()) + (int(wanted[wanted >= 0][-1]),)
        for tokens, wanted in zip(batch.tokens, batch.targets, strict=True)
    ]
    marked = torch.stack([answer_targets(rows[one], 64) for one in read_])
    assert torch.isclose(batch.weights[marked].sum(), torch.tensor(share)) and torch.isclose(
        batch.weights.sum(), torch.tensor(1.0)
    )
    assert not batch.weights[batch.targets < 0].any() and len(set(batch.weights[marked].tolist())) == 1


def test_contents_of_the_zone(tokenizer):
    one = next(one for each in EXAMS for one in posed(each, tokenizer) if len(one.seen(16, many_valued()).standing) > 4)
    window, others = one.seen(16, many_valued()), {"x": (lives("X", "Ulm"),), "y": (lives("Y", "Bree"),)}
    right = window.standing
    assert Contents("right", others).of(window, 0) is window and Contents("none", others).of(window, 0).standing == ()
    assert (
        Contents("other", others).of(window, 3).standing == others["y"]
        and Contents("latest2", others).of(window, 0).standing == right[-2:]
    )
    assert Contents("merged", others).of(window, 3).standing == (*others["y"], *right), "the union of both, the own ones last"
    fact = lives("Ada Garde", "Ulm", time=1990)
    alone, later = replace(window, standing=(fact,)), {"y": (replace(fact, object="Bree", time=1991), *others["y"]), "x": ()}
    assert Contents("merged", later).of(alone, 0).standing == later["y"], "of two values of one fact the later one stands"
    own = {window.document.doc_id: right, "y": others["y"]}
    assert all(Contents("other", own).of(window, at).standing == others["y"] for at in range(3)), "never the document's own"
    facts = tuple(lives(f"P{at}", "Garn") for at in range(200))
    noisy = Contents("noisy", others).of(type(window)(window.document, window.start, facts), 0).standing
    changed = [fact for fact in noisy if fact.object != "Garn"]
    assert 40 < len(changed) < 80 and {fact.object for fact in changed} == {"Ulm", "Bree"}
    assert [fact.subject for fact in noisy] == [fact.subject for fact in facts]
    with pytest.raises(UserError, match=r"contents latest0: are not known"):
        Contents("latest0", others).of(window, 0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"window": 8, "zone": "pictures"},
            "arms: zone pictures: is not known; use one of nothing, open, spelt, pooled, summary",
        ),
        ({"window": 8, "zone": "open"}, r"arms: window 8, most 0, each 1 of zone open do not fit"),
        ({"window": 8, "zone": "pooled", "most": 3, "each": 4}, r"arms: window 8, most 3, each 4 of zone pooled do not fit"),
        ({"window": 8, "most": 3}, r"arms: window 8, most 3, each 1 of zone nothing do not fit"),
    ],
)
def test_bad_arms_are_named(given, message):
    with pytest.raises(UserError, match=message):
        Arm(**given)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Exams of both splits, a tokenizer, a profile, and "extracted" triplets: the gold ones, every fourth left out."""
    out = tmp_path_factory.mktemp("windowed")
    settings = load_config(CONFIG / "smoke.yaml")
    settings["windowed"] |= {"steps": 60, "batch_tokens": 512}
    (out / "small.yaml").write_text(yaml.safe_dump(settings))
    for split, words in (("train", 12_000), ("heldout", 2500)):
        load_step("make_prose").main(
            ["--exams", "people", "--tokens", str(words), "--split", split, "--out", str(out / f"{split}.parquet")]
        )
    load_step("train_bpe").main(["--corpus", str(out / "train.parquet"), "--vocabulary", "400", "--out", str(out / "bpe.json")])
    rng = random.Random(0)
    found = [
        (one, [[triplet for triplet in sentence.triplets if rng.random() < 0.75] for sentence in one.sentences])
        for one in read_documents(out / "heldout.parquet")
    ]
    write_extracted(out / "extracted.parquet", found)
    return out


def train(files, out, arm: str, **changed: str) -> None:
    named = {"config": files / "small.yaml", "arm": arm, "corpus": files / "train.parquet", "tokenizer": files / "bpe.json"}
    named |= {"out": out / f"{arm}.json", "weights": out / f"{arm}.safetensors"}
    load_step("train_windowed").main([part for name, value in (named | changed).items() for part in (f"--{name}", str(value))])


def ask(files, out, arm: str, **changed: str) -> None:
    named = {"config": files / "small.yaml", "trained": out / f"{arm}.json", "exams": files / "heldout.parquet"}
    named |= {"extracted": files / "extracted.parquet", "tokenizer": files / "bpe.json"}
    named |= {"out": out / f"asked.{arm}.json", "answers": out / f"asked.{arm}.jsonl"}
    load_step("ask_windowed").main([part for name, value in (named | changed).items() for part in (f"--{name}", str(value))])


@pytest.mark.parametrize("arm", ["full_window", "quarter_window", "vectors", "pooled", "summary"])
def test_arms_learn_and_are_asked_the_same(files, tmp_path, arm):
    train(files, tmp_path, arm)
    found = read_result(tmp_path / f"{arm}.json")
    losses = [item["loss"] for item in found["items"]]
    assert len(losses) == 60 and sum(losses[-10:]) < 0.9 * sum(losses[:10])
    ask(files, tmp_path, arm)
    said = list(read_jsonl(tmp_path / f"asked.{arm}.jsonl", ""))
    contents = (
        ["right", "gold", "other", "none", "merged", "noisy", "latest2"] if arm in ("quarter_window", "vectors") else ["right"]
    )
    assert list(dict.fromkeys(one["content"] for one in said)) == contents
    asked = [one["qid"] for one in said if one["content"] == "right"]
    assert len(asked) == len(set(asked)) > 10 and all(
        [one["qid"] for one in said if one["content"] == content] == asked for content in contents
    )
    counts = Counter((one["novel"], one["kind"]) for one in said if one["content"] == "right")
    assert max(count for (novel, _), count in counts.items() if novel == "none") <= 3
    assert {novel for novel, _ in counts} == {"none", "names"}
    nats = read_result(tmp_path / f"asked.{arm}.json")["items"]
    assert len(nats) == 3 * len(contents) and all(item["other_tokens"] > item["fact_tokens"] >= 0 for item in nats)
    if arm in ("quarter_window", "vectors"):
        stood = Counter((one["content"], one["fact"]) for one in said)
        assert stood["gold", "stood"] > stood["right", "stood"] > 0 == stood["none", "stood"] == stood["other", "stood"]
        assert stood["right", "absent"] > 0 and stood["right", ""] == stood["none", ""] > 0
        nats_of = {name: [item["fact_nats"] for item in nats if item["content"] == name] for name in contents}
        assert nats_of["right"] != nats_of["none"] and nats_of["gold"] != nats_of["other"]


def test_a_killed_training_goes_on_to_the_same_bytes(files, tmp_path, monkeypatch):
    train(files, tmp_path / "one", "quarter_window")
    with dies_after(monkeypatch, Trainer, "keep"):
        train(files, tmp_path / "two", "quarter_window")
    assert not (tmp_path / "two" / "quarter_window.json").exists()
    train(files, tmp_path / "two", "quarter_window")
    assert (tmp_path / "one" / "quarter_window.safetensors").read_bytes() == (
        tmp_path / "two" / "quarter_window.safetensors"
    ).read_bytes()


def test_arms_are_scored_and_contrasted(files, tmp_path):
    for arm in ("full_window", "quarter_window", "pooled"):
        train(files, tmp_path, arm)
        ask(files, tmp_path, arm)

    def score(out: str, *arms: str, more: tuple[str, ...] = ()) -> dict:
        paths = [[str(tmp_path / f"asked.{arm}.{kind}") for arm in arms] for kind in ("json", "jsonl")]
        load_step("score_windowed").main(["--asked", *paths[0], "--answers", *paths[1], *more, "--out", str(tmp_path / out)])
        return read_result(tmp_path / out)["metrics"]

    found = score("main.json", "full_window", "quarter_window", more=("--main", "quarter_window"))
    full, triplets = (found[f"triplet.{arm}_window.values.exact"]["value"] for arm in ("full", "quarter"))
    assert found["triplet.quarter_window_minus_full_window.values.exact"]["value"] == pytest.approx(triplets - full)
    assert found["triplet.with.values.exact"] == found["triplet.quarter_window.values.exact"]
    tokens = {found[f"triplet.{content}.fact_ppl"]["n"] for content in ("with", "gold", "merged", "shuffled", "masked", "noisy")}
    assert len(tokens) == 1, "whatever stands in the zone, the same tokens count"
    assert (
        found["triplet.full_window.positions"]["value"] == 128 and 32 < found["triplet.quarter_window.positions"]["value"] < 104
    )
    assert score("own.json", "quarter_window")["triplet.quarter_window.merged.values.exact"] | {"source": ""} == (
        found["triplet.merged.values.exact"] | {"source": ""}
    ), "an arm that is not the main one has its contents under its own name"
    more = score("more.json", "full_window", "quarter_window", "pooled", more=("--known", "full_window", "quarter_window"))
    assert not found.keys() & more.keys() and "triplet.pooled_minus_quarter_window.values.exact" in more
    for wrong, message in (
        (("--main", "vectors"), "--main vectors: is not among the arms"),
        (("--known", "pooled"), "every arm"),
    ):
        with pytest.raises(UserError, match=message):
            score("no.json", "pooled", more=wrong)
    lines = (tmp_path / "asked.pooled.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "asked.pooled.jsonl").write_text("".join(lines[1:]))
    with pytest.raises(UserError, match=r"asked\.pooled\.jsonl: holds other answers than those of"):
        score("no.json", "pooled")
    record = json.loads((tmp_path / "asked.pooled.json").read_text())
    record["metrics"]["answers_sha256"] = sha256_file(tmp_path / "asked.pooled.jsonl")
    (tmp_path / "asked.pooled.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="answers other questions than"):
        score("no.json", "full_window", "pooled")
    assert not (tmp_path / "no.json").exists()


def test_bad_input_is_named(files, tmp_path):
    with pytest.raises(
        UserError, match=r"--arm other: is not in the profile; use one of full_window, pooled, quarter_window, raw"
    ):
        train(files, tmp_path, "other")
    with pytest.raises(UserError, match=r"heldout\.parquet: lacks \d+ tokens of what one pass over it takes"):
        train(files, tmp_path, "full_window", corpus=files / "heldout.parquet")
    train(files, tmp_path, "full_window")
    record = json.loads((tmp_path / "full_window.json").read_text())
    record["config"]["shape"]["vocabulary"] = 17
    (tmp_path / "odd.json").write_text(json.dumps(record))
    (tmp_path / "odd.safetensors").write_bytes((tmp_path / "full_window.safetensors").read_bytes())
    with pytest.raises(UserError, match=r"odd\.json: shape\.vocabulary: is 17, the tokenizer's 400"):
        ask(files, tmp_path, "odd")
    (tmp_path / "full_window.safetensors").write_bytes(b"x")
    with pytest.raises(UserError, match=r"full_window\.safetensors: missing or not the weights that the result names"):
        ask(files, tmp_path, "full_window")
    assert not (tmp_path / "asked.full.json").exists()
