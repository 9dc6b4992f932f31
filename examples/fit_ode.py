"""Fitting a differential equation: the rates of prey and predators from noisy counts.

The solver is a plain loop of Runge and Kutta's steps. `wg.minimize` differentiates and compiles
it, and finds the rates and the start by Newton's method; the Hessian there says how sure they are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import wengert as wg

Array = NDArray[np.float64]
# births and deaths of prey, births and deaths of predators (1/year); prey and predators at first
NAMES = (
    "prey born",
    "prey eaten",
    "predators born",
    "predators die",
    "prey at first",
    "predators at first",
)
TRUTH = np.array([1.1, 0.4, 0.1, 0.4, 10.0, 5.0])
STEP, EVERY, COUNT = 0.05, 10, 40  # years; steps from one count to the next; counts
NOISE = 0.05  # relative


def change(state: Array, rates: Array) -> Array:
    """The derivative in time of prey and predators (A. Lotka 1925, V. Volterra 1926)."""
    prey, predators = state
    met = prey * predators
    return np.stack([rates[0] * prey - rates[1] * met, rates[2] * met - rates[3] * predators])


def solve(parameters: Array) -> Array:
    """Prey and predators at each time of counting, (COUNT, 2)."""
    rates, state = parameters[:4], parameters[4:]
    counts = np.zeros((COUNT, 2))
    for k in range(COUNT):
        for _ in range(EVERY):
            a = change(state, rates)
            b = change(state + STEP / 2 * a, rates)
            c = change(state + STEP / 2 * b, rates)
            d = change(state + STEP * c, rates)
            state = state + STEP / 6 * (a + 2 * b + 2 * c + d)
        counts[k] = state
    return counts


def loss(logs: Array, counts: Array) -> Array:
    """The negative logarithm of the likelihood; parameters are positive, so their logs vary."""
    misfit = np.log(counts) - np.log(solve(np.exp(logs)))
    return 0.5 * np.sum(misfit**2) / NOISE**2


def plot(counts: Array, found: Array, deviations: Array, path: Path) -> None:
    """The counts with the fitted curves, and the parameters with their uncertainties."""
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    years = STEP * EVERY * np.arange(1, COUNT + 1)
    fitted = solve(found)
    for k, (name, color) in enumerate((("prey", "#2a6f97"), ("predators", "#d08c60"))):
        left.plot(years, counts[:, k], "o", color=color, markersize=4, label=f"{name} counted")
        left.plot(years, fitted[:, k], color=color, label=f"{name} fitted")
    left.set(title="Counts and fit", xlabel="time / years", ylabel="thousands of animals")
    left.set(ylim=(0, 1.3 * counts.max()))
    left.legend(ncols=2)
    right.errorbar(
        found / TRUTH, range(len(NAMES)), xerr=2 * deviations, fmt="o", color="#2a6f97", capsize=4
    )
    right.axvline(1, color="black", linestyle=":")
    right.set(title="Parameters, with two standard errors", xlabel="found / true")
    right.set_yticks(range(len(NAMES)), NAMES)
    figure.savefig(path, dpi=120)


def main(out: Path) -> dict[str, float]:
    """Counts, fits, draws `fit_ode.png`."""
    rng = np.random.default_rng(0)
    counts = solve(TRUTH) * np.exp(NOISE * rng.standard_normal((COUNT, 2)))
    start = np.log([0.8, 0.3, 0.15, 0.6, *counts[0]])
    fit = wg.minimize(loss, start, args=(counts,), method="newton-cg")
    if not fit.success:
        raise RuntimeError(fit.message)
    curvature = wg.jit(wg.hessian(loss))(fit.x, counts)
    deviations = np.sqrt(np.diag(np.linalg.inv(curvature)))
    found = np.exp(fit.x)
    plot(counts, found, deviations, out / "fit_ode.png")
    errors = fit.x - np.log(TRUTH)
    return {
        "largest relative error of a parameter": float(np.max(np.abs(errors))),
        "largest error in standard errors": float(np.max(np.abs(errors) / deviations)),
        "squared misfit over its expectation": float(2 * fit.fun) / (counts.size - len(TRUTH)),
    }


if __name__ == "__main__":
    folder = Path("out")
    folder.mkdir(exist_ok=True)
    for name, figure in main(folder).items():
        print(f"{name}: {figure:.4g}")
