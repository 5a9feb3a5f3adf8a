"""Cross-check against mem0ai itself, in process and offline. It is optional: pip install mem0ai==2.2.1 beside Loci.

What is checked, and named, for what it is: mem0ai's store and search with `infer=False`, which keeps what it is told and
ranks by cosine. That is dense retrieval, not Mem0's management of memories, which needs a large language model and, from
2.0 on, only adds. Our `dense` is held against it; `managed` follows the algorithm of the paper (arXiv 2504.19413), and
what it adds, updates and deletes is held against hand-made cases in test_managed.py.
"""

from importlib.util import find_spec

import pytest
from fake_encoder import FakeEncoder

from loci.memories.base import Note, Query
from loci.memories.dense import DenseMemory
from loci.worlds.people import build_users

# Not importorskip: mem0ai decides when it is imported whether it reports home.
pytestmark = pytest.mark.skipif(find_spec("mem0") is None, reason="mem0ai is not installed (optional)")


@pytest.fixture
def store(tmp_path, monkeypatch):
    """mem0ai with a local Qdrant, our vectors, no telemetry and no model."""
    for name, value in {"MEM0_TELEMETRY": "False", "MEM0_DIR": str(tmp_path / "mem0"), "OPENAI_API_KEY": "not used"}.items():
        monkeypatch.setenv(name, value)
    from mem0 import Memory

    vectors = {"path": str(tmp_path / "qdrant"), "collection_name": "loci", "embedding_model_dims": FakeEncoder().width}
    config = {"vector_store": {"provider": "qdrant", "config": vectors}, "history_db_path": str(tmp_path / "history.db")}
    memory = Memory.from_config(config)
    memory.embedding_model = Embedder()
    yield memory
    memory.vector_store.client.close()


class Embedder:
    """Our encoder behind the interface that mem0ai asks."""

    encoder = FakeEncoder()

    def embed(self, text: str, _memory_action: str | None = None) -> list[float]:
        return self.encoder.sentences([text])[0].tolist()

    def embed_batch(self, texts: list[str], _memory_action: str | None = None) -> list[list[float]]:
        return [self.embed(text) for text in texts]


def test_dense_recalls_what_mem0ai_finds_without_inference(store):
    users, memory = build_users(count=2, dev=1, seed=0), DenseMemory(FakeEncoder(), 5)
    for user in users:  # both in one collection: the filter must keep them apart
        for fact in user.facts:
            store.add(fact.statement, user_id=user.uid, infer=False)
    for user in users:
        trace = memory.write(user.uid, [Note(fact.key, fact.statement) for fact in user.facts])
        for question in [one for one in user.questions if one.kind in ("direct", "paraphrase")]:
            found = store.search(question.text, filters={"user_id": user.uid}, top_k=5, threshold=0.0)["results"]
            ours = memory.recall(trace, Query(question.text)).lines
            cosines = Embedder.encoder.sentences(ours) @ Embedder.encoder.query(question.text)[0]
            alike = [line for line, cosine in zip(ours, cosines, strict=True) if cosine >= 0]  # below, mem0ai gives nothing
            assert [one["memory"] for one in found] == alike and len(alike) >= 3
