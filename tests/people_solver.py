"""Answers every computed question from the stored sentences and the question's text alone.

Written apart from the generator, in other words: it knows how the sentences begin, reads values out of them, reads days,
times, numbers and names out of the question, and computes.
"""

import json
import re
from datetime import datetime, timedelta

from loci.paths import DATA
from loci.worlds.records import Question, User

WEEK = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
YEAR = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
BEGINNINGS = {
    "personal": {
        "born": "The year of my birth is ",
        "spouse born": "The birth year of my spouse is ",
        "sibling born": "The birth year of my sibling is ",
        "child born": "The birth year of my child is ",
        "car built": "My car was built in ",
        "spouse": "I am married to ",
        "sibling": "The sibling I grew up with is ",
        "work days": "My working days are ",
        "class days": "My class meets on ",
        "class": "My weekly class is ",
        "evening": "On quiet evenings I enjoy ",
        "start": "My shift starts at ",
        "way": "Getting to work takes me ",
        "allergy": "I am allergic to ",
        "contact": "My emergency contact is ",
        "phone": "The contact's phone number ends in ",
        "doctor": "My family doctor is ",
        "dentist": "My dentist is ",
    },
    "medical": {
        "born": "My own birth year is ",
        "spouse born": "My spouse was born in ",
        "child born": "My child came into the world in ",
        "diagnosed": "I was diagnosed in ",
        "condition": "The main condition I live with is ",
        "condition 2": "The second condition in my file is ",
        "medicine": "My main medicine, the one for my main condition, is ",
        "medicine 2": "My second medicine, for my second condition, is called ",
        "dose": "My daily milligrams of the main medicine come to ",
        "dose 2": "My daily milligrams of the second medicine add up to ",
        "allergy": "The drugs I react to badly are ",
        "weight": "My weight in kilograms is ",
        "height": "My height in centimeters is ",
        "upper": "My systolic blood pressure is ",
        "lower": "My diastolic value stands at ",
        "lab": "My blood is drawn every ",
        "months": "The gap between my check-ups, in months, is ",
        "next": "The month of my next check-up is ",
        "contact": "My contact for emergencies is ",
        "phone": "The number of my contact ends with ",
        "physician": "The physician who leads my treatment is ",
        "pharmacy": "I pick up my prescriptions at ",
        "blood": "My blood group is ",
    },
}
CONTENTS = {
    world: json.loads((DATA / "people" / f"{world}.json").read_text(encoding="utf-8"))["exposures"] for world in BEGINNINGS
}


def read_sentences(user: User, world: str) -> dict[str, str]:
    """What the sentences say, by the names above."""
    told = {}
    for sentence in (fact.statement for fact in user.facts):
        for name, beginning in BEGINNINGS[world].items():
            if sentence.startswith(beginning):
                told[name] = sentence.removeprefix(beginning).removesuffix(".")
    return told


def solve(user: User, question: Question, world: str) -> str:
    """The answer to an indirect or chained question."""
    return (_personal if world == "personal" else _medical)(question.key, question.text, read_sentences(user, world))


def _days(text: str) -> set[str]:
    return {day for day in WEEK if day in text}


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def _yes(holds: bool) -> str:
    return "Yes" if holds else "No"


def _clock(text: str) -> datetime:
    return datetime.strptime(re.search(r"\d+:\d\d", text)[0], "%H:%M")


def _show(time: datetime) -> str:
    return f"{time.hour}:{time.minute:02d}"


def _common(key: str, text: str, told: dict[str, str], world: str) -> str | None:
    """Questions that both worlds ask."""
    family, _, what = key.partition(".")
    if family == "age":
        whose = {"self": "born", "later": "born", "car": "car built", "diagnosis": "diagnosed"}.get(what, f"{what} born")
        return str(_numbers(text)[0] - int(told[whose]))
    if family == "allergy":
        _, group = max(
            ((thing, group) for group, things in CONTENTS[world].items() for thing in things if thing in text),
            key=lambda found: len(found[0]),
        )
        forbidden = what in {"avoid", "warn", "ruled_out", "speak_up"}
        return _yes((group == told["allergy"]) == forbidden)
    if key == "comparison.me_spouse":
        return "me" if told["born"] < told["spouse born"] else "my spouse"
    if key == "multi.spouse_gap":
        return str(abs(int(told["born"]) - int(told["spouse born"])))
    if family == "policy":
        return told[{"emergency_contact": "contact", "emergency_phone": "phone"}.get(what, what)]
    return None


