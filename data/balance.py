"""Which attributes each sample gets: classes in turn, as often as in training, or so many of each."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int64

from data.image_set import ImageSpec
from data.table_spec import TableSpec

BALANCES = ("equal", "real", "fill")
Spec = ImageSpec | TableSpec


def plan_attributes(spec: Spec, fixed: Any, balance: Any, count: int | None) -> Int64[np.ndarray, "n a"]:
    """The numbers of the attributes of each sample; null (one beyond the last value) where an attribute is left open.

    `fixed`: a value of the first attribute, or {attribute: value}. What is not fixed is left open, but for the first
    attribute: `balance` "equal" lets its values take turns; "real" has them as often as in training, and the first i
    samples as nearly so as can be for every i; {value: number} and "fill" (each up to the commonest) say how many, and
    then there is no `count`. Both are as a user typed them: a number may be the name of a value.
    ValueError naming a value, attribute or number that cannot be.
    """
    chosen = fixed_attributes(spec, fixed)
    if not spec.attributes:
        if balance != "equal":
            raise ValueError(f"balance={balance}: this checkpoint was trained without classes")
        return np.zeros((_number(count), 0), np.int64)
    first, values = next(iter(spec.attributes.items()))
    if first in chosen:
        if balance != "equal":
            raise ValueError(f"balance={balance} has no effect where class_label fixes the {first}")
        order = np.full(_number(count), chosen[first])
    elif balance == "equal":
        order = np.arange(_number(count)) % len(values)
    elif balance == "real":
        order = _in_proportion(_counts(spec, first), _number(count))
    else:
        order = _so_many(_numbers_of_each(spec, first, balance), count)
    labels = np.tile(np.asarray(spec.null_label, np.int64), (len(order), 1))
    labels[:, 0] = order
    for column, name in enumerate(spec.attributes):
        if name in chosen:
            labels[:, column] = chosen[name]
    return labels


def fixed_attributes(spec: Spec, fixed: Any) -> dict[str, int]:
    """{attribute: number of its value} of a value of the first attribute, or of {attribute: value}."""
    if fixed is None:
        return {}
    if not spec.attributes:
        raise ValueError(f"class_label={fixed}: this checkpoint was trained without classes")
    wanted = fixed if isinstance(fixed, Mapping) else {next(iter(spec.attributes)): fixed}
    for name, value in wanted.items():
        if name not in spec.attributes:
            raise ValueError(f"class_label: {name} is no attribute of this checkpoint: {', '.join(spec.attributes)}")
        if str(value) not in spec.attributes[name]:
            known = ", ".join(spec.attributes[name])
            raise ValueError(f"class_label={value} is not a {name} of this checkpoint: it knows {known}")
    return {name: spec.attributes[name].index(str(value)) for name, value in wanted.items()}


def attribute_names(spec: Spec, row: Int64[np.ndarray, " a"]) -> dict[str, str]:
    """{attribute: value} of a row of numbers, without those that are left open."""
    named = zip(spec.attributes.items(), row, strict=True)
    return {name: values[i] for (name, values), i in named if 0 <= i < len(values)}


def _number(count: int | None) -> int:
    return 64 if count is None else count


def _counts(spec: Spec, name: str) -> list[int]:
    if name not in spec.counts:
        raise ValueError(f"balance: this checkpoint does not say how often each {name} was; use {{{name}: number}}")
    return spec.counts[name]


def _numbers_of_each(spec: Spec, name: str, balance: Any) -> list[int]:
    values = spec.attributes[name]
    if balance == "fill":
        counts = _counts(spec, name)
        return [max(counts) - count for count in counts]
    if not isinstance(balance, Mapping):
        raise ValueError(f"balance={balance}: use {', '.join(BALANCES)} or {{{name}: number}}")
    for value, number in balance.items():
        if str(value) not in values:
            raise ValueError(f"balance: {value} is not a {name} of this checkpoint: it knows {', '.join(values)}")
        if type(number) is not int or number < 0:
            raise ValueError(f"balance: {value}={number} must be a whole number, 0 or more")
    numbers = {str(value): number for value, number in balance.items()}
    return [numbers.get(value, 0) for value in values]


def _so_many(numbers: list[int], count: int | None) -> Int64[np.ndarray, " n"]:
    if count is not None and count != sum(numbers):
        raise ValueError(f"num_samples={count}, but balance adds up to {sum(numbers)}: leave num_samples out")
    if sum(numbers) == 0:
        raise ValueError("balance asks for no sample at all")
    return np.repeat(np.arange(len(numbers)), numbers)


def _in_proportion(counts: list[int], count: int) -> Int64[np.ndarray, " n"]:
    """Each next value is the one that lags furthest behind its share."""
    shares, given = np.asarray(counts, float) / sum(counts), np.zeros(len(counts))
    order = np.empty(count, np.int64)
    for i in range(count):
        order[i] = np.argmax((i + 1) * shares - given)
        given[order[i]] += 1
    return order
