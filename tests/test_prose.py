"""Prose: what its sentences claim is consistent, derivable from the text, and split as promised.

The checker and the solver of this file know nothing of how documents are made: they read triplets, text and the flags of the
authored relations.
"""

import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import islice, pairwise, product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steps_path import load_step

from loci.errors import UserError
from loci.paths import DATA, ROOT
from loci.results import read_json
from loci.worlds.prose import document, documents
from loci.worlds.prose_files import read_about, read_documents, write_documents
from loci.worlds.prose_grammar import PAST, PRESENT, compiled, verb_forms
from loci.worlds.prose_kinds import KINDS
from loci.worlds.prose_lexicon import is_held, kinds, pool
from loci.worlds.prose_records import NOVELTIES, Document, Sentence, Triplet
from loci.worlds.prose_world import World
from loci.worlds.prose_writer import Writer

RELATIONS = {entry["id"]: entry for entry in read_json(DATA / "prose" / "relations.json")["relations"]}
NAMES = read_json(DATA / "prose" / "names.json")
FRAMES = read_json(DATA / "prose" / "frames.json")
SUBJECTS = {entry["subject"] for entry in RELATIONS.values()}
FORMS = ("state", "never", "ended", "change", "ask", "then", "check")
ENTITIES = {entity.name: entity for kind in kinds() for held in (False, True) for entity in pool(kind, held).entities}
TRAIN = [document(index, 11, "train") for index in range(140)]
HELDOUT = [document(index, 11, "heldout") for index in range(100)]
MANY = settings(max_examples=40, deadline=None, derandomize=True)


class Contradiction(Exception):
    pass


class Ledger:
    """Reads triplets in order and refuses whatever does not fit what was read before."""

    def __init__(self):
        self.past = defaultdict(list)  # (subject, relation) -> [(time, object)] in order, changing relations with one value
        self.holds = defaultdict(set)  # (subject, relation) -> objects that hold now
        self.ever = defaultdict(set)
        self.denied = set()
        self.last = None  # the latest year

    def read(self, sentence, answer_to=""):
        # What a sentence says to hold comes first: "moved from A to B" denies A only for the time when B holds.
        for fact in sorted(sentence.triplets, key=lambda one: one.polarity == "no"):
            flags = RELATIONS[fact.relation]
            self.refuse(flags.get("changes", False) != (fact.time is not None) and fact.polarity == "yes", fact, "time")
            if fact.time is not None and re.search(rf"\b[Ii]n {fact.time}\b", answer_to):
                self.refuse(self.value_in(fact.time, fact) != fact.object, fact, "answer about the past")
                continue
            if fact.time is not None:
                self.refuse(self.last is not None and fact.time < self.last, fact, "goes back in time")
                self.last = fact.time
            (self.affirm if fact.polarity == "yes" else self.deny)(fact, flags)

    def affirm(self, fact, flags):
        pairs = [(fact.subject, fact.object)] + ([(fact.object, fact.subject)] if flags.get("symmetric") else [])
        for subject, target in pairs:
            key = (subject, fact.relation)
            self.refuse((*key, target) in self.denied, fact, "was denied")
            if not flags.get("many"):
                others = self.holds[key] - {target}
                if flags.get("changes"):
                    self.refuse(others and self.past[key][-1][0] == fact.time, fact, "has two values in one year")
                    self.past[key].append((fact.time, target))
                    self.holds[key].clear()
                else:
                    self.refuse(others, fact, "has two values")
            self.holds[key].add(target)
            self.ever[key].add(target)

    def deny(self, fact, flags):
        key = (fact.subject, fact.relation)
        if fact.time is None:
            self.refuse(fact.object in self.ever[key], fact, "held")
            self.denied.add((*key, fact.object))
            if flags.get("symmetric"):
                self.denied.add((fact.object, fact.relation, fact.subject))
        elif flags.get("many"):
            self.holds[key].discard(fact.object)
        else:
            self.refuse(fact.object in self.holds[key], fact, "holds")

    def value_in(self, year, fact):
        before = [target for time, target in self.past[fact.subject, fact.relation] if time <= year]
        return before[-1] if before else None

    @staticmethod
    def refuse(wrong, fact, why):
        if wrong:
            raise Contradiction(f"{fact}: {why}")


