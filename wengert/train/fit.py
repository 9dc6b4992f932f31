"""fit: the training loop, with what makes it safe to leave alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from wengert.optim.optimizer import Optimizer, arrays
from wengert.train.batches import source
from wengert.train.checkpoint import prepare
from wengert.train.history import Fit, Position
from wengert.train.options import Options
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

    `batches` are arrays, from which `batch_size` rows are drawn at a time; or an iterable, or a
    function from an epoch's number to one; or an iterator. Training ends after `epochs` (one, if
    nothing is said) or `steps`; after `patience` epochs whose loss on `validation` did not fall by
    `min_delta` (the result is the best epoch's); when `callback(fit)` returns True, on an interrupt
    from the keyboard, or with the last good parameters when the loss is not finite. The folder
    `checkpoint` has what is needed to go on (`resume`) to the same bits. wg.train.Options has each
    argument in a line.

    Raises ArgumentError and InputTypeError for arguments that cannot be used, CheckpointError for a
    folder with checkpoints of another model, TrainingError (with the `result` so far) if the
    batches raise an exception.
    """
    return trained(Options(**locals()))


def trained(told: Options) -> Fit:
    """What `fit` does."""
    told.check()
    who = together() if told.distributed else Alone()
    trainer = _trainer(told, who)
    if trainer.folder is not None:
        prepare(trainer.folder)
    if told.resume:
        trainer.restore()
    show = shown(told.progress if who.shows else False, trainer.total(), trainer.at.step)
    try:
        found = trainer.run(show)
    finally:
        show.close()
    if told.plot_to is not None and who.shows:
        plot(found.history, told.plot_to)
    return found


def _trainer(told: Options, who: Alone) -> Trainer:
    """Everything at its start, the same in all processes."""
    drawn = source(told.batches, told.batch_size, told.shuffle, told.seed, told.drop_last)
    judges = None
    if told.validation is not None:
        judges = source(told.validation, told.batch_size, False, told.seed)
    told.check_sources(drawn, judges)
    start = arrays(told.params)
    who.check(start, told.shared(drawn, judges))
    initial = told.optimizer.init(start)
    return Trainer(
        told=told,
        step=_step(told, who),
        evaluate=make_evaluation(who.loss(told.loss), who.measures(told.metrics or {}), told.key),
        source=drawn,
        validation=judges,
        folder=None if told.checkpoint is None else who.folder(Path(told.checkpoint)),
        stores=who.anyone(told.checkpoint is not None),
        asks=who.anyone(told.callback is not None),
        params=start,
        state=with_scale(initial) if is_scaled(told.precision) else initial,
        best=start,
        good=start,
        at=Position(),
        who=who,
    )


def _step(told: Options, who: Alone) -> Callable[..., Any]:
    return make_step(
        told.loss,
        told.optimizer,
        told.value_and_grad or who.value_and_grad,
        who.measures(told.metrics or {}),
        who.key(told.key),
        told.precision,
        who.everywhere,
    )
