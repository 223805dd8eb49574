"""Whole groups at random: dealt out, halved, redrawn, or one image of each."""

import numpy as np
from jaxtyping import Bool, Int

TRIES = 20  # shuffles among which the half nearest to a half is taken


def deal(
    groups: Int[np.ndarray, " n"], chosen: Bool[np.ndarray, " n"], random: np.random.Generator
) -> Bool[np.ndarray, " n"]:
    """The images of other groups than the `chosen` ones: as many groups, with as many images, or as near as swaps get.

    `groups`: the number of each image's group, from 0 without gaps; `chosen` holds none in part. Groups are drawn at random;
    then one of them and one of the others, drawn from all pairs that bring the number of images nearer, change places,
    until none does. So groups of one size are exchangeable, and many small groups are never called by the name of a few
    large ones, which more images would be near to.
    """
    sizes = np.bincount(groups)
    names = np.zeros(len(sizes), bool)
    names[random.permutation(len(sizes))[: len(np.unique(groups[chosen]))]] = True
    kinds, kind_of = np.unique(sizes, return_inverse=True)
    change = kinds - kinds[:, None]  # in images, where a group of the row's size makes room for one of the column's
    while excess := int(sizes[names].sum() - chosen.sum()):
        ours, others = (np.bincount(kind_of[side], minlength=len(kinds)) for side in (names, ~names))
        pairs = (ours[:, None] * others * (np.abs(excess + change) < abs(excess))).ravel()
        if not pairs.any():
            break
        kind = divmod(random.choice(len(pairs), p=pairs / pairs.sum()), len(kinds))
        one = random.choice(np.flatnonzero(names & (kind_of == kind[0])))
        other = random.choice(np.flatnonzero(~names & (kind_of == kind[1])))
        names[one], names[other] = False, True
    return names[groups]


def fill(groups: Int[np.ndarray, " n"], count: int, random: np.random.Generator) -> Bool[np.ndarray, " n"]:
    """The images of groups that together have `count` images, or as near below it as groups allow.

    Each group in random order is taken if it still fits in; of 20 orders the best counts. A large group is less often taken
    than left, so which side is called which has to be drawn, too.
    """
    sizes, best, least = np.bincount(groups), np.zeros(0, bool), len(groups) + 1
    for _ in range(TRIES):
        chosen, room = np.zeros(len(sizes), bool), count
        for group in random.permutation(len(sizes)):
            if sizes[group] <= room:
                chosen[group], room = True, room - sizes[group]
        if room < least:
            best, least = chosen, room
        if room == 0:
            break
    return best[groups]


def one_of_each(groups: Int[np.ndarray, " n"], random: np.random.Generator) -> Int[np.ndarray, " g"]:
    """The rows, in order, of one image of each group."""
    order = random.permutation(len(groups))
    return np.sort(order[np.unique(groups[order], return_index=True)[1]])


def redrawn(groups: Int[np.ndarray, " n"], random: np.random.Generator) -> Int[np.ndarray, " n"]:
    """How often each image is in a bootstrap draw of whole groups.

    Of g groups g - 1 are drawn, which makes the variance of their mean that of g independent ones (Rao & Wu 1988, J. Am.
    Stat. Assoc. 83, section 2).
    """
    count = int(groups.max()) + 1
    return np.bincount(random.integers(count, size=count - 1), minlength=count)[groups]
