"""Dates as texts: the one form that a column's dates share, and the way from it to a count of days or seconds and back.

A form is written like a `strptime` format, with two more directives: `%-d` (and `%-m`, `%-H`) for a number without a
leading zero, and `%L` for milliseconds; names of months are English. What a form reads, it writes again as it stood.
Parquet files hold times as such; their form is "iso".
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache

import numpy as np
from jaxtyping import Int64

ISO = "iso"
COMPACT = "%Y%m%d"
UNITS = ("D", "h", "m", "s", "ms", "us", "ns")
_DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y-%m")
_DAYS += ("%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%L", " %H:%M:%S.%f")
_TIMES += ("T%H:%M", "T%H:%M:%S", "T%H:%M:%S.%L", "T%H:%M:%S.%f", "T%H:%M:%SZ", "T%H:%M:%S.%LZ", "T%H:%M:%S.%fZ")
_MONTHS = ("January", "February", "March", "April", "May", "June")
_MONTHS += ("July", "August", "September", "October", "November", "December")
_PATTERNS = {
    **{f"%{letter}": "([0-9]{2})" for letter in "dmyHMS"},
    **{f"%-{letter}": "([1-9][0-9]?)" for letter in "dm"},
    "%-H": "(0|[1-9][0-9]?)",
    "%Y": "([0-9]{4})",
    "%L": "([0-9]{3})",
    "%f": "([0-9]{6})",
    "%B": f"({'|'.join(_MONTHS)})",
    "%b": f"({'|'.join(month[:3] for month in _MONTHS)})",
}
_DIRECTIVE = re.compile("%-?.")
_LONGEST = 40
_FEWEST_DIGITS = 4  # 1/5/24


def date_forms(texts: Sequence[str]) -> list[str]:
    """Every form in which all the texts are dates; two for 03/04/2024 alone, none where one text fits no form."""
    if not texts or not _may_be_dates(texts[:50]):
        return []
    if all(re.fullmatch(r"(19|20)[0-9]{6}", text) for text in texts):
        candidates: Iterable[str] = [COMPACT] if len(texts) > 2 else []  # two numbers may look like dates by chance
    else:
        candidates = _forms().get(_shape(texts[0]), [])
    return [form for form in candidates if all(_reads(text, form) for text in texts)]


def is_date(text: str) -> bool:
    """Whether a text is a date in any form."""
    return _may_be_dates([text]) and any(_reads(text, form) for form in _forms().get(_shape(text), []))


def check_form(form: str) -> None:
    """ValueError where a stated form is not one that this file knows how to read."""
    directives = _DIRECTIVE.findall(form)
    fields = {_field(directive) for directive in directives}
    known = set(directives) <= set(_PATTERNS) and len(fields) == len(directives)
    if not known or not {"Y", "m"} <= fields:
        raise ValueError(f"date:{form} is not a form of dates: write it like date:%d.%m.%Y")


def read_date(text: str, form: str) -> datetime:
    """A date in a form other than "iso"; ValueError where the text is none."""
    match = _pattern(form).fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no date of the form {form}")
    part = {"Y": 1970, "m": 1, "d": 1, "H": 0, "M": 0, "S": 0, "f": 0}
    for directive, digits in zip(_DIRECTIVE.findall(form), match.groups(), strict=True):
        if directive in ("%b", "%B"):
            value = 1 + [month[: len(digits)] for month in _MONTHS].index(digits)
        elif directive == "%y":
            value = int(digits) + (2000 if int(digits) < 69 else 1900)  # as POSIX has it
        else:
            value = int(digits) * (1000 if directive == "%L" else 1)
        part[_field(directive)] = value
    return datetime(part["Y"], part["m"], part["d"], part["H"], part["M"], part["S"], part["f"])


def write_date(moment: datetime, form: str) -> str:
    """The inverse of `read_date`."""
    two = {"d": moment.day, "m": moment.month, "H": moment.hour, "M": moment.minute, "S": moment.second}
    written = {f"%{letter}": f"{value:02d}" for letter, value in two.items()}
    written |= {f"%-{letter}": str(value) for letter, value in two.items()}
    written |= {"%Y": f"{moment.year:04d}", "%y": f"{moment.year % 100:02d}", "%f": f"{moment.microsecond:06d}"}
    written |= {"%L": f"{moment.microsecond // 1000:03d}", "%B": _MONTHS[moment.month - 1]}
    written["%b"] = written["%B"][:3]
    return _DIRECTIVE.sub(lambda found: written[found[0]], form)


def to_moments(texts: Sequence[str], form: str) -> np.ndarray:
    """Dates as datetime64, in microseconds or, of "iso", in nanoseconds where there are any. ValueError for no date."""
    if form != ISO:
        return np.array([read_date(text, form) for text in texts], "datetime64[us]")
    finer = any(len(text.partition(".")[2]) > 6 for text in texts)
    return np.array(texts, "datetime64[ns]" if finer else "datetime64[us]")


def to_texts(counts: Int64[np.ndarray, " n"], unit: str, form: str) -> list[str]:
    """Counts of `unit` since 1970 as texts of a form."""
    moments = counts.astype(f"datetime64[{unit}]")
    if form == ISO:
        return [str(text) for text in np.datetime_as_string(moments)]
    return [write_date(moment, form) for moment in moments.astype("datetime64[us]").tolist()]


def common_unit(moments: np.ndarray) -> str:
    """The coarsest unit that divides all the times: days for plain dates."""
    return next(unit for unit in UNITS if (moments.astype(f"datetime64[{unit}]") == moments).all())


def to_counts(moments: np.ndarray, unit: str) -> Int64[np.ndarray, " n"]:
    """Times as counts of `unit` since 1970, rounded down."""
    return moments.astype(f"datetime64[{unit}]").astype(np.int64)


@cache
def _forms() -> dict[str, list[str]]:
    """All forms, by the shape of what they write: few are then worth trying."""
    forms = []
    for day in _DAYS:
        short = day.replace("%d", "%-d").replace("%m", "%-m")
        for time in _TIMES:
            forms += [day + time, short + time, short + time.replace("%H", "%-H")]
    found: dict[str, list[str]] = {}
    for form in dict.fromkeys(forms):
        found.setdefault(_shape(write_date(datetime(2024, 1, 1), form)), []).append(form)
    return found


def _shape(text: str) -> str:
    """A text with a 9 for every run of digits and an a for every run of letters."""
    return re.sub("[0-9]+", "9", re.sub("[a-zA-Z]+", "a", text))


@cache
def _pattern(form: str) -> re.Pattern[str]:
    parts = [_PATTERNS.get(part) or re.escape(part) for part in re.split("(%-?.)", form)]
    return re.compile("".join(parts))


def _field(directive: str) -> str:
    """The part of a date that a directive is: Y, m, d, H, M, S or f."""
    letter = directive[-1]
    return {"y": "Y", "b": "m", "B": "m", "L": "f"}.get(letter, letter)


def _may_be_dates(texts: Sequence[str]) -> bool:
    return all(len(text) <= _LONGEST and len(re.findall("[0-9]", text)) >= _FEWEST_DIGITS for text in texts)


def _reads(text: str, form: str) -> bool:
    try:
        read_date(text, form)
    except ValueError:
        return False
    return True
