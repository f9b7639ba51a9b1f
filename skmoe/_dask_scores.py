"""Likelihoods and scores of partitions, from sums over them."""

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, mean_tweedie_deviance

from skmoe._scores import (
    deviance_power,
    deviances_of_successes,
    share_explained,
)
from skmoe.distributions import Binomial


def likelihood(local, partitions):
    """Log-likelihood of partitions, and the sum of their weights."""
    return np.sum(partitions.collect(_likelihood_of, local), axis=0).tolist()


def score(local, partitions):
    """Accuracy, or the mean share of the outputs' deviance that is explained."""
    if is_classifier(local):
        correct, weight = np.sum(partitions.collect(_correct, local), axis=0)
        return float(correct / weight)
    if isinstance(local._fitted_distribution(), Binomial):
        sums = sum(partitions.collect(_sums_of_successes, local))
        return share_explained(sum(partitions.collect(_of_successes, local, sums)))
    sums = sum(partitions.collect(_sums_of_target))
    power = deviance_power(local)
    mean = sums[1:] / sums[0]
    return share_explained(sum(partitions.collect(_deviances, local, mean, power)))


def _weight(part):
    """Weights of a part's rows (n,); None where they sum to zero, also without rows."""
    weight = np.ones(len(part.X)) if part.sample_weight is None else part.sample_weight
    return np.asarray(weight) if np.any(weight) else None


def _likelihood_of(part, local):
    """Log-likelihood of a part, and the sum of its weights."""
    weight = _weight(part)
    if weight is None:
        return 0.0, 0.0
    known = part.known()._replace(sample_weight=weight)
    found = local.log_likelihood(part.X, part.y, **known.given())
    return found, weight.sum()


def _correct(part, local):
    """Weight of the rows of a part whose class is predicted, and of all."""
    weight = _weight(part)
    if weight is None:
        return 0.0, 0.0
    predicted = local.predict(part.X, offset=part.offset)
    correct = accuracy_score(part.y, predicted, sample_weight=weight, normalize=False)
    return correct, weight.sum()


def _outputs(y):
    """Targets or predictions as columns, (n, m)."""
    y = np.asarray(y)
    return y.reshape(len(y), -1)


def _successes(part, local):
    """Successes and failures of a part, (n, 2)."""
    return local._fitted_encoder().observed(np.asarray(part.y), part.known())


def _sums_of_successes(part, local):
    """Weighted sums of a part's successes and failures, (2,)."""
    weight = _weight(part)
    return 0.0 if weight is None else weight @ _successes(part, local)


def _of_successes(part, local, sums):
    """Deviances of a part's predictions and of the share of successes, (2,)."""
    weight = _weight(part)
    if weight is None:
        return 0.0
    found = local.predict(part.X, offset=part.offset, trials=part.trials)
    return deviances_of_successes(_successes(part, local), found, sums, weight)


def _sums_of_target(part):
    """Sum of a part's weights, and weighted sums of its outputs, (1 + m,)."""
    weight = _weight(part)
    if weight is None:
        return 0.0
    return np.r_[weight.sum(), weight @ _outputs(part.y)]


def _deviances(part, local, mean, power):
    """Deviances of predictions and of the mean, summed over a part's rows, (2, m)."""
    weight = _weight(part)
    if weight is None:
        return 0.0
    y = _outputs(part.y)
    predicted = _outputs(local.predict(part.X, offset=part.offset))
    return weight.sum() * np.array(
        [
            [
                mean_tweedie_deviance(one, found, sample_weight=weight, power=power)
                for one, found in zip(y.T, of_y.T)
            ]
            for of_y in (predicted, np.broadcast_to(mean, y.shape))
        ]
    )
