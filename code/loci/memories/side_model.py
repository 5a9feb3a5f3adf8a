"""Extraction B: a small model of its own that reads text which has left the window, and copies triplets out of it.

It is trained from scratch on documents with gold triplets (`side_training`), knows no pretrained vectors and has no rules for
names or pronouns: names are found by tags, relations by a class, and who is meant by pointing at an earlier name. It reads
segment by segment, so that it can follow another model at its own pace.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from loci.errors import UserError
from loci.memories.prose_facts import HOLDS, NEVER, is_year
from loci.memories.prose_words import Words, words_of
from loci.memories.side_network import NOTHING, SideNetwork
from loci.memories.side_words import (
    BEGINS,
    GOES_ON,
    SEPARATOR,
    TONES,
    Lexicon,
    Segment,
    folded_name,
    segments_of,
    window_of,
)
from loci.results import write_bytes
from loci.worlds.prose_records import Document, Triplet

MARK = "|"  # read in place of SEPARATOR
_FORMAT = "1"


@dataclass(frozen=True)
class SideSettings:
    """width: of the network. least: new words of a segment. context, names: words, and names before them, that are read with it.
    epochs, batch (windows), rate: of training. surely: least probability of a fact that is said."""

    width: int
    least: int
    context: int
    names: int
    epochs: int
    batch: int
    rate: float
    surely: float

    @property
    def longest(self) -> int:
        """Words of the longest window; a longer one loses its beginning."""
        return 2 * self.least + self.context + 4 * self.names


class SideModel:
    """Reads documents into triplets, segment by segment.

    words: known ones. relations: that it can say. timed: those that are true for a time. names: as they are written in triplets.
    """

    def __init__(
        self, settings: SideSettings, words: Sequence[str], relations: Sequence[str], timed: Sequence[str], names: Sequence[str]
    ):
        self.settings, self.relations, self.timed = settings, tuple(relations), frozenset(timed)
        self.lexicon, self.names = Lexicon(words), {folded_name(name): name for name in names}
        self.network = SideNetwork(2 + len(words), len(relations), settings.width, settings.longest).eval()

    def extract(self, document: Document) -> list[list[Triplet]]:
        """For each sentence the triplets that it states."""
        found: list[list[Triplet]] = [[] for _ in document.sentences]
        words = words_of(document.text)
        reader = Reader(self, words)
        for segment in segments_of(document, words, self.settings.least):
            for number, triplet in reader.read(segment):
                found[number].append(triplet)
        return [list(dict.fromkeys(of)) for of in found]

    def window(self, segment: Segment, names: Sequence[tuple[int, int]]) -> list[int]:
        """What is read with a segment, by numbers of words."""
        return window_of(segment, names, self.settings.context, self.settings.names)[-self.settings.longest :]

    def inputs(self, words: Words, order: Sequence[int]) -> torch.Tensor:
        """The words of a window as the network reads them: int64 [T, 2 + pieces]."""
        return torch.from_numpy(self.lexicon.inputs([MARK if at == SEPARATOR else words.words[at] for at in order]))

    def save(self, path: Path) -> None:
        """Write weights and all that is known, whole or not at all."""
        about = {
            "format": _FORMAT,
            "settings": asdict(self.settings),
            "words": list(self.lexicon.words),
            "relations": self.relations,
            "timed": sorted(self.timed),
            "names": sorted(self.names.values()),
        }
        weights = {name: value.contiguous() for name, value in self.network.state_dict().items()}
        write_bytes(path, save(weights, {"about": json.dumps(about)}))  # one entry: safetensors shuffles several

    @classmethod
    def load(cls, path: Path) -> "SideModel":
        """A model that `save` wrote; UserError for another file."""
        if not Path(path).is_file():
            raise UserError(path, "no such file", "run code/steps/train_side.py")
        try:
            with safe_open(path, "pt") as stream:
                about = json.loads((stream.metadata() or {}).get("about", "{}"))
                weights = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118, not a dict
        except SafetensorError:
            raise UserError(path, "holds no weights, or was cut short", "run code/steps/train_side.py") from None
        if about.get("format") != _FORMAT:
            raise UserError(path, "is no side model of this version", "run code/steps/train_side.py")
        made = cls(SideSettings(**about["settings"]), *(about[name] for name in ("words", "relations", "timed", "names")))
        made.network.load_state_dict(weights)
        return made


class Reader:
    """Reads one text with a side model, segment by segment, and remembers the names that it has seen."""

    def __init__(self, model: SideModel, words: Words):
        self.model, self.words = model, words
        self._last: dict[tuple[str, ...], tuple[int, int]] = {}  # where each name stood last
        self._whole: dict[str, str] = {}  # the last name that began with a word
        self._year: int | None = None

    @torch.no_grad()
    def read(self, segment: Segment) -> list[tuple[int, Triplet]]:
        """(number of the sentence, triplet) of what a segment states; segments are read in their order."""
        model = self.model
        order = model.window(segment, list(self._last.values()))
        inputs = model.inputs(self.words, order)[None]
        said = model.network(inputs)
        tags, new = said.tags[0].argmax(-1).tolist(), len(order) - (segment.last - segment.first)
        odds = said.facts[0].softmax(-1)  # [T, 1 + relations x tones]
        sure = new + (1 - odds[new:, NOTHING] > model.settings.surely).nonzero()[:, 0]
        where = model.network.pointers(said.states, inputs[..., 0] != 0, torch.zeros_like(sure), sure).argmax(-1).tolist()
        facts, years = odds[sure, 1:].argmax(-1).tolist(), self._years(segment)
        self._remember(order[new:], tags[new:])
        found = []
        for at, fact, begins in zip(sure.tolist(), facts, where, strict=True):
            relation, tone = model.relations[fact // TONES], fact % TONES
            subject, target = (self._name(order, tags, begin) for begin in begins)
            if subject and target and subject != target:
                number = next(number for number, last in segment.sentences if order[at] <= last)
                time = years[number] if relation in model.timed and tone != NEVER else None
                found.append((number, Triplet(subject, relation, target, "yes" if tone == HOLDS else "no", time)))
        return found

    def _name(self, order: Sequence[int], tags: Sequence[int], begin: int) -> str:
        """The name that begins at a word of the window, as it is known or as it stands; '' for the mark between names."""
        if order[begin] == SEPARATOR:
            return ""
        end = begin + 1
        while end < len(order) and tags[end] == GOES_ON and order[end] == order[end - 1] + 1:
            end += 1
        text = self.words.between(order[begin], order[end - 1] + 1)
        folded = folded_name(text)
        if len(folded) == 1 and folded not in self._last:
            text = self._whole.get(folded[0], text)
            folded = folded_name(text)
        singular = (*folded[:-1], folded[-1].removesuffix("s"))  # "on Tuesdays"
        known = self.model.names.get(folded) or self.model.names.get(singular)
        return known or (f"the {text[4:]}" if text.startswith("The ") else text)

    def _years(self, segment: Segment) -> dict[int, int | None]:
        """The story's year in each sentence: the last one that was named up to its end."""
        at, out = segment.first, {}
        for number, last in segment.sentences:
            for word in self.words.words[at : last + 1]:
                self._year = int(word) if is_year(word) else self._year
            at, out[number] = last + 1, self._year
        return out

    def _remember(self, order: Sequence[int], tags: Sequence[int]) -> None:
        """Take note of the names of new words."""
        begins = [at for at, tag in enumerate(tags) if tag == BEGINS]
        for at in begins:
            end = at + 1
            while end < len(order) and tags[end] == GOES_ON:
                end += 1
            first, last = order[at], order[end - 1] + 1
            name = tuple(word.casefold() for word in self.words.words[first:last])
            if len(name) > 1:
                self._whole[name[0]] = self.words.between(first, last)
            elif name[0] in self._whole:  # a name that is known stands by its first word
                continue
            self._last[name] = first, last
