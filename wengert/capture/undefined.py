"""What stands in a variable that has no value: using it is the error that Python would raise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, TypeGuard

from wengert.errors import UndefinedVariableError, WengertError, located
from wengert.tracer.stack import user_location


class Undefined:
    """The contents of a variable without a value; `reason` says why it has none."""

    __slots__ = ("name", "reason")
    cure = ""

    def __init__(self, name: str, reason: str = "") -> None:
        self.name = name
        self.reason = reason

    def __repr__(self) -> str:
        return f"<{self.name} has no value>"


class Maybe(Undefined):
    """A variable that has a value if a flag of the rewriter is set: it was left by `break`."""

    __slots__ = ("flag", "value")

    def __init__(self, name: str, reason: str, value: Any, flag: str) -> None:
        super().__init__(name, reason)
        self.value = value
        self.flag = flag


class Supplied(Undefined):
    """A place of a defaultdict that may not be there: reading it gives `value` in any case.

    It is `absent` if it surely is not there yet.
    """

    __slots__ = ("absent", "value")

    def __init__(self, name: str, reason: str, value: Any, absent: bool = False) -> None:
        super().__init__(name, reason)
        self.value = value
        self.absent = absent


class Unjoined(Undefined):
    """One text or another, as is known at run time only: whoever looks at it gets the `error`."""

    __slots__ = ("error",)

    def __init__(self, name: str, error: WengertError) -> None:
        super().__init__(name, str(error))
        self.error = error

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        undefined(self)


class Chosen(Unjoined):
    """One of some texts, of which the number `index`, a traced one, is known at run time only.

    It can be compared with a text, and is a key of a dict that has them all.
    """

    __slots__ = ("index", "texts")

    def __init__(self, name: str, error: WengertError, texts: Sequence[Any], index: Any) -> None:
        super().__init__(name, error)
        self.texts = texts
        self.index = index

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, (str, bytes)):
            undefined(self)
        found: Any = False
        for k, text in enumerate(self.texts):
            if text == other:
                found = (self.index == k) | found
        return found

    def __hash__(self) -> int:
        undefined(self)

    def __ne__(self, other: object) -> Any:
        equal = self == other
        return not equal if isinstance(equal, bool) else equal ^ True


class Doubtful(Undefined):
    """What may have been changed by another name, which is known at run time only."""

    __slots__ = ()


def lacks_value(x: Any) -> TypeGuard[Undefined]:
    """Whether there is nothing in a variable: a text that is not known is something."""
    return isinstance(x, Undefined) and not isinstance(x, Unjoined)


def check_known(x: Any) -> None:
    """To be called before Python compares containers, which looks first at lengths and identities.

    Raises UndefinedVariableError if one holds what is known at run time only, at any depth.
    """
    kind: Any = type(x)
    if kind is list or kind is tuple:
        parts: Sequence[Any] = x
        for part in parts:
            check_known(part)
    elif lacks_value(x):
        undefined(x)


def contents(x: Any) -> Any:
    """What a variable may hold."""
    return x.value if isinstance(x, (Maybe, Supplied)) else x


DELETED = "it has been deleted"


def undefined(x: Undefined) -> NoReturn:
    """Raises UndefinedVariableError for the variable."""
    if isinstance(x, Unjoined):
        raise x.error
    why = x.reason or "it is not assigned before this line"
    what = f"variable '{x.name}'" if x.name.isidentifier() else x.name
    text = f"{what} has no value here: {why}. {x.cure or f'Give it a value first: {x.name} = ...'}"
    error = UndefinedVariableError(text)
    error.surely = x.reason in ("", DELETED)
    raise located(error, user_location())


def _refuse(self: Undefined, *args: Any, **kwargs: Any) -> NoReturn:
    undefined(self)


_OPERATIONS = (
    "add sub mul truediv floordiv mod divmod pow matmul and or xor lshift rshift radd rsub rmul "
    "rtruediv rfloordiv rmod rdivmod rpow rmatmul rand ror rxor iadd isub imul itruediv ifloordiv "
    "imod ipow imatmul iand ior ixor lt le gt ge neg pos abs invert bool int float index len iter "
    "getitem setitem delitem call contains enter exit array_ufunc array_function array eq ne"
)
for _name in _OPERATIONS.split():
    setattr(Undefined, f"__{_name}__", _refuse)
Undefined.__hash__ = object.__hash__
for _name in ("hash", "str", "format"):
    setattr(Unjoined, f"__{_name}__", _refuse)