def audit(doc):
    ledger = Ledger()
    before = ""
    for sentence in doc.sentences:
        ledger.read(sentence, before if before.startswith("Question: ") else "")
        before = sentence.text
    return ledger


def sentences_of(*facts):
    return Document("x", "notes", "none", tuple(Sentence(f"{number}.", tuple(of)) for number, of in enumerate(facts)))


def fact(subject, relation, target, polarity="yes", time=None):
    return Triplet(subject, relation, target, polarity, time)


def lives(where, polarity, time):
    return fact("Ilse Marn", "lives_in", where, polarity, time)


MOVE = [lives("Garn", "no", 1992), lives("Tolm", "yes", 1992)]
SOUND = [
    ([lives("Garn", "yes", 1990)], MOVE, [lives("Garn", "no", 1992)], [lives("Tolm", "yes", 1995)]),
    ([fact("A", "speaks", "Welsh")], [fact("A", "speaks", "Greek")], [fact("A", "speaks", "Dutch", "no")]),
    ([fact("A", "married_to", "B")], [fact("B", "married_to", "A")], [fact("B", "married_to", "C", "no")]),
    ([fact("A", "member_of", "X", time=1990)], [fact("A", "member_of", "X", "no", 1992)]),
]
BROKEN = [
    ([lives("Garn", "yes", 1990), lives("Tolm", "yes", 1990)],),
    ([lives("Garn", "yes", 1990)], [lives("Garn", "no", 1991)]),
    ([lives("Garn", "yes", 1990)], MOVE, [lives("Garn", "yes", 1991)]),
    ([lives("Garn", "yes", 1990)], [lives("Garn", "no", None)]),
    ([lives("Garn", "no", None)], [lives("Garn", "yes", 1990)]),
    ([lives("Garn", "yes", None)],),
    ([fact("A", "born_in", "X")], [fact("A", "born_in", "Y")]),
    ([fact("A", "born_in", "X", time=1990)],),
    ([fact("A", "married_to", "B")], [fact("C", "married_to", "B")]),
    ([fact("A", "friend_of", "B", "no")], [fact("B", "friend_of", "A")]),
]


@pytest.mark.parametrize("facts", SOUND)
def test_the_checker_accepts_what_fits(facts):
    audit(sentences_of(*facts))


@pytest.mark.parametrize("facts", BROKEN)
def test_the_checker_finds_contradictions(facts):
    with pytest.raises(Contradiction):
        audit(sentences_of(*facts))


# Facts


def test_no_document_contradicts_itself():
    for doc in TRAIN + HELDOUT:
        audit(doc)


@MANY
@given(st.integers(0, 10**9), st.integers(), st.sampled_from(("train", "heldout")))
def test_any_document_is_consistent_and_well_formed(index, seed, split):
    doc = document(index, seed, split)
    audit(doc)
    assert [doc.text[start:end] for start, end in doc.spans()] == [sentence.text for sentence in doc.sentences]
    assert all(sentence.text == sentence.text.strip() and "{" not in sentence.text for sentence in doc.sentences)


def test_triplets_are_typed():
    for doc in TRAIN + HELDOUT:
        for one in (one for sentence in doc.sentences for one in sentence.triplets):
            entry = RELATIONS[one.relation]
            assert ENTITIES[one.subject].kind == entry["subject"]
            if entry["object"] == "year":
                assert re.fullmatch(r"(19|20)\d\d", one.object)
            else:
                assert ENTITIES[one.object].kind == entry["object"]


def test_kin_and_duties_exclude_each_other():
    for doc in TRAIN:
        kin, jobs, posts = defaultdict(set), set(), defaultdict(set)
        for one in (one for sentence in doc.sentences for one in sentence.triplets if one.polarity == "yes"):
            entry = RELATIONS[one.relation]
            if entry.get("kin"):
                kin[one.subject].add(one.object)
                kin[one.object].add(one.subject)
            if entry.get("duty") == "job":
                jobs.add(one.subject)
            elif entry.get("duty") == "post":
                posts[one.object].add((one.subject, one.relation))
        assert all(len(others) == 1 for others in kin.values())
        assert all(len(of) == 1 for of in posts.values())
        assert not jobs & posts.keys()


