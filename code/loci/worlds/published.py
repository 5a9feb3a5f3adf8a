"""The published per-user file format, read as it is.

Fields: uid, attrs, facts [{key, answer, paraphrases}], direct_qa [{key, question, answer}], indirect_qa [{schema,
variant, question, answer, required_fact_keys}]. An answer is a text, a whole number or a list of texts. Several of
those facts share a trigger ("… was born in"), so that check of our own format does not apply. Published users are test
users: nothing is chosen on them.
"""

import re
from pathlib import Path

from loci.results import read_json
from loci.worlds.checks import each, located, member, require, texts
from loci.worlds.records import Fact, Question, User, user_from_json


def load_user_file(path: Path) -> User:
    """The one user of a file in our format or in the published one (told apart by the field `direct_qa`)."""
    obj = read_json(path, "give the path of a user's JSON file")
    published = isinstance(obj, dict) and "direct_qa" in obj
    return published_user_from_json(obj, str(path)) if published else user_from_json(obj, str(path))


def published_user_from_json(obj: object, where: str) -> User:
    """Convert one published user; a UserError names the field at fault, behind `where`."""
    return located(where, _user, obj)


def _user(obj: object) -> User:
    uid = member(obj, "uid", str)
    facts = each(obj, "facts", _fact)
    by_key = {fact.key: fact for fact in facts}
    direct = each(obj, "direct_qa", lambda one: _direct(uid, one, by_key))
    indirect = [
        located(f"indirect_qa[{number}]", _indirect, f"{uid}.indirect.{number}", one)
        for number, one in enumerate(member(obj, "indirect_qa", list))
    ]
    return User(uid, "test", tuple(facts), tuple(direct + indirect), member(obj, "attrs", dict))


def _fact(obj: object) -> Fact:
    key = member(obj, "key", str)
    answer, spellings = _spellings(obj)
    statement = _statement(key, answer, spellings, texts(obj, "paraphrases"))
    return Fact(key, answer, statement, spellings)


def _direct(uid: str, obj: object, facts: dict[str, Fact]) -> Question:
    key = member(obj, "key", str)
    require(key in facts, "key", f"'{key}' is not among the facts", "add the fact or drop the question")
    answer, spellings = _spellings(obj)
    # The fact says "dog named Hazel" where the question's answer says "a dog named Hazel": both are right.
    accepted = tuple(dict.fromkeys(spellings + facts[key].accepted))
    return Question(f"{uid}.direct.{key}", "direct", key, member(obj, "question", str), answer, accepted, (key,))


def _indirect(qid: str, obj: object) -> Question:
    key = f"{member(obj, 'schema', str)}.{member(obj, 'variant', str)}"
    answer, spellings = _spellings(obj)
    text, required = member(obj, "question", str), texts(obj, "required_fact_keys")
    return Question(qid, "indirect", key, text, answer, spellings, required)


def _spellings(obj: object) -> tuple[str, tuple[str, ...]]:
    """An answer as text, and all its spellings: a list is "a, b and c" for us, "a, b, c" in the published sentences."""
    require(isinstance(obj, dict) and "answer" in obj, "answer", "is missing", "add a text, a whole number or a list")
    value = obj["answer"]
    if isinstance(value, list):
        parts = texts(obj, "answer")
        answer = " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)
        return answer, tuple(dict.fromkeys((answer, ", ".join(parts))))
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value), (str(value),)
    answer = member(obj, "answer", str)
    return answer, (answer,)


def _statement(key: str, answer: str, spellings: tuple[str, ...], paraphrases: tuple[str, ...]) -> str:
    """The first paraphrase that ends with the answer, in our spelling of it; else "My <key> is <answer>."."""
    for paraphrase in paraphrases:
        for spelling in spellings:
            ending = re.search(rf"(?<!\w){re.escape(spelling)}\.?$", paraphrase.rstrip())
            if ending and ending.start():
                return f"{paraphrase[: ending.start()]}{answer}."
    return f"My {key.replace('_', ' ')} is {answer}."
