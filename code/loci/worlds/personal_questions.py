"""The computations of the personal world, in the order in which they are asked."""

import random
from functools import cache

from loci.worlds.plans import load_world
from loci.worlds.questions_chained import relatives
from loci.worlds.questions_commute import commute_variants
from loci.worlds.questions_week import week_variants
from loci.worlds.variants import LATER, YEARS, Facts, Slots, Solved, Variant, age, exposure, first_of, gap, lookup, number
from loci.worlds.years import AGES_THEN, GAPS

_BIRTHDAYS = (70, 75, 80, 85, 90)
_PEOPLE = {"me": "birth_year", "my spouse": "spouse_year", "my sibling": "sibling_year"}


@cache
def personal_variants() -> tuple[Variant, ...]:
    """All of them."""
    world = load_world("personal")
    return (
        age("age.self", "birth_year"),
        age("age.spouse", "spouse_year"),
        age("age.child", "child_year"),
        age("age.sibling", "sibling_year"),
        age("age.car", "car_year"),
        age("age.later", "birth_year", LATER),
        first_of("comparison.me_spouse", _only("me", "my spouse")),
        first_of("comparison.me_sibling", _only("me", "my sibling")),
        first_of("comparison.spouse_sibling", _only("my spouse", "my sibling")),
        first_of("comparison.oldest", _PEOPLE),
        first_of("comparison.youngest", _PEOPLE, max),
        first_of("comparison.child_car", {"my child": "child_year", "my car": "car_year"}),
        *week_variants(len(world.pools["test"]["activity"])),  # as many as in the other splits
        exposure("allergy.safe", "allergy", world.exposures, allowed=True),
        exposure("allergy.avoid", "allergy", world.exposures, allowed=False),
        exposure("allergy.host", "allergy", world.exposures, allowed=True),
        exposure("allergy.warn", "allergy", world.exposures, allowed=False),
        *commute_variants(),
        gap("multi.spouse_gap", ("birth_year", "spouse_year"), GAPS),
        gap("multi.sibling_gap", ("birth_year", "sibling_year"), GAPS),
        gap("multi.parent_age", ("birth_year", "child_year"), AGES_THEN),
        Variant("multi.when_i_am", ("birth_year", "child_year"), _when_i_am, lambda _pools: len(AGES_THEN), _a_birthday),
        lookup("policy.emergency_contact", "emergency_contact"),
        lookup("policy.phone", "ec_phone_last"),
        lookup("policy.doctor", "doctor"),
        lookup("policy.dentist", "dentist"),
        *relatives(),
    )


def _only(*people: str) -> dict[str, str]:
    return {who: _PEOPLE[who] for who in people}


def _a_birthday(_one: Facts, _other: Facts, rng: random.Random) -> Slots:
    return {"age": rng.choice(_BIRTHDAYS)}


def _when_i_am(facts: Facts, slots: Slots) -> Solved:
    year, born = facts["birth_year"].raw + slots["age"], facts["child_year"].raw
    return number(year - born, ("birth_year", "child_year"), YEARS, year=year, born=born)
