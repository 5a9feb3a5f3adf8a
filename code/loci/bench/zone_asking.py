"""Ask a frozen model with a zone of triplets in front of the prompt: the same questions, in the form that readers have learnt."""

import torch
from transformers import DynamicCache

from loci.bench.answers import raw_answer
from loci.bench.decode import WORTH_SHARING, Beginnings, PromptBatch
from loci.bench.layers import CONDITIONS, prompt_under
from loci.bench.people import context_text
from loci.bench.reader import Reader
from loci.errors import UserError
from loci.models.engram import Graft
from loci.models.rows import RowBatch
from loci.models.tuning import Layers
from loci.worlds.records import Question, User


class ZoneBeginning(Beginnings):
    """What every prompt of one user begins with: a zone that is already read, then maybe tokens."""

    def __init__(self, zone: Layers):
        super().__init__()
        self.zone, self.length = zone, zone[0][0].shape[2]
        if self.length < WORTH_SHARING:  # a batch would read what stands for it as tokens
            raise UserError("zone", f"has {self.length} positions", f"tell facts that take at least {WORTH_SHARING}")

    def read(self, model, ids: list[int]) -> Layers:
        """Keys and values of the zone, which stands for the first tokens, and of the tokens behind it."""
        if len(ids) <= self.length:
            return [(keys[:, :, : len(ids)], values[:, :, : len(ids)]) for keys, values in self.zone]
        cache = DynamicCache()
        for at, layer in enumerate(self.zone):
            cache.update(*layer, at)
        places = torch.arange(self.length, len(ids))[None]
        mask = torch.ones(1, len(ids), dtype=torch.int64)
        tokens = torch.tensor([ids[self.length :]])
        model.get_decoder()(input_ids=tokens, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True)
        return [(layer.keys, layer.values) for layer in cache.layers]


def prompt_of(question: Question, reader: Reader) -> str:
    """As the answering reader is asked without facts."""
    return prompt_under(CONDITIONS["e"], question, (), [], reader, context_text(question.context_id), own_asked=False)


@torch.no_grad()
def answers(
    name: str, user: User, questions: list[Question], zone: Layers, graft: Graft, tokenizer, limits: dict, size: int
) -> list[dict]:
    """Raw answers of one user, in order of question id, `size` questions at a time. Positions of the zone count as tokens of the
    prompt. graft: without rows."""
    reader, found, beginning = Reader.load(), [], ZoneBeginning(zone)
    encoded = [(one, text, tokenizer(text).input_ids) for one in questions for text in (prompt_of(one, reader),)]
    encoded.sort(key=lambda item: (len(item[2]), item[0].qid))
    for start in range(0, len(encoded), size):
        batch = encoded[start : start + size]
        prompts = [[tokenizer.pad_token_id] * beginning.length + ids for _, _, ids in batch]  # the zone stands in their place
        if len(prompts) == 1:
            prompts = prompts * 2  # only what several prompts share is read ahead
        read = PromptBatch(graft, prompts, tokenizer.pad_token_id, limits["ends"], limits["short"], beginning)
        decoded = read.answer(RowBatch.shared(graft.empty_rows(), len(prompts)))
        found += [
            {"memory": name, "uid": user.uid, **raw_answer(question, text, len(ids) + beginning.length, one, tokenizer)}
            for (question, text, ids), one in zip(batch, decoded, strict=False)
        ]
    return sorted(found, key=lambda answer: answer["qid"])
