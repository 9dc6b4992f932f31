"""Expected loss by Monte Carlo: how much to order when demand is random.

What is left over costs 1 each, what is missing 3. The expected loss and its derivative are means
over random demands, made inside the compiled function. For a normal demand there are exact values
to compare with, and the best order is known: the 75% quantile.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import norm

import wengert as wg

Array = NDArray[np.float64]
OVER, UNDER = 1.0, 3.0  # cost of each piece too many, too few
MEAN, DEVIATION = 100.0, 20.0  # pieces
SAMPLES = 1_000_000
ORDERS = np.linspace(70, 150, 9)


def costs(order: Array, key: Any) -> Array:
    """The cost of an order for each of many random demands."""
    surplus = order - (MEAN + DEVIATION * wg.random.normal(key, (SAMPLES,)))
    return np.where(surplus > 0, OVER * surplus, -UNDER * surplus)


def expected(order: Array, key: Any) -> Array:
    """The expected cost."""
    return np.mean(costs(order, key))


@wg.jit
def estimates(order: Array, key: Any) -> tuple[Array, Array, Array]:
    """The expected cost, its standard error, and its derivative with respect to the order."""
    found = costs(order, key)
    error = np.std(found) / np.sqrt(SAMPLES)
    return np.mean(found), error, wg.grad(expected)(order, key)


def exact(order: Array) -> tuple[Array, Array]:
    """The expected cost and its derivative, by integrals of the normal distribution."""
    z = (order - MEAN) / DEVIATION
    cost = DEVIATION * ((OVER + UNDER) * (z * norm.cdf(z) + norm.pdf(z)) - UNDER * z)
    return cost, (OVER + UNDER) * norm.cdf(z) - UNDER


def best_order() -> float:
    """The best order, by stochastic gradient descent: new demands in every step."""
    schedule = wg.optim.exponential_decay(20.0, 10, 0.7)
    optimizer = wg.optim.sgd(schedule)
    slope = wg.jit(wg.grad(expected))
    order, state = np.float64(MEAN), optimizer.init(np.float64(MEAN))
    for k in range(100):
        updates, state = optimizer.update(slope(order, wg.random.key(k)), state)
        order = order + updates
    return float(order)


def plot(found: Array, best: float, path: Path) -> None:
    """The estimates on the exact curves; `found` has a row for each order."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    x = np.linspace(ORDERS[0], ORDERS[-1], 200)
    cost, slope = exact(x)
    for axes, curve, estimate in ((left, cost, found[:, 0]), (right, slope, found[:, 2])):
        axes.plot(x, curve, color="#2a6f97", label="exact")
        axes.plot(ORDERS, estimate, "o", color="#d08c60", label=f"mean of {SAMPLES:,} samples")
        axes.axvline(best, color="black", linestyle=":", label="order found by descent")
        axes.set(xlabel="order / pieces")
    left.set(title="Expected cost", ylabel="cost")
    right.set(title="Its derivative", ylabel="cost / piece")
    left.legend()
    figure.savefig(path, dpi=120)


def main(out: Path) -> dict[str, float]:
    """Estimates for several orders, finds the best one, draws `monte_carlo.png`."""
    found = np.array([estimates(order, wg.random.key(k)) for k, order in enumerate(ORDERS)])
    cost, slope = exact(ORDERS)
    best = best_order()
    plot(found, best, out / "monte_carlo.png")
    best_of_all = norm.ppf(UNDER / (OVER + UNDER), MEAN, DEVIATION)
    errors = np.abs(found[:, 0] - cost) / found[:, 1]
    return {
        "largest error of a cost, in standard errors": float(np.max(errors)),
        "largest error of a derivative": float(np.max(np.abs(found[:, 2] - slope))),
        "best order": best,
        "error of the best order": abs(best - float(best_of_all)),
    }


if __name__ == "__main__":
    folder = Path("out")
    folder.mkdir(exist_ok=True)
    for name, figure in main(folder).items():
        print(f"{name}: {figure:.4g}")
