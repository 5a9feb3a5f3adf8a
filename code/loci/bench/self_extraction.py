"""A model that says the triplets of its own context: behind every sentence, between two marks, what the sentence states.

It is taught with gold triplets in these places, as part of its text, and then writes them itself: what it said stays in its
context, so that it can follow a pronoun to the last subject that it named.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from tokenizers import Tokenizer

from loci.errors import UserError
from loci.memories.triplet_store import parse, text_of
from loci.models.bpe import BOS, TRIPLETS
from loci.models.gpt import GPT, Cache
from loci.worlds.prose_exams import passage_of
from loci.worlds.prose_records import Document, Sentence, Triplet

START, END = TRIPLETS


def emission(triplets: Sequence[Triplet]) -> str:
    """Triplets as the model is to say them: a line each, between the marks."""
    return START + "".join(f" {text_of(one)}\n" for one in triplets) + END


def emitting(document: Document) -> Document:
    """The passage of an exam, with what each sentence states behind it."""
    told = []
    for sentence in passage_of(document):
        told += [sentence, Sentence(emission(sentence.triplets), ())]
    return replace(document, sentences=tuple(told))


@torch.no_grad()
def emitted(model: GPT, sentences: Sequence[Sentence], tokenizer: Tokenizer, most: int) -> tuple[list[list[Triplet]], int]:
    """What the model says of each sentence, at most `most` tokens, and how many lines were no triplets and are left out."""
    start, end, line = (tokenizer.token_to_id(token) for token in (START, END, "Ċ"))
    cache, fed, out, broken = Cache(), [tokenizer.token_to_id(BOS)], [], 0
    for sentence in sentences:
        fed += [*tokenizer.encode(sentence.lead + sentence.text, add_special_tokens=False).ids, start]
        said: list[int] = []
        while len(said) < most:
            token = int(model.logits(model(torch.tensor([fed]), None, cache)[:, -1]).argmax(-1))
            fed = [token]
            if token == end:
                break
            said.append(token)
        if fed != [end]:  # cut off: the context goes on as if it had ended here
            fed = [*fed, end]
        lines, found = tokenizer.decode(said).split("\n") if line in said else [], []
        for text in lines[:-1]:
            try:
                found.append(parse(text.strip()))
            except UserError:
                broken += 1
        out.append(list(dict.fromkeys(found)))
    return out, broken
