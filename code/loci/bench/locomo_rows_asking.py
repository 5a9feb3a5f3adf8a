"""Questions of LOCOMO over rows: behind the plain base model, or behind the reciting reader, which says a sentence first."""

from collections.abc import Mapping, Sequence

from loci.bench.decode import Decoded, PromptBatch, newline_tokens
from loci.bench.lessons import asked as recited_prompt
from loci.bench.lessons import said as split_thought
from loci.bench.locomo_asked import Asked, with_day
from loci.bench.reader import Reader
from loci.models.engram import Graft
from loci.models.rows import RowBatch, RowMap
from loci.results import sha256_text
from loci.worlds.locomo import Conversation, LocomoQuestion, turn_text

BASE, RECITE = "base", "recite"


def ask(
    conversation: Conversation,
    questions: Sequence[LocomoQuestion],
    over: Mapping[str, RowMap],
    graft: Graft,
    tokenizer,
    reader: Reader,
    name: str,
    settings: dict,
) -> list[dict]:
    """Raw answers to a conversation's questions over each of `over`, and of the reciting reader (name RECITE) without rows and
    with the cited turns in its prompt too. What it recites is not among them: it may be text of LOCOMO."""
    turns = {turn.dia_id: (turn, session) for session in conversation.sessions for turn in session.turns}
    cited = {
        one.id: [
            with_day(f"{turns[key][0].speaker}: {turn_text(turns[key][0])}", turns[key][1].date_time.isoformat())
            for key in one.evidence
        ]
        for one in questions
    }
    longest = settings["layered"]["max_tokens"] if name == RECITE else settings["locomo_asked"]["max_tokens"]
    out = []
    for what, prompts in prompts_of(questions, cited, name, reader).items():
        ids = [tokenizer(prompt).input_ids for prompt in prompts]
        batch = PromptBatch(graft, ids, tokenizer.pad_token_id, newline_tokens(tokenizer), longest)
        memories = {what: graft.empty_rows()} if what else {"": graft.empty_rows(), **over}
        for memory, rows in memories.items():
            if not memory and name == BASE:
                continue  # the memory `none` of ask_locomo.py
            found = batch.answer(RowBatch.shared(rows, len(prompts)))
            for question, prompt, size, one in zip(questions, prompts, map(len, ids), found, strict=True):
                out.append(answer_of(named(memory, name), question, prompt, size, one, tokenizer, name))
    return out


def named(memory: str, reader: str) -> str:
    """A memory's id: oracle writes, rows by source, and what the reciting reader does without rows."""
    if reader == BASE:
        return "oracle_rows" if memory == "oracle" else f"rows_{memory}"
    return {"": "recite", "gold": "recite_gold"}.get(memory, f"recite_rows_{memory}")


def answer_of(memory: str, question: LocomoQuestion, prompt: str, size: int, found: Decoded, tokenizer, reader: str) -> dict:
    """One raw answer, as ask_locomo.py writes them, with the rows that were read; of a recitation what it concludes."""
    text = tokenizer.decode(found.tokens, skip_special_tokens=True).partition("\n")[0].strip()
    prediction = split_thought(text)[1] if reader == RECITE else text
    about = {"memory": memory, "uid": question.conversation, "qid": question.id, "sources": []}
    about |= {"prompt_sha256": sha256_text(prompt)[:16], "prompt_tokens": size, "prediction": prediction}
    hits = {"prompt_hits": found.prompt_hits, "answer_hits": found.answer_hits}
    return about | {"log_prob": round(found.log_prob, 4), **hits}


def prompts_of(
    questions: Sequence[LocomoQuestion], cited: dict[str, list[str]], name: str, reader: Reader
) -> dict[str, list[str]]:
    """Prompts by what stands in them: nothing, and for the reciting reader the cited turns too."""
    if name == BASE:
        return {"": [reader.prompt(Asked(one.id, one.text), (), "") for one in questions]}
    return {
        "": [recited_prompt(one.text) for one in questions],
        "gold": [recited_prompt(one.text, tuple(cited[one.id])) for one in questions],
    }
