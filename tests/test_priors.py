"""The attackers: at chance on our people, far above it on questions made by the rules of the published generator."""

import random
from collections import Counter

import pytest
from steps_path import load_step

from loci.errors import UserError
from loci.results import read_result
from loci.worlds.people import build_users
from loci.worlds.plans import WORLDS, load_world
from loci.worlds.priors import MARGIN, Gaps, Majority, NGrams, Probe, attack, is_at_chance, learn, probes_of
from loci.worlds.records import save_users

STEP = load_step("measure_priors")
GAPS = Gaps(load_world(world) for world in WORLDS)
ASKED = 600  # questions a family: an answer table of the published kind shows with far fewer


def outcome_entries(outcomes):
    return {family: [STEP.entry(one, "test") for one in by.values()] for family, by in outcomes.items()}


@pytest.mark.parametrize("world", WORLDS)
def test_questions_alone_tell_nothing(world):
    users = STEP.generated(world, seed=5)
    learnt, scored = STEP.fill(users, ASKED), STEP.fill(users, ASKED)
    counts = Counter(probe.family for probe in scored)
    assert min(counts.values()) >= ASKED and {"statement", "direct", "paraphrase", "age", "policy", "chained"} <= counts.keys()
    for family, found in outcome_entries(attack(learn(learnt, GAPS), scored)).items():
        for one in found:
            assert is_at_chance(one["value"], one["low"], one["chance"]), (family, one)


def test_one_of_each_two_twins_is_not_easier_to_guess():
    """Learning on first twins and scoring second ones of other pairs: which twin comes first says nothing."""
    users = [user for _, user in zip(range(300), STEP.generated("personal", seed=6), strict=False)]
    learnt = [probe for user in users[:150:2] for probe in probes_of(user)]
    scored = [probe for user in users[151::2] for probe in probes_of(user)]
    families = ("comparison", "day_set", "allergy", "routine")
    learnt, scored = ([probe for probe in part if probe.family in families] for part in (learnt, scored))
    outcomes = attack(learn(learnt, GAPS), scored)
    for family, found in outcome_entries(outcomes).items():
        for one in found:
            assert one["low"] <= one["chance"] and one["value"] <= one["chance"] + 2 * MARGIN, (family, one)


# Questions by the rules that the published generator follows: answers fixed by wording, day or dish.

WORK = [("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"), ("Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")]
CLASSES = {
    "yoga": ("Tuesday", "Thursday"),
    "judo": ("Monday",),
    "choir": ("Wednesday",),
    "gym": ("Monday", "Friday"),
    "chess": ("Saturday",),
}
DISHES = {"peanuts": ("satay", "peanut brittle"), "shellfish": ("paella", "bisque"), "gluten": ("bagels", "couscous")}


def published_like(count, seed):
    rng, probes = random.Random(seed), []

    def ask(family, text, answer, chance):
        probes.append(Probe(family, text, answer, chance))

    for _ in range(count):
        work, activity, allergy = rng.choice(WORK), rng.choice(list(CLASSES)), rng.choice(list(DISHES))
        born = rng.randint(1968, 2000)
        ask("AGE", "How old am I (it's 2026)?", str(2026 - born), 1 / 33)
        ask("DAY_SET", "Do I work on Sunday?", "No", 1 / 2)
        ask("DAY_SET", "Do I work on Saturday?", "Yes" if "Saturday" in work else "No", 1 / 2)
        free = rng.choice([day for day in WORK[0] if day not in CLASSES[activity]])
        ask("DAY_SET", f"Do I have {activity} on {free}?", "No", 1 / 2)
        ask("DAY_SET", f"Do I have {activity} on {CLASSES[activity][0]}?", "Yes", 1 / 2)
        ask("ROUTINE", f"What do I do on {rng.choice(CLASSES[activity])} evening?", activity, 1 / len(CLASSES))
        ask("ROUTINE", f"How many days a week do I go to {activity}?", str(len(CLASSES[activity])), 1 / 2)
        ask("ALLERGY", f"Is it safe for me to eat {rng.choice(DISHES[allergy])}?", "No", 1 / 2)
        safe = rng.choice([dish for other, dishes in DISHES.items() if other != allergy for dish in dishes])
        ask("ALLERGY", f"From the standpoint of my allergy, can I have {safe}?", "Yes", 1 / 2)
    return probes


