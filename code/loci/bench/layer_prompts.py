"""What stands in the prompts of the layered conditions, whose rows lie over them, and which are asked together."""

from collections.abc import Callable

from loci.bench.layers import OWN_ADAPTER, Condition, prompt_under
from loci.bench.people import asked_questions, context_text, donors
from loci.bench.reader import Reader
from loci.bench.recited import RECITED
from loci.bench.told import query_of, tell_facts
from loci.bench.user_lora import Teaching
from loci.memories.registry import text_memory
from loci.models.encoder import Encoder
from loci.models.rows import RowMap
from loci.worlds.records import FORMS, Question, User

TAUGHT = "taught"  # of `layered.lines`: how many lines stand in lessons
_PROMPT_TOKENS = 24_000  # in a batch: keys and values of SmolLM2-135M take 46 kB each, and stand there up to three times


def lines_of(user: User, what: str, layered: dict, reader: str, encoder: Encoder) -> Callable[[Question], tuple[str, ...]]:
    """What stands in the prompt of a question, the most relevant last: lines of a memory of text; as "best" as many as
    `layered.lines` has for the reader."""
    if not what:
        return lambda _question: ()
    depth = {"top1": 1, "top3": 3, "best": layered["lines"].get(reader)}
    name = layered["index"] if what in depth else what
    memory = text_memory(name, encoder, depth.get(what, 1))
    trace = tell_facts(memory, user)

    def recalled(question: Question) -> tuple[str, ...]:
        recall = memory.recall(trace, query_of(question))
        return recall.lines if recall.told else recall.lines[::-1]

    return recalled


def prompts_of(
    names: dict[str, Condition], users: list[User], everybody: list[User], settings: dict, reader: Reader, encoder
) -> dict[str, list]:
    """(user, question, text) of every condition, each user's questions in their own order."""
    out: dict[str, list] = {}
    learnt = Teaching(**settings["user_lora"]).knows_questions
    for name, condition in names.items():
        out[name] = []
        for user in users:
            facts = {fact.key: fact for fact in user.final_facts()}
            recalled = lines_of(user, condition.lines, settings["layered"], condition.adapter, encoder)
            for question in asked_questions(user, everybody, settings, settings["layered"]["questions"]):
                needed = [facts[key].statement for key in question.required_fact_keys if key in facts]
                context = context_text(question.context_id)
                text = prompt_under(condition, question, recalled(question), needed, reader, context, learnt)
                out[name].append((user, question, text))
    return out


def rows_under(
    names: dict[str, Condition], written: dict[tuple[str, str], RowMap], users: list[User], empty: RowMap
) -> Callable[[str, str], RowMap]:
    """(condition, user id) -> the rows that lie over the user's prompts."""
    donor, own = donors(users), {uid: rows for (uid, memory), rows in written.items() if memory in ("rows", RECITED)}

    def rows(name: str, uid: str) -> RowMap:
        whose = {"": None, "own": uid, "donor": donor[uid].uid}[names[name].rows]
        return empty if whose is None else own[whose]

    return rows


def batches(prompts: dict[str, list], names: dict[str, Condition], tokenizer, size: int) -> list[tuple[list[str], list[tuple]]]:
    """(conditions, [(user, question, text, token ids)]) in batches of up to `size` of one form and like length. Conditions that
    differ in their rows alone have the same prompts and stand together; users with adapters of their own stand apart."""
    alike: dict[tuple, list[str]] = {}
    for name, condition in names.items():
        alike.setdefault((condition.lines, condition.forced), []).append(name)
    out = []
    for together in alike.values():
        encoded = [(*item, tokenizer(item[2]).input_ids) for item in prompts[together[0]]]
        for form in FORMS:
            found = [item for item in encoded if item[1].form == form]
            found.sort(key=lambda item: (bool(item[1].context_id), len(item[3]), item[0].uid, item[1].qid))
            apart: dict[str, list[tuple]] = {}
            for item in found:
                apart.setdefault(item[0].uid if names[together[0]].adapter == OWN_ADAPTER else "", []).append(item)
            out += [(together, batch) for part in apart.values() for batch in _cut(part, size)]
    return out


def _cut(items: list[tuple], size: int) -> list[list[tuple]]:
    """Batches of at most `size` items (..., token ids), fewer where padded prompts would take more than _PROMPT_TOKENS."""
    out, start = [], 0
    while start < len(items):
        end = start + 1
        while end < min(start + size, len(items)):
            widest = max(len(ids) for *_, ids in items[start : end + 1])
            if (end + 1 - start) * widest > _PROMPT_TOKENS:
                break
            end += 1
        out.append(items[start:end])
        start = end
    return out
