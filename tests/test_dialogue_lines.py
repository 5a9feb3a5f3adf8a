"""The authored lines of conversations, how they are dealt, and how turns are joined."""

import random
import re
from collections import Counter
from dataclasses import replace
from itertools import chain as chained
from itertools import pairwise

from loci.paths import DATA
from loci.results import read_json
from loci.worlds.dialogue_lines import PARTNERS, Deck, bare, chat_scripts, deck_lines, key_lines, recalls, related_keys
from loci.worlds.dialogue_parts import Draft, Voice, chain, length, tell
from loci.worlds.people import never_stored_keys, stored_keys
from loci.worlds.plans import WORLDS, load_world
from loci.worlds.records import Fact

STORED = [plan for world in WORLDS for plan in stored_keys(world)]
KEYS = list(dict.fromkeys(plan.key for plan in STORED))
CANARIES = [plan.key for world in WORLDS for plan in load_world(world).canaries]


# Parts


def test_a_deck_deals_every_card_before_one_comes_again_and_not_soon():
    cards = tuple(f"card {letter}" for letter in "abcdefgh")
    deck = Deck(cards, random.Random(0), lambda text: text != "card c")
    dealt = [deck.draw() for _ in range(70)]
    for start in range(0, 70, 7):
        assert set(dealt[start : start + 7]) == set(cards) - {"card c"}
    assert all(dealt[index] not in dealt[max(0, index - 3) : index] for index in range(70))
    stubborn = Deck(("one",), random.Random(0), lambda text: False)
    assert [stubborn.draw(), stubborn.draw()] == ["one", "one"]


def test_parts_of_one_speaker_are_joined_into_one_turn():
    hello = [Draft(True, "Hello."), Draft(False, "Hi.")]
    talk = [Draft(False, "Did you hear it?"), Draft(True, "No."), Draft(False, "Well.")]
    told = Draft(True, "It is me.", "fact", ("dentist",), ("It is me.",))
    asked = [Draft(False, "Who is it?", "mention", ("dentist",)), told, Draft(False, "Good.")]
    news = [Draft(False, "Look."), Draft(True, "Yes.")]
    parts = [hello, talk, asked, news, [Draft(True, "Bye."), Draft(False, "Bye.")]]
    drafts = chain(Voice("assistant", ["Dr. Ito"], random.Random(0)), parts)
    assert len(drafts) == length(parts) == 8
    assert drafts[1:5] == [Draft(False, "Hi. Did you hear it?"), talk[1], replace(asked[0], text="Well. Who is it?"), told]
    # Only in the middle of a session, and before no question of the partner's, a bridge leads to the next subject.
    assert re.fullmatch(r"Good\. [A-Z].*[.?] Look\.", drafts[5].text)
    assert drafts[6].text == "Yes. Bye."


def test_a_voice_never_says_a_value():
    said = [Voice("friend", ["bread", "the moon"], random.Random(seed)).script() for seed in range(40)]
    assert not any("bread" in draft.text.split() for part in said for draft in part)
    voice = Voice("friend", ["Dr. Ito", "", "?!"], random.Random(0))
    assert voice.allows("Dr. Itoh drove.")
    assert not voice.allows("So DR ITO drove.")


# The authored lines


def authored():
    keys = read_json(DATA / "dialogue" / "keys.json")
    lines = read_json(DATA / "dialogue" / "lines.json")
    for entry in (*keys["keys"].values(), keys["generic"]):
        yield from chained(entry["asks"], entry["leads"], entry["tails"])
    for deck in lines["decks"].values():
        yield from chained(*deck.values())
    yield from chained(*lines["recalls"])
    for part in (*lines["openers"].values(), *lines["closers"].values(), read_json(DATA / "dialogue" / "chat.json")["scripts"]):
        yield from (line for scripts in part.values() for script in scripts for line in script)


LINES = list(authored())


