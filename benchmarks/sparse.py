"""Jacobians: sparse ones against coloured and blockwise alternatives, and a dense one.

What is compared is the matrix's entries. Every tool makes what its users would: SciPy's CSR array
in wengert, BCOO in asdex (which finds patterns and colours for JAX), blocks by vmap in JAX.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.workload import Function, Workload

DENSE_UNKNOWNS = 10_000
"""Unknowns of the dense Jacobian that JAX is given, of 0.8 GB; larger ones take it longer still."""


def broyden(np: Any) -> Function:
    """Broyden's tridiagonal system: J. More, B. Garbow, K. Hillstrom, "Testing unconstrained
    optimization software", ACM TOMS 7 (1981), problem 30."""

    def f(x):
        left = np.concatenate([np.zeros(1), x[:-1]])
        right = np.concatenate([x[1:], np.zeros(1)])
        return (3.0 - 2.0 * x) * x - left - 2.0 * right + 1.0

    return f


def wengert_broyden() -> Function:
    import wengert as wg

    jacobian = wg.sparse_jacobian(broyden(np))
    return lambda x: jacobian(x).data


def asdex_broyden() -> Function:
    """With pattern and colours found beforehand, and compiled, as its documentation asks."""
    import asdex
    import jax

    compiled: dict[Any, Any] = {}

    def entries(x):
        if x.shape not in compiled:
            compiled[x.shape] = jax.jit(asdex.jacobian(broyden(jax.numpy), x))
        return compiled[x.shape](x).data

    return entries


def dense_over_sparse(make: Callable[[], Function], inputs: Sequence[Any]) -> float:
    """How many times longer JAX takes for that dense Jacobian than wengert for this sparse one."""
    import jax

    f = make()
    f(*inputs)
    x = jax.numpy.asarray(inputs[0][:DENSE_UNKNOWNS])
    dense = jax.jit(jax.jacfwd(broyden(jax.numpy)))
    jax.block_until_ready(dense(x))
    return _seconds(lambda: jax.block_until_ready(dense(x)), 3) / _seconds(lambda: f(*inputs), 20)


def _seconds(call: Callable[[], Any], times: int) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def peak_bytes_per_entry(make: Callable[[], Function], inputs: Sequence[Any]) -> float:
    """Memory of the matrix and of the compiled program's temporaries, for each entry."""
    import wengert as wg

    ready = wg.sparse_jacobian(broyden(np)).prepare(*inputs)
    matrix = ready(*inputs)
    own = sum(x.nbytes for x in (matrix.data, matrix.indices, matrix.indptr))
    return (own + ready.temporary_bytes) / matrix.nnz


def projection(np: Any) -> Function:
    """A point seen by a camera of 11 parameters: rotation vector, centre, focal length, principal
    point and two radial distortions; as in the bundle adjustment of ADBench (see `derivatives`).
    Cameras are (11, ...), points (3, ...)."""

    def f(camera, point):
        rotation, centre, focal = camera[0:3], camera[3:6], camera[6]
        centre_of_image, distortion = camera[7:9], camera[9:11]
        d = point - centre
        angle = np.sqrt(np.sum(rotation * rotation, axis=0) + 1e-12)
        w = rotation / angle
        cosine, sine = np.cos(angle), np.sin(angle)
        crossed = np.stack(
            [w[1] * d[2] - w[2] * d[1], w[2] * d[0] - w[0] * d[2], w[0] * d[1] - w[1] * d[0]]
        )
        turned = d * cosine + crossed * sine + w * (np.sum(w * d, axis=0) * (1.0 - cosine))
        u = turned[:2] / turned[2]
        r = np.sum(u * u, axis=0)
        return u * (1.0 + distortion[0] * r + distortion[1] * r * r) * focal + centre_of_image

    return f


