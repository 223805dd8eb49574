"""Numbers as texts: which texts are numbers, and how a number is written with the decimals of its column."""

import math
import re
from collections.abc import Collection
from decimal import Decimal
from typing import NamedTuple

LARGEST_EXACT = 2**53  # beyond, float64 skips whole numbers
LARGEST_WHOLE = 2**63 - 1
MOST_DECIMALS = 15  # more than that are digits of a float64, not decimals
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_CODE = re.compile(r"[+-]?0[0-9]")  # 007: a leading zero is lost by a number
_INFINITE = re.compile(r"[+-]?(inf|infinity)", re.IGNORECASE)
_DECORATION = re.compile(r"(?<=[0-9])(\s?(kg|g|mg|cm|mm|km|ml)|\s[a-z]{1,5})$|[\s%$€£¥'’,.]")


class Written(NamedTuple):
    """How the numbers of a column are written.

    `decimals`: as many as any value needs; None where they are written with an exponent or are too many, then `digits`
    is the number of significant ones. `least_decimals`: as many are written even if they are zeros. `whole`: all values
    are whole numbers that 64 bits hold.
    """

    decimals: int | None
    least_decimals: int
    digits: int
    whole: bool


def is_number(text: str) -> bool:
    """Whether a text is a finite number, without spaces, signs of units or a leading zero."""
    return bool(_NUMBER.fullmatch(text)) and not _CODE.match(text) and math.isfinite(float(text))


def is_infinite(text: str) -> bool:
    """Whether a text is an infinity by name, or a number that no float64 holds."""
    return bool(_INFINITE.fullmatch(text) or (_NUMBER.fullmatch(text) and math.isinf(float(text))))


def is_code(text: str) -> bool:
    """Whether a text consists of digits alone."""
    return text.isascii() and text.isdigit()


def is_decorated(text: str) -> bool:
    """Whether a text is a number once signs, spaces, separators and a short unit are taken away: 12 %, 1,234, 5 kg."""
    digits = _DECORATION.sub("", text).lstrip("+-")
    return digits != text and digits.isascii() and digits.isdigit()


def has_decimal_comma(texts: Collection[str]) -> bool:
    """Whether all texts are numbers, some of them with a comma before their decimals and none with a point."""
    some = any("," in text for text in texts)
    return some and all("." not in text and is_number(text.replace(",", ".")) for text in texts)


def how_written(texts: Collection[str]) -> Written:
    """How the numbers that the texts are were written."""
    scientific = any("e" in text or "E" in text for text in texts)
    needed, digits, least, whole = 0, 0, MOST_DECIMALS, True
    for text in texts:
        if is_code(text):  # most are, and Decimal is slow
            least, digits, whole = 0, max(digits, len(text)), whole and int(text) <= LARGEST_WHOLE
            continue
        value = Decimal(text)
        reduced = value.normalize()
        needed = max(needed, -int(reduced.as_tuple().exponent))
        least = min(least, max(0, -int(value.as_tuple().exponent)))
        digits = max(digits, len(reduced.as_tuple().digits))
        whole = whole and reduced == reduced.to_integral_value() and abs(reduced) <= LARGEST_WHOLE
    if scientific or needed > MOST_DECIMALS:
        return Written(None, 0, min(digits, 17), whole=whole and not scientific)
    return Written(needed, least, digits, whole)


def write_number(value: float, *, decimals: int | None, least_decimals: int, digits: int) -> str:
    """A float as its column writes it, rounded to the decimals or digits that the column has."""
    if decimals is None:
        return repr(float(f"{value:.{digits - 1}e}") + 0.0)  # + 0.0: a negative zero is a zero
    text = f"{round(value, decimals) + 0.0:.{max(decimals, least_decimals)}f}"
    return _trimmed(text, least_decimals)


def write_whole(value: int, least_decimals: int) -> str:
    """A whole number, with the zeros behind the point that its column writes."""
    return f"{value}.{'0' * least_decimals}" if least_decimals else str(value)


def _trimmed(text: str, least_decimals: int) -> str:
    """Without the zeros at the end that are more than the least decimals."""
    head, point, tail = text.partition(".")
    tail = tail.rstrip("0").ljust(least_decimals, "0")
    return head + point + tail if tail else head