def test_there_are_many_different_lines():
    whole = [line.removeprefix("U: ").removeprefix("P: ") for line in LINES]
    assert len(whole) > 1100
    # Short answers and goodbyes may come twice; whole sentences may not.
    assert [line for line, count in Counter(whole).items() if count > 1 and len(line.split()) > 5] == []
    assert {partner: len(chat_scripts(partner)) for partner in PARTNERS} == {"friend": 108, "assistant": 108}


def test_scripts_alternate_and_end_without_a_question():
    lines = read_json(DATA / "dialogue" / "lines.json")
    framing = [*lines["openers"].values(), *lines["closers"].values()]
    chat = [script for scripts in read_json(DATA / "dialogue" / "chat.json")["scripts"].values() for script in scripts]
    assert min(map(len, chat)) >= 3
    for script in [*chat, *(script for part in framing for scripts in part.values() for script in scripts)]:
        speakers = [line[:3] for line in script]
        assert set(speakers) == {"U: ", "P: "}
        assert all(one != next_one for one, next_one in pairwise(speakers))
        assert not script[-1].endswith("?")
    last = [line for name, deck in lines["decks"].items() if "reactions" in name for line in chained(*deck.values())]
    assert len(last) > 80
    assert not any(line.endswith("?") for line in last)


def test_authored_lines_hold_no_value_no_digit_and_no_trigger():
    plans = STORED + [plan for world in WORLDS for plan in never_stored_keys(world)]
    values = {bare(value) for plan in plans for option in plan.options for value in option.accepted}
    triggers = [plan.statement.removesuffix(" {}.").lower() for plan in plans]
    for line in LINES:
        assert not re.search(r"\d|  ", line)
        assert not any(trigger in line.lower() for trigger in triggers), line
    words = [bare(line) for line in LINES]
    assert [(value, line) for value in sorted(values) for line in words if value in line and not value.strip().isdigit()] == []


def test_the_partner_asks_no_question_of_the_bench():
    def addressed(question):
        words = {"i": "you", "my": "your", "me": "you", "mine": "yours", "am": "are"}
        return [words.get(word, word) for word in bare(question).split()]

    bench = [addressed(text) for plan in STORED for text in (plan.direct, *chained(*plan.questions.values()))]
    asked = [bare(ask).split() for key in KEYS for ask in key_lines(key).asks]
    assert [ask for ask in asked if ask in bench] == []


def test_a_sentence_that_needs_its_lead_never_comes_without():
    fact = Fact("ec_phone_last", "1234", "The contact's phone number ends in 1234.", ("1234",))
    parts = [tell(Voice("friend", [], random.Random(seed)), [fact]) for seed in range(60)]
    volunteered = [part[0].text for part in parts if len(part) == 2]
    assert 15 < len(volunteered) < 45
    assert all(text.startswith(key_lines("ec_phone_last").leads) for text in volunteered)


def test_every_key_has_lines_of_its_own():
    assert read_json(DATA / "dialogue" / "keys.json")["keys"].keys() == set(KEYS)
    topics = [key_lines(key).topic for key in KEYS]
    # A request to forget one fact must not sound like a request to forget another.
    assert [(one, other) for one in topics for other in topics if one != other and one in other] == []
    for key in KEYS:
        lines = key_lines(key)
        assert min(len(lines.asks), len(lines.leads), len(lines.tails)) >= 3
        # Nobody tells somebody else's canary, on purpose or by a slip of the tongue.
        assert re.match(r"\{(who|whose)\} .*\{answer\}", lines.other) if key not in CANARIES else lines.other == ""
        assert not (key in CANARIES and lines.slips)
        assert all(ask.endswith("?") and not ask.startswith("I ") for ask in lines.asks)
    assert {key for pair in related_keys() for key in pair} <= set(KEYS) - set(CANARIES)
    assert all("{topic}" in question and "{" not in answer for question, answer in recalls())
    assert all(
        "{topic}" in line for partner in PARTNERS for deck in ("update_leads", "deletes") for line in deck_lines(deck, partner)
    )
