"""Exactness on SmolLM2 itself; skipped where it was never fetched. Rows here are written ones, not random ones."""

import pytest
import torch
from grafts import CLOSE, grafted, single_logits, token_ids

from loci.bench.decode import PromptBatch, newline_tokens
from loci.bench.lessons import lessons_of
from loci.bench.pupils import iter_pupils
from loci.config import load_config
from loci.memories.row_examples import Sentence, encode_sentence
from loci.memories.row_strategies import Writer, write_optimised
from loci.memories.row_writer import WriteSettings
from loci.models.base import Base, load_base
from loci.models.engram import EngramSpec
from loci.models.rows import RowBatch
from loci.models.suffix import ActiveSuffix, CachedSequences
from loci.models.upper import UpperStack
from loci.paths import CONFIG, ROOT

FOLDER = ROOT / "models" / "smollm2-135m"
pytestmark = pytest.mark.skipif(not (FOLDER / "loci_model.json").exists(), reason="models/smollm2-135m was not fetched")
FACTS = [Sentence("My dentist is", "Dr. Orla Quist"), Sentence("The city I live in is", "Tampere")]
# Both triggers stand in the context, answers included, before the sentence whose trigger counts.
CONTEXT = "A: My dentist is Dr. Orla Quist. The city I live in is Tampere, I said.\nB: I see. And then?\nA: "


@pytest.fixture(scope="module")
def smollm2() -> Base:
    return load_base("smollm2-135m", FOLDER)


@pytest.mark.parametrize("layer", [0, 15, 27])
def test_cached_logits_equal_the_full_forward_with_other_triggers_earlier(smollm2: Base, layer: int) -> None:
    with grafted(smollm2, EngramSpec(layer, (3, 5, 8))) as graft:
        upper = UpperStack(graft)
        rows, _ = write_optimised("rows_joint", Writer(upper, smollm2.tokenizer), FACTS, [], WriteSettings(max_steps=8), seed=0)
        items = [encode_sentence(smollm2.tokenizer, CONTEXT, fact) for fact in FACTS]
        sequences = [item.ids for item in items]
        latest = torch.tensor([item.answer_start - 1 for item in items])
        suffix = ActiveSuffix(CachedSequences(upper, sequences), rows, latest)
        assert bool((suffix.start < latest).all()), "the triggers in the context come first"
        with torch.no_grad():
            logits = smollm2.model.get_output_embeddings()(suffix.forward(rows.values, torch.arange(len(sequences))))
        for at, ids in enumerate(sequences):
            full = single_logits(graft, rows, ids)[int(suffix.start[at]) :]
            untouched = single_logits(graft, graft.empty_rows(), ids)[int(suffix.start[at]) :]
            torch.testing.assert_close(logits[at, : len(full)], full, atol=CLOSE, rtol=0)
            assert float((full - untouched).abs().max()) > 0.1, "the rows do change what is compared"


def test_decoded_answers_are_those_of_a_full_forward_a_token(smollm2: Base) -> None:
    texts = [CONTEXT + "My dentist is", "The city I live in is", "Question: Who am I?\nAnswer:"]
    prompts = [token_ids(smollm2, text) for text in texts]
    with grafted(smollm2, EngramSpec(27, (3, 5, 8))) as graft:
        writer = Writer(UpperStack(graft), smollm2.tokenizer)
        rows, report = write_optimised("rows_joint", writer, FACTS, [], WriteSettings(rate=0.6), seed=0)
        assert report.unmet == 0
        ends = newline_tokens(smollm2.tokenizer)
        batch = PromptBatch(graft, prompts, smollm2.tokenizer.pad_token_id, ends, 8)
        found = [decoded.tokens for decoded in batch.answer(RowBatch.shared(rows, len(prompts)))]
        for prompt, tokens in zip(prompts, found, strict=True):
            ids = list(prompt)
            while len(ids) < len(prompt) + 8:
                token = int(single_logits(graft, rows, ids)[-1].argmax())
                if token in ends:
                    break
                ids.append(token)
            assert tokens == ids[len(prompt) :]
    assert smollm2.tokenizer.decode(found[1]).strip().startswith("Tampere")


def test_no_lesson_is_longer_than_an_answer_may_be(smollm2: Base) -> None:
    """A reader whose line is cut off never comes to its answer."""
    settings = load_config(CONFIG / "laptop.yaml")
    lengths = []
    for user in iter_pupils(range(30), 1):
        for pieces in lessons_of("recite", user, settings["reader"]["lessons"], 1):
            lengths.append(len(token_ids(smollm2, "".join(piece.text for piece in pieces[1:]))))
    assert max(lengths) < settings["layered"]["max_tokens"]
