"""The record of one raw answer, the same for every memory."""

from loci.bench.decode import Decoded
from loci.results import sha256_text
from loci.worlds.records import Question


def raw_answer(question: Question, prompt: str, prompt_tokens: int, decoded: Decoded, tokenizer) -> dict:
    """What was asked, what was read, what was said. `gold_first_token` serves the published top-1 metric."""
    answer_ids = tokenizer(f"{question.text} {question.answer}").input_ids
    start = len(tokenizer(question.text).input_ids)
    text = tokenizer.decode(decoded.tokens, skip_special_tokens=True)
    return {
        "qid": question.qid,
        "kind": question.kind,
        "form": question.form,
        "prompt_sha256": sha256_text(prompt)[:16],
        "prompt_tokens": prompt_tokens,
        "prediction": text.partition("\n")[0].strip(),
        "first_token": decoded.tokens[0] if decoded.tokens else None,
        "gold_first_token": answer_ids[start] if question.answer and len(answer_ids) > start else None,
        "prompt_hits": decoded.prompt_hits,
        "answer_hits": decoded.answer_hits,
    }
