"""Values that a kind of fact can take: spelled out from a rule, and dealt to training users, to everybody, to test users.

By position in the pool every third value goes to each part: the first, fourth, … are for training and development users
only, the second, fifth, … for all, the third, sixth, … for test users only. So each user draws from two thirds of a
pool, and half of what a test user can have is a value that no training user ever has. A pool marked `shared` is not
cut: the days of the week, the months and the blood groups are the same for everybody.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from loci.worlds.checks import distinct, require

TRAINING, EVERYBODY, TESTED = 0, 1, 2
_PARTS_OF = {"train": (TRAINING, EVERYBODY), "dev": (TRAINING, EVERYBODY), "test": (EVERYBODY, TESTED)}
_LEAST = 4  # of a split: twins differ, and an update brings each of them a further value
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Option:
    """One possible value: as data (`raw`: int, float, str or tuple of days), as an answer, and its accepted variants.

    `part` tells whose value it is: TRAINING, EVERYBODY or TESTED; EVERYBODY throughout in a pool that is shared.
    """

    raw: object
    answer: str
    accepted: tuple[str, ...]
    part: int


def of_split(options: Sequence[Option], split: str) -> tuple[Option, ...]:
    """The values that a user of this split can have."""
    return tuple(option for option in options if option.part in _PARTS_OF[split])


def spell_out(entry: dict, pools: dict[str, list], where: str) -> tuple[Option, ...]:
    """All values of a kind of fact, in order. UserError for a pool with duplicates, or one that cannot be dealt out."""
    values = list(_raw_values(entry, pools))
    shared = entry.get("shared", False)
    options = tuple(_option(entry, raw, variants, EVERYBODY if shared else part) for raw, variants, part in values)
    distinct((option.answer.lower() for option in options), where, "value")
    counts = [sum(option.part == part for option in options) for part in (TRAINING, EVERYBODY, TESTED)]
    what = f"has {len(options)} values, which do not make three equal parts"
    require(shared or len(set(counts)) == 1, where, what, "add or drop values, or mark the key as shared")
    allowed = len(options) if shared else counts[0] + counts[1]
    what = f"leaves {allowed} values to a split"
    require(allowed >= _LEAST, where, what, f"add values, so that twins can differ: {_LEAST} or more a split")
    return options


def days_phrase(days: Sequence[str]) -> str:
    """ "Monday, Tuesday and Friday"; a single day stands alone."""
    return " and ".join(part for part in (", ".join(days[:-1]), *days[-1:]) if part)


def clock(minutes: int) -> str:
    """Minutes since midnight (or seconds, as a pace) as "7:05"."""
    return f"{minutes // 60}:{minutes % 60:02d}"


def clock_units(text: str) -> int:
    """The inverse of `clock`."""
    hours, minutes = text.split(":")
    return 60 * int(hours) + int(minutes)


def time_variants(text: str) -> tuple[str, ...]:
    """Other ways to say a time of day: "15:30" is "3:30 pm" as well."""
    hours, minutes = divmod(clock_units(text), 60)
    return (f"{(hours - 1) % 12 + 1}:{minutes:02d} {'am' if hours < 12 else 'pm'}", f"at {text}")


def _option(entry: dict, raw: object, variants: tuple[str, ...], part: int) -> Option:
    spelled = days_phrase(raw) if isinstance(raw, tuple) else raw
    answer = entry.get("answer", "{}").format(spelled)
    more = (template.format(spelled) for template in entry.get("accepted", ()))
    return Option(raw, answer, tuple(dict.fromkeys((answer, *variants, *more))), part)


def _raw_values(entry: dict, pools: dict[str, list]) -> Iterator[tuple[object, tuple[str, ...], int]]:
    """Every value that an entry's rule allows, with the variants that belong to it alone, and its part."""
    if "pairs" in entry:
        # Both halves of a name are of one part, so that a name which only a test user can have is new in both halves.
        firsts, lasts = ([(name, at % 3) for at, name in enumerate(names)] for names in entry["pairs"])
        for (first, part), (last, other) in product(firsts, lasts):
            if part == other:
                yield f"{first} {last}", (), part
        return
    for at, (raw, variants) in enumerate(_single_values(entry, pools)):
        yield raw, variants, at % 3


def _single_values(entry: dict, pools: dict[str, list]) -> Iterator[tuple[object, tuple[str, ...]]]:
    if "values" in entry or "pool" in entry:
        for value in entry["values"] if "values" in entry else pools[entry["pool"]]:
            first, *variants = value if isinstance(value, list) else [value]
            yield first, tuple(variants)
    elif "range" in entry:
        first, last, step = entry["range"]
        yield from ((first + step * number, ()) for number in range(int((last - first) / step) + 1))
    elif "clock" in entry:
        first, last = (clock_units(text) for text in entry["clock"][:2])
        times = [clock(units) for units in range(first, last + 1, entry["clock"][2])]
        yield from ((time, time_variants(time) if entry.get("daytime") else ()) for time in times)
    else:
        least, most = entry["days"]
        for days in (days for size in range(least, most + 1) for days in combinations(DAYS, size)):
            yield days, (", ".join(days),)
