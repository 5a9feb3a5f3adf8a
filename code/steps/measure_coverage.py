"""How often does a 95 % interval hold the truth, by number of users? Simulated, for the bench's interval and for Student's.

Made users answer made questions: a user's share is drawn around a known mean, equal for all or spread like a beta distribution,
and his answers are drawn from it. Each set of answers is given to the function that the scores use.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from tqdm import tqdm

from loci.bench.statistics import estimate, student, wilson
from loci.errors import UserError, run_step
from loci.provenance import Provenance
from loci.results import result, rounded, write_json

_SEED = 0
USERS = (2, 3, 5, 10, 30)
QUESTIONS = (5, 18)  # of a user, about as many as the bench asks of a kind
MEANS = (0.5, 0.8)
SPREADS = (0.0, 0.1)  # standard deviation of the users' own shares


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000, help="made studies of each kind (a count)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def drawn(rng: np.random.Generator, users: int, questions: int, mean: float, spread: float) -> np.ndarray:
    """Answers of one made study, right or wrong: bool [users, questions]."""
    shares = np.full(users, mean)
    if spread:
        size = mean * (1 - mean) / spread**2 - 1  # of a beta distribution with this mean and standard deviation
        shares = rng.beta(mean * size, (1 - mean) * size, users)
    return rng.random((users, questions)) < shares[:, None]


def resampled_interval(answers: np.ndarray) -> tuple[float, float]:
    """The interval that the bench reports of answers [users, questions]."""
    found = estimate([(f"u{user}", f"q{at}", float(right)) for (user, at), right in np.ndenumerate(answers)])
    return found.low, found.high


def student_interval(answers: np.ndarray) -> tuple[float, float]:
    """Student's interval over the users' means; Wilson's over the questions where that has no width."""
    low, high = student(answers.mean(1))
    return (low, high) if low < high else wilson(float(answers.mean()), answers.size)


INTERVALS = {"resampled": resampled_interval, "student": student_interval}


def covered(users: int, questions: int, mean: float, spread: float, trials: int) -> dict[str, tuple[int, float]]:
    """By interval: of how many made studies it held the mean, and its mean width, cut at 0 and 1."""
    rng = np.random.default_rng([_SEED, users, questions, round(100 * mean), round(100 * spread)])
    held, width = dict.fromkeys(INTERVALS, 0), dict.fromkeys(INTERVALS, 0.0)
    for _ in range(trials):
        answers = drawn(rng, users, questions, mean, spread)
        for name, interval in INTERVALS.items():
            low, high = interval(answers)
            held[name] += low <= mean <= high
            width[name] += (min(high, 1.0) - max(low, 0.0)) / trials
    return {name: (held[name], width[name]) for name in INTERVALS}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    if args.trials < 1:
        raise UserError("--trials", f"is {args.trials}", "use at least 1")
    provenance = Provenance(Path(__file__))
    held, items = defaultdict(int), []
    cells = list(product(USERS, QUESTIONS, MEANS, SPREADS))
    for users, questions, mean, spread in tqdm(cells, desc="coverage", unit="cell"):
        for name, (count, width) in covered(users, questions, mean, spread, args.trials).items():
            held[name, users] += count
            about = {"interval": name, "users": users, "questions": questions, "mean": mean, "spread": spread}
            items.append(about | {"coverage": count / args.trials, "width": width})
    ledger, trials = {}, args.trials * len(cells) // len(USERS)
    for (name, users), count in held.items():
        low, high = wilson(count / trials, trials)
        ledger[f"coverage.{name}.u{users}"] = {
            "value": count / trials,
            "low": low,
            "high": high,
            "n": trials,
            "source": args.out.name,
        }
    config = {"trials": args.trials, "questions": QUESTIONS, "means": MEANS, "spreads": SPREADS}
    write_json(args.out, result("coverage", config, _SEED, rounded(ledger), rounded(items), provenance.record()))
    said = ", ".join(f"{ledger[f'coverage.resampled.u{users}']['value']:.2f} with {users}" for users in USERS)
    print(f"{args.out}: 95 % intervals that resample users hold the truth in {said} users")


if __name__ == "__main__":
    run_step(main)
