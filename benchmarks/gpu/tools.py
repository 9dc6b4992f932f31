"""The tools on a GPU: those of `benchmarks.peers`, with arrays of the device, and CuPy's own."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.peers import Tool, as_list
from benchmarks.workload import Namespace


def load_wengert(cupy: Any) -> Tool:
    return replace(peers.load_wengert(), array=cupy.asarray)


def load_cupy(cupy: Any) -> Tool:
    """CuPy as NumPy is used: a kernel for each operation."""
    return Tool("cupy", _namespace(cupy), {"value": lambda f, argnums: f}, array=cupy.asarray)


def load_fuse(cupy: Any) -> Tool:
    """CuPy's fusion, which takes elementwise functions with at most one reduction at the end."""
    fused = {"value": lambda f, argnums: cupy.fuse(f)}
    return Tool("cupy.fuse", _namespace(cupy), fused, array=cupy.asarray)


def _namespace(cupy: Any) -> Namespace:
    name = "cupyx.scipy.special"
    has = importlib.util.find_spec("cupyx") is not None
    return Namespace(cupy, importlib.import_module(name) if has else None)


def _torch() -> Any:
    """PyTorch, whose functions make arrays on the GPU too: graphs take none of the host."""
    torch: Any = importlib.import_module("torch")
    if torch.cuda.is_available():
        torch.set_default_device("cuda")
    return torch


def on_torch(torch: Any, x: Any) -> Any:
    """A tensor on the GPU; NumPy's bfloat16 by its bits, which are all that PyTorch knows of it."""
    if x.dtype.name != "bfloat16":
        return torch.from_numpy(x).cuda()
    return torch.from_numpy(x.view(np.int16)).cuda().view(torch.bfloat16)


def load_torch() -> Tool:
    torch = _torch()
    return replace(peers.load_torch(), array=functools.partial(on_torch, torch))


def load_torch_compile() -> Tool:
    """Without CUDA graphs: see `Line.graphs`."""
    torch = _torch()
    return replace(peers.load_torch_compile(), array=functools.partial(on_torch, torch))


def load_torch_graphs() -> Tool:
    """With CUDA graphs, as wengert replays its programs."""
    torch = _torch()
    plain = peers.load_torch_compile()
    compiled = torch.compile

    def graphs(function: Any, **options: Any) -> Any:
        return compiled(function, mode="reduce-overhead", **options)

    def with_graphs(transform: Any) -> Any:
        def run(f: Any, argnums: Any) -> Any:
            torch.compile = graphs
            try:
                return transform(f, argnums)
            finally:
                torch.compile = compiled

        return run

    transforms = {name: with_graphs(t) for name, t in plain.transforms.items()}
    return replace(plain, transforms=transforms, array=functools.partial(on_torch, torch))


def load_jax() -> Tool:
    """Its products in full float32, as all others compute them."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    jax: Any = importlib.import_module("jax")
    jax.config.update("jax_default_matmul_precision", "highest")
    return peers.load_jax()


GRAPHS = "torch.compile, graphs"
LOADERS: dict[str, tuple[str, Callable[[Any], Tool]]] = {
    "wengert": ("wengert", load_wengert),
    "cupy": ("cupy", load_cupy),
    "cupy.fuse": ("cupy", load_fuse),
    "jax": ("jax", lambda cupy: load_jax()),
    "torch": ("torch", lambda cupy: load_torch()),
    "torch.compile": ("torch", lambda cupy: load_torch_compile()),
    GRAPHS: ("torch", lambda cupy: load_torch_graphs()),
}


def load_tools(cupy: Any) -> tuple[dict[str, Tool], dict[str, str]]:
    """The tools that are there and see a GPU, and why the others are left out."""
    tools: dict[str, Tool] = {}
    absent: dict[str, str] = {}
    for name, (module, load) in LOADERS.items():
        if importlib.util.find_spec(module) is None:
            absent[name] = "not installed"
            continue
        try:
            tool = load(cupy)
            where = _place(tool)
        except Exception as fault:  # a tool that does not work here is a line of the report
            absent[name] = f"{type(fault).__name__}: {fault}"[:200]
            continue
        if where == "cpu":
            absent[name] = "sees no GPU"
        else:
            tools[name] = tool
    return tools, absent


def _place(tool: Tool) -> str:
    """Where a tool's arrays are."""
    array: Any = tool.array(np.zeros(1, np.float32))
    devices: Any = getattr(array, "devices", None)
    if callable(devices):
        return next(iter(devices())).platform
    return str(getattr(array, "device", "gpu")).split(":")[0]


def _from_torch(leaf: Any) -> np.ndarray[Any, Any]:
    if "bfloat16" not in str(leaf.dtype):
        return np.asarray(leaf)
    return np.asarray(leaf.float()).astype(importlib.import_module("ml_dtypes").bfloat16)


def fetched(result: Any) -> list[np.ndarray[Any, Any]]:
    """A result of any tool as NumPy arrays."""
    found: list[np.ndarray[Any, Any]] = []
    for leaf in as_list(result):
        if hasattr(leaf, "detach"):
            found.append(_from_torch(leaf.detach().cpu()))
        else:
            found.append(np.asarray(leaf.get() if hasattr(leaf, "get") else leaf))
    return found