def adjustment_inputs(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    cameras, points, observations = (3, 7, 20) if tiny else (50, 5_000, 30_000)
    x = 0.1 * rng.standard_normal((cameras, 11))
    x[:, 5] -= 3.0
    x[:, 6] += 1.0
    of_camera = np.sort(rng.integers(0, cameras, observations))
    of_point = rng.integers(0, points, observations)
    seen = rng.standard_normal((observations, 2))
    return x, 0.3 * rng.standard_normal((points, 3)), of_camera, of_point, seen


def wengert_adjustment() -> Function:
    """The whole system as a sparse matrix; all cameras' columns come before all points'."""
    import wengert as wg

    project = projection(np)

    def residuals(cameras, points, of_camera, of_point, seen):
        return project(cameras[of_camera].T, points[of_point].T).T - seen

    jacobian = wg.sparse_jacobian(residuals, argnums=(0, 1))
    return lambda *args: jacobian(*args).data


def jax_adjustment(sparse: bool) -> Callable[[], Function]:
    """Blocks of each observation, (2, 11 + 3); or of these the entries that the sparse matrix has,
    in its order: a coordinate does not depend on the other one of the principal point."""

    def make() -> Function:
        import jax

        project = projection(jax.numpy)
        block = jax.jacrev(lambda c, p, z: project(c, p) - z, (0, 1))
        kept = np.array([*(k for k in range(14) if k != 8), *(14 + k for k in range(14) if k != 7)])

        @jax.jit
        def entries(cameras, points, of_camera, of_point, seen):
            both = jax.vmap(block)(cameras[of_camera], points[of_point], seen)
            whole = jax.numpy.concatenate(both, axis=2)
            return whole.reshape(len(whole), 28)[:, kept].ravel() if sparse else whole.ravel()

        return entries

    return make


def wengert_blocks() -> Function:
    """The same blocks by the same transforms as in JAX."""
    import wengert as wg

    project = projection(np)
    block = wg.jacrev(lambda c, p, z: project(c, p) - z, (0, 1))

    @wg.jit
    def entries(cameras, points, of_camera, of_point, seen):
        both = wg.vmap(block)(cameras[of_camera], points[of_point], seen)
        return np.concatenate(both, axis=2).ravel()

    return entries


def network(np: Any) -> Function:
    def f(x, first, second):
        return np.tanh(second @ np.tanh(first @ x))

    return f


def network_inputs(rng: np.random.Generator, tiny: bool) -> tuple[np.ndarray, ...]:
    n = 5 if tiny else 100
    return tuple(rng.standard_normal(s) / 10.0 for s in ((n,), (n, n), (n, n)))


def dense_network(tool: str) -> Callable[[], Function]:
    def make() -> Function:
        import importlib

        module = importlib.import_module(tool)
        namespace = np if tool == "wengert" else module.numpy
        transform = module.jacobian if tool == "wengert" else module.jacfwd
        return module.jit(transform(network(namespace)))

    return make


WORKLOADS = (
    Workload(
        "jacobian/tridiagonal/100000",
        {"plain": wengert_broyden, "asdex": asdex_broyden},
        lambda rng, tiny: (rng.standard_normal(50 if tiny else 100_000),),
        mode="as_is",
        targets={"asdex": 5},
        extras={
            f"JAX's dense one at n = {DENSE_UNKNOWNS:,} / this": dense_over_sparse,
            "bytes for each entry, all included": peak_bytes_per_entry,
        },
        skip={"numpy": "has no derivatives"},
    ),
    *(
        Workload(
            f"jacobian/adjustment/{form}",
            {"plain": ours, "jax": jax_adjustment(form == "sparse")},
            adjustment_inputs,
            mode="as_is",
            targets={"jax": 10},
            skip={"numpy": "has no derivatives"},
            tolerance=100.0,
        )
        for form, ours in (("sparse", wengert_adjustment), ("blocks", wengert_blocks))
    ),
    Workload(
        "jacobian/network/100x100",
        {"plain": dense_network("wengert"), "jax": dense_network("jax")},
        network_inputs,
        mode="as_is",
        targets={"jax": 2},
        skip={"numpy": "has no derivatives"},
    ),
)
