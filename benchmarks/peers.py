"""The tools that are compared: how each differentiates, compiles, takes inputs, returns results.

Every tool is imported by its `load` function only, so that a tool which is not installed is left
out, and measuring one alone does not import the others.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.workload import LEARNING_RATE, Function, Namespace, Workload


def identity(value: Any) -> Any:
    return value


def as_list(result: Any) -> list[Any]:
    """The leaves of nested tuples and lists, in order."""
    if isinstance(result, tuple | list):
        return [leaf for part in result for leaf in as_list(part)]
    return [result]


@dataclass(frozen=True)
class Tool:
    """A loaded tool.

    `transforms` has, for each mode that it can do, a function from (function, argnums) to the
    function to call. `array` makes its array of a NumPy array, `finish` waits for a result.
    `compile_only` compiles without running, where there is a way; `fresh` forgets what earlier
    compilations left behind.
    """

    name: str
    namespace: Namespace
    transforms: dict[str, Callable[[Function, tuple[int, ...]], Function]]
    array: Callable[[np.ndarray], Any] = identity
    finish: Callable[[Any], Any] = identity
    compile_only: Callable[[Function, Sequence[Any]], Any] | None = None
    fresh: Callable[[], Any] = field(default=lambda: None)

    def bind(self, workload: Workload) -> Function:
        """A new, not yet compiled, function that does the workload."""
        transform = self.transforms[workload.mode]
        return transform(workload.function(self.name, self.namespace), workload.argnums)

    def can_do(self, workload: Workload) -> bool:
        """Whether this tool takes part."""
        return workload.mode in self.transforms and workload.is_for(self.name)

    def arguments(self, inputs: Sequence[np.ndarray]) -> list[Any]:
        """The inputs as this tool's arrays."""
        return [self.array(value) for value in inputs]


def descent(value_and_grad: Function, argnums: tuple[int, ...]) -> Function:
    """A step of gradient descent: (loss, the new values of the arguments `argnums`)."""

    def step(*args: Any) -> tuple[Any, ...]:
        value, gradients = value_and_grad(*args)
        moved = [args[n] - LEARNING_RATE * g for n, g in zip(argnums, gradients, strict=True)]
        return (value, *moved)

    return step


def jax_like(module: Any) -> dict[str, Callable[[Function, tuple[int, ...]], Function]]:
    """The modes by the names that JAX and wengert share."""
    return {
        "value": lambda f, argnums: module.jit(f),
        "grad": lambda f, argnums: module.jit(module.grad(f, argnums)),
        "value_and_grad": lambda f, argnums: module.jit(module.value_and_grad(f, argnums)),
        "hessian": lambda f, argnums: module.jit(module.hessian(f, argnums[0])),
        "step": lambda f, argnums: module.jit(descent(module.value_and_grad(f, argnums), argnums)),
        "vmap": lambda f, argnums: module.jit(module.vmap(f)),
        "vmap_grad": lambda f, argnums: module.jit(module.vmap(module.grad(f, argnums))),
        "as_is": lambda f, argnums: f,
    }


def numpy_namespace() -> Namespace:
    return Namespace(np, importlib.import_module("scipy.special"))


def load_wengert() -> Tool:
    module = importlib.import_module("wengert")
    return Tool(
        "wengert",
        numpy_namespace(),
        jax_like(module),
        compile_only=lambda f, args: f.lower(*args).compile(),
    )


def load_numpy() -> Tool:
    return Tool("numpy", numpy_namespace(), {"value": lambda f, argnums: f})


def load_jax() -> Tool:
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    namespace = Namespace(
        importlib.import_module("jax.numpy"), importlib.import_module("jax.scipy.special")
    )
    return Tool(
        "jax",
        namespace,
        jax_like(jax),
        array=jax.numpy.asarray,
        finish=jax.block_until_ready,
        compile_only=lambda f, args: f.lower(*args).compile(),
        fresh=jax.clear_caches,
    )


def torch_namespace(torch: Any) -> Namespace:
    """PyTorch under NumPy's names; where they differ in meaning, the equivalent."""
    renamed = {"max": torch.amax, "power": torch.pow, "maximum": torch.clamp_min}
    own = {name: getattr(torch, name) for name in dir(torch) if not name.startswith("_")}
    return Namespace(SimpleNamespace(**(own | renamed)), torch.special)


