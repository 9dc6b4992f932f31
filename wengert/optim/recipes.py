"""The optimisers by their names: chains of links."""

from __future__ import annotations

from wengert.optim.adaptive import scale_by_adam, scale_by_lion, scale_by_rms, scale_by_rss
from wengert.optim.optimizer import Optimizer, Schedule, chain
from wengert.optim.transforms import Mask, add_decayed_weights, scale_by_learning_rate, trace


def sgd(
    learning_rate: float | Schedule, momentum: float | None = None, nesterov: bool = False
) -> Optimizer:
    """Gradient descent, with momentum if given (Sutskever et al. 2013 for Nesterov's)."""
    rate = scale_by_learning_rate(learning_rate)
    return rate if momentum is None else chain(trace(momentum, nesterov), rate)


def adam(
    learning_rate: float | Schedule,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    nesterov: bool = False,
) -> Optimizer:
    """Adam (Kingma and Ba 2015), or with `nesterov` Nadam (Dozat 2016)."""
    return chain(
        scale_by_adam(b1, b2, eps, eps_root, nesterov), scale_by_learning_rate(learning_rate)
    )


def adamw(
    learning_rate: float | Schedule,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_root: float = 0.0,
    weight_decay: float = 1e-4,
    mask: Mask = None,
    nesterov: bool = False,
) -> Optimizer:
    """Adam with weight decay beside the gradient (Loshchilov and Hutter 2019)."""
    return chain(
        scale_by_adam(b1, b2, eps, eps_root, nesterov),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


def lion(
    learning_rate: float | Schedule,
    b1: float = 0.9,
    b2: float = 0.99,
    weight_decay: float = 1e-3,
    mask: Mask = None,
) -> Optimizer:
    """Lion (Chen et al. 2023): signs of means, with decoupled weight decay."""
    return chain(
        scale_by_lion(b1, b2),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


def rmsprop(
    learning_rate: float | Schedule,
    decay: float = 0.9,
    eps: float = 1e-8,
    initial_scale: float = 0.0,
    eps_in_sqrt: bool = True,
    centered: bool = False,
    momentum: float | None = None,
    nesterov: bool = False,
) -> Optimizer:
    """RMSProp (Hinton 2012; `centered`: Graves 2013), with momentum of the steps if given."""
    links = [
        scale_by_rms(decay, eps, initial_scale, eps_in_sqrt, centered),
        scale_by_learning_rate(learning_rate),
    ]
    return chain(*links) if momentum is None else chain(*links, trace(momentum, nesterov))


def adagrad(
    learning_rate: float | Schedule, initial_accumulator_value: float = 0.1, eps: float = 1e-7
) -> Optimizer:
    """Adagrad (Duchi et al. 2011)."""
    return chain(
        scale_by_rss(initial_accumulator_value, eps), scale_by_learning_rate(learning_rate)
    )
