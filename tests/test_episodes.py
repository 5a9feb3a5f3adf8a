"""Episodes of live memory: what is asked is what holds, gaps and lengths are exact, nothing but the telling tells the answer."""

from collections import Counter

import pytest

from loci.errors import UserError
from loci.worlds.episodes import PAD, VALUES, attribute_of, episode, numbers, pieces, practice, values_of, vocabulary
from loci.worlds.timeline import attributes

KEYS = list(attributes())


def last_told(words, key: str) -> tuple[str, int]:
    """The last value of an attribute in a text, and the words after it; where a wording ends with the old value, that one."""
    at = max(at for at, word in enumerate(words) if attribute_of(word) == key)
    return words[at], len(words) - 1 - at


def test_values_are_balanced_tokens_of_one_attribute():
    assert all(len(set(values_of(key))) == VALUES >= 8 for key in KEYS)
    assert len({value for key in KEYS for value in values_of(key)}) == VALUES * len(KEYS)
    assert vocabulary()[0] == PAD and len(set(vocabulary())) == len(vocabulary()) < 1000
    assert pieces("I drink Apple cider, OR not?") == ("i", "drink", "apple cider", ",", "or", "not", "?")
    assert numbers(("i", "?"))[0] == vocabulary().index("i")
    with pytest.raises(UserError, match="line 3: the word 'zebra' is not in the closed vocabulary"):
        numbers(("i", "zebra"), "line 3")


@pytest.mark.parametrize("gap", [16, 64, 257])
@pytest.mark.parametrize("updates", [0, 1, 8])
def test_gaps_and_lengths_are_exact(gap, updates):
    for number in range(20):
        one = episode("test", 0, number, gap, updates, 240)
        key = one.asked.attribute
        assert len(one.words) == 240 + gap and one.gap == gap
        assert not any(attribute_of(word) == key for word in one.words[240:]), "the asked attribute is not told in the gap"
        sentence = one.words[:240][-25:]
        assert one.asked.answer in sentence and one.asked.answer == one.holds[key]
        assert set(one.holds) == set(KEYS) and all(attribute_of(value) == name for name, value in one.holds.items())
        assert one.asked.answer not in one.asked.earlier and bool(one.asked.earlier) == (updates > 0)
        told = {word for word in one.words[:240] if attribute_of(word) == key}
        assert told == {one.asked.answer, *one.asked.earlier}
        assert not any(attribute_of(word) for word in one.asked.words), "a question names no value"


def test_the_last_telling_of_every_attribute_holds():
    right = total = 0
    for number in range(60):
        one = episode("dev", 0, number, 64, 2, 240)
        for key, value in one.holds.items():
            total += 1
            right += last_told(one.words, key)[0] == value
    assert right / total > 0.7, "but wordings that end with the old value, as 'not with Adeline'"


def test_episodes_are_the_same_again_and_splits_differ():
    assert episode("test", 0, 3, 64, 2, 240) == episode("test", 0, 3, 64, 2, 240)
    assert len({episode(split, seed, 3, 64, 2, 240).words for split in ("dev", "test") for seed in (0, 1)}) == 4
    assert practice("train", 0, 5, 64) == practice("train", 0, 5, 64) != practice("train", 1, 5, 64)
    with pytest.raises(UserError, match="split: exam: is not known"):
        practice("exam", 0, 0, 64)
    with pytest.raises(UserError, match="which no sentences fill"):
        episode("test", 0, 0, 16, 8, 60)


def test_practice_asks_for_what_was_told_and_never_says_the_answer():
    asked = 0
    for number in range(60):
        one = practice("train", 0, number, 128)
        assert len(one.words) <= 128
        for at, answer in one.answers:
            asked += 1
            before = one.words[:at]
            assert answer in before and one.words[at] == "?", "told before, and the question ends there"
            assert len(one.words) == at + 1 or one.words[at + 1] != answer or attribute_of(one.words[at + 1]) == ""
    assert asked > 100


def test_a_guesser_who_sees_the_question_alone_stays_at_chance():
    """Over many episodes each value of an attribute is as often the answer, whatever the number of updates."""
    for updates in (0, 4):
        counts = Counter(episode("test", 1, number, 16, updates, 240).asked.answer for number in range(1600))
        by_key = {key: [counts[value] for value in values_of(key)] for key in KEYS}
        best = sum(max(of) for of in by_key.values()) / 1600
        assert best < 0.20, "1 / 8, and what the luckiest of eight has in 160"
