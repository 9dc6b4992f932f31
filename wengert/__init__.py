"""wengert: a tensor compiler with forward- and reverse-mode automatic differentiation.

Write NumPy functions; differentiate, map and compile them by `grad`, `vmap`, `jit` and friends.
"""

from __future__ import annotations

import importlib
from typing import Any

from wengert import errors
from wengert.api import (
    ShapeDtypeStruct,
    checkpoint,
    checkpoint_name,
    cond,
    custom_jvp,
    custom_linear_solve,
    custom_root,
    custom_vjp,
    eval_shape,
    fixed_point,
    float0,
    fori_loop,
    gauss_newton_product,
    grad,
    hessian,
    hvp,
    jacfwd,
    jacobian,
    jacrev,
    jet,
    jit,
    jvp,
    linear_transpose,
    linearize,
    make_ir,
    map,  # noqa: A004
    pure_callback,
    ravel_pytree,
    scan,
    sparse_hessian,
    sparse_jacobian,
    stop_gradient,
    switch,
    value_and_grad,
    vjp,
    vmap,
    while_loop,
)
from wengert.api import policies as policies
from wengert.ir import floats as _floats
from wengert.ir import ops as _ops  # fills the registry of operations
from wengert.tracer import functions as _functions  # fills the tables of NumPy's functions
from wengert.tracer.pytree import (
    register_pytree_node,
    register_pytree_node_class,
    tree_all,
    tree_flatten,
    tree_leaves,
    tree_map,
    tree_reduce,
    tree_structure,
    tree_unflatten,
)

__version__ = "0.1.0"

_LAZY = (
    *("debug", "distributed", "interop", "linalg", "nn", "numpy", "optim", "random", "special"),
    *("testing", "train"),
)
_LAZY_FUNCTIONS = {"fit": "wengert.train.fit", "minimize": "wengert.optim.minimization"}
_FILLED = (_ops, _functions)

__all__ = [
    "ShapeDtypeStruct",
    "__version__",
    "checkpoint",
    "checkpoint_name",
    "cond",
    "custom_jvp",
    "custom_linear_solve",
    "custom_root",
    "custom_vjp",
    "errors",
    "eval_shape",
    "fixed_point",
    "float0",
    "fori_loop",
    "gauss_newton_product",
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jet",
    "jit",
    "jvp",
    "linear_transpose",
    "linearize",
    "make_ir",
    "map",
    "policies",
    "pure_callback",
    "ravel_pytree",
    "register_pytree_node",
    "register_pytree_node_class",
    "scan",
    "sparse_hessian",
    "sparse_jacobian",
    "stop_gradient",
    "switch",
    "tree_all",
    "tree_flatten",
    "tree_leaves",
    "tree_map",
    "tree_reduce",
    "tree_structure",
    "tree_unflatten",
    "value_and_grad",
    "vjp",
    "vmap",
    "while_loop",
]


def __getattr__(name: str) -> Any:
    """The namespaces and functions that are loaded when they are first used."""
    if name in _LAZY:
        return importlib.import_module(f"wengert.{name}")
    if name in _LAZY_FUNCTIONS:
        return vars(importlib.import_module(_LAZY_FUNCTIONS[name]))[name]
    if name == _floats.BFLOAT16:
        return _floats.bfloat16_type()
    raise AttributeError(f"module 'wengert' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*__all__, *_LAZY, *_LAZY_FUNCTIONS])
