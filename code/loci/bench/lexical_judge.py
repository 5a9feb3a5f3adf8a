"""A judge of answers that is small enough to be looked into: boosted trees on what gold and answer have in common.

Every feature is a function of the pair: equal texts give equal features whatever they say, so the judge cannot know a right
answer by its style. Words are compared as stems, dates as spans of days, numbers as numbers, and meanings by MiniLM's vectors of
the whole texts and of their tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loci.bench.dates import dated, same_time
from loci.bench.judge_cases import LABELLED, Case
from loci.bench.locomo_metrics import f1, f1_of_parts, gold_recall, stems
from loci.bench.numbers import digits
from loci.bench.score import normalised
from loci.errors import UserError
from loci.models.encoder import Encoder
from loci.results import read_json

FEATURES = (
    "f1", "gold_recall", "precision", "replaced", "parts", "parts_held", "same_time", "other_time", "numbers_missing",
    "numbers_added", "names_missing", "names_added", "cosine", "tokens_held", "least_token_held", "tokens_added",
    "tokens_replaced", "length", "negation",
)  # fmt: skip
_NEGATIONS = {"no", "not", "never", "none", "nobody", "neither", "without", "nothing"}
_SCHEMA = 1


@dataclass(frozen=True)
class LexicalJudge:
    """trees: of each tree the nodes (feature, threshold, left, right, value); a leaf has feature -1. base: log-odds before any
    tree. threshold: probability from which on an answer is accepted."""

    trees: tuple[tuple[tuple[int, float, int, int, float], ...], ...]
    base: float
    threshold: float

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """How likely each answer is right, [N], from features [N, F]."""
        return 1 / (1 + np.exp(-(self.base + sum(_value(tree, features) for tree in self.trees))))

    def accepts(self, features: np.ndarray) -> np.ndarray:
        """Verdicts bool [N]."""
        return self.probabilities(features) >= self.threshold

    def as_dict(self, encoder: str) -> dict:
        """As JSON, with the names of the features and the SHA-256 of the encoder."""
        plain = {"base": self.base, "threshold": self.threshold, "trees": [[list(node) for node in tree] for tree in self.trees]}
        return {"schema": _SCHEMA, "encoder": encoder, "features": list(FEATURES), **plain}

    @classmethod
    def load(cls, path: Path, encoder: str) -> "LexicalJudge":
        """The judge of a file; UserError for another version, other features or another encoder."""
        found = read_json(path, "run code/steps/fit_judge.py")
        for name, value in (("schema", _SCHEMA), ("encoder", encoder), ("features", list(FEATURES))):
            if not isinstance(found, dict) or found.get(name) != value:
                raise UserError(f"{path}: {name}", "is not that of this code and encoder", "fit the judge again")
        return cls(tuple(tuple(map(tuple, tree)) for tree in found["trees"]), found["base"], found["threshold"])


def _value(tree: Sequence[tuple[int, float, int, int, float]], features: np.ndarray) -> np.ndarray:
    """What one tree says of features [N, F]: [N]."""
    wanted, threshold, left, right, value = (np.array(column) for column in zip(*tree, strict=True))
    node, rows = np.zeros(len(features), int), np.arange(len(features))
    while (inner := wanted[node] >= 0).any():
        goes = features[rows, np.maximum(wanted[node], 0)] <= threshold[node]
        node = np.where(inner, np.where(goes, left[node], right[node]), node)
    return value[node]


def fit(features: np.ndarray, cases: Sequence[Case], sensitivity: float) -> LexicalJudge:
    """A judge from features [N, F] of cases. The threshold is the highest with which this share of the right answers that people
    labelled is accepted, in folds (of questions) that were not learnt from; where none are labelled, of all right answers."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # late: a second
    from sklearn.model_selection import GroupKFold, cross_val_predict

    right, groups = np.array([case.right for case in cases]), [case.qid for case in cases]
    model = HistGradientBoostingClassifier(max_depth=3, max_iter=100, min_samples_leaf=20, early_stopping=False, random_state=0)
    folds = GroupKFold(min(5, len(set(groups))))
    held_out = cross_val_predict(model, features, right, groups=groups, cv=folds, method="predict_proba")[:, 1]
    labelled = np.array([case.kind == LABELLED for case in cases]) & right
    threshold = float(np.quantile(held_out[labelled if labelled.any() else right], 1 - sensitivity))
    model.fit(features, right)
    trees = tuple(_nodes(predictor[0].nodes) for predictor in model._predictors)
    return LexicalJudge(trees, float(np.ravel(model._baseline_prediction)[0]), threshold)


