"""How often does a 95 % interval hold the truth, by number of users? Simulated, for the bench's interval of a share and of a
difference, and for two that it does not use: Student's of a share, and percentiles over resampled users.

Made users answer made questions: a user's share is drawn around a known mean, equal for all or spread like a beta distribution,
and his answers are drawn from it. Both sides of a difference are drawn from the same shares: the truth is zero. The bench's
intervals come from the functions that the scores use.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from tqdm import tqdm

from loci.bench.statistics import Estimate, bootstrap, estimate, paired_difference, student, wilson
from loci.errors import UserError, run_step
from loci.provenance import Provenance
from loci.results import result, rounded, write_json

_SEED = 0
USERS = (2, 3, 5, 10, 30)
QUESTIONS = (1, 5, 18)  # of a user; about as many as the bench asks of a kind
MEANS = (0.5, 0.8, 0.95)
SPREADS = (0.0, 0.1)  # standard deviation of the users' own shares


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000, help="made studies of each kind (a count)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def drawn(rng: np.random.Generator, users: int, questions: int, mean: float, spread: float) -> np.ndarray:
    """Answers of two systems in one made study, right or wrong: bool [2, users, questions]."""
    shares = np.full(users, mean)
    if spread:
        size = mean * (1 - mean) / spread**2 - 1  # of a beta distribution with this mean and standard deviation
        shares = rng.beta(mean * size, (1 - mean) * size, users)
    return rng.random((2, users, questions)) < shares[:, None]


def records_of(answers: np.ndarray) -> list[tuple[str, str, float]]:
    return [(f"u{user}", f"q{at}", float(right)) for (user, at), right in np.ndenumerate(answers)]


def share_interval(answers: np.ndarray) -> tuple[float, float]:
    """The interval that the bench reports of answers [users, questions]."""
    found = estimate(records_of(answers))
    return found.low, found.high


def student_interval(answers: np.ndarray) -> tuple[float, float]:
    """Student's over the users' shares, cut at 0 and 1; Wilson's over the questions where that has no width."""
    low, high = student(answers.mean(1))
    return (max(low, 0.0), min(high, 1.0)) if low < high else wilson(float(answers.mean()), answers.size)


def resampled_interval(answers: np.ndarray) -> tuple[float, float]:
    """Percentiles of the mean over resampled users; Wilson's over the questions where that has no width."""
    low, high = bootstrap(answers.mean(1))
    return (low, high) if low < high else wilson(float(answers.mean()), answers.size)


def difference_interval(left: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """The interval that the bench reports of answers [users, questions] less other answers to the same questions."""
    found = paired_difference(records_of(left), records_of(right))
    return found.low, found.high


SHARES = {"share": share_interval, "student": student_interval, "resampled": resampled_interval}


def covered(users: int, questions: int, mean: float, spread: float, trials: int) -> dict[str, tuple[int, float]]:
    """By interval: of how many made studies it held the truth, and its mean width."""
    rng = np.random.default_rng([_SEED, users, questions, round(100 * mean), round(100 * spread)])
    held, width = defaultdict(int), defaultdict(float)
    for _ in range(trials):
        answers, others = drawn(rng, users, questions, mean, spread)
        found = {name: (mean, *interval(answers)) for name, interval in SHARES.items()}
        found["difference"] = 0.0, *difference_interval(answers, others)
        for name, (truth, low, high) in found.items():
            held[name] += low <= truth <= high
            width[name] += (high - low) / trials
    return {name: (held[name], width[name]) for name in held}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    if args.trials < 1:
        raise UserError("--trials", f"is {args.trials}", "use at least 1")
    provenance = Provenance(Path(__file__))
    held, near, items = defaultdict(int), {}, []
    cells = list(product(USERS, QUESTIONS, MEANS, SPREADS))
    for users, questions, mean, spread in tqdm(cells, desc="coverage", unit="cell"):
        for name, (count, width) in covered(users, questions, mean, spread, args.trials).items():
            held[name, users] += count
            if (questions, mean, spread) == (max(QUESTIONS), max(MEANS), max(SPREADS)):  # most miss nothing, few much
                near[name, users] = count
            about = {"interval": name, "users": users, "questions": questions, "mean": mean, "spread": spread}
            items.append(about | {"coverage": count / args.trials, "width": width})
    ledger = {}
    for counts, part, kinds in ((held, "", len(cells) // len(USERS)), (near, ".uneven", 1)):
        for (name, users), count in counts.items():
            trials = args.trials * kinds
            found = Estimate(count / trials, *wilson(count / trials, trials), trials)
            ledger[f"coverage.{name}.u{users}{part}"] = found.entry(args.out.name)
    config = {"trials": args.trials, "questions": QUESTIONS, "means": MEANS, "spreads": SPREADS}
    write_json(args.out, result("coverage", config, _SEED, rounded(ledger), rounded(items), provenance.record()))
    said = ", ".join(f"{ledger[f'coverage.share.u{users}']['value']:.2f} with {users}" for users in USERS)
    print(f"{args.out}: 95 % intervals of the bench hold the truth in {said} users")


if __name__ == "__main__":
    run_step(main)
