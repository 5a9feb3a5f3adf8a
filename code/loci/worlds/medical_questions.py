"""The computations of the medical world, in the order in which they are asked."""

import random
from functools import cache
from math import ceil

from loci.worlds.medical_twins import BODY_MASS, HIGH, body_mass, is_high, month_after
from loci.worlds.plans import load_world
from loci.worlds.pools import DAYS, days_phrase
from loci.worlds.questions_chained import treatments
from loci.worlds.variants import (
    LATER,
    MILLIGRAMS,
    Facts,
    Slots,
    Solved,
    Variant,
    above,
    age,
    exposure,
    first_of,
    gap,
    lookup,
    number,
    two,
    yes_no,
)
from loci.worlds.years import AGES_THEN, GAPS

_CONDITIONS, _MEDICINES = ("condition", "second_condition"), ("medicine", "second_medicine")
_BODY, _PRESSURE, _VISITS = ("weight", "height"), ("systolic", "diastolic"), ("next_visit", "follow_up_months")
_SUPPLY = (3, 4, 7, 10, 14, 30)  # days that a box of tablets lasts
_WAITING = (2, 3, 4, 5, 6, 8)  # days until results


@cache
def medical_variants() -> tuple[Variant, ...]:
    """All of them."""
    groups = load_world("medical").exposures
    return (
        age("age.self", "birth_year"),
        age("age.spouse", "spouse_year"),
        age("age.child", "child_year"),
        age("age.later", "birth_year", LATER),
        age("age.diagnosis", "diagnosis_year"),
        first_of("comparison.me_spouse", {"me": "birth_year", "my spouse": "spouse_year"}),
        first_of("comparison.child_diagnosis", {"the birth of my child": "child_year", "my diagnosis": "diagnosis_year"}),
        above("comparison.weight", "weight"),
        above("comparison.height", "height"),
        above("comparison.diagnosis", "diagnosis_year"),
        _one_of("set.condition", _CONDITIONS),
        _one_of("set.medicine", _MEDICINES),
        Variant("set.lab_day", ("lab_day",), _is_lab_day, two, _lab_day_of_one),
        Variant("set.lab_days", ("lab_day",), _is_among_days, two, _days_with_one),
        Variant("routine.days_to_lab", ("lab_day",), _days_to_lab, lambda _pools: 7, _any_day),
        Variant("routine.results", ("lab_day",), _results_day, lambda _pools: 7, _any_of("n", _WAITING)),
        Variant("routine.visit_after", _VISITS, _visit(1), lambda _pools: 12),
        Variant("routine.visit_before", _VISITS, _visit(-1), lambda _pools: 12),
        exposure("allergy.allowed", "drug_allergy", groups, allowed=True),
        exposure("allergy.ruled_out", "drug_allergy", groups, allowed=False),
        exposure("allergy.order", "drug_allergy", groups, allowed=True),
        exposure("allergy.speak_up", "drug_allergy", groups, allowed=False),
        Variant("dose.days", ("dose",), _supply("dose"), lambda pools: len(pools["dose"]), _any_of("n", _SUPPLY)),
        Variant(
            "dose.second_days",
            ("second_dose",),
            _supply("second_dose"),
            lambda pools: len(pools["second_dose"]),
            _any_of("n", _SUPPLY),
        ),
        first_of("dose.more", {"my main medicine": "dose", "my second medicine": "second_dose"}, max),
        above("dose.limit", "dose"),
        gap("multi.spouse_gap", ("birth_year", "spouse_year"), GAPS),
        gap("multi.diagnosis_age", ("birth_year", "diagnosis_year"), AGES_THEN),
        Variant("multi.bmi", _BODY, _bmi, lambda _pools: len(BODY_MASS)),
        Variant("multi.bmi_limit", _BODY, _bmi_above, two, _bmi_between),
        Variant("multi.pressure", _PRESSURE, _pressure, two),
        lookup("policy.emergency_contact", "emergency_contact"),
        lookup("policy.emergency_phone", "emergency_phone"),
        lookup("policy.physician", "physician"),
        lookup("policy.pharmacy", "pharmacy"),
        lookup("policy.blood", "blood_type"),
        *treatments(),
    )


