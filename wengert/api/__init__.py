"""The public transforms."""

from wengert.api import vectorize  # fills the table of callable objects
from wengert.api.arguments import ShapeDtypeStruct, float0
from wengert.api.callback import pure_callback
from wengert.api.checkpoint import checkpoint
from wengert.api.control import cond, fori_loop, map, scan, switch, while_loop  # noqa: A004
from wengert.api.custom import Custom, custom_jvp, custom_vjp
from wengert.api.derivatives import (
    gauss_newton_product,
    grad,
    hvp,
    jvp,
    linear_transpose,
    linearize,
    stop_gradient,
    value_and_grad,
    vjp,
)
from wengert.api.implicit import custom_linear_solve, custom_root, fixed_point
from wengert.api.jacobians import hessian, jacfwd, jacobian, jacrev
from wengert.api.jets import jet
from wengert.api.jit import jit
from wengert.api.mapping import vmap
from wengert.api.policies import checkpoint_name
from wengert.api.ravel import ravel_pytree
from wengert.api.sparse import sparse_hessian, sparse_jacobian
from wengert.api.stages import eval_shape, make_ir

_FILLED = (vectorize,)

__all__ = [
    "Custom",
    "ShapeDtypeStruct",
    "checkpoint",
    "checkpoint_name",
    "cond",
    "custom_jvp",
    "custom_linear_solve",
    "custom_root",
    "custom_vjp",
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
    "pure_callback",
    "ravel_pytree",
    "scan",
    "sparse_hessian",
    "sparse_jacobian",
    "stop_gradient",
    "switch",
    "value_and_grad",
    "vjp",
    "vmap",
    "while_loop",
]
