"""Exception types and the wording of messages.

Every exception derives from the built-in one a NumPy user would expect, so that existing
`except` clauses keep working. `docs/errors.md` shows an example of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Location:
    """A line of the user's program: where an equation came from."""

    file: str
    line: int
    function: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + (f" in {self.function}" if self.function else "")


class WengertError(Exception):
    """Base of all errors that wengert raises on purpose.

    `location` is the user's line, where it is known; the message ends with it.
    """

    location: Location | None = None


class ShapeError(WengertError, ValueError):
    """Shapes that do not fit together."""


class DTypeError(WengertError, TypeError):
    """A dtype that an operation does not take."""


class AxisRangeError(WengertError, ValueError, IndexError):
    """An axis outside the array's dimensions (as `numpy.exceptions.AxisError`)."""


class AssertionFailedError(WengertError, AssertionError):
    """An `assert` of the user's that did not hold when the program ran."""


class NotANumberError(WengertError, FloatingPointError):
    """The first NaN of a program, where WENGERT_DEBUG_NANS asks for it."""


class ImpureCallbackError(WengertError, RuntimeError):
    """A function of `pure_callback` that gives different results for the same arguments."""


class OutOfBoundsError(WengertError, IndexError):
    """An index outside its axis."""


class MatrixShapeError(ShapeError, np.linalg.LinAlgError):
    """An array that is no matrix, or not a square one, where linear algebra needs it."""


class SingularMatrixError(WengertError, np.linalg.LinAlgError):
    """A matrix that has no inverse or no factors, found when the program ran."""


class DegenerateSpectrumError(WengertError, np.linalg.LinAlgError):
    """A derivative of eigenvectors of equal eigenvalues, which there is none of."""


class ArgumentError(WengertError, ValueError):
    """An argument whose value the function cannot take (an unknown mode, a negative count)."""


class InputTypeError(WengertError, TypeError):
    """An argument that is neither an array, a number nor a pytree of those."""


class TracerConversionError(WengertError, TypeError):
    """A traced value was used where Python or NumPy needs a concrete one."""


class MutationError(WengertError, TypeError):
    """An array was to be changed in place that must not change, or not in this way."""


class SharedArrayError(MutationError):
    """An array is used after a change of one that may be the same, as is known only at run time."""


class ReadOnlyError(WengertError, ValueError):
    """A read-only array was to be changed in place."""


class LeakedTracerError(WengertError, TypeError):
    """A traced value was used after its trace had ended."""


class CaptureError(WengertError, TypeError):
    """Python code that cannot become part of a compiled program: a loop, a branch, their state."""


class UndefinedVariableError(WengertError, UnboundLocalError):
    """A variable was read that is not assigned on all ways through a traced branch or loop.

    `surely` says that it has no value on any way.
    """

    surely: bool = True


class EndlessRecursionError(WengertError, RecursionError):
    """A function that calls itself without end while it is being traced."""


class DifferentiationError(WengertError, TypeError):
    """A derivative was asked for that does not exist (integer input, non-scalar output, ...)."""


class MissingRuleError(WengertError, NotImplementedError):
    """An operation lacks the rule that a transform needs."""


class TreeError(WengertError, ValueError):
    """Two pytrees that should have the same structure do not."""


class VerificationError(WengertError, AssertionError):
    """A program that breaks an invariant of its IR: a fault in wengert or in hand-written IR."""


class ParseError(WengertError, ValueError):
    """Text that is not a program."""


def at(location: Location | None) -> str:
    """The words that name `location` at the end of a message; empty if it is not known."""
    return f" (at {location})" if location is not None else ""


def located(error: WengertError, location: Location | None) -> WengertError:
    """`error` with the user's line at the end of its message, added once."""
    if location is not None and error.location is None:
        error.args = (f"{error}{at(location)}", *error.args[1:])
        error.location = location
    return error


class CheckpointError(WengertError, ValueError):
    """A checkpoint that cannot be read, or is of another model."""


class TrainingError(WengertError, RuntimeError):
    """Training ended by an exception in what it was given; `result` has everything up to there."""

    result: Any = None


class DistributedError(WengertError, RuntimeError):
    """Processes that do not do the same, or something that went wrong between them."""


class DeviceError(WengertError, RuntimeError):
    """Something of a device's own went wrong; the CPU back end still works."""


class DeviceUnavailableError(DeviceError):
    """There is no device, driver, library or compiler to run a program with."""


class DeviceMemoryError(DeviceError, MemoryError):
    """The device has not enough memory left."""


class CompileError(DeviceError):
    """A device's compiler refused a program's kernels."""


class LaunchError(DeviceError):
    """A kernel could not be launched, or failed."""


_BUILT_IN: dict[str, type[BaseException]] = {
    e.__name__: e
    for e in (IndexError, ValueError, TypeError, ZeroDivisionError, OverflowError, ArithmeticError)
}
_raised: dict[str, type[BaseException]] = {}
"""The exceptions that `raise` statements of compiled functions raise, by the names they go by."""


def named(kind: type[BaseException]) -> str:
    """The name by which a program raises an exception of the user's; `exception` knows it."""
    name = f"{kind.__module__}.{kind.__qualname__}"
    while _raised.setdefault(name, kind) is not kind:
        name += "'"
    return name


def is_named(name: str) -> bool:
    """Whether a name is that of an exception that a `raise` statement raises."""
    return name in _raised


def exception(name: str, message: str) -> BaseException:
    """An exception by its name: one of ours, one of Python's, or one of `named`."""
    kind = globals().get(name) or _BUILT_IN.get(name)
    if kind is not None:
        return kind(message)
    found = _raised.get(name, RuntimeError)
    made = found.__new__(found, message)  # whatever its constructor takes
    made.args = (message,)
    return made