def _nodes(nodes: np.ndarray) -> tuple[tuple[int, float, int, int, float], ...]:
    """A tree of scikit-learn as plain numbers (a test holds them to its own predictions)."""
    return tuple(
        (-1, 0.0, 0, 0, float(node["value"]))
        if node["is_leaf"]
        else (int(node["feature_idx"]), float(node["num_threshold"]), int(node["left"]), int(node["right"]), 0.0)
        for node in nodes
    )


def features_of(pairs: Sequence[tuple[str, str]], encoder: Encoder) -> np.ndarray:
    """FEATURES of (gold, answer) pairs, float64 [N, F]. Dates and small numbers are brought to one form first."""
    times = [same_time(said, gold) for gold, said in pairs]
    pairs = [(digits(dated(gold)), digits(dated(said))) for gold, said in pairs]
    texts = list(dict.fromkeys(text or "-" for pair in pairs for text in pair))
    sentences = dict(zip(texts, encoder.sentences(texts), strict=True))
    tokens = dict(zip(texts, encoder.tokens(texts), strict=True))
    rows = [_features(*pair, time, sentences, tokens) for pair, time in zip(pairs, times, strict=True)]
    return np.array(rows).reshape(-1, len(FEATURES))


def _features(
    gold: str, said: str, time: bool | None, sentences: dict[str, np.ndarray], tokens: dict[str, np.ndarray]
) -> list[float]:
    one, other = tokens[gold or "-"], tokens[said or "-"]
    near = one @ other.T if len(one) and len(other) else np.zeros((1, 1))  # [gold tokens, answer tokens]
    numbers, names = (_difference(part(gold), part(said)) for part in (_numbers, _names))
    wanted, have = stems(gold), stems(said)
    return [
        f1(said, gold),
        gold_recall(said, gold),
        gold_recall(gold, said),
        (1 - gold_recall(said, gold)) * (1 - gold_recall(gold, said)),
        f1_of_parts(said, gold),
        f1_of_parts(gold, said),
        float(time is True),
        float(time is False),
        *numbers,
        *names,
        float(sentences[gold or "-"] @ sentences[said or "-"]),
        float(near.max(1).mean()),
        float(near.max(1).min()),
        float(near.max(0).mean()),
        float((1 - near.max(1).min()) * (1 - near.max(0).min())),
        float(np.log((1 + len(have)) / (1 + len(wanted)))),
        float(_negates(gold) != _negates(said)),
    ]


def _difference(wanted: set[str], said: set[str]) -> tuple[float, float]:
    """(share of what is wanted that is missing, share of what is said that was not wanted)."""
    return len(wanted - said) / max(1, len(wanted)), len(said - wanted) / max(1, len(said))


def _numbers(text: str) -> set[str]:
    return {token for token in normalised(text) if token[0].isdigit()}


def _names(text: str) -> set[str]:
    """Words with a capital that do not begin the text."""
    return {word.strip(".,;:!?\"'()").lower() for word in text.split()[1:] if word[:1].isupper()}


def _negates(text: str) -> bool:
    said = set(normalised(text))
    return bool(said & _NEGATIONS) or any(word.endswith("n't") for word in said)