def test_the_published_rules_are_caught():
    outcomes = outcome_entries(attack(learn(published_like(60, seed=1), GAPS), published_like(60, seed=2)))
    for family, least in {"DAY_SET": 0.3, "ROUTINE": 0.4, "ALLERGY": 0.5}.items():
        best = max(outcomes[family], key=lambda one: one["value"])
        assert not is_at_chance(best["value"], best["low"], best["chance"])
        assert best["value"] - best["chance"] >= least, (family, best)
    assert all(is_at_chance(one["value"], one["low"], one["chance"]) for one in outcomes["AGE"])


def test_attackers_learn_what_they_should():
    probes = [
        Probe("f", f"Do I work on {day}?", answer, 0.5)
        for day, answer in (("Monday", "Yes"), ("Sunday", "No"), ("Friday", "Yes"))
    ] * 5
    probes += [Probe("f", "How old is Fiona?", "44", 0.1)]
    majority, ngrams = Majority(probes, GAPS), NGrams(probes, GAPS)
    # The day is masked for the one and seen by the other.
    assert majority.predict(["Do I work on Sunday?", "How old is Gareth?", "Eh?"]) == ["Yes", "44", "Yes"]
    assert ngrams.predict(["Do I work on Sunday?", "Do I work on Monday?"]) == ["No", "Yes"]
    assert NGrams([Probe("f", "a", "x", 1.0)] * 3, GAPS).predict(["b", "c"]) == ["x", "x"]
    many = [Probe("f", f"word{at}", f"answer{at}", 0.1) for at in range(200)] * 2
    assert NGrams(many, GAPS).predict(["word7", "word150"]) == ["answer7", "answer150"]


def test_names_numbers_and_dishes_are_masked():
    text = "It is 8:15. Is Eton mess safe for Fiona on Friday in 2026, and Wexamine for Dr. Patel's gout?"
    assert GAPS.masked(text) == "It is _. Is _ safe for _ on _ in _, and _ for Dr. _'s _?"


@pytest.mark.parametrize(
    ("value", "low", "chance", "right"),
    [(0.5, 0.48, 0.5, True), (0.52, 0.51, 0.5, False), (0.54, 0.49, 0.5, False), (0.1, 0.05, 0.5, True)],
)
def test_at_chance(value, low, chance, right):
    assert is_at_chance(value, low, chance) is right


# The step


def test_the_step_writes_ledger_entries(tmp_path, capsys):
    files = [tmp_path / f"{world}.json" for world in WORLDS]
    for path, world in zip(files, WORLDS, strict=True):
        save_users(path, build_users(8, 0, dev=2, world=world, train=2))
    out = tmp_path / "priors.json"
    STEP.main(["--questions", "40", "--users", *map(str, files), "--out", str(out)])
    assert capsys.readouterr().out.count("\n") == 1
    record = read_result(out)
    found = record["metrics"]
    assert {key.split(".")[1] for key in found} == {"prior", "prior_asked"}
    assert found["worlds.prior.age"]["n"] >= 80, "forty of each world, learnt from and scored on different users"
    both = found["worlds.prior_asked.age"]
    assert both.keys() == {"value", "chance", "n", "low", "high", "source"} and both["source"] == "priors.json"
    assert both["n"] == 6 * 6 + 6 * 5  # six test users; six and five questions about ages
    assert found["worlds.prior_asked.day_set"]["value"] == found["worlds.prior_asked.allergy"]["value"] == 0.5
    for family in ("age", "comparison"):
        for world in WORLDS:
            parts = [found[f"worlds.prior_asked.{family}.{world}.{name}"]["value"] for name in ("majority", "ngrams")]
            assert found[f"worlds.prior_asked.{family}.{world}"]["value"] == max(parts)
    assert record["config"]["users"] == [path.name for path in files]


def test_bad_input_to_the_step(tmp_path):
    path, out = tmp_path / "people.json", tmp_path / "priors.json"
    save_users(path, build_users(4, 9, dev=2))
    for options, message in (
        (["--questions", "1"], "--questions: is 1; use at least 2"),
        (["--users", str(path), "--seed", "9"], f"--seed: 9 is the seed of {path}"),
        (["--users", str(tmp_path / "none.json")], "no such file"),
    ):
        with pytest.raises(UserError, match=message):
            STEP.main([*options, "--out", str(out)])
        assert not out.exists()
    save_users(path, build_users(2, 9, dev=2))
    with pytest.raises(UserError, match="hold no test user"):
        STEP.main(["--users", str(path), "--out", str(out)])
    path.write_text('{"schema": 1, "users": [{"uid": "x", "split": "test", "facts": [], "questions": []}]}', encoding="utf-8")
    with pytest.raises(UserError, match=r"x\.attrs\.world: '' is not known"):
        STEP.main(["--users", str(path), "--out", str(out)])
