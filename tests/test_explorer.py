"""The explorer without a browser: which answers it shows, that they are those of the ledger, and that no text can break out."""

import gzip
import json
import re
from html.parser import HTMLParser

import pytest
from explorer_page_made import HOSTILE, small_page
from steps_path import load_step

from loci.bench.explorer_page import number
from loci.bench.explorer_tables import Column, claims_of, tables_of
from loci.bench.ledger import Ledger
from loci.bench.raw_samples import SHOWN, answer_cells, holds, locomo_cells, matrix_experiment, sampled
from loci.bench.statistics import estimate
from loci.config import load_profile
from loci.errors import UserError
from loci.paths import CONFIG, PAPER, REFERENCE
from loci.worlds.records import Question

BASE = "smollm2-135m"


def question(qid: str = "u.direct.pet", kind: str = "direct", **more) -> Question:
    answered = {} if kind in ("deleted", "unknown") else {"answer": "a cat", "accepted": ("a cat",)}
    fields = {"answer": "", "accepted": ()} | answered | more
    return Question(qid=qid, kind=kind, key="pet", text="Which pet?", required_fact_keys=("pet",), **fields)


@pytest.mark.parametrize(
    ("measure", "said", "asked", "wanted"),
    [
        ("exact", "The cat", question(), True),
        ("exact", "a dog", question(), False),
        ("exact", "not known", question(kind="unknown"), True),
        ("exact", "a cat", question(kind="deleted", stale="a cat"), False),
        ("exact", "a cat", question(kind="deleted", stale="a cat", form="statement"), None),
        ("stale", "my cat", question(kind="deleted", stale="cat"), True),
        ("stale", "a cat", question(), None),
        ("exact", "a cat", question(kind="other"), None),
        ("leak", "it is a cat", question(kind="other"), True),
        ("leak", "a cat", question(), None),
    ],
)
def test_one_answer_is_judged_as_the_matrix_judges_it(measure, said, asked, wanted):
    assert holds(measure, said, asked) is wanted


def test_a_sample_is_of_the_first_seed_and_the_same_for_every_memory():
    answers = [{"qid": f"q{at}", "seed": seed, "said": seed} for at in range(30) for seed in (2, 0, 1)]
    found = sampled(answers)
    assert len(found) == SHOWN and all(one["seed"] == 0 for one in found)
    assert [one["qid"] for one in found] == [one["qid"] for one in sampled(reversed(answers))]
    assert [one["qid"] for one in found] != [f"q{at}" for at in range(SHOWN)], "not the first ones of the file"


def test_what_stood_in_the_prompt_is_shown_where_it_is_short():
    asked = {f"q{at}": question(f"q{at}") for at in range(2)}
    answers = [{"memory": "bm25", "write": "facts", "qid": qid, "prediction": "a cat", "answer_hits": 3} for qid in asked]
    recalls = [
        {"write": "facts", "memory": "bm25", "qid": "q0", "lines": ["My pet is a cat."]},
        {"write": "facts", "memory": "bm25", "qid": "q1", "lines": ["x" * 400] * 2},
        {"write": "dialogue", "memory": "bm25", "qid": "q1", "lines": ["of another write"]},
    ]
    cells = answer_cells(answers, recalls, asked, matrix_experiment)
    assert list(cells) == ["matrix|bm25|direct.exact"]
    by_question = {one["q"]: one for one in cells["matrix|bm25|direct.exact"]["answers"]}
    assert by_question["q0"]["lines"] == ["My pet is a cat."] and by_question["q0"]["hits"] == [0, 3]
    assert by_question["q1"]["many"] == 2 and "lines" not in by_question["q1"]


def test_of_locomo_ids_are_shown_and_no_text():
    answer = {"memory": "bm25", "qid": "locomo_1", "sources": ["D1:3"] * 9, "prompt_tokens": 40, "log_prob": -1.0}
    verdict = {"memory": "bm25", "qid": "locomo_1", "accepted": True}
    cells = locomo_cells([answer | {"prediction": "a secret"}], [verdict], "locomo")
    (shown,) = cells["locomo|bm25|f1"]["answers"]
    assert shown == {"q": "locomo_1", "turns": ["D1:3"] * SHOWN, "more": 1, "tokens": 40, "log_prob": -1.0, "holds": True}
    predictions = set()
    for path in (REFERENCE / "locomo").glob("*.jsonl.gz"):
        for line in gzip.decompress(path.read_bytes()).decode().splitlines():
            predictions.add(json.loads(line).get("prediction") or "")
    committed = data_of((PAPER / "explorer.html").read_text(encoding="utf-8"))
    told = json.dumps({name: cell for name, cell in committed["cells"].items() if name.startswith("locomo")})
    assert len(told) > 1000 and not [said for said in predictions if len(said) > 12 and json.dumps(said)[1:-1] in told]


class Elements(HTMLParser):
    """Every tag with its attributes, and the text of the page outside scripts."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.text, self._inside = [], "", None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._inside = tag

    def handle_data(self, data):
        self.text += data if self._inside not in ("script", "style") else ""


def data_of(text: str) -> dict:
    """The data of a page, as its script reads it."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_no_text_breaks_out_of_its_place():
    text = small_page([{"id": HOSTILE, "sentence": HOSTILE} | dict.fromkeys(("kind", "source", "published", "status", "reason"))
                       | dict.fromkeys(("value", "low", "high", "n"))])  # fmt: skip
    tags = Elements(text).tags
    assert [tag for tag, _ in tags].count("script") == 2 and "img" not in [tag for tag, _ in tags]
    assert "window.broken = 2" in Elements(text).text, "it stands there as text"
    data = data_of(text)
    assert data["cells"]["matrix|bm25|direct.exact"]["answers"][0]["said"] == HOSTILE
    assert set(data["questions"]) == {"q1"}, "only what can be opened is in the page"