def test_stable_facts_are_the_same_in_every_document_and_others_are_not():
    seen = defaultdict(set)
    for doc in TRAIN:
        for one in (one for sentence in doc.sentences for one in sentence.triplets if one.polarity == "yes"):
            seen[one.subject, one.relation].add(one.object)
    stable = {key: values for key, values in seen.items() if RELATIONS[key[1]].get("stable")}
    assert len(stable) > 100
    assert all(len(values) == 1 for values in stable.values())
    born = [values for (_, relation), values in seen.items() if relation == "born_in"]
    assert max(map(len, born)) > 1


def test_the_corpus_has_updates_negations_repetitions_and_sentences_without_facts():
    facts = [one for doc in TRAIN for sentence in doc.sentences for one in sentence.triplets]
    assert len({one.relation for one in facts}) == len(RELATIONS) >= 25
    share = Counter(one.polarity for one in facts)
    assert 0.08 < share["no"] / len(facts) < 0.35
    plain = [sentence for doc in TRAIN for sentence in doc.sentences if not sentence.triplets]
    assert 0.1 < len(plain) / sum(len(doc.sentences) for doc in TRAIN) < 0.5
    double = [sentence for doc in TRAIN for sentence in doc.sentences if len(sentence.triplets) == 2]
    assert len(double) > 300
    changed = sum(len({target for _, target in past}) > 1 for doc in TRAIN for past in audit(doc).past.values())
    assert changed > 200
    assert Counter(doc.kind for doc in TRAIN).keys() == KINDS.keys()


# Text


def named(entity, text):
    """Whether the text names the entity, in full or by the given name."""
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) for name in (entity.full[0], entity.short[0]))


def test_questions_state_nothing():
    asked = [sentence for doc in TRAIN for sentence in doc.sentences if sentence.text.endswith("?")]
    assert len(asked) > 300
    assert all(sentence.triplets == () for sentence in asked)


def test_every_entity_is_named_in_full_before_or_where_a_triplet_names_it():
    for doc in TRAIN + HELDOUT:
        text = ""
        for sentence in doc.sentences:
            text += sentence.lead + sentence.text.lower()
            for one in sentence.triplets:
                if one.polarity == "yes" or " moved from " in sentence.text:
                    assert one.subject.lower() in text, (doc.doc_id, sentence)
                    assert one.object.lower() in text, (doc.doc_id, sentence)


def clock_patterns():
    def pattern(source):
        return re.sub(r"\\{[ABD]\\}", ".+", re.escape(source)).replace(r"\{Y\}", r"(\d{4})")

    openings = [FRAMES[name][key] for name in ("notes", "scenes", "letters") for key in ("first", "next")]
    whole = [pattern(source) for of in openings for source in of]
    start = [pattern(source) + ".*" for source in FRAMES["time"]["start"]]
    return re.compile("|".join(whole + start)), {int(n): tuple(of) for n, of in FRAMES["time"]["later"].items()}


def test_the_year_of_a_triplet_is_the_one_named_last():
    dated, later = clock_patterns()
    changing = 0
    for doc in TRAIN + HELDOUT:
        year, before = None, ""
        for sentence in doc.sentences:
            found = dated.fullmatch(sentence.text)
            leaps = [years for years, openings in later.items() if sentence.text.startswith(openings)]
            if found and not sentence.text.startswith(("Question: ", "Answer: ")):
                year = int(next(filter(None, found.groups())))
            elif leaps:
                year += leaps[0]
            asked = re.search(r"\b[Ii]n (\d{4})\b", before) if before.startswith("Question: ") else None
            for one in sentence.triplets:
                if one.time is not None:
                    changing += 1
                    assert one.time == (int(asked.group(1)) if asked else year), (doc.doc_id, sentence)
            before = sentence.text
    assert changing > 1000


