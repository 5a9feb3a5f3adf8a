"""LOCOMO's metrics on cases worked out by hand, one or more for every rule of the released evaluator."""

import pytest

from loci.bench.dates import same_time, spans
from loci.bench.locomo_metrics import declines, f1, f1_of_parts, gold_recall, official, stems, words

# category, prediction, gold, score by hand: 2 * common / (words said + words wanted), after the rules
CASES = [
    (4, "Paris", "Paris", 1.0),
    (4, "paris.", "Paris", 1.0),  # case and punctuation
    (4, "The city of Paris", "Paris", 2 / 4),  # "the" dropped: city, of, paris
    (4, "a cat and a dog", "cat dog", 1.0),  # "a" and "and" dropped too
    (4, "an apple", "apples", 1.0),  # stems
    (4, "running", "runs", 1.0),
    (4, "ran", "runs", 0.0),  # a stem is no lemma
    (4, "dog dog dog", "dog", 2 / 4),  # repeated words count as often as both have them
    (4, "dog dog", "dog dog cat", 4 / 5),
    (4, "the a an", "and", 0.0),  # nothing left
    (4, "", "Paris", 0.0),
    (4, "self-care", "self care", 0.0),  # a hyphen is deleted, not split
    (4, "self-care", "selfcare", 1.0),
    (4, "$1,200", "1200", 1.0),  # commas first
    (4, "red, green", "green, red", 1.0),  # order and commas do not matter outside category 1
    (2, "7 May 2023", "7 May, 2023", 1.0),
    (2, "May 7", "7 May 2023", 4 / 5),
    (2, "2022", "2022", 1.0),
    (3, "Likely yes", "Likely yes; she enjoys the sea", 1.0),  # cut at the first semicolon
    (3, "she enjoys the sea", "Likely yes; she enjoys the sea", 0.0),
    (3, "Yes", "Yes; no; maybe", 1.0),
    (4, "Likely yes", "Likely yes; she", 4 / 5),  # no cut outside category 3
    (1, "pottery, camping", "pottery, camping", 1.0),
    (1, "pottery", "pottery, camping", 1 / 2),  # mean over gold parts of the best part said
    (1, "camping, swimming, pottery", "pottery, camping", 1.0),  # more said costs nothing
    (1, "pottery camping", "pottery, camping", (2 / 3 + 2 / 3) / 2),
    (1, "Paris and Rome", "Paris, Rome, Oslo", (2 / 3 + 2 / 3 + 0) / 3),  # "and" is no comma
    (1, "", "pottery, camping", 0.0),
    (5, "Not mentioned in the conversation", "", 1.0),
    (5, "There is no information available.", "", 1.0),
    (5, "I do not know", "", 0.0),  # says the same, in no official phrase
    (5, "It was not mentioned, but I think Rome", "", 1.0),
    (5, "Rome", "Rome", 0.0),
]


@pytest.mark.parametrize(("category", "prediction", "gold", "score"), CASES)
def test_the_official_score(category, prediction, gold, score):
    assert official(category, prediction, gold) == pytest.approx(score, abs=1e-9)


def test_words_are_normalised_in_the_released_order():
    assert words("The Dog's, and 1,000 cats!") == ["dogs", "1000", "cats"]
    assert words("theatre band") == ["theatre", "band"], "articles inside words stay"
    assert stems("flies sky dying national") == ["fli", "sky", "die", "nation"], "NLTK's stemmer, not Porter's own ('ski')"


def test_parts_and_recall():
    assert f1_of_parts("a, b x", "b") == pytest.approx(2 / 3)
    assert gold_recall("I saw two red foxes", "red fox") == 1.0 and gold_recall("red", "red fox") == 0.5
    assert gold_recall("anything", "the") == 0.0 and f1("x", "y") == 0.0


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("Not known.", True), ("", True), ("No information available", True), ("Rome", False), ("Nothing", False)],
)
def test_declining(said, wanted):
    assert declines(said) is wanted


TIMES = [
    ("7 May 2023", "May 7th, 2023", True),
    ("7 May 2023", "it was on the 7th of May, 2023", True),
    ("7 May 2023", "2023-05-07", True),
    ("7 May 2023", "8 May 2023", False),
    ("7 May 2023", "May 2023", False),  # coarser than asked
    ("May, 2023", "7 May 2023", True),  # finer
    ("May 2023", "June 2023", False),
    ("7 May 2023", "7 May", False),  # which year?
    ("13 August", "13 August 2023", True),
    ("The sunday before 25 May 2023", "21 May 2023", True),
    ("The sunday before 25 May 2023", "25 May 2023", False),
    ("The Friday before 15 July 2023", "14 July 2023", True),
    ("The week before 9 June 2023", "2 June 2023", True),
    ("The week before 9 June 2023", "9 June 2023", False),
    ("two weekends before 17 July 2023", "8 July 2023", True),
    ("The weekend before 17 July 2023", "16 July 2023", True),
    ("The week of 23 August 2023", "21 August 2023", True),
    ("2022", "in 2022 or 2023", False),  # hedged
    ("2022", "2022", True),
    ("Since 2016", "2016", True),
    ("4 years", "four years", True),
    ("4 years", "4 months", False),
    ("10 years ago", "ten years ago", True),
    ("A few years ago", "a few years ago", True),
    ("7 May 2023", "yesterday", False),
    ("7 May 2023", "", False),
    ("Rome", "Rome", None),
    ("It may be Rome", "Rome", None),  # a verb, no month
]


@pytest.mark.parametrize(("gold", "prediction", "right"), TIMES)
def test_the_same_time(gold, prediction, right):
    assert same_time(prediction, gold) is right


def test_a_date_that_does_not_exist_is_none():
    assert spans("31 February 2023") == [] or all(span.first.day != 31 for span in spans("31 February 2023"))
    assert spans("call 2023456 or 1/2/2023") == []
