"""[mem] vectors: exact against a plain forward, many texts as one at a time, a text that comes back, what is stored is what was
measured; prefixes of keys and values; texts; scores."""

import pytest
import torch
from torch.nn import functional as F

from loci.bench.mem_scores import answer_entries, capacity_entries
from loci.bench.mem_texts import LONGEST, mem_texts, word_pool
from loci.errors import UserError
from loci.models.kv_prefix import answer_logits, first_layers, fit_prefix, next_token_loss, study, study_loss
from loci.models.mem_vectors import PUBLISHED, Adam, Front, MemSettings, begin, cram, greedy, grow

HOW = MemSettings(vectors=2, rate=0.1, steps=120, patience=60)
CLOSE = 1e-4


def ids(base, text: str) -> list[int]:
    return base.tokenizer(text, add_special_tokens=False).input_ids


@pytest.fixture
def front(llama) -> Front:
    return Front(llama.model, ids(llama, "Text:"))


def test_logits_are_those_of_a_plain_forward(base):
    text = torch.tensor([ids(base, "the value")])
    for constant in ([], ids(base, "Text:")):
        front = Front(base.model, constant)
        vectors = front.draw(1, HOW, 3)
        before = front.embedding(torch.tensor([constant], dtype=torch.int64))
        with torch.no_grad():
            plain = base.model(inputs_embeds=torch.cat([before, vectors, front.embedding(text)], 1)).logits
            ours = front.logits(vectors, text)
        assert torch.allclose(ours, plain[:, len(constant) + 1 : -1], atol=CLOSE)
        if constant:
            read = base.model(input_ids=torch.tensor([[*constant, *text[0].tolist()]])).logits[:, len(constant) - 1 : -1]
            wanted = F.cross_entropy(read[0], text[0], reduction="none")
            assert torch.allclose(front.bare_nats(text)[0], wanted, atol=CLOSE)


def test_only_vectors_move(llama, front):
    before = {name: weight.clone() for name, weight in llama.model.state_dict().items()}
    start = front.draw(1, HOW, 0)
    kept = start.clone()
    (found,) = cram(front, [ids(llama, "an obj")], MemSettings(2, 0.1, 40, 40), start)
    assert all(torch.equal(weight, before[name]) for name, weight in llama.model.state_dict().items())
    assert all(weight.grad is None and not weight.requires_grad for weight in llama.model.parameters())
    assert torch.equal(start, kept) and not torch.equal(found.vectors, kept[0]), "the start stays, the vectors do not"


def test_texts_together_are_texts_alone(llama, front):
    texts = [ids(llama, "an obj"), ids(llama, "a list of"), ids(llama, "xq")]
    how = MemSettings(vectors=1, rate=0.1, steps=6, patience=60)
    start = front.draw(3, how, 0)
    together = cram(front, texts, how, start)
    for at, text in enumerate(texts):
        (alone,) = cram(front, [text], how, start[at : at + 1])
        assert torch.allclose(alone.vectors, together[at].vectors, atol=1e-3) and alone.steps == together[at].steps
        assert torch.equal(alone.right, together[at].right) and len(alone.right) == len(text)


def test_vectors_move_as_by_adamw():
    start = torch.randn(3, 2, 5, generator=torch.Generator().manual_seed(0))
    how = MemSettings(vectors=2, rate=0.1, steps=1, patience=1)
    weight = torch.nn.Parameter(start.clone())
    theirs = torch.optim.AdamW([weight], lr=how.rate, betas=how.betas, weight_decay=how.decay)
    ours = Adam(start.clone(), how)
    for step in range(5):
        gradient = torch.randn(start.shape, generator=torch.Generator().manual_seed(step + 1))
        weight.grad = gradient.clone()
        theirs.step()
        ours.step(gradient)
    assert torch.allclose(ours.values, weight, atol=1e-6)
    ours.keep(torch.tensor([True, False, True]))
    ours.step(gradient[[0, 2]])
    weight.grad = gradient.clone()
    theirs.step()
    assert torch.allclose(ours.values, weight[[0, 2]], atol=1e-6), "those that stay do not notice who left"