def test_pronouns_can_be_resolved_from_the_text_before():
    resolved = Counter()
    for doc in TRAIN:
        if doc.kind in ("letters", "dialogue"):
            continue
        people = [ENTITIES[name] for name in sorted(entity_names(doc)) if name in ENTITIES and ENTITIES[name].kind == "person"]
        for number, sentence in enumerate(doc.sentences):
            for subject in {ENTITIES[one.subject] for one in sentence.triplets}:
                if subject.kind != "person" or named(subject, sentence.text):
                    continue
                pronouns = {"she": r"\b[Ss]?[Hh]ers?\b|\b[Ss]he\b", "he": r"\b[Hh](e|im|is)\b", "they": r"\b[Tt]he(y|m|ir)\b"}
                if sentence.text.startswith("Answer: "):
                    assert named(subject, doc.sentences[number - 1].text)
                    continue
                assert re.search(pronouns[subject.pronoun], sentence.text), sentence
                resolved[subject.pronoun] += 1
                place = number
                while not named(subject, doc.sentences[place].text):
                    assert "\n" not in doc.sentences[place].lead, (doc.doc_id, sentence)
                    place -= 1
                    rivals = [p for p in people if p is not subject and p.pronoun == subject.pronoun]
                    assert not any(named(rival, doc.sentences[place].text) for rival in rivals), (doc.doc_id, sentence)
    assert min(resolved[pronoun] for pronoun in ("she", "he", "they")) > 20


def test_things_called_it_or_by_a_noun_can_be_resolved():
    resolved = Counter()
    for doc in TRAIN:
        names = [ENTITIES[name] for name in sorted(entity_names(doc)) if name in ENTITIES]
        for number, sentence in enumerate(doc.sentences):
            for subject in {ENTITIES[one.subject] for one in sentence.triplets}:
                if subject.kind == "person" or named(subject, sentence.text) or sentence.text.startswith("Answer: "):
                    continue
                nouns = NAMES["kinds"][subject.kind]["nouns"]
                noun = next((noun for noun in nouns if re.search(rf"\b{noun}\b", sentence.text, re.IGNORECASE)), None)
                pronoun = re.search(r"\b[Ii]ts?\b", sentence.text)
                question = doc.sentences[number - 1].text
                if not noun and not pronoun:  # "No." or the object alone
                    assert question.endswith("?")
                    sentence = doc.sentences[number := number - 1]
                    if named(subject, sentence.text):
                        continue
                resolved["noun" if noun else "pronoun"] += 1
                same = [entity for entity in names if entity.kind == subject.kind and entity is not subject]
                place = number
                while not named(subject, doc.sentences[place].text):
                    assert "\n\n" not in doc.sentences[place].lead, (doc.doc_id, sentence)
                    assert place == number or not any(named(one, doc.sentences[place].text) for one in same), (
                        doc.doc_id,
                        sentence,
                    )
                    place -= 1
    assert min(resolved.values()) > 100


def test_speakers_are_introduced_and_take_turns():
    for doc in TRAIN:
        if doc.kind == "dialogue":
            first = doc.sentences[0].text
            labels = [s.text.split(": ")[0] for s in doc.sentences if s.lead == "\n"]
            assert len(set(labels)) <= 2
            assert all(re.search(rf"\b{label} \w+", first) for label in labels)
            for block in doc.text.split("\n\n"):
                turns = [line.split(": ")[0] for line in block.split("\n")[1:]]
                assert all(one != other for one, other in pairwise(turns))


# Wordings


def test_verbs_agree():
    assert verb_forms("be") == ("is", "are", "am", "was", "were", "was")
    assert verb_forms("was") == ("was", "were", "was", "was", "were", "was")
    assert verb_forms("have")[::3] == ("has", "had")
    assert verb_forms("carry")[::3] == ("carries", "carried")
    assert verb_forms("play")[::3] == ("plays", "played")
    assert verb_forms("teach")[::3] == ("teaches", "taught")
    assert verb_forms("can")[::3] == ("can", "could")


