"""Calls of classes: what they make is new, and their `__new__` and `__init__` are rewritten."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.capture.array_api import in_one_namespace, of_library
from wengert.capture.journal import made
from wengert.capture.rewrite_expressions import RUNTIME
from wengert.ir.floats import BFLOAT16
from wengert.tracer.functions.making import scalar_type

converted: Callable[[Any], Any] = lambda f: f  # noqa: E731  (set by `convert`)


def of_class(f: Any) -> Any:
    """What to call in place of a class."""
    if issubclass(f, np.generic) and f.__name__ == BFLOAT16:
        return scalar_type(f)
    if of_library(f):
        return in_one_namespace(f)
    call = type(f).__call__
    if isinstance(call, types.FunctionType):  # of a metaclass
        inner = converted(call)
        return made_by(f) if inner is call else functools.partial(inner, f)
    return constructor(f)


def constructor(f: Any) -> Any:
    """`type.__call__` of a class."""
    new, init = _own(f, "__new__"), _own(f, "__init__")
    if new is None and (init is None or f.__new__ is not object.__new__):
        return made_by(f)

    def construct(*args: Any, **options: Any) -> Any:
        if new is None:
            found = made(f.__new__(f))
        else:
            found = new(f, *args, **options)
            if not isinstance(found, f):
                return found
        if init is not None:
            init(found, *args, **options)
        elif type(found).__init__ is not object.__init__:
            found.__init__(*args, **options)
        return found

    return construct


def made_by(f: Any) -> Any:
    """A class whose objects Python makes."""

    def construct(*args: Any, **options: Any) -> Any:
        return made(f(*args, **options))

    return construct


def new_object(kind: Any, *args: Any, **options: Any) -> Any:
    """`object.__new__`"""
    return made(object.__new__(kind, *args, **options))


def _own(f: Any, name: str) -> Any:
    """The rewritten form of `__new__` or `__init__` of a class; None if it has none."""
    found = getattr(f, name)
    if not isinstance(found, types.FunctionType):
        return None
    if name == "__init__":
        return _initialiser(f, found)
    inner = converted(found)
    lacks_form = inner is found or getattr(inner, "__wrapped__", None) is found
    return None if lacks_form and RUNTIME not in found.__code__.co_freevars else inner


def _initialiser(f: Any, init: types.FunctionType) -> Any:
    """The rewritten form of `__init__`, or Python's own."""
    owner = next(c for c in f.__mro__ if vars(c).get("__init__") is init)
    generated = init.__code__.co_filename == "<string>" and "__dataclass_fields__" in vars(owner)
    if generated and isinstance(getattr(f, "__post_init__", None), types.FunctionType):
        return functools.partial(_initialise, owner, init)
    return converted(init)


def _initialise(owner: Any, init: Callable[..., None], x: Any, *args: Any, **options: Any) -> None:
    """What the `__init__` of a data class does, which has no source: fields, then `__post_init__`.

    `__post_init__` is called in rewritten form.
    """
    signature = inspect.signature(init)
    try:
        given = signature.bind(x, *args, **options).arguments
    except TypeError:
        init(x, *args, **options)  # raises Python's own error
        raise
    frozen = owner.__dataclass_params__.frozen
    fields = {field.name: field for field in dataclasses.fields(owner)}
    for name, field in fields.items():
        if field.init and name in given:
            value = given[name]
        elif field.default_factory is not dataclasses.MISSING:
            value = converted(field.default_factory)()
        elif field.default is not dataclasses.MISSING and (field.init or not hasattr(x, name)):
            value = field.default
        else:
            continue
        (object.__setattr__ if frozen else setattr)(x, name, value)
    others = [p for p in list(signature.parameters.values())[1:] if p.name not in fields]
    converted(x.__post_init__)(*[given.get(p.name, p.default) for p in others])
