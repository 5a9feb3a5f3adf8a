"""Users, facts and questions: typed records that cannot hold a broken value, and their JSON form.

A record checks itself when it is made, so code further down never has to. A fault is a UserError whose `where` is the
path of the field inside the record; reading from a file puts the file's name in front.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

from loci.errors import UserError
from loci.results import read_json, write_bytes, write_json
from loci.worlds.checks import LONGEST_QUESTION, LONGEST_TEXT, check_line, distinct, each, located, member, require, texts

SCHEMA = 1
KINDS = ("statement", "direct", "paraphrase", "midconv", "indirect", "chained", "updated", "deleted", "unknown", "other")
UNANSWERED = ("deleted", "unknown")  # kinds whose right answer is that it is not known
FORMS = ("question", "statement")
SPLITS = ("dev", "test", "train")
ACTIONS = ("update", "delete")
_OPTIONAL = {"context_id": "", "form": "question", "family": "", "recitation": "", "stale": ""}
_LEFT_OUT = {**_OPTIONAL, "wordings": ()}


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of a user: `statement` is the canonical first-person sentence and ends with `answer` and a full stop.

    `accepted` holds every wording that counts as right, the answer among them. `wordings` are other first-person
    sentences that state the same fact and hold the answer as it stands: the ones that a memory may learn from.
    """

    key: str
    answer: str
    statement: str
    accepted: tuple[str, ...]
    wordings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        here = f"facts[{self.key}]"
        require(bool(self.key.strip()), f"{here}.key", "is empty", "give the fact a key")
        require(bool(self.answer.strip()), f"{here}.answer", "is empty", "give the fact an answer or leave the fact out")
        ending = f"{self.answer}."
        remedy = f"write a sentence that ends with '{ending}'"
        require(self.statement.endswith(ending), f"{here}.statement", "does not end with its answer and a full stop", remedy)
        require(bool(self.trigger), f"{here}.statement", "has nothing before its answer", remedy)
        require(self.answer in self.accepted, f"{here}.accepted", "lacks the answer itself", f"add '{self.answer}' to it")
        for at, wording in enumerate(self.wordings):
            remedy = f"write a sentence that holds '{self.answer}'"
            require(self.answer in wording, f"{here}.wordings[{at}]", "does not hold the answer", remedy)

    @property
    def trigger(self) -> str:
        """The statement without its answer, the full stop and the space between: "My dentist is"."""
        return self.statement[: -len(self.answer) - 1].rstrip(" ")


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to a fact after it was told: "update" brings a new value, all fields as in Fact; "delete" takes it away."""

    key: str
    action: str
    answer: str = ""
    statement: str = ""
    accepted: tuple[str, ...] = ()
    wordings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        here = f"changes[{self.key}]"
        require(self.action in ACTIONS, f"{here}.action", f"'{self.action}' is not known", f"use one of {', '.join(ACTIONS)}")
        if self.action == "update":
            located(here, Fact, self.key, self.answer, self.statement, self.accepted, self.wordings)
        else:
            empty = not (self.answer or self.statement or self.accepted or self.wordings)
            require(empty, f"{here}.answer", "is given for a deletion", "leave all but key and action out")

    @property
    def fact(self) -> Fact:
        """The fact that an update leaves; only for updates."""
        return Fact(self.key, self.answer, self.statement, self.accepted, self.wordings)


@dataclass(frozen=True, slots=True)
class Question:
    """One question. With form "statement" its text is a sentence to be completed.

    A midconv question is asked after the context named by `context_id`; `text` does not contain that context. The
    right answer to kinds "unknown" and "deleted" is that it is not known: `answer` is "" and `accepted` is (). For kind
    "other" the answer is what somebody else told, so a match is a leak. `family` groups questions that need the same
    computation; `recitation` is the stored sentences that they need, then one line of reasoning. `stale` is the value
    before an update or a deletion.
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
    family: str = ""
    recitation: str = ""
    stale: str = ""

    def __post_init__(self) -> None:
        # Written without a message a check: tens of questions a user are made, and nearly all of them are in order.
        answered = self.kind not in UNANSWERED
        in_order = (
            bool(self.qid)
            and self.kind in KINDS
            and self.form in FORMS
            and bool(self.text.strip())
            and (bool(self.answer.strip()) and self.answer in self.accepted if answered else not (self.answer or self.accepted))
            and (self.kind == "midconv") == bool(self.context_id)
            and (self.kind in ("updated", "deleted")) == bool(self.stale)
        )
        if not in_order:
            self._refuse(f"questions[{self.qid}]", answered)

    def _refuse(self, here: str, answered: bool) -> None:
        require(bool(self.qid), f"{here}.qid", "is empty", "give the question an id")
        require(self.kind in KINDS, f"{here}.kind", f"'{self.kind}' is not known", f"use one of {', '.join(KINDS)}")
        require(self.form in FORMS, f"{here}.form", f"'{self.form}' is not known", f"use one of {', '.join(FORMS)}")
        require(bool(self.text.strip()), f"{here}.text", "is empty", "write the question")
        if answered:
            require(bool(self.answer.strip()), f"{here}.answer", "is empty", "give the answer or use kind unknown")
            require(self.answer in self.accepted, f"{here}.accepted", "lacks the answer itself", f"add '{self.answer}' to it")
        else:
            unanswered = not self.answer and not self.accepted
            require(unanswered, f"{here}.answer", f"is given for kind {self.kind}", "leave answer and accepted empty")
        remedy = "name the preceding context for kind midconv, and only there"
        require((self.kind == "midconv") == bool(self.context_id), f"{here}.context_id", "does not fit the kind", remedy)
        raise UserError(
            f"{here}.stale", "does not fit the kind", "give the old value for kinds updated and deleted, and only there"
        )