def test_a_text_comes_back_and_what_is_kept_is_what_was_measured(llama, front):
    texts = [ids(llama, "the "), ids(llama, "retu")]
    last = None
    for length, found in grow(front, texts, HOW, front.draw(2, HOW, 0), by=2):
        for text, one in zip(texts, found, strict=True):
            cut = torch.tensor([text[:length]])
            with torch.no_grad():
                logits = front.logits(one.vectors[None], cut)
            assert torch.equal(logits.argmax(-1)[0] == cut[0], one.right), "of these vectors, not of a later step"
            assert torch.allclose(F.cross_entropy(logits[0], cut[0], reduction="none"), one.nats, atol=1e-3)
        last = found
    assert bool(last[0].right.all()), "a text that the model can say"
    assert greedy(front, [one.vectors for one in last], 30, frozenset())[0][: len(texts[0])] == texts[0]
    assert [len(one.right) for one in last] == list(map(len, texts))


def test_steps_are_those_that_were_taken_to_no_avail_or_not(llama, front):
    hopeless = MemSettings(vectors=1, rate=1e-6, steps=9, patience=4)
    (found,) = cram(front, [ids(llama, "xq jz")], hopeless, front.draw(1, hopeless, 0))
    assert not found.right.all() and found.steps == 4, "given up after its patience, not when it was last better"
    (found,) = cram(front, [ids(llama, "xq jz")], hopeless, front.draw(1, hopeless, 0), left=[2])
    assert found.steps == 2


def test_what_is_slow_at_first_is_drawn_anew(llama, front):
    texts = [ids(llama, "the "), ids(llama, "xq jz")]
    plain = cram(front, texts, HOW, front.draw(2, HOW, 5))
    within = plain[0].steps
    assert plain[0].right.all() and plain[1].steps > within, "one text is done by then, the other is not"
    first, second = begin(front, texts, HOW, 5, within, 2)
    assert torch.equal(first.right, plain[0].right) and first.steps == within
    (last,) = cram(front, texts[1:], HOW, front.draw(2, HOW, 7)[1:])
    assert torch.allclose(second.vectors, last.vectors, atol=1e-3) and second.steps == 2 * within + last.steps
    assert begin(front, texts, HOW, 5, within, 0)[1].steps == plain[1].steps


def test_greedy_of_unequal_inputs_is_greedy_of_each(llama, front):
    inputs = [front.embedding(torch.tensor(ids(llama, text))) for text in ("the value of", "an")]
    together = greedy(front, inputs, 5, frozenset())
    assert together == [greedy(front, [one], 5, frozenset())[0] for one in inputs]
    ended = greedy(front, inputs, 5, frozenset({together[0][2]}))
    assert ended[0] == together[0][: together[0].index(together[0][2])]


def test_the_published_recipe_neither_trains_nor_scores_token_one(llama):
    front = Front(llama.model)
    how = MemSettings(1, steps=3, patience=3, **PUBLISHED)
    text = ids(llama, "an obj")
    start = front.draw(1, how, 0)
    assert abs(float(start.std() / front.embedding.weight.std()) - 1) < 0.2
    changed = [(text[0] + 1) % 256, *text[1:]]
    with torch.no_grad():
        assert torch.equal(front.logits(start, torch.tensor([text]))[:, 0], front.logits(start, torch.tensor([changed]))[:, 0])
    (one,) = cram(front, [[5]], how, start)  # nothing is left to train: the draw itself
    assert one.steps == 0 and torch.equal(one.vectors, start[0])


def test_what_does_not_fit_is_refused(llama, front):
    room = llama.model.config.max_position_embeddings - front.before - 2
    with pytest.raises(UserError, match=f"text: has {room + 1} tokens, {room} fit in the model's window"):
        cram(front, [[1] * (room + 1)], HOW, front.draw(1, HOW, 0))
    with pytest.raises(UserError, match="text: has no tokens"):
        cram(front, [[]], HOW, front.draw(1, HOW, 0))
    with pytest.raises(UserError, match="make it smaller, or tell more facts"):
        first_layers(front, [1, 2], 3)


def test_a_prefix_starts_as_the_text_and_learns(llama, front):
    text = ids(llama, "My cat is Ziggy.\n")
    whole = front.behind(first_layers(front, text, len(text)))
    question = ids(llama, "Q: cat?\nA:")
    with torch.no_grad():
        ours = whole.hidden(whole.embedding(torch.tensor([question])))
        plain = front.hidden(front.embedding(torch.tensor([[*text, *question]])))[:, len(text) :]
    assert torch.allclose(ours, plain, atol=CLOSE), "keys and values of the text are the text"
    before = {name: weight.clone() for name, weight in llama.model.state_dict().items()}
    start = first_layers(front, text, 4)
    fitted, losses = fit_prefix(start, lambda layers, _step: next_token_loss(front, text)(layers), 0.3, 40)
    assert losses[-1] < 0.8 * losses[0] and not torch.equal(fitted[0][0], start[0][0])
    assert all(torch.equal(weight, before[name]) for name, weight in llama.model.state_dict().items())


