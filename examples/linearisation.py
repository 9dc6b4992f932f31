"""A pendulum balanced on a cart: linearised where it stands upright, and kept there.

`wg.jacobian` gives the linear system about the operating point from the equations of motion. Its
eigenvalues say how fast the pendulum falls; from it, a linear-quadratic regulator is made, which
then balances the nonlinear pendulum.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.linalg import solve_continuous_are

import wengert as wg

Array = NDArray[np.float64]
CART, MASS, LENGTH, GRAVITY = 1.0, 0.2, 0.5, 9.81  # kg, kg, m, m/s²
UPRIGHT, NO_FORCE = np.zeros(4), np.zeros(1)
STEP, COUNT = 0.01, 800  # s


def motion(state: Array, force: Array) -> Array:
    """The derivative in time of (place, speed, angle from upright, angular speed)."""
    _, speed, angle, turning = state
    sine, cosine = np.sin(angle), np.cos(angle)
    push = force[0] + MASS * LENGTH * turning**2 * sine
    moved = CART + MASS * sine**2
    acceleration = (push - MASS * GRAVITY * sine * cosine) / moved
    turned = ((CART + MASS) * GRAVITY * sine - push * cosine) / (LENGTH * moved)
    return np.stack([speed, acceleration, turning, turned])


def regulator(A: Array, B: Array) -> Array:
    """Feedback of least cost for the linear system: force = -feedback @ state."""
    cost = np.diag([1.0, 0.1, 10.0, 0.1])
    return B.T @ solve_continuous_are(A, B, cost, np.eye(1))


@wg.jit
def simulate(start: Array, feedback: Array) -> Array:
    """The states from a start on, by Runge and Kutta's method."""
    states = np.zeros((COUNT + 1, 4))
    states[0] = x = start
    for k in range(COUNT):
        force = -feedback @ x
        a = motion(x, force)
        b = motion(x + STEP / 2 * a, force)
        c = motion(x + STEP / 2 * b, force)
        d = motion(x + STEP * c, force)
        x = x + STEP / 6 * (a + 2 * b + 2 * c + d)
        states[k + 1] = x
    return states


def misses(angles: tuple[float, float]) -> list[float]:
    """How far the linear system's acceleration is from the true one, at two angles.

    The equations are odd in the angle, so twice the angle should mean 2³ times the error.
    """
    _, linear = wg.linearize(motion, UPRIGHT, NO_FORCE)
    states = [np.array([0, 0, angle, 0]) for angle in angles]
    return [float(np.abs(motion(s, NO_FORCE) - linear(s, NO_FORCE))[3]) for s in states]


def plot(paths: dict[int, Array], eigenvalues: list[Array], path: Path) -> None:
    """The eigenvalues without and with feedback, and how the pendulum comes back."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for values, mark, label in zip(eigenvalues, "xo", ("free", "with feedback"), strict=True):
        left.plot(values.real, values.imag, mark, label=label, markersize=9, fillstyle="none")
    left.axvline(0, color="black", linewidth=0.8)
    left.set(title="Eigenvalues about the upright pendulum", xlabel="real part / (1/s)")
    left.set_ylabel("imaginary part / (1/s)")
    left.legend()
    for degrees, states in paths.items():
        right.plot(STEP * np.arange(COUNT + 1), np.degrees(states[:, 2]), label=f"from {degrees}°")
    right.set(title="The nonlinear pendulum with feedback", xlabel="time / s")
    right.set_ylabel("angle from upright / degrees")
    right.legend()
    figure.savefig(path, dpi=120)


def main(out: Path) -> dict[str, float]:
    """Linearises, makes the feedback, simulates, draws `linearisation.png`."""
    A, B = wg.jacobian(motion, argnums=(0, 1))(UPRIGHT, NO_FORCE)
    feedback = regulator(A, B)
    free, kept = np.linalg.eigvals(A), np.linalg.eigvals(A - B @ feedback)
    paths = {
        degrees: simulate(np.array([0, 0, np.radians(degrees), 0]), feedback)
        for degrees in (10, 20, 30)
    }
    plot(paths, [free, kept], out / "linearisation.png")
    falling = np.sqrt((CART + MASS) * GRAVITY / (CART * LENGTH))  # from the linear equations
    error = np.max(np.abs(np.sort(free.real) - [-falling, 0, 0, falling]))
    near, far = misses((0.05, 0.1))
    return {
        "error of the eigenvalues": float(error),
        "slowest eigenvalue with feedback": float(np.max(kept.real)),
        "degrees from upright at the end": float(np.max(np.abs(np.degrees(paths[30][-1, 2])))),
        "growth of the linear system's error": far / near,
    }


if __name__ == "__main__":
    folder = Path("out")
    folder.mkdir(exist_ok=True)
    for name, figure in main(folder).items():
        print(f"{name}: {figure:.4g}")