@dataclass(frozen=True, slots=True)
class User:
    """One person: facts in a fixed order as first told, the questions about them, and `attrs`, the raw values.

    `changes`, applied in order, lead from the facts as first told to the final state.
    """

    uid: str
    split: str
    facts: tuple[Fact, ...]
    questions: tuple[Question, ...]
    attrs: dict[str, object] = field(default_factory=dict, hash=False)
    changes: tuple[Change, ...] = ()

    def __post_init__(self) -> None:
        require(bool(self.uid), "uid", "is empty", "give the user an id")
        require(self.split in SPLITS, "split", f"'{self.split}' is not known", f"use one of {', '.join(SPLITS)}")
        keys = distinct((fact.key for fact in self.facts), "facts", "key")
        distinct((question.qid for question in self.questions), "questions", "qid")
        for question in self.questions:
            if not keys.issuperset(question.required_fact_keys):
                key = next(key for key in question.required_fact_keys if key not in keys)
                where = f"questions[{question.qid}].required_fact_keys"
                raise UserError(where, f"names the fact '{key}', which the user lacks", "add the fact or drop the key")
        for at, change in enumerate(self.changes):
            what = f"names the fact '{change.key}', which the user lacks"
            require(change.key in keys, f"changes[{at}].key", what, "add the fact or drop the change")

    def fact(self, key: str) -> Fact:
        """The fact of that key as first told; KeyError where the user has none."""
        for fact in self.facts:
            if fact.key == key:
                return fact
        raise KeyError(key)

    def final_facts(self) -> tuple[Fact, ...]:
        """The facts after all changes, in the order in which they were first told."""
        state = {fact.key: fact for fact in self.facts}
        for change in self.changes:
            if change.action == "update":
                state[change.key] = change.fact
            else:
                state.pop(change.key, None)
        return tuple(state[fact.key] for fact in self.facts if fact.key in state)


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
        "changes": [_as_json(change) for change in user.changes],
        "questions": [_as_json(question) for question in user.questions],
    }


def load_users(path: Path) -> list[User]:
    """All users of a file that `save_users` wrote, or of one made by hand in that form."""
    return located(str(path), _users, read_json(path, "run code/steps/make_people.py"))


def save_users(path: Path, users: list[User]) -> None:
    """Write one JSON file {"schema", "users"}, a user a line: ten thousand users are a long file, indented twice as long."""
    lines = ",\n".join(json.dumps(user_to_json(user), ensure_ascii=False) for user in users)
    write_bytes(path, f'{{"schema": {SCHEMA}, "users": [\n{lines}\n]}}\n'.encode())


def load_facts(path: Path) -> list[Fact]:
    """All facts of a corpus file that `save_facts` wrote."""
    return located(str(path), _facts, read_json(path, "run code/steps/make_corpus.py"))


def save_facts(path: Path, facts: list[Fact], about: dict[str, object] | None = None) -> None:
    """Write one JSON file {"schema", …, "facts"}; `about` is what the file says of itself in between."""
    write_json(path, {"schema": SCHEMA, **(about or {}), "facts": [_as_json(fact) for fact in facts]})


def _users(obj: object) -> list[User]:
    _check_schema(obj)
    users = each(obj, "users", _user)
    distinct((user.uid for user in users), "users", "uid")
    return users


def _user(obj: object) -> User:
    facts = tuple(_facts_of(obj))
    questions = tuple(each(obj, "questions", _question))
    changes = tuple(each(obj, "changes", _change)) if "changes" in obj else ()
    return User(member(obj, "uid", str), member(obj, "split", str), facts, questions, member(obj, "attrs", dict, {}), changes)


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
    plain = [member(obj, name, str) for name in ("key", "answer", "statement")]
    fact = Fact(*plain, texts(obj, "accepted"), texts(obj, "wordings", []))
    for text in (fact.statement, *fact.wordings):
        check_line(
            f"facts[{fact.key}].statement" if text is fact.statement else f"facts[{fact.key}].wordings", text, LONGEST_TEXT
        )
    return fact


def _change(obj: object) -> Change:
    plain = [member(obj, name, str) for name in ("key", "action")] + [
        member(obj, name, str, "") for name in ("answer", "statement")
    ]
    return Change(*plain, texts(obj, "accepted", []), texts(obj, "wordings", []))


def _question(obj: object) -> Question:
    plain = [member(obj, name, str) for name in ("qid", "kind", "key", "text", "answer")]
    optional = {name: member(obj, name, str, default) for name, default in _OPTIONAL.items()}
    question = Question(*plain, texts(obj, "accepted"), texts(obj, "required_fact_keys"), **optional)
    check_line(f"questions[{question.qid}].text", question.text, LONGEST_QUESTION)
    return question


def _as_json(record: Fact | Change | Question) -> dict:
    """Fields in order; those that an empty text, no texts or the usual form would fill by themselves are left out."""
    values = {name: getattr(record, name) for name in record.__slots__}
    kept = {name: value for name, value in values.items() if name not in _LEFT_OUT or value != _LEFT_OUT[name]}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}