def rendered(source, subject, target, tense=PRESENT, speaker=None, known=()):
    writer = Writer(World(Random(0), False), Random(0), False, tense)
    writer.speaker = speaker
    writer.introduce(*known)
    writer.fact(compiled(source), (subject, target, None), ())
    return writer.sentences[0].text


def test_wordings_are_filled_in_grammatically():
    tove, robin = ENTITIES["Tove Marn"], ENTITIES["Ariel Marn"]
    baker, violin = ENTITIES["architect"], ENTITIES["violin"]
    assert (tove.pronoun, robin.pronoun) == ("she", "they")
    assert rendered("{S} {S:be} {O.a}.", tove, baker) == "Tove Marn is an architect."
    assert rendered("{S} {S:be} {O.a}.", tove, baker, PAST, speaker=tove) == "I was an architect."
    assert rendered("{S:be} {S} {O.a}?", tove, baker, speaker=tove) == "Am I an architect?"
    assert rendered("when {S} {S:rest}, {S} {S:play} the {O}.", robin, violin) == "When Ariel Marn rests, they play the violin."
    assert rendered("{S} {S:speak} so well {S:do} {S} speak.", robin, violin) == "Ariel Marn speaks so well do they speak."
    assert rendered("{o} {O:teach} {s} {S's} {X:trick}.", tove, robin, PAST) == "Ariel Marn taught Tove Marn her tricked."
    assert rendered("{o} {O:own} {s}.", tove, robin, speaker=robin) == "I own Tove Marn."
    assert rendered("the bell {X:ring} and people {Z:come} to {O's} door.", tove, robin, speaker=robin) == (
        "The bell rings and people come to my door."
    )


def test_every_relation_has_enough_wordings_on_both_sides():
    sources = [(entry["id"], form, source) for entry in RELATIONS.values() for form in FORMS for source in entry.get(form, ())]
    assert len({(relation, source) for relation, _, source in sources}) == len(sources) > 1200
    for entry in RELATIONS.values():
        seen = {form: [s for n, s in enumerate(entry[form]) if not is_held(n)] for form in FORMS if form in entry}
        held = {form: [s for n, s in enumerate(entry[form]) if is_held(n)] for form in seen}
        assert len(seen["state"]) >= 8
        assert min(map(len, seen.values())) >= 4
        assert min(map(len, held.values())) >= 1
        assert {"ended", "change", "check"} <= seen.keys() if entry.get("changes") else "change" not in seen
        assert ("then" in seen) == (bool(entry.get("changes")) and not entry.get("many"))
        assert any("still" not in source for source in held.get("check", ["-"]))


def test_wordings_have_known_places_only():
    place = r"[SOPsop]|[SOP]'s|[OP]\.a|Y|[SOXZ]:[a-z]+"
    for entry in RELATIONS.values():
        for form in FORMS:
            for source in entry.get(form, ()):
                assert all(re.fullmatch(place, found) for found in re.findall(r"\{([^}]*)\}", source)), source
                assert ("{Y}" in source) == (form == "then")
                assert ("P" in {p.upper()[0] for p in re.findall(r"\{([^}]*)\}", source)}) <= (form == "change")
                assert source.endswith("?" if form in ("ask", "then", "check") else ".")
                needed = ("S",) if form in ("ask", "then") else ("S", "O")
                assert all(re.search(rf"\{{({name}|{name.lower()})('s|\.a)?\}}", source) for name in needed), source


# Splits


def test_names_belong_to_one_kind_and_to_one_side():
    parts = [part for names in NAMES["person"]["given"].values() for part in names] + NAMES["person"]["family"]
    whole = [name for entry in NAMES["kinds"].values() for name in entry.get("values", ())]
    made = ["".join(p) for p in product(*(NAMES["kinds"]["town"][k] for k in ("first", "second")))]
    assert [n for n, count in Counter(map(str.lower, parts + whole + made)).items() if count > 1] == []
    assert len(ENTITIES) > 5000
    for kind in kinds():
        seen, held = ({entity.name for entity in pool(kind, side).entities} for side in (False, True))
        assert (seen == held) if kind == "weekday" else not seen & held
        assert kind == "weekday" or len(held) >= 6