def test_a_student_comes_near_its_teacher(llama, front):
    seen, questions = [ids(llama, "Ziggy.\n")] * 2, [ids(llama, "Q: cat?"), ids(llama, "Q: the pet?")]
    studied = study(front, seen, questions, [ids(llama, " Zig\n"), ids(llama, " Z\n")])
    assert [one.answered for one in studied] == [5, 3] and studied[0].ids == (*questions[0], *ids(llama, " Zig\n"))
    with torch.no_grad():
        logits = front.hidden(front.embedding(torch.tensor([[*seen[0], *studied[0].ids]])))
        wanted = llama.model.get_output_embeddings()(logits)[0, -6:-1].log_softmax(-1)
    assert torch.allclose(studied[0].teacher, wanted, atol=CLOSE)
    start = first_layers(front, seen[0], 3)
    _, losses = fit_prefix(start, study_loss(front, studied, 2, 0), 0.03, 30)
    assert losses[-1] < 0.5 * losses[0]
    alone = answer_logits(front, [(studied[1].ids, 3)])
    both = answer_logits(front, [(one.ids, one.answered) for one in studied])
    assert torch.allclose(alone, both[5:], atol=CLOSE), "padding changes nothing"


def test_texts_are_fixed_long_enough_and_apart(llama):
    for kind in ("docs", "random"):
        test, dev = (mem_texts(kind, split, 4, 32, llama.tokenizer) for split in ("test", "dev"))
        assert all(len(one) == 32 for one in test) and not {tuple(one) for one in test} & {tuple(one) for one in dev}
        assert [one[:8] for one in test] == mem_texts(kind, "test", 4, 8, llama.tokenizer), "shorter ones are cuts"
    words = llama.tokenizer.decode(mem_texts("random", "test", 1, LONGEST, llama.tokenizer)[0]).split()[:-1]
    assert set(words) <= set(word_pool())
    with pytest.raises(UserError, match="texts of docs"):
        mem_texts("docs", "test", 10_000, 8, llama.tokenizer)


def item(text: str, length: int, right: int, first: bool, until: int) -> dict:
    nats = [1.0] * length
    return {"kind": "docs", "text": text, "length": length, "right": right, "first_right": first, "said_right": until,
            "said_until": until, "nats_bare": [3.0] * length, "nats": nats, "steps": 5, "steps_in_all": 9}  # fmt: skip


def test_scores_of_capacity_by_hand():
    items = [item("a", 8, 8, True, 8), item("b", 8, 8, True, 8), item("a", 16, 16, True, 16), item("b", 16, 15, False, 0)]
    found = capacity_entries(items, "mem.x.k1", "s")
    assert found["mem.x.k1.docs.n16.accuracy"]["value"] == pytest.approx(31 / 32)
    assert found["mem.x.k1.docs.n16.accuracy_published"]["value"] == 1.0, "the quirk hides that token 1 is wrong"
    assert found["mem.x.k1.docs.n16.said_exact"]["value"] == 0.5 and found["mem.x.k1.docs.n16.nats"]["value"] == 32
    assert found["mem.x.k1.docs.capacity_tokens"] == {"value": 8, "n": 2, "source": "s"}


def test_scores_of_answers_by_hand():
    names = ("mem", "none", "mem_other", "mem_random", "gold", "mem_said", "gold_mem", "all")
    names += tuple(f"prefix_{name}" for name in ("study", "next", "study_other", "next_other", "start"))
    answers = [
        {"memory": name, "uid": uid, "qid": f"{uid}.q", "kind": "direct", "accepted": ["Graz"], "prediction": said}
        for name in names
        for uid, said in (("u1", "Graz"), ("u2", "Graz" if name == "gold" else "Linz"))
    ]
    found = answer_entries(answers, "b", "s")
    assert found["mem_asked.mem.b.direct.exact"]["value"] == 0.5 and found["mem_asked.gold.b.direct.exact"]["value"] == 1
    assert found["mem_asked.mem_minus_gold.b.direct.exact"]["value"] == -0.5
