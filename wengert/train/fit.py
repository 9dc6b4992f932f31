"""fit: the training loop, with what makes it safe to leave alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from wengert.api.arguments import fail, require_callable
from wengert.errors import ArgumentError
from wengert.optim.optimizer import Optimizer, arrays
from wengert.train.batches import Source, is_data, source
from wengert.train.history import Fit, Position
from wengert.train.precision import is_scaled, with_scale
from wengert.train.processes import Alone, together
from wengert.train.progress import plot, shown
from wengert.train.step import Loss, Metrics, make_evaluation, make_step
from wengert.train.trainer import Trainer


def fit(
    loss: Loss,
    params: Any,
    batches: Any,
    optimizer: Optimizer,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int = 0,
    drop_last: bool = False,
    key: Any = None,
    metrics: Metrics | None = None,
    validation: Any = None,
    validate_every: int | None = None,
    patience: int | None = None,
    min_delta: float = 0.0,
    callback: Callable[[Fit], Any] | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int | None = None,
    resume: bool = True,
    progress: bool | None = None,
    plot_to: str | Path | None = None,
    precision: Any = None,
    value_and_grad: Callable[..., Any] | None = None,
    distributed: bool = False,
) -> Fit:
    """Trains `params`, a pytree of floats, to lower `loss(params, *batch)`; see docs/fit.md.

    `batches` are arrays (a tuple of inputs and targets, say) from which batches of `batch_size`
    rows are drawn, shuffled by `seed` and epoch; or an iterable of batches; or a function from the
    number of an epoch to an iterable; or an iterator, which may never end. Training ends after
    `epochs` (one, if nothing else is said) or `steps`, whatever comes first.

    With a `key` (an integer or a random key), the loss gets a key of its own for each step as its
    keyword argument `key`, and None for validation. `metrics` are functions like the loss by name.
    `validation` is data like `batches`, evaluated at the end of each epoch or, as is all that is
    said of epochs here, every `validate_every` steps. With `patience`, training ends after so many
    epochs in which the loss of the validation (without one, the mean loss) has not fallen by more
    than `min_delta`, and the best parameters are the result.

    `checkpoint` is a folder: everything is saved there after each epoch or every
    `checkpoint_every` steps, and at the end. If it has a checkpoint, training goes on from there
    (`resume`), to the same bits as if it had not been interrupted. `callback(fit)` is called after
    each step and may return True to stop. With `precision=wg.bfloat16` or `np.float16` the loss is
    computed in it, and parameters and updates keep their dtype; in float16 gradients are scaled
    against underflow.
    `value_and_grad` replaces `wg.value_and_grad`.

    With `distributed`, all processes of `wg.distributed.init()` train the same parameters: each
    takes its part of the rows of every batch that is drawn from arrays (other batches are its own),
    and gradients, losses and metrics are means over the rows of all. `checkpoint` then has a folder
    for each process.

    A loss that is not finite ends training with the last parameters whose loss was, and an
    interrupt from the keyboard with what there is. An exception of the batches' becomes a
    TrainingError whose `result` is what there is. In all cases the checkpoints stay good.

    Raises ArgumentError and InputTypeError for arguments that cannot be used, CheckpointError for a
    folder with checkpoints of another model.
    """
    require_callable("fit", loss)
    who = together() if distributed else Alone()
    drawn = _source(who, batches, batch_size, shuffle, seed, drop_last)
    _check(drawn, epochs, steps, optimizer)
    judges = None
    if validation is not None:
        judges = _source(who, validation, batch_size, False, seed)
    if judges is not None and judges.once:
        fail(ArgumentError("validation is read again and again; an iterator is read only once"))
    measures = who.measures(metrics or {})
    differentiate = value_and_grad or who.value_and_grad
    start = arrays(params)
    who.check(start)
    initial = optimizer.init(start)
    trainer = Trainer(
        step=make_step(loss, optimizer, differentiate, measures, who.key(key), precision),
        evaluate=make_evaluation(who.loss(loss), measures, key),
        source=drawn,
        validation=judges,
        epochs=1 if epochs is None and steps is None else epochs,
        steps=steps,
        validate_every=validate_every,
        patience=patience,
        min_delta=min_delta,
        callback=callback,
        folder=None if checkpoint is None else who.folder(Path(checkpoint)),
        checkpoint_every=checkpoint_every,
        params=start,
        state=with_scale(initial) if is_scaled(precision) else initial,
        best=start,
        good=start,
        at=Position(),
        who=who,
    )
    if resume:
        trainer.restore()
    show = shown(progress if who.shows else False, trainer.total(), trainer.at.step)
    try:
        found = trainer.run(show)
    finally:
        show.close()
    if plot_to is not None and who.shows:
        plot(found.history, plot_to)
    return found


def _source(
    who: Alone, batches: Any, batch_size: int, shuffle: bool, seed: int, drop_last: bool = False
) -> Source:
    """Where batches come from: the rows of this process where they are drawn from arrays."""
    found = source(batches, batch_size, shuffle, seed, drop_last)
    return who.shard(found) if is_data(batches) else found


def _check(drawn: Source, epochs: int | None, steps: int | None, optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        fail(
            ArgumentError(
                f"fit takes an optimiser of wg.optim, wg.optim.adam(1e-3) say, and got "
                f"{type(optimizer).__name__}"
            )
        )
    for name, count in (("epochs", epochs), ("steps", steps)):
        if count is not None and count < 0:
            fail(ArgumentError(f"{name} cannot be {count}"))
    if drawn.once and epochs is not None and epochs > 1:
        fail(
            ArgumentError(
                f"an iterator gives its batches once, and {epochs} epochs were asked for; pass a "
                "list, arrays, or a function from the number of an epoch to its batches"
            )
        )