def entity_names(doc):
    return {name for sentence in doc.sentences for one in sentence.triplets for name in (one.subject, one.object)}


def test_train_never_shows_held_out_names():
    text = " \n".join(doc.text for doc in TRAIN)
    held = [part for names in NAMES["person"]["given"].values() for part in names[4::5]] + NAMES["person"]["family"][4::5]
    for kind, entry in NAMES["kinds"].items():
        if kind in ("town", "company", "vessel", "club", "work", "thing", "school"):
            held += [entity.name for entity in pool(kind, True).entities]
        elif kind != "weekday":
            held += entry["values"][4::5]
    pattern = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in held))
    assert sorted(set(pattern.findall(text))) == []
    assert len(held) > 300


def test_heldout_goes_through_four_cases_in_turn():
    assert [doc.novel for doc in HELDOUT[:8]] == list(NOVELTIES) * 2
    assert {doc.novel for doc in TRAIN} == {"none"}
    open_names = {entity.name for kind in kinds() if kind != "weekday" for entity in pool(kind, True).entities}
    for doc in HELDOUT:
        names = {name for name in entity_names(doc) if name in ENTITIES and ENTITIES[name].kind != "weekday"}
        assert names <= open_names if doc.novel in ("names", "both") else not names & open_names


def wording_pattern(source):
    """A regular expression for a wording, whoever fills it and in whatever tense, and its longest fixed part."""
    out = []
    fixed = max(re.split(r"\{[^}]*\}", source), key=len).lower()
    for literal, place in re.findall(r"([^{]*)(?:\{([^}]*)\})?", source):
        out.append(re.escape(literal))
        if place == "Y":
            out.append(r"\d{4}")
        elif ":" in place:
            out.append(f"(?:{'|'.join(dict.fromkeys(verb_forms(place[2:])))})")
        elif place:
            out.append(r"[^.?!:,]+?")
    pattern = "".join(out)
    return re.compile(rf"(?:^|.* )?(?:{pattern})", re.IGNORECASE), fixed


def shown(docs, held):
    """Wordings of one side that match a sentence of their relation: (relation, form, wording)."""
    by_relation = defaultdict(set)
    for doc in docs:
        for sentence in doc.sentences:
            for relation in {one.relation for one in sentence.triplets}:
                by_relation[relation].add(sentence.text)
    found = set()
    for entry in RELATIONS.values():
        for form in ("state", "never", "ended", "change"):
            for number, source in enumerate(entry.get(form, ())):
                if is_held(number) == held:
                    pattern, fixed = wording_pattern(source)
                    texts = (text for text in by_relation[entry["id"]] if fixed in text.lower())
                    if any(map(pattern.fullmatch, texts)):
                        found.add((entry["id"], form, source))
    return found


def test_train_never_shows_held_out_wordings_and_heldout_does():
    assert sorted(shown(TRAIN, held=True)) == []
    assert len(shown(TRAIN, held=False)) > 500
    novel = [doc for doc in HELDOUT if doc.novel in ("wordings", "both")]
    assert len(shown(novel, held=True)) > 80
    # Short wordings such as "{S} is {O}." match far more than themselves.
    long = {found for found in shown(novel, held=False) if len(re.sub(r"\{.*?\}", "", found[2]).split()) > 2}
    assert sorted(long) == []


def test_names_follow_zipf():
    counts = Counter(name for doc in TRAIN for name in entity_names(doc) if name in ENTITIES)
    frequent = pool("person", False).entities
    top, middle, tail = (sum(counts[e.name] for e in frequent[a:b]) / (b - a) for a, b in ((0, 10), (50, 150), (1000, 3000)))
    assert top > 3 * middle > 9 * tail > 0


# Questions about a passage