def test_a_page_needs_nothing_from_outside():
    for text in (small_page(), (PAPER / "explorer.html").read_text(encoding="utf-8")):
        for tag, attributes in Elements(text).tags:
            assert tag != "link" and not {"src", "action"} & attributes.keys()
            assert attributes.get("href", "#").startswith("#")
            assert "default-src 'none'" in attributes.get("content", "default-src 'none'") or tag == "meta"
        assert "url(" not in text and "@import" not in text


def test_tables_name_their_rows_and_columns():
    tags = Elements(small_page()).tags
    scopes = [attributes.get("scope") for tag, attributes in tags if tag == "th"]
    assert set(scopes) == {"row", "col"} and [tag for tag, _ in tags].count("caption") == 2
    opened = [attributes["data-cell"] for tag, attributes in tags if "data-cell" in attributes]
    assert opened == ["matrix|bm25|direct.exact", "matrix|rows|direct.exact"]
    bars = [attributes["style"] for tag, attributes in tags if tag == "td" and "style" in attributes]
    assert bars == ["--v:50.0%", "--v:25.0%"] * 2 and "not asked" in small_page()


def test_numbers_are_as_long_as_they_say_something():
    share, size = Column("a", "a", "share"), Column("b", "b", "number")
    assert [number(value, share) for value in (0.125, 1, -0.0)] == ["0.12", "1.00", "0.00"]
    assert [number(value, size) for value in (1234.5, 9.87)] == ["1,234", "9.9"]


@pytest.mark.parametrize("record", [{}, {"claims": [{"sentence": "no id"}]}, [1], None])
def test_claims_without_ids_are_one_clear_line(record):
    with pytest.raises(UserError, match=r"claims.json: claims: holds no list of claims with ids"):
        claims_of(record, "claims.json")


def test_claims_are_read_from_a_list_or_a_result():
    one = {"id": "a", "published": {"value": 0.4, "says": "40 %"}, "value": 0.5, "more": 1}
    for record in ([one], {"claims": [one]}, {"items": [one]}):
        (claim,) = claims_of(record, "claims.json")
        assert claim["published"] == "40 %" and claim["value"] == 0.5 and claim["status"] is None and "more" not in claim


def test_the_numbers_of_the_page_are_means_of_the_answers_behind_them():
    step, settings = load_step("make_explorer"), load_profile("laptop")
    asked, layered = step.questions_of(settings)
    ledger = Ledger(REFERENCE / "summary.json")
    matrix = step.records_of([REFERENCE / "matrix" / f"answers.{BASE}.{part}.jsonl.gz" for part in ("facts", "dialogue", "rows")])
    under = step.records_of(sorted((REFERENCE / "layered").glob(f"answers.{BASE}.*.jsonl.gz")))
    kept = {}
    for answers, questions, experiment_of in ((matrix, asked, matrix_experiment), (under, layered, lambda one: "layered")):
        for answer in answers:
            about = questions[answer["qid"]]
            for measure in ("exact", "stale", "leak"):
                right = holds(measure, answer["prediction"], about)
                if right is not None:
                    name = f"{experiment_of(answer)}.{answer['memory']}.{BASE}.{about.kind}.{measure}"
                    kept.setdefault(name, []).append((answer["uid"], answer["qid"], right))
    assert len(kept) > 500
    for name, records in kept.items():
        if name in ledger:
            assert ledger[name]["value"] == pytest.approx(estimate(records).value, abs=1e-6), name


def test_a_ledger_without_a_matrix_is_one_clear_line(tmp_path):
    path = tmp_path / "summary.json"
    path.write_text('{"schema": 1, "ledger": {}}', encoding="utf-8")
    with pytest.raises(UserError, match="holds no matrix of both writes"):
        tables_of(Ledger(path), BASE)


def test_answers_of_another_profile_are_one_clear_line(tmp_path):
    (tmp_path / "answers.jsonl").write_text('{"qid": "zz.direct.pet", "memory": "none", "prediction": ""}\n', encoding="utf-8")
    arguments = ["--config", str(CONFIG / "laptop.yaml"), "--ledger", str(REFERENCE / "summary.json")]
    arguments += ["--matrix", str(tmp_path / "answers.jsonl"), "--out", str(tmp_path / "explorer.html")]
    with pytest.raises(UserError, match=r"zz.direct.pet: is no question of this profile"):
        load_step("make_explorer").main(arguments)
    (tmp_path / "bad.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(UserError, match="is no compressed JSONL"):
        load_step("make_explorer").main([*arguments[:-3], str(tmp_path / "bad.jsonl.gz"), *arguments[-2:]])
    assert not (tmp_path / "explorer.html").exists()


def test_the_committed_page_is_small_and_repeats_byte_for_byte(tmp_path):
    made, folder = [], REFERENCE / "matrix"
    for name in ("a", "b"):
        load_step("make_explorer").main(
            ["--config", str(CONFIG / "laptop.yaml"), "--ledger", str(REFERENCE / "summary.json"), "--matrix"]
            + [str(folder / f"answers.{BASE}.facts.jsonl.gz")]
            + ["--recalls", str(folder / "recalls.facts.jsonl.gz"), "--out", str(tmp_path / name)]
        )
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]
    assert (PAPER / "explorer.html").stat().st_size < 3_000_000