def _any_of(slot: str, values: tuple[int, ...]):
    return lambda _one, _other, rng: {slot: rng.choice(values)}


def _any_day(_one: Facts, _other: Facts, rng: random.Random) -> Slots:
    return {"day": rng.choice(DAYS)}


def _one_of(name: str, keys: tuple[str, str]) -> Variant:
    """Whether a thing is one of the two of its kind; only one twin has it."""

    def slots(one: Facts, other: Facts, rng: random.Random) -> Slots:
        mine, theirs = ([facts[key].raw for key in keys] for facts in (one, other))
        return {"name": rng.choice([thing for thing in mine + theirs if (thing in mine) != (thing in theirs)])}

    def solve(facts: Facts, slots: Slots) -> Solved:
        return yes_no(slots["name"] in [facts[key].raw for key in keys], keys)

    return Variant(name, keys, solve, two, slots)


def _lab_day_of_one(one: Facts, other: Facts, rng: random.Random) -> Slots:
    return {"day": rng.choice((one, other))["lab_day"].raw}


def _is_lab_day(facts: Facts, slots: Slots) -> Solved:
    return yes_no(slots["day"] == facts["lab_day"].raw, ("lab_day",))


def _days_with_one(one: Facts, other: Facts, rng: random.Random) -> Slots:
    """Three days, the lab day of just one twin among them."""
    day, day_too = rng.sample([facts["lab_day"].raw for facts in (one, other)], 2)
    more = rng.sample([other_day for other_day in DAYS if other_day not in (day, day_too)], 2)
    return {"days": days_phrase([each for each in DAYS if each in (day, *more)])}


def _is_among_days(facts: Facts, slots: Slots) -> Solved:
    return yes_no(facts["lab_day"].raw in slots["days"], ("lab_day",))


def _days_to_lab(facts: Facts, slots: Slots) -> Solved:
    lab = facts["lab_day"].raw
    days = (DAYS.index(lab) - DAYS.index(slots["day"])) % 7 or 7
    return number(days, ("lab_day",), ("day" if days == 1 else "days",), lab=lab)


def _results_day(facts: Facts, slots: Slots) -> Solved:
    lab = facts["lab_day"].raw
    day = DAYS[(DAYS.index(lab) + slots["n"]) % 7]
    return Solved(day, ("lab_day",), (f"on {day}",), fields={"lab": lab})


def _visit(direction: int):
    """The month of the check-up after the next one (1), or of the one before it (-1)."""

    def solve(facts: Facts, _slots: Slots) -> Solved:
        month, months = facts["next_visit"].raw, facts["follow_up_months"].raw
        found = month_after(month, direction * months)
        return Solved(found, _VISITS, (f"in {found}",), fields={"month": month, "n": months})

    return solve


def _supply(key: str):
    """The milligrams of so many days."""

    def solve(facts: Facts, slots: Slots) -> Solved:
        dose = facts[key].raw
        return number(slots["n"] * dose, (key,), MILLIGRAMS, dose=dose)

    return solve


def _mass(facts: Facts) -> float:
    return body_mass(*(facts[key].raw for key in _BODY))


def _mass_fields(facts: Facts) -> dict[str, object]:
    return {"weight": facts["weight"].raw, "meters": facts["height"].raw / 100, "exact": f"{_mass(facts):.1f}"}


def _bmi(facts: Facts, _slots: Slots) -> Solved:
    return number(round(_mass(facts)), _BODY, **_mass_fields(facts))


def _bmi_between(one: Facts, other: Facts, rng: random.Random) -> Slots:
    low, high = sorted(map(_mass, (one, other)))
    return {"limit": rng.randrange(ceil(low), ceil(high))}


def _bmi_above(facts: Facts, slots: Slots) -> Solved:
    return yes_no(_mass(facts) > slots["limit"], _BODY, **_mass_fields(facts))


def _pressure(facts: Facts, _slots: Slots) -> Solved:
    systolic, diastolic = (facts[key].raw for key in _PRESSURE)
    high = is_high(systolic, diastolic)
    case = ("systolic" if systolic >= HIGH[0] else "diastolic") if high else "No"
    return Solved("Yes" if high else "No", _PRESSURE, case=case, fields={"systolic": systolic, "diastolic": diastolic})
