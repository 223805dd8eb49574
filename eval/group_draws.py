"""Whole groups at random: dealt out, halved, redrawn, or one image of each."""

import numpy as np
from jaxtyping import Bool, Int

TRIES = 20  # shuffles among which the half nearest to a half is taken


def deal(groups: Int[np.ndarray, " n"], count: int, random: np.random.Generator) -> Bool[np.ndarray, " n"]:
    """The images of groups taken in random order until `count` images are there, or nearest to it; never all groups.

    `groups`: the number of each image's group, from 0 without gaps, 2 groups or more.
    """
    sizes = np.bincount(groups)
    order = random.permutation(len(sizes))
    taken = 1 + np.abs(sizes[order].cumsum()[:-1] - count).argmin()
    chosen = np.zeros(len(sizes), bool)
    chosen[order[:taken]] = True
    return chosen[groups]


def fill(groups: Int[np.ndarray, " n"], count: int, random: np.random.Generator) -> Bool[np.ndarray, " n"]:
    """The images of groups that together have `count` images, or as near below it as groups allow.

    Each group in random order is taken if it still fits in; of 20 orders the best counts. Unlike in `deal`, a large group is
    less often taken than left, so the names of both sides are no random ones.
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
