"""What minimize returns."""

from __future__ import annotations

from typing import Any

from scipy.optimize import OptimizeResult

from wengert.tracer.pytree import register_pytree_node


class Result(OptimizeResult):
    """SciPy's result: x, fun, jac, nit, nfev, njev, nhev, success, status, message; and history.

    `x` and `jac` have the structure of the start. `history` holds lists, with an entry for the
    start and for each iteration: "fun", and "gradient", its largest component.
    """

    def __repr__(self) -> str:
        return repr(OptimizeResult({k: v for k, v in self.items() if k != "history"}))


def _flattened(result: Any) -> tuple[list[Any], tuple[tuple[str, ...], str]]:
    """Everything but the message, which is no array, so that compiled functions can return it."""
    names = tuple([name for name in result if name != "message"])
    return [result[name] for name in names], (names, result.message)


def _restored(data: Any, children: Any) -> Result:
    names, message = data
    return Result(**dict(zip(names, children, strict=True)), message=message)


register_pytree_node(Result, _flattened, _restored)
