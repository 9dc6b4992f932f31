"""Where the numbers of given ranks stand, in plain loops: most of the others are never compared.

Numbers are words as in `radix`. Those with the same highest bits as the wanted one are taken apart
after counting how many have each, then those with the same next bits among them, and so on until
24 are left or all are equal: all but the first step are over few numbers, unless they are alike
(D. E. Knuth, "The Art of Computer Programming", volume 3, section 5.2.5, from the highest digit
on). Numbers stay in their order meanwhile, so that equal ones have the ranks that a stable sort
gives them.
"""

from __future__ import annotations

from wengert.backends.cpu.routines.plain_text import Words, module

NAME = "wg.select.order"
ROOMS = 6
PARAMETERS = ", ".join(["ptr"] * 12 + ["i64"] * 3)
"""Words, ranks, where the places go; arrays of as many words, of COUNTS twice, of two; how many
words, how many ranks, how many bits."""
COUNTS = 2048


def text() -> str:
    """The module with the function."""
    return module(
        (counted, found, taken, narrowed, sifted, compared, answered, descend, select),
        "double",
        NAME,
    )


def counted(words: Words, counts: Words, shift: int, flip: int, bits: int, n: int) -> None:
    """How many of n words have each digit."""
    mask = 2047 if bits > 11 else (1 << bits) - 1
    for digit in range(2048):
        counts[digit] = 0
    for i in range(n):
        digit = ((words[i] ^ flip) >> shift) & mask
        counts[digit] = counts[digit] + 1


def found(counts: Words, state: Words) -> None:
    """A digit for the rank in state[1], which becomes that among the words of this digit."""
    digit = 0
    rank = state[1]
    while counts[digit] <= rank:
        rank = rank - counts[digit]
        digit = digit + 1
    state[0] = digit
    state[1] = rank


def taken(
    words: Words, to: Words, places: Words, digit: int, shift: int, flip: int, bits: int, n: int
) -> None:
    """Brings those of n words that have a digit together, with their places."""
    mask = 2047 if bits > 11 else (1 << bits) - 1
    count = 0
    for i in range(n):
        word = words[i]
        to[count] = word
        places[count] = i
        count = count + 1 if ((word ^ flip) >> shift) & mask == digit else count


def narrowed(
    words: Words, places: Words, to: Words, places_to: Words, digit: int, shift: int, n: int
) -> None:
    """The same of words whose places are known, and by a digit below the highest."""
    count = 0
    for i in range(n):
        word = words[i]
        to[count] = word
        places_to[count] = places[i]
        count = count + 1 if (word >> shift) & 2047 == digit else count


def sifted(
    words: Words,
    places: Words,
    to: Words,
    places_to: Words,
    counts: Words,
    state: Words,
    shift: int,
    flip: int,
    bits: int,
    n: int,
) -> None:
    """Takes those of n words apart that have the wanted one's digit: state[0], of rank state[1]."""
    counted(words, counts, shift, flip, bits, n)
    found(counts, state)
    narrowed(words, places, to, places_to, state[0], shift, n)


def compared(words: Words, places: Words, out: Words, p: int, rank: int, n: int) -> None:
    """out[p] = the place of the word of a rank among n words."""
    for i in range(n):
        word = words[i]
        before = 0
        for j in range(i):
            before = before + 1 if words[j] <= word else before
        for j in range(i, n):
            before = before + 1 if words[j] < word else before
        if before == rank:
            out[p] = places[i]


def answered(words: Words, places: Words, out: Words, p: int, rank: int, n: int) -> None:
    """out[p] = the place of the word of a rank among few words, or many equal ones."""
    if n > 24:
        out[p] = places[rank]
    else:
        compared(words, places, out, p, rank, n)


def descend(
    near: Words,
    near_places: Words,
    left: Words,
    left_places: Words,
    right: Words,
    right_places: Words,
    counts: Words,
    state: Words,
    out: Words,
    p: int,
    shift: int,
    flip: int,
    bits: int,
    n: int,
) -> None:
    """out[p] = the place of the word of rank state[1] among n words equal from `shift` on.

    They are sifted from left to right and back; `near` is kept for the next rank.
    """
    where = 0
    while n > 24 and shift > 0:
        shift = shift - 11 if shift > 11 else 0
        if where == 0:
            sifted(near, near_places, left, left_places, counts, state, shift, flip, bits, n)
        elif where == 1:
            sifted(left, left_places, right, right_places, counts, state, shift, flip, bits, n)
        else:
            sifted(right, right_places, left, left_places, counts, state, shift, flip, bits, n)
        where = 2 if where == 1 else 1
        n = counts[state[0]]
    if where == 0:
        answered(near, near_places, out, p, state[1], n)
    elif where == 1:
        answered(left, left_places, out, p, state[1], n)
    else:
        answered(right, right_places, out, p, state[1], n)


def select(
    words: Words,
    ranks: Words,
    out: Words,
    near: Words,
    near_places: Words,
    left: Words,
    left_places: Words,
    right: Words,
    right_places: Words,
    counts: Words,
    others: Words,
    state: Words,
    n: int,
    m: int,
    bits: int,
) -> None:
    """out = where the ones of m ranks stand among n words. Ranks are brought into the range."""
    flip = 1 << (bits - 1)
    shift = bits - 11 if bits > 11 else 0
    counted(words, counts, shift, flip, bits, n)
    have = -1
    for p in range(m):
        rank = ranks[p] if ranks[p] < n else n - 1
        state[1] = rank if rank > 0 else 0
        found(counts, state)
        if state[0] != have:
            have = state[0]
            taken(words, near, near_places, have, shift, flip, bits, n)
        count = counts[have]
        descend(
            near,
            near_places,
            left,
            left_places,
            right,
            right_places,
            others,
            state,
            out,
            p,
            shift,
            flip,
            bits,
            count,
        )