def _personal(key: str, text: str, told: dict[str, str]) -> str:
    work, lesson, asked = _days(told["work days"]), _days(told["class days"]), _days(text)
    way = timedelta(minutes=_numbers(told["way"])[0])
    minutes = int(way.total_seconds()) // 60
    people = {"me": told["born"], "my spouse": told["spouse born"], "my sibling": told["sibling born"]}
    ranked = sorted(people, key=people.get)
    named = {told["spouse"]: told["spouse born"], told["sibling"]: told["sibling born"]}
    about = next((year for name, year in named.items() if name in text), "")
    if (answer := _common(key, text, told, "personal")) is not None:
        return answer
    match key:
        case "comparison.me_sibling" | "comparison.spouse_sibling":
            return next(person for person in ranked if re.search(rf"\b{person}\b", text))
        case "comparison.oldest":
            return ranked[0]
        case "comparison.youngest":
            return ranked[-1]
        case "comparison.child_car":
            return "my child" if told["child born"] < told["car built"] else "my car"
        case "day_set.work":
            return _yes(asked <= work)
        case "day_set.off":
            return _yes(not asked & work)
        case "day_set.class":
            return _yes(asked <= lesson)
        case "day_set.both":
            return _yes(asked <= lesson & work)
        case "day_set.count":
            return str(len(work))
        case "routine.class_on":
            return told["class"] if asked <= lesson else "none"
        case "routine.evening":
            return told["class"] if asked <= lesson else told["evening"]
        case "routine.free":
            return _yes(not asked & (lesson | work))
        case "routine.overlap":
            return str(len(lesson & work))
        case "commute.leave":
            return _show(_clock(told["start"]) - way)
        case "commute.round_trip":
            return str(minutes + minutes)
        case "commute.week":
            return str((minutes + minutes) * len(work))
        case "commute.on_time":
            assert _clock(text) + way != _clock(told["start"])
            return _yes(_clock(text) + way < _clock(told["start"]))
        case "commute.arrive":
            return _show(_clock(text) + way)
        case "multi.sibling_gap":
            return str(abs(int(told["born"]) - int(told["sibling born"])))
        case "multi.parent_age":
            return str(int(told["child born"]) - int(told["born"]))
        case "multi.when_i_am":
            return str(int(told["born"]) + _numbers(text)[0] - int(told["child born"]))
        case "chained.birth_year":
            return about
        case "chained.age" | "chained.age_then":
            return str(_numbers(text)[0] - int(about))
        case "chained.before":
            return _yes(int(about) < _numbers(text)[0])
    raise KeyError(key)


def _medical(key: str, text: str, told: dict[str, str]) -> str:
    numbers = _numbers(text)
    mass = int(told["weight"]) * 10_000 / int(told["height"]) ** 2
    month, gap, lab = YEAR.index(told["next"]), int(told["months"]), WEEK.index(told["lab"])
    drug = next((told["medicine" + end] for end in ("", " 2") if told["condition" + end] in text), "")
    dose = next((int(told["dose" + end]) for end in ("", " 2") if told["medicine" + end] in text), 0)
    if (answer := _common(key, text, told, "medical")) is not None:
        return answer
    match key:
        case "comparison.child_diagnosis":
            return "the birth of my child" if told["child born"] < told["diagnosed"] else "my diagnosis"
        case "comparison.weight":
            return _yes(int(told["weight"]) > numbers[0])
        case "comparison.height":
            return _yes(int(told["height"]) > numbers[0])
        case "comparison.diagnosis":
            return _yes(int(told["diagnosed"]) > numbers[0])
        case "set.condition":
            return _yes(any(told[name] in text for name in ("condition", "condition 2")))
        case "set.medicine":
            return _yes(any(told[name] in text for name in ("medicine", "medicine 2")))
        case "set.lab_day" | "set.lab_days":
            return _yes(told["lab"] in _days(text))
        case "routine.days_to_lab":
            (today,) = _days(text)
            return str(next(days for days in range(1, 8) if WEEK[(WEEK.index(today) + days) % 7] == told["lab"]))
        case "routine.results":
            return (WEEK * 3)[lab + numbers[0]]
        case "routine.visit_after":
            return (YEAR * 2)[month + gap]
        case "routine.visit_before":
            return YEAR[month - gap]
        case "dose.days":
            return str(numbers[0] * int(told["dose"]))
        case "dose.second_days":
            return str(numbers[0] * int(told["dose 2"]))
        case "dose.more":
            return "my main medicine" if int(told["dose"]) > int(told["dose 2"]) else "my second medicine"
        case "dose.limit":
            return _yes(int(told["dose"]) > numbers[0])
        case "multi.diagnosis_age":
            return str(int(told["diagnosed"]) - int(told["born"]))
        case "multi.bmi":
            return f"{mass:.0f}"
        case "multi.bmi_limit":
            return _yes(mass > numbers[0])
        case "multi.pressure":
            upper, lower = numbers[:2]
            return _yes(not (int(told["upper"]) < upper and int(told["lower"]) < lower))
        case "chained.medicine":
            return drug
        case "chained.dose":
            return str(dose)
        case "chained.total":
            return str(dose * numbers[0])
        case "chained.limit":
            return _yes(dose > numbers[0])
    raise KeyError(key)
