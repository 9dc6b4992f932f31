"""Sensitivity analysis: which property of a chemical reactor its temperature depends on most.

A reaction warms a stirred tank, which is cooled. `wg.custom_root` finds the steady state, and its
derivatives go through the equations, not through the solver's steps. They are the first-order
answer to how uncertain the temperature is; 20,000 random reactors, solved side by side by
`wg.vmap`, are the true one. (The reactor is that of D. E. Seborg et al., Process Dynamics and
Control, with a colder coolant.)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import wengert as wg

Array = NDArray[np.float64]
PARAMETERS = {
    "rate of flow / (l/min)": 100.0,
    "volume / l": 100.0,
    "concentration of feed / (mol/l)": 1.0,
    "temperature of feed / K": 350.0,
    "temperature of coolant / K": 285.0,
    "heat of reaction / (J/mol)": 5e4,
    "heat capacity / (J/l/K)": 239.0,
    "cooling / (J/min/K)": 5e4,
    "activation energy over R / K": 8750.0,
    "rate constant / (1/min)": 7.2e10,
}
VALUES = np.array(list(PARAMETERS.values()))
UNCERTAINTY = 0.005  # relative, of each parameter, one standard deviation


def balance(state: Array, p: Array) -> Array:
    """How concentration and temperature change (1/min): by flow, reaction and cooling."""
    concentration, temperature = state
    flow, volume, feed, warm, coolant, heat, capacity, cooling, energy, constant = p
    reaction = constant * np.exp(-energy / temperature) * concentration
    warming = heat * reaction / capacity + cooling * (coolant - temperature) / (volume * capacity)
    return np.stack(
        [
            flow / volume * (feed - concentration) - reaction,
            flow / volume * (warm - temperature) + warming,
        ]
    )


def newton(equations: Callable[[Array], Array], state: Array) -> Array:
    """The zero of the equations near a state, by Newton's method."""
    for _ in range(12):
        state = state - np.linalg.solve(wg.jacobian(equations)(state), equations(state))
    return state


def temperature(p: Array) -> Array:
    """The temperature (K) of the steady state."""
    return wg.custom_root(balance, np.array([0.9, 320.0]), newton, args=(p,))[1]


def by_differences(p: Array) -> Array:
    """The gradient of the temperature by central differences."""
    run = wg.jit(temperature)
    steps = np.diag(1e-5 * p)
    return np.array([(run(p + s) - run(p - s)) / (2 * s.sum()) for s in steps])


def plot(elasticities: Array, drawn: Array, deviation: float, path: Path) -> None:
    """What a per cent more of each parameter does, and the temperatures of random reactors."""
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    order = np.argsort(np.abs(elasticities))
    names = np.array([name.split(" / ")[0] for name in PARAMETERS])
    left.barh(names[order], elasticities[order] / 100, color="#2a6f97")
    left.axvline(0, color="black", linewidth=0.8)
    left.set(title="One per cent more of ...", xlabel="change of the temperature / K")
    right.hist(drawn, 80, density=True, color="#2a6f97", alpha=0.6, label="20,000 random reactors")
    mean = float(temperature(VALUES))
    x = np.linspace(mean - 4 * deviation, mean + 4 * deviation, 200)
    bell = np.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi))
    right.plot(x, bell, color="#d08c60", label="by the derivatives")
    right.set(title=f"All parameters uncertain by {UNCERTAINTY:.1%}", xlabel="temperature / K")
    right.set(ylabel="density / (1/K)", ylim=(0, 1.25 * bell.max()))
    right.legend()
    figure.savefig(path, dpi=120)


def main(out: Path) -> dict[str, float]:
    """Differentiates, compares with differences and random reactors, draws `sensitivity.png`."""
    gradient = wg.jit(wg.grad(temperature))(VALUES)
    elasticities = gradient * VALUES
    deviation = UNCERTAINTY * float(np.linalg.norm(elasticities))
    noise = np.random.default_rng(0).standard_normal((20_000, len(VALUES)))
    drawn = wg.jit(wg.vmap(temperature))(VALUES * (1 + UNCERTAINTY * noise))
    plot(elasticities, drawn, deviation, out / "sensitivity.png")
    error = np.max(np.abs(by_differences(VALUES) / gradient - 1))
    return {
        "temperature / K": float(temperature(VALUES)),
        "relative error against differences": float(error),
        "its uncertainty by derivatives / K": deviation,
        "the true one over it": float(np.std(drawn)) / deviation,
    }


if __name__ == "__main__":
    folder = Path("out")
    folder.mkdir(exist_ok=True)
    for name, figure in main(folder).items():
        print(f"{name}: {figure:.4g}")
