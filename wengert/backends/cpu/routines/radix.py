"""The order of numbers by their digits, and of two ordered runs together, in plain loops.

Numbers are words: integers of 64 bits of which the lowest `bits` are counted from, in the order of
the numbers they stand for (`llvm_sort` makes them). Sorting by one digit after the other, from the
lowest on, each time keeping the order of those that are equal in it, sorts by all of them (D. E.
Knuth, "The Art of Computer Programming", volume 3, section 5.2.5). Nothing depends on what the
numbers are but which digits are the same in all: those are left out. Keys travel with their
positions, so that none is read out of line.

`plain_text` makes native code of it, once for all dtypes.
"""

from __future__ import annotations

from wengert.backends.cpu.routines.plain_text import Words, module

PREFIX = "wg.radix."
DIGITS = 256
PARAMETERS = {
    "wg.radix.order": "ptr, ptr, ptr, ptr, ptr, i64, i64",
    "wg.radix.merged": "ptr, ptr, ptr, ptr, i64, i64",
    "wg.radix.merge": "ptr, ptr, ptr, ptr, i64, i64, i64",
}


def text(symbol: str) -> str:
    """The module with one of the functions."""
    parts = {
        "wg.radix.order": (counted, placed, order),
        "wg.radix.merged": (merge, level, merged),
        "wg.radix.merge": (merge,),
    }
    return module(parts[symbol], "double", symbol)


def counted(words: Words, counts: Words, shift: int, flip: int, n: int) -> None:
    """Where the first word of each digit belongs."""
    for digit in range(256):
        counts[digit] = 0
    for i in range(n):
        digit = ((words[i] ^ flip) >> shift) & 255
        counts[digit] = counts[digit] + 1
    total = 0
    for digit in range(256):
        count = counts[digit]
        counts[digit] = total
        total = total + count


def placed(
    words: Words,
    places: Words,
    to: Words,
    places_to: Words,
    counts: Words,
    shift: int,
    flip: int,
    n: int,
) -> None:
    """Brings words and their places into the order of a digit."""
    counted(words, counts, shift, flip, n)
    for i in range(n):
        word = words[i]
        digit = ((word ^ flip) >> shift) & 255
        at = counts[digit]
        counts[digit] = at + 1
        to[at] = word
        places_to[at] = places[i]


def order(
    words: Words,
    places: Words,
    others: Words,
    other_places: Words,
    counts: Words,
    n: int,
    bits: int,
) -> None:
    """`places` = the stable order of n words, which are overwritten, as are the three after it."""
    flip = 1 << (bits - 1)
    varying = 0
    for i in range(n):
        places[i] = i
        varying = varying | (words[i] ^ words[0])
    away = False
    shift = 0
    while shift < bits:
        if (varying >> shift) & 255 != 0:
            if away:
                placed(others, other_places, words, places, counts, shift, flip, n)
            else:
                placed(words, places, others, other_places, counts, shift, flip, n)
            away = not away
        shift = shift + 8
    if away:
        for i in range(n):
            places[i] = other_places[i]


def merged(
    words: Words, places: Words, others: Words, other_places: Words, width: int, n: int
) -> None:
    """The same of n words and their places that are in order in runs of a width."""
    away = False
    while width < n:
        if away:
            level(others, other_places, words, places, width, n)
        else:
            level(words, places, others, other_places, width, n)
        away = not away
        width = 2 * width
    if away:
        for i in range(n):
            places[i] = other_places[i]


def level(words: Words, places: Words, to: Words, places_to: Words, width: int, n: int) -> None:
    """Merges runs of a width two by two; the last one may be shorter, or have no other."""
    first = 0
    while first < n:
        middle = first + width if first + width < n else n
        end = middle + width if middle + width < n else n
        merge(words, places, to, places_to, first, middle, end)
        first = end


def merge(
    words: Words, places: Words, to: Words, places_to: Words, first: int, middle: int, end: int
) -> None:
    """Two runs in one order, with their places; of equal words those of the first come first.

    It is merged from both ends at once, as far as neither run can come to its end, so that there
    are always two comparisons that need not wait for each other.
    """
    i = first
    j = middle
    p = middle - 1
    q = end - 1
    sure = middle - first if middle - first < end - middle else end - middle
    for k in range(sure):
        right = words[j] < words[i]
        to[first + k] = words[j] if right else words[i]
        places_to[first + k] = places[j] if right else places[i]
        j = j + 1 if right else j
        i = i if right else i + 1
        left = words[q] < words[p]
        to[end - 1 - k] = words[p] if left else words[q]
        places_to[end - 1 - k] = places[p] if left else places[q]
        p = p - 1 if left else p
        q = q if left else q - 1
    for k in range(first + sure, end - sure):
        if j > q or (i <= p and words[i] <= words[j]):
            to[k] = words[i]
            places_to[k] = places[i]
            i = i + 1
        else:
            to[k] = words[j]
            places_to[k] = places[j]
            j = j + 1
