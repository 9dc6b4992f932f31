"""What `fit` is told: a field for each of its arguments, and what is wrong with some of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

from wengert.api.arguments import fail, require_callable
from wengert.errors import ArgumentError, InputTypeError
from wengert.optim.optimizer import Optimizer
from wengert.train.batches import Source
from wengert.train.history import Fit
from wengert.train.step import Loss, Metrics

RECORDED = frozenset(("loss", "epoch", "step"))
"""What a record of a round has besides metrics."""
JUDGED = "val_"
"""How the names of what was measured on the validation begin in a record."""
SHARED = (
    *("epochs", "steps", "batch_size", "shuffle", "seed", "drop_last", "validate_every"),
    *("patience", "min_delta", "checkpoint_every", "resume"),
)
"""Settings that processes must share to train together."""


@dataclass(frozen=True, slots=True)
class Options:
    """The arguments of `fit`, by their names.

    - loss: `loss(params, *batch)`, a scalar; also takes `key=` if there is a key.
    - params: the pytree of floats to begin with.
    - batches: arrays with a common first axis (a tuple of inputs and targets, say); an iterable of
      batches; a function from the number of an epoch to an iterable; or an iterator, which may
      never end.
    - optimizer: of `wg.optim`.
    - epochs, steps: the end, whatever comes first; one epoch if neither is given.
    - batch_size, shuffle, seed, drop_last: how rows are drawn from arrays: in an order that follows
      from seed and epoch; `drop_last` leaves out a last batch that is smaller.
    - key: an integer or a random key. The loss gets a key of its own for each step as its keyword
      argument `key`, and None for validation.
    - metrics: functions like the loss, by name.
    - validation: data like batches, evaluated at the end of each round.
    - validate_every: a round ends after so many steps instead of with an epoch.
    - patience, min_delta: training ends after so many rounds in which the loss of the validation
      (without one, the mean loss) has not fallen by more than `min_delta`; the best parameters are
      the result then.
    - callback: called after each step with what there is; training ends if it returns True.
    - checkpoint, checkpoint_every: a folder in which everything is saved after each round, or
      after so many steps, and at the end.
    - resume: whether to go on from the newest checkpoint there. A run that does not will remove
      those that are there when it saves its own.
    - progress: whether to show a bar; by default on a terminal.
    - plot_to: a file for a picture of the losses.
    - precision: the float dtype of the loss; parameters and updates keep theirs. In float16
      gradients are scaled against underflow.
    - value_and_grad: what to take in place of `wg.value_and_grad`.
    - distributed: whether all processes of `wg.distributed.init()` train the same parameters. Each
      takes its part of the rows of every batch that is drawn from arrays (other batches are its
      own); gradients, losses and metrics are means over the rows of all, and each process has a
      folder of its own in `checkpoint`.
    """

    loss: Loss
    params: Any
    batches: Any
    optimizer: Optimizer
    epochs: int | None = None
    steps: int | None = None
    batch_size: int = 32
    shuffle: bool = True
    seed: int = 0
    drop_last: bool = False
    key: Any = None
    metrics: Metrics | None = None
    validation: Any = None
    validate_every: int | None = None
    patience: int | None = None
    min_delta: float = 0.0
    callback: Callable[[Fit], Any] | None = None
    checkpoint: str | Path | None = None
    checkpoint_every: int | None = None
    resume: bool = True
    progress: bool | None = None
    plot_to: str | Path | None = None
    precision: Any = None
    value_and_grad: Callable[..., Any] | None = None
    distributed: bool = False

    @property
    def last_epoch(self) -> int | None:
        """How many epochs there are at most."""
        return 1 if self.epochs is None and self.steps is None else self.epochs

    def check(self) -> None:
        """Raises ArgumentError or InputTypeError for what cannot be used, whatever the batches."""
        require_callable("fit", self.loss)
        if not isinstance(self.optimizer, Optimizer):
            fail(
                ArgumentError(
                    f"fit takes an optimiser of wg.optim, wg.optim.adam(1e-3) say, and got "
                    f"{type(self.optimizer).__name__}"
                )
            )
        self._at_least(0, ("epochs", "steps", "seed"))
        self._at_least(1, ("batch_size", "validate_every", "checkpoint_every", "patience"))
        self._check_metrics()

    def _check_metrics(self) -> None:
        if not isinstance(self.metrics or {}, Mapping):
            fail(
                InputTypeError(
                    "metrics are functions by name, {'accuracy': accuracy} say, and got "
                    f"{type(self.metrics).__name__}"
                )
            )
        names = set(map(str, self.metrics or ()))
        taken = sorted(RECORDED & names) or [n for n in sorted(names) if n.startswith(JUDGED)]
        if taken:
            fail(
                ArgumentError(
                    f"a metric cannot be called {taken[0]!r}: fit records numbers of its own by "
                    f"the names {', '.join(sorted(RECORDED))}, and those of the validation by "
                    f"names that begin with {JUDGED!r}; call it something else"
                )
            )

    def _at_least(self, least: int, names: Sequence[str]) -> None:
        for name in names:
            count = getattr(self, name)
            if count is None and name not in ("batch_size", "seed"):
                continue
            if not isinstance(count, Integral) or int(count) < least:
                number = f"a whole number, at least {least}"
                none = "" if name in ("batch_size", "seed") else ", or None"
                fail(ArgumentError(f"{name} cannot be {count!r}: it is {number}{none}"))

    def check_sources(self, drawn: Source, judges: Source | None) -> None:
        """Raises ArgumentError for batches that would be needed once more than they come."""
        if drawn.once and self.epochs is not None and self.epochs > 1:
            fail(
                ArgumentError(
                    f"an iterator gives its batches once, and {self.epochs} epochs were asked for; "
                    "pass a list, arrays, or a function from the number of an epoch to its batches"
                )
            )
        if judges is not None and judges.once:
            fail(ArgumentError("validation is read again and again; an iterator is read only once"))

    def shared(self, drawn: Source, judges: Source | None) -> dict[str, Any]:
        """What processes that train together must have been told alike."""
        told = {name: getattr(self, name) for name in SHARED}
        told["metrics"] = ", ".join(self.metrics or ())
        told["precision"] = None if self.precision is None else str(self.precision)
        told["rows to draw from"] = drawn.rows
        told["an iterator"] = drawn.once
        told["validation"] = judges is not None
        return told | {"rows of the validation": None if judges is None else judges.rows}