def question_patterns():
    """(relation, form, pattern) of every question; entities stand in it by their number, as {2}."""
    made = []
    for entry in RELATIONS.values():
        for form, source in ((one, source) for one in ("ask", "then", "check") for source in entry.get(one, ())):
            out, seen = [], set()
            for literal, place in re.findall(r"([^{]*)(?:\{([^}]*)\})?", source):
                slot = place[:1].upper()
                out.append(re.escape(literal))
                if place == "Y":
                    out.append(r"(?P<Y>\d{4})")
                elif ":" in place:
                    out.append(f"(?:{'|'.join(dict.fromkeys(verb_forms(place[2:])))})")
                elif place in ("S's", "O's") and slot not in seen:
                    out.append(rf"\{{(?P<{slot}>\d+)\}}'s")
                elif place:
                    out.append(r"\w+" if slot in seen else rf"(?:an? )?\{{(?P<{slot}>\d+)\}}")
                seen.add(slot if ":" not in place else "")
            openings = "|".join(re.escape(one) for one in FRAMES["end"])
            made.append((entry, form, re.compile(rf"Question: (?:{openings})?{''.join(out)}", re.IGNORECASE)))
    return made


def solve(question, names, ledger, patterns):
    """The answers that a question allows, by what was read: texts in lower case; "?" for what is not said."""
    answers = set()
    # As it is and with a capital letter; no more, for a language is called Polish. A teacher may be a trade or a person's own.
    numbers = {text: number for number, name in enumerate(names) for text in (name, name[0].upper() + name[1:])}
    subjects = [
        text for text, number in numbers.items() if names[number] in ENTITIES and ENTITIES[names[number]].kind in SUBJECTS
    ]
    for replaced in (numbers, subjects):
        some = rf"\b(?:{'|'.join(map(re.escape, replaced))})(?=s?\b)"
        bare = re.sub(some, lambda found: f"{{{numbers[found[0]]}}}", question)
        for entry, form, pattern in patterns:
            match = pattern.fullmatch(bare)
            subject = names[int(match["S"])] if match else None
            if subject is None or ENTITIES[subject].kind != entry["subject"]:
                continue
            key = (subject, entry["id"])
            if form == "check":
                answers.add("yes" if names[int(match["O"])] in ledger.holds[key] else "no")
            elif form == "then":
                answers.add(ledger.value_in(int(match["Y"]), Triplet(*key, "", "yes", None)).lower())
            else:
                answers |= {one.lower() for one in ledger.holds[key]} or {"?"}
    return answers


def test_questions_after_a_passage_are_answered_by_it():
    patterns = question_patterns()
    silent = [text.lower() for text in FRAMES["silent"]]
    kinds_seen = Counter()
    for doc in (doc for doc in TRAIN + HELDOUT if doc.kind == "reading"):
        passage = [sentence for sentence in doc.sentences if not sentence.text.startswith(("Question: ", "Answer: "))]
        ledger = Ledger()
        for sentence in passage:
            ledger.read(sentence)
        lines = [sentence.text for sentence in doc.sentences[len(passage) :]]
        names = sorted(entity_names(doc), key=lambda name: (-len(name), name))
        assert len(lines) % 2 == 0
        for question, answer in zip(lines[::2], lines[1::2], strict=True):
            said = answer.removeprefix("Answer: ").lower()
            right = solve(question, names, ledger, patterns)
            assert len(right) == 1, (doc.doc_id, question, right)
            expected = right.pop()
            kinds_seen["silent" if expected == "?" else expected if expected in ("yes", "no") else "value"] += 1
            assert said in silent if expected == "?" else re.fullmatch(rf"(?:an? |the )?{re.escape(expected)}", said), question
    assert min(kinds_seen[kind] for kind in ("silent", "yes", "no", "value")) >= 8


# Order, files, the step


def test_documents_can_be_made_one_by_one():
    assert list(islice(documents(11, "train", first=7), 3)) == TRAIN[7:10]
    assert document(7, 12, "train") != TRAIN[7]
    assert document(7, 11, "heldout").sentences != TRAIN[7].sentences
    assert len({doc.doc_id for doc in TRAIN}) == len(TRAIN)


