"""Distillations by a language model: what is read of its answers, what is counted, and that nothing made up is recalled."""

from loci.memories.base import Note, Query
from loci.memories.distilled import opened
from loci.memories.distiller import line_of
from loci.memories.llm_distiller import DistilledModelMemory, ModelDistiller, borne_out, parse, prompt_of

LINES = [line_of("2026-01-05", "I live in Graz."), line_of("2026-02-01", "I moved to Linz.")]


def notes(count: int) -> list[Note]:
    said = [f"Chat number {at} about nothing." for at in range(count)]
    said[3] = "I adopted a heron called Quill."
    return [Note(f"n{at}", text, "Me", f"2026-01-{1 + at % 28:02d}T10:00") for at, text in enumerate(said)]


def test_a_prompt_holds_the_lines_and_begins_the_answer():
    prompt = prompt_of(LINES, 50)
    assert "- [2026-02-01] I moved to Linz." in prompt and prompt.endswith("## Current state\n") and "50 words" in prompt


def test_sections_are_read_and_everything_else_is_not():
    answer = "- [2026-02-01] Lives in Linz\nSure!\n## Key decisions\n- moved\n# Recipes\n- cake\n## Session timeline:\n- May"
    assert parse(answer, 50).splitlines() == [
        "## Current state", "- [2026-02-01] Lives in Linz", "## Key decisions", "- moved", "## Session timeline", "- May",
    ]  # fmt: skip
    assert parse(answer, 8) == "## Current state\n- [2026-02-01] Lives in Linz"
    assert parse("I cannot do that.", 50) is None and parse("", 50) is None and parse("## Key decisions", 50) is None


def test_what_cannot_be_read_is_counted_and_the_rules_write():
    distiller = ModelDistiller(lambda _prompt: "no idea")
    assert "I moved to Linz." in distiller(LINES, 50) and (distiller.asked, distiller.invalid) == (1, 1)
    distiller = ModelDistiller(lambda _prompt: "- [2026-02-01] Linz it is")
    assert distiller(LINES, 50) == "## Current state\n- [2026-02-01] Linz it is"
    assert (distiller.asked, distiller.invalid) == (1, 0)


def test_a_row_is_recalled_as_the_message_that_bears_it_out_or_not_at_all():
    told = notes(20)
    rows = [line_of("", "Adopted a heron called Quill"), line_of("", "Owns a yacht named Bella")]
    assert [note.key for note in borne_out(told, rows)] == ["n3"]


def test_the_memory_writes_with_the_model_and_recalls_messages():
    asked = []

    def model(prompt: str) -> str:
        asked.append(prompt)
        return "- The heron is called Quill and was adopted\n- A yacht named Bella"

    memory = DistilledModelMemory(5, model)
    told = notes(120)
    trace = memory.write("u", told)
    assert len(asked) == memory.decider.asked == 2 and memory.decider.invalid == 0, "one a full segment"
    with opened(trace) as store:
        assert "yacht" in store.distillations()[0].text
    found = memory.recall(trace, Query("What is the heron called?"))
    assert "I adopted a heron called Quill." in found.lines[0] and found.sources[0] == ("n3",)
    assert not any("yacht" in line for line in memory.recall(trace, Query("Is there a yacht named Bella?")).lines)
    assert memory.recall(memory.write("u", []), Query("Anything?")).lines == ()


def test_a_merge_archives_and_keeps_one_live_distillation():
    memory = DistilledModelMemory(5, lambda _prompt: "- Chat about nothing")
    with opened(memory.write("u", notes(500))) as store:
        assert len(store.distillations()) == 1 and len(store.distillations(archived=True)) == 10
    assert memory.decider.asked == 11
