"""A zone of triplets in front of the prompts of a frozen language model.

Each triplet is spelt (`zones.SpeltTriplets`): a vector for each token of its object and one for its end, which also hold the
pooled subject and relation. In the zone everything sees everything; tokens see the zone and the tokens before them. The keys and
values of a zone do not depend on what is asked: they are computed once a user.
"""

from collections.abc import Sequence

import torch
from torch import nn
from transformers import DynamicCache

from loci.errors import UserError
from loci.models.gpt import Memory
from loci.models.tuning import Layers
from loci.models.zones import NOTHING, SpeltTriplets, TripletIds


class FrozenZone(nn.Module):
    """What is learnt; the language model is not. longest: tokens of a triplet's part."""

    def __init__(self, embedding: nn.Embedding, longest: int):
        super().__init__()
        self.longest = longest
        self.spelt = SpeltTriplets(embedding.embedding_dim, longest)
        # Vectors begin as long as the model's own embeddings.
        self.size = nn.Parameter(embedding.weight.square().mean().sqrt())

    def layers(self, given: TripletIds, model) -> Layers:
        """Keys and values of the zone of one user, whose triplets are [1, M, 3, longest]."""
        memory = self.spelt(given, model.get_input_embeddings())
        return zone_layers(Memory(memory.vectors * self.size, memory.present), model)


def zone_layers(memory: Memory, model) -> Layers:
    """Keys and values of vectors [1, M, width] that all see each other, at the positions 0 to M - 1."""
    count = memory.vectors.shape[1]
    everything, cache = memory.vectors.new_zeros(1, 1, count, count), DynamicCache()
    places = torch.arange(count)[None]
    decoder = model.get_decoder()
    decoder(inputs_embeds=memory.vectors, attention_mask=everything, position_ids=places, past_key_values=cache, use_cache=True)
    return [(layer.keys, layer.values) for layer in cache.layers]


def triplet_ids(triplets: Sequence[tuple[str, str, str]], tokenizer, longest: int) -> TripletIds:
    """(subject, relation, object) of one user as token ids, the latest last; a space goes before every part, as in text.

    UserError for a part of more than `longest` tokens.
    """
    parts = torch.full((1, len(triplets), 3, longest), NOTHING)
    for at, triplet in enumerate(triplets):
        for place, text in enumerate(triplet):
            ids = tokenizer(f" {text}", add_special_tokens=False).input_ids
            if len(ids) > longest:
                raise UserError(
                    f"triplet part '{text}'", f"has {len(ids)} tokens, at most {longest} fit", "make zone.longest larger"
                )
            parts[0, at, place, : len(ids)] = torch.tensor(ids)
    age = torch.arange(len(triplets) - 1, -1, -1)[None]
    return TripletIds(parts, torch.zeros_like(age, dtype=torch.bool), age)