@pytest.mark.parametrize(("index", "split", "field"), [(-1, "train", "first document"), (0, "test", "split")])
def test_requests_for_documents_are_checked(index, split, field):
    with pytest.raises(UserError, match=f"^{field}: "):
        document(index, 0, split)


def test_broken_records_are_refused():
    with pytest.raises(UserError, match="polarity: 'maybe' is not known"):
        Triplet("A", "born_in", "B", "maybe", None)
    with pytest.raises(UserError, match=r"d1\.novel: 'new' is not known"):
        Document("d1", "notes", "new", ())


def test_parquet_round_trip(tmp_path):
    path = tmp_path / "deep" / "prose.parquet"
    nothing_said = Document("empty", "notes", "none", (Sentence("The rain drums.", ()),))
    totals = write_documents(path, iter([*TRAIN[:20], nothing_said]), {"seed": "11"})
    assert list(read_documents(path)) == [*TRAIN[:20], nothing_said]
    assert totals.documents == 21
    assert totals.words == sum(len(doc.text.split()) for doc in TRAIN[:20]) + 3
    assert totals.triplets == sum(len(sentence.triplets) for doc in TRAIN[:20] for sentence in doc.sentences)
    about = read_about(path)
    assert (about["schema"], about["seed"], about["triplets"]) == ("1", "11", str(totals.triplets))
    assert [entry.name for entry in path.parent.iterdir()] == ["prose.parquet"]


def test_a_failing_stream_leaves_nothing_behind(tmp_path):
    def broken():
        yield TRAIN[0]
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        write_documents(tmp_path / "prose.parquet", broken(), {})
    assert list(tmp_path.iterdir()) == []


def test_reading_something_else_is_one_clear_line(tmp_path):
    with pytest.raises(UserError, match=r"no such file; run code/steps/make_prose\.py"):
        next(read_documents(tmp_path / "none.parquet"))
    (tmp_path / "text.parquet").write_text("no", encoding="utf-8")
    with pytest.raises(UserError, match="is no parquet file"):
        next(read_documents(tmp_path / "text.parquet"))


def run_step(*arguments, hash_seed="0"):
    command = [sys.executable, str(ROOT / "code" / "steps" / "make_prose.py"), *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def test_the_step_writes_the_same_bytes_in_another_process_with_another_hash_seed(tmp_path, capsys):
    paths = [tmp_path / "here.parquet", tmp_path / "there.parquet"]
    arguments = ["--tokens", "4000", "--seed", "11", "--first", "3", "--out"]
    load_step("make_prose").main([*arguments, str(paths[0])])
    done = run_step(*arguments, str(paths[1]), hash_seed="12345")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == capsys.readouterr().out.replace("here", "there")
    assert done.stdout.count("\n") == 1
    assert paths[0].read_bytes() == paths[1].read_bytes()
    made = list(read_documents(paths[0]))
    assert made == TRAIN[3 : 3 + len(made)]
    assert f"the next part starts with --first {3 + len(made)}\n" in done.stdout
    words = [len(doc.text.split()) for doc in made]
    assert sum(words) >= 4000 > sum(words[:-1])
    about = read_about(paths[0])
    assert (about["split"], about["first"], about["words"]) == ("train", "3", str(sum(words)))
    assert about["held_out"].startswith("every item 5, 10, …")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--tokens", "0"), "--tokens: is 0; ask for at least 1 word"),
        (("--first", "-2"), "first document: is -2; count documents from 0"),
        (("--split", "test"), "split: 'test' is not known; use one of train, heldout"),
    ],
)
def test_the_step_refuses_bad_input(arguments, line, tmp_path):
    with pytest.raises(UserError) as caught:
        load_step("make_prose").main([*arguments, "--out", str(tmp_path / "prose.parquet")])
    assert str(caught.value) == line
    assert list(tmp_path.iterdir()) == []


def test_the_step_does_not_write_over_a_folder_and_says_so_in_one_line(tmp_path):
    done = run_step("--tokens", "10", "--out", str(tmp_path))
    line = f"error: {tmp_path}: is a folder; give the name of a file in it\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)
    assert list(tmp_path.iterdir()) == []
