"""How well extracted triplets agree with the gold ones, sentence by sentence: precision, recall, F1, by novelty and by hard case.

A triplet is right where subject, relation, object and polarity are those of a gold triplet of the same sentence; whether its
time is right, too, is counted apart. Hard cases: "pronoun" (the sentence does not name the subject), "negation" (polarity no),
"update" (the triplet replaces an earlier value of the same subject and relation). Of a case, recall is over the gold triplets in
it, precision over the extracted ones in it. Control "shifted": the same triplets against the gold of the document before.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from loci.errors import UserError
from loci.worlds.prose_lexicon import relations
from loci.worlds.prose_records import NOVELTIES, Document, Sentence, Triplet

CASES = ("pronoun", "negation", "update")
_SHIFTED = "shifted"
_WORD = re.compile(r"[^\W_]+")
Part = Sequence[Sequence[Triplet]]  # triplets of each sentence


class ExtractionScore:
    """Counts over documents, added one by one in order."""

    def __init__(self):
        self._counts: Counter = Counter()
        self._before: Document | None = None
        self._of_people = frozenset(one.id for one in relations().values() if one.subject == "person")
        self._single = frozenset(one.id for one in relations().values() if one.changes and not one.many)

    def add(self, document: Document, extracted: Part) -> None:
        """Count one document. UserError where `extracted` has not one list for each sentence."""
        if len(extracted) != len(document.sentences):
            found = f"has {len(document.sentences)} sentences, extracted are {len(extracted)}"
            raise UserError(document.doc_id, found, "extract again")
        gold = [sentence.triplets for sentence in document.sentences]
        self._count(document.novel, gold, extracted, document.sentences)
        if self._before is not None:
            pairs = zip(self._before.sentences, extracted, strict=False)
            self._tally(_SHIFTED, [(_keys(sentence.triplets), _keys(of)) for sentence, of in pairs])
        self._before = document

    def counts(self, group: str) -> tuple[int, int, int, int]:
        """Gold triplets of a group, how many of them were extracted, extracted ones, how many of them are right. Groups: "all",
        what is new of a document, a hard case, both as "wordings pronoun", and "shifted"."""
        return tuple(self._counts[group, name] for name in ("gold", "gold right", "found", "found right"))

    def metrics(self) -> dict:
        """Everything counted: fractions, and n, the number of gold triplets."""
        matched = self._counts["all", "matched"]
        return {
            **self._measures("all"),
            "time": self._counts["time"] / matched if matched else None,
            "by_novel": {name: self._measures(name) for name in NOVELTIES},
            "by_case": {name: self._measures(name) for name in CASES},
            "wordings_by_case": {name: self._measures(f"wordings {name}") for name in CASES},
            _SHIFTED: self._measures(_SHIFTED),
        }

    def _count(self, novel: str, gold: Part, extracted: Part, sentences: Sequence[Sentence]) -> None:
        pairs = [(_keys(wanted), _keys(found)) for wanted, found in zip(gold, extracted, strict=True)]
        for group in ("all", novel):
            self._tally(group, pairs)
        for wanted, found in pairs:
            self._counts["time"] += sum(wanted[key].time == found[key].time for key in wanted.keys() & found.keys())
        in_gold = self._cases(gold, sentences)
        in_extracted = self._cases(extracted, sentences)
        for (wanted, found), cases, other in zip(pairs, in_gold, in_extracted, strict=True):
            for side, theirs, of in (("gold", found, cases), ("found", wanted, other)):
                for one, name in [(one, name) for one, names in of.items() for name in names]:
                    for group in (name, f"{novel} {name}"):
                        self._counts[group, side] += 1
                        self._counts[group, f"{side} right"] += one in theirs

    def _cases(self, triplets: Part, sentences: Sequence[Sentence]) -> Iterator[dict[tuple, list[str]]]:
        """For each sentence the hard cases of its triplets."""
        last: dict[tuple[str, str], str] = {}
        for of, sentence in zip(triplets, sentences, strict=True):
            cases: dict[tuple, list[str]] = {}
            for one in of:
                mine = cases.setdefault(_key(one), [])
                if not self._is_named(one, sentence.text):
                    mine.append("pronoun")
                if one.polarity == "no":
                    mine.append("negation")
                elif one.relation in self._single:
                    slot = (one.subject, one.relation)
                    if last.get(slot, one.object) != one.object:
                        mine.append("update")
                    last[slot] = one.object
            yield cases

    def _is_named(self, triplet: Triplet, text: str) -> bool:
        """Whether the text names the subject, by the full name (with any first letter) or, of people, by the given name."""
        name = triplet.subject
        if triplet.relation in self._of_people:
            return name.split()[0] in _WORD.findall(text)
        return name[1:] in text

    def _tally(self, group: str, pairs: Sequence[tuple[dict, dict]]) -> None:
        for wanted, found in pairs:
            matched = len(wanted.keys() & found.keys())
            self._counts[group, "gold"] += len(wanted)
            self._counts[group, "found"] += len(found)
            for name in ("matched", "gold right", "found right"):
                self._counts[group, name] += matched

    def _measures(self, group: str) -> dict:
        precision, recall, f1 = agreement(np.array(self.counts(group)))
        return {"precision": float(precision), "recall": float(recall), "f1": float(f1), "n": self.counts(group)[0]}


def agreement(counts: np.ndarray) -> np.ndarray:
    """Precision, recall and F1 [..., 3] of counts [..., 4] as in `ExtractionScore.counts`; 0 where nothing was counted."""
    gold, recalled, found, right = np.moveaxis(np.asarray(counts, dtype=float), -1, 0)
    precision, recall = right / np.maximum(found, 1), recalled / np.maximum(gold, 1)
    return np.stack([precision, recall, 2 * precision * recall / np.maximum(precision + recall, 1e-12)], -1)


def _key(triplet: Triplet) -> tuple[str, str, str, str]:
    return triplet.subject, triplet.relation, triplet.object, triplet.polarity


def _keys(triplets: Sequence[Triplet]) -> dict[tuple, Triplet]:
    return {_key(one): one for one in triplets}
