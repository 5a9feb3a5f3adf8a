"""What a memory is told of a user: clean sentences (fact write) or the turns of the dialogue (conversation write)."""

from loci.memories.base import Memory, Note, Query, Trace
from loci.worlds.dialogue_records import Conversation
from loci.worlds.records import Question, User


def tell_notes(memory: Memory, owner: str, notes: list[Note]) -> Trace:
    """The notes as they are, in order."""
    return memory.write(owner, notes)


def tell_facts(memory: Memory, user: User) -> Trace:
    """Fact write: every fact as a clean sentence, then the changes through `update` and `forget`."""
    trace = memory.write(user.uid, [Note(fact.key, fact.statement) for fact in user.facts])
    for change in user.changes:
        if change.action == "update":
            trace = memory.update(trace, Note(change.key, change.statement))
        else:
            trace = memory.forget(trace, change.key)
    return trace


def told_keys(user: User) -> list[str]:
    """Keys of the facts in the order in which a fact write leaves them: an update is the latest thing that was told."""
    latest = [change.key for change in user.changes]
    return [fact.key for fact in user.facts if fact.key not in latest] + latest


def turns_of(conversation: Conversation) -> list[Note]:
    """Every turn as a note under its turn id, with speaker and the date of its session; what it tells stays hidden."""
    return [
        Note(turn.turn_id, turn.text, turn.speaker, session.date) for session in conversation.sessions for turn in session.turns
    ]


def tell_conversation(memory: Memory, conversation: Conversation) -> Trace:
    """Conversation write: the turns, in order. Nobody says which of them hold facts, or which fact a later one changes."""
    return memory.write(conversation.uid, turns_of(conversation))


def query_of(question: Question, conversation: Conversation | None = None) -> Query:
    """The question with the keys of the notes that answer it: fact keys, or the turns that decide what holds."""
    if conversation is None:
        return Query(question.text, question.required_fact_keys)
    evidence = conversation.evidence
    return Query(question.text, tuple(dict.fromkeys(evidence[key][-1] for key in question.required_fact_keys)))
