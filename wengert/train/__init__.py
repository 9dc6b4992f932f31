"""Training: the loop `fit`, and the parts it is made of, which can be used without it."""

from __future__ import annotations

from wengert.train.batches import source
from wengert.train.checkpoint import Checkpoint, load, save
from wengert.train.fit import fit
from wengert.train.history import Fit, History, Reason
from wengert.train.options import Options
from wengert.train.progress import plot
from wengert.train.step import make_evaluation, make_step

__all__ = [
    "Checkpoint",
    "Fit",
    "History",
    "Options",
    "Reason",
    "fit",
    "load",
    "make_evaluation",
    "make_step",
    "plot",
    "save",
    "source",
]