def load_torch() -> Tool:
    torch = importlib.import_module("torch")

    def value_and_grad(f: Function, argnums: tuple[int, ...]) -> Function:
        def run(*args: Any) -> tuple[Any, Any]:
            tracked = list(args)
            for n in argnums:
                tracked[n] = args[n].detach().requires_grad_()
            value = f(*tracked)
            gradients = torch.autograd.grad(value, [tracked[n] for n in argnums])
            return value.detach(), gradients

        return run

    def grad(f: Function, argnums: tuple[int, ...]) -> Function:
        both = value_and_grad(f, argnums)
        return lambda *args: both(*args)[1]

    transforms = {
        "value": lambda f, argnums: f,
        "grad": grad,
        "value_and_grad": value_and_grad,
        "hessian": lambda f, argnums: torch.func.hessian(f, argnums[0]),
        "step": lambda f, argnums: descent(value_and_grad(f, argnums), argnums),
        "as_is": lambda f, argnums: f,
    }
    return Tool("torch", torch_namespace(torch), transforms, array=torch.from_numpy)


def load_torch_compile() -> Tool:
    torch = importlib.import_module("torch")
    func = torch.func
    warnings.filterwarnings("ignore", module="torch")  # its own deprecations, no business of ours

    def value_and_grad(f: Function, argnums: tuple[int, ...]) -> Function:
        both = func.grad_and_value(f, argnums)

        def run(*args: Any) -> tuple[Any, Any]:
            gradients, value = both(*args)
            return value, gradients

        return run

    def compiled(f: Function) -> Function:
        return torch.compile(f, dynamic=False)

    transforms = {
        "value": lambda f, argnums: compiled(f),
        "grad": lambda f, argnums: compiled(func.grad(f, argnums)),
        "value_and_grad": lambda f, argnums: compiled(value_and_grad(f, argnums)),
        "hessian": lambda f, argnums: compiled(func.hessian(f, argnums[0])),
        "step": lambda f, argnums: compiled(descent(value_and_grad(f, argnums), argnums)),
    }
    return Tool(
        "torch.compile",
        torch_namespace(torch),
        transforms,
        array=torch.from_numpy,
        fresh=torch.compiler.reset,
    )


def load_autograd() -> Tool:
    autograd = importlib.import_module("autograd")
    namespace = Namespace(
        importlib.import_module("autograd.numpy"), importlib.import_module("autograd.scipy.special")
    )

    def value_and_grad(f: Function, argnums: tuple[int, ...]) -> Function:
        def of_tuple(wanted: tuple[Any, ...], args: tuple[Any, ...]) -> Any:
            full = list(args)
            for n, value in zip(argnums, wanted, strict=True):
                full[n] = value
            return f(*full)

        both = autograd.value_and_grad(of_tuple)
        return lambda *args: both(tuple(args[n] for n in argnums), args)

    def grad(f: Function, argnums: tuple[int, ...]) -> Function:
        both = value_and_grad(f, argnums)
        return lambda *args: both(*args)[1]

    transforms = {
        "grad": grad,
        "value_and_grad": value_and_grad,
        "hessian": lambda f, argnums: autograd.hessian(f, argnums[0]),
        "step": lambda f, argnums: descent(value_and_grad(f, argnums), argnums),
    }
    return Tool("autograd", namespace, transforms)


def with_jax(name: str) -> Tool:
    """A package for JAX: asdex has sparse Jacobians, optax optimisers."""
    jax = load_jax()
    return replace(jax, name=name, transforms={"as_is": jax.transforms["as_is"]}, compile_only=None)


LOADERS: dict[str, tuple[str, Callable[[], Tool]]] = {
    "wengert": ("wengert", load_wengert),
    "numpy": ("numpy", load_numpy),
    "jax": ("jax", load_jax),
    "torch": ("torch", load_torch),
    "torch.compile": ("torch", load_torch_compile),
    "autograd": ("autograd", load_autograd),
    "asdex": ("asdex", partial(with_jax, "asdex")),
    "optax": ("optax", partial(with_jax, "optax")),
}
BY_HAND = ("numba", "numpy by hand")  # names that `Workload.by_hand` may use
NAMES = (*LOADERS, *BY_HAND)


def installed(names: Sequence[str]) -> tuple[dict[str, Tool], list[str]]:
    """The tools among `names` that are installed, and the names of those that are not."""
    tools, missing = {}, []
    for name in names:
        module, load = LOADERS[name]
        if importlib.util.find_spec(module) is None:
            missing.append(name)
        else:
            tools[name] = load()
    return tools, missing


def to_numpy(result: Any) -> list[np.ndarray]:
    """A result of any tool as a list of NumPy arrays."""
    return [np.asarray(leaf) for leaf in as_list(result)]
