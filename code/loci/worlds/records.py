"""Users, facts and questions: typed records that cannot hold a broken value, and their JSON form.

A record checks itself when it is made, so code further down never has to. A fault is a UserError whose `where` is the
path of the field inside the record; reading from a file puts the file's name in front.
"""

from dataclasses import dataclass, field
from pathlib import Path

from loci.results import read_json, write_json
from loci.worlds.checks import distinct, each, located, member, require, texts

SCHEMA = 1
KINDS = ("statement", "direct", "paraphrase", "midconv", "indirect", "unknown")
FORMS = ("question", "statement")
SPLITS = ("dev", "test", "train")


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of a user: `statement` is the canonical first-person sentence and ends with `answer` and a full stop.

    `accepted` holds every wording that counts as right, the answer among them.
    """

    key: str
    answer: str
    statement: str
    accepted: tuple[str, ...]

    def __post_init__(self) -> None:
        here = f"facts[{self.key}]"
        require(bool(self.key.strip()), f"{here}.key", "is empty", "give the fact a key")
        require(bool(self.answer.strip()), f"{here}.answer", "is empty", "give the fact an answer or leave the fact out")
        ending = f"{self.answer}."
        remedy = f"write a sentence that ends with '{ending}'"
        require(self.statement.endswith(ending), f"{here}.statement", "does not end with its answer and a full stop", remedy)
        require(bool(self.trigger), f"{here}.statement", "has nothing before its answer", remedy)
        require(self.answer in self.accepted, f"{here}.accepted", "lacks the answer itself", f"add '{self.answer}' to it")

    @property
    def trigger(self) -> str:
        """The statement without its answer, the full stop and the space between: "My dentist is"."""
        return self.statement[: -len(self.answer) - 1].rstrip(" ")


@dataclass(frozen=True, slots=True)
class Question:
    """One question. With form "statement" its text is a sentence to be completed.

    A midconv question is asked after the context named by `context_id`; `text` does not contain that context. The
    right answer to kind "unknown" is that it is not known: `answer` is "" and `accepted` is ().
    """

    qid: str
    kind: str
    key: str
    text: str
    answer: str
    accepted: tuple[str, ...]
    required_fact_keys: tuple[str, ...]
    context_id: str = ""
    form: str = "question"

    def __post_init__(self) -> None:
        here = f"questions[{self.qid}]"
        require(bool(self.qid), f"{here}.qid", "is empty", "give the question an id")
        require(self.kind in KINDS, f"{here}.kind", f"'{self.kind}' is not known", f"use one of {', '.join(KINDS)}")
        require(self.form in FORMS, f"{here}.form", f"'{self.form}' is not known", f"use one of {', '.join(FORMS)}")
        require(bool(self.text.strip()), f"{here}.text", "is empty", "write the question")
        if self.kind == "unknown":
            unanswered = not self.answer and not self.accepted
            require(unanswered, f"{here}.answer", "is given for kind unknown", "leave answer and accepted empty")
        else:
            require(bool(self.answer.strip()), f"{here}.answer", "is empty", "give the answer or use kind unknown")
            require(self.answer in self.accepted, f"{here}.accepted", "lacks the answer itself", f"add '{self.answer}' to it")
        in_context = self.kind == "midconv"
        remedy = "name the preceding context for kind midconv, and only there"
        require(in_context == bool(self.context_id), f"{here}.context_id", "does not fit the kind", remedy)


@dataclass(frozen=True, slots=True)
class User:
    """One person: facts in a fixed order, the questions about them, and `attrs`, the raw values (numbers, lists)."""

    uid: str
    split: str
    facts: tuple[Fact, ...]
    questions: tuple[Question, ...]
    attrs: dict[str, object] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        require(bool(self.uid), "uid", "is empty", "give the user an id")
        require(self.split in SPLITS, "split", f"'{self.split}' is not known", f"use one of {', '.join(SPLITS)}")
        keys = distinct((fact.key for fact in self.facts), "facts", "key")
        distinct((question.qid for question in self.questions), "questions", "qid")
        for question in self.questions:
            for key in question.required_fact_keys:
                where = f"questions[{question.qid}].required_fact_keys"
                require(key in keys, where, f"names the fact '{key}', which the user lacks", "add the fact or drop the key")

    def fact(self, key: str) -> Fact:
        """The fact of that key; KeyError where the user has none."""
        for fact in self.facts:
            if fact.key == key:
                return fact
        raise KeyError(key)


def user_from_json(obj: object, where: str) -> User:
    """The user of one JSON object. `where` (file and place) stands in front of the field that a UserError names.

    Unknown extra fields are ignored. Two facts with one trigger are refused: a completion could not tell them apart.
    """
    return located(where, _user, obj)


def user_to_json(user: User) -> dict:
    """A plain object that `user_from_json` reads back to an equal user."""
    return {
        "uid": user.uid,
        "split": user.split,
        "attrs": user.attrs,
        "facts": [_as_json(fact) for fact in user.facts],
        "questions": [_as_json(question) for question in user.questions],
    }


def load_users(path: Path) -> list[User]:
    """All users of a file that `save_users` wrote, or of one made by hand in that form."""
    return located(str(path), _users, read_json(path, "run code/steps/make_people.py"))


def save_users(path: Path, users: list[User]) -> None:
    """Write one JSON file {"schema", "users"}."""
    write_json(path, {"schema": SCHEMA, "users": [user_to_json(user) for user in users]})


def load_facts(path: Path) -> list[Fact]:
    """All facts of a corpus file that `save_facts` wrote."""
    return located(str(path), _facts, read_json(path, "run code/steps/make_corpus.py"))


def save_facts(path: Path, facts: list[Fact]) -> None:
    """Write one JSON file {"schema", "facts"}."""
    write_json(path, {"schema": SCHEMA, "facts": [_as_json(fact) for fact in facts]})


def _users(obj: object) -> list[User]:
    _check_schema(obj)
    users = each(obj, "users", _user)
    distinct((user.uid for user in users), "users", "uid")
    return users


def _user(obj: object) -> User:
    facts = tuple(_facts_of(obj))
    questions = tuple(each(obj, "questions", _question))
    return User(member(obj, "uid", str), member(obj, "split", str), facts, questions, member(obj, "attrs", dict, {}))


def _facts(obj: object) -> list[Fact]:
    _check_schema(obj)
    return _facts_of(obj)


def _facts_of(obj: object) -> list[Fact]:
    facts = each(obj, "facts", _fact)
    distinct((fact.trigger for fact in facts), "facts", "statement")
    return facts


def _check_schema(obj: object) -> None:
    version = member(obj, "schema", int)
    require(version == SCHEMA, "schema", f"is version {version}, this code reads version {SCHEMA}", "make the file again")


def _fact(obj: object) -> Fact:
    return Fact(member(obj, "key", str), member(obj, "answer", str), member(obj, "statement", str), texts(obj, "accepted"))


def _question(obj: object) -> Question:
    plain = [member(obj, name, str) for name in ("qid", "kind", "key", "text", "answer")]
    context, form = member(obj, "context_id", str, ""), member(obj, "form", str, "question")
    return Question(*plain, texts(obj, "accepted"), texts(obj, "required_fact_keys"), context, form)


def _as_json(record: Fact | Question) -> dict:
    values = {name: getattr(record, name) for name in record.__slots__}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
