"""Ask one batch of prompts under every layered condition that shares them."""

import time
from collections.abc import Callable

import torch

from loci.bench.answers import raw_answer
from loci.bench.decode import PromptBatch, newline_tokens
from loci.bench.layers import thinks
from loci.bench.lessons import said
from loci.models.engram import Graft
from loci.models.rows import RowBatch, RowMap


def limits_of(settings: dict, tokenizer) -> dict:
    """Where answers end: longest line of a reader that recites, longest other answer, tokens that end both."""
    short = settings["matrix"]["max_tokens"]
    return {"max_tokens": settings["layered"]["max_tokens"], "short": short, "ends": newline_tokens(tokenizer)}


def ask(
    together: list[str],
    batch: list[tuple],
    names: dict,
    rows_of: Callable[[str, str], RowMap],
    graft: Graft,
    tokenizer,
    limits: dict,
) -> dict:
    """Answers of one batch [(user, question, text, token ids)] under the conditions `together`, which share its prompts:
    {answers, seconds by condition, questions}. rows_of: (condition, user id) -> the rows over its prompts."""
    thinking = thinks(names[together[0]]) and batch[0][1].form == "question"
    most = limits["max_tokens"] if thinking else limits["short"]
    start = time.perf_counter()
    read = PromptBatch(graft, [ids for *_, ids in batch], tokenizer.pad_token_id, limits["ends"], most)
    seconds = {"reading": time.perf_counter() - start}
    uids = sorted({user.uid for user, *_ in batch})
    slots = torch.tensor([uids.index(user.uid) for user, *_ in batch])
    answers = []
    for name in together:
        start = time.perf_counter()
        decoded = read.answer(RowBatch([rows_of(name, uid) for uid in uids], slots))
        seconds[name] = time.perf_counter() - start
        for (user, question, text, ids), found in zip(batch, decoded, strict=True):
            record = {"memory": name, "uid": user.uid, **raw_answer(question, text, len(ids), found, tokenizer)}
            if thinking:
                record["thought"], record["prediction"] = said(record["prediction"])
            answers.append(record)
    return {"answers": answers, "seconds": seconds, "questions": len(batch)}
