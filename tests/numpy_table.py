"""The tables of docs/numpy.md, from the tracer's own; run this file to write them there.

Every public name of NumPy is in one row: `test_numpy_namespace` fails for one that is in none, and
for a page that is not what this file gives.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import wengert.numpy as wnp
from wengert.tracer.functions.sized import SIZED
from wengert.tracer.tables import CHANGING, FUNCTIONS

PAGE = Path(__file__).parents[1] / "docs" / "numpy.md"
VERSION = f"NumPy {'.'.join(np.__version__.split('.')[:2])}"
START, END = "<!-- tables: tests/numpy_table.py -->", "<!-- end of tables -->"

OTHERS = {
    "lengths or dtypes that depend on the elements, without a form with `size`": """
        real_if_close trim_zeros""",
    "dtypes that there are not: dates, text, objects, records, extended precision": """
        busday_count busday_offset busdaycalendar bytes_ character clongdouble complex256 datetime64
        datetime_as_string datetime_data flexible float128 is_busday isnat longdouble object_ rec
        recarray record str_ strings timedelta64 void""",
    "files, buffers and iterators as sources: read them before tracing": """
        frombuffer fromfile fromiter fromregex fromstring genfromtxt load loadtxt memmap save
        savetxt savez savez_compressed""",
    "elements as text: use `wg.debug.print`": """
        array2string array_repr array_str base_repr binary_repr format_float_positional
        format_float_scientific""",
    "Python functions of single elements, and iterators: use `wg.vmap`, loops, `wg.pure_callback`": """
        broadcast flatiter frompyfunc ndenumerate nditer nested_iters""",
    "traced in code whose source can be read": """
        c_ r_ vectorize""",
    "memory and its layout, which a traced value has not": """
        asarray_chkfinite asfortranarray isfortran may_share_memory require shares_memory""",
    "classes beside arrays, and short forms of joining: use `concatenate`, `stack`, `polyval`": """
        asmatrix bmat matrix poly1d row_stack""",
    "NumPy's settings, its account of itself, and questions about types": """
        __version__ ScalarType common_type get_include get_printoptions getbufsize geterr geterrcall
        info iterable little_endian min_scalar_type mintypecode printoptions sctypeDict
        set_printoptions setbufsize seterr seterrcall show_config show_runtime test typecodes
        typename ufunc""",
    "modules of their own (`np.random` on traced values is `wg.random`)": """
        char core ctypeslib dtypes emath exceptions f2py lib ma polynomial random testing typing""",
}
"""Why names have no traced form."""


def kind(name: str) -> str | None:
    """In which of the tables' first rows a name of NumPy belongs."""
    found = getattr(np, name)
    function = callable(found) and not isinstance(found, type)
    if name in OTHER_NAMES:
        return None
    if isinstance(found, np.ufunc):
        return "ufuncs"
    if name in SIZED:
        return "with size="
    if function and found in FUNCTIONS:
        return "in place" if found in CHANGING else "functions"
    if name in wnp.CREATED.split() or name in ("asarray", "asanyarray", "ascontiguousarray"):
        return "making arrays"
    return "NumPy's own" if name in wnp.__all__ else "nowhere"


OTHER_NAMES = {n for names in OTHERS.values() for n in names.split()}
ROWS = {
    "ufuncs": "ufuncs, with `out=`, `where=`, `.reduce`, `.accumulate`, `.outer`, `.at`, `.reduceat` "
    "(indices of `.reduceat` may be traced)",
    "functions": "functions",
    "with size=": "only as `wg.numpy.f(..., size=n)`: their lengths depend on the elements",
    "in place": "functions that change an array, called as `np.f`",
    "making arrays": "making arrays, traced ones where an argument is, or in `wg.numpy`",
    "NumPy's own": "dtypes, constants and indices, which are NumPy's own in `wg.numpy`",
}


def tables() -> str:
    """Both tables in Markdown."""
    groups: dict[str, list[str]] = {name: [] for name in ROWS}
    for name in sorted(np.__all__):
        group = kind(name)
        if group is not None:
            groups[group].append(name)
    lines = [f"The names are those of {VERSION}.", "", "| traced | |", "|---|---|"]
    lines += [f"| {ROWS[group]} | {_listed(names)} |" for group, names in groups.items()]
    for part in ("linalg", "fft"):
        names = [n for n in getattr(np, part).__all__ if n != "LinAlgError"]
        assert all(hasattr(getattr(wnp, part), n) for n in names)
        lines.append(f"| all of `np.{part}` | {_listed(names)} |")
    lines += ["", "| not traced, because of | |", "|---|---|"]
    lines += [f"| {why} | {_listed(sorted(names.split()))} |" for why, names in OTHERS.items()]
    return "\n".join(lines)


def _listed(names: list[str]) -> str:
    return f"`{' '.join(sorted(names))}`"


def page() -> str:
    """The page with these tables."""
    before, _, rest = PAGE.read_text().partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n\n{tables()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page())
