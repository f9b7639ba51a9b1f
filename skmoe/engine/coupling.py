"""Which predictors of an expert are solved for at once: each by itself, or all."""

import numpy as np
from scipy.linalg import block_diag

from skmoe.engine.curvature import DenseCurvature, ImplicitCurvature
from skmoe.engine.softmax import free_pairs, join_pairs


class Separate:
    """Predictors with a Newton system each, all of the same matrix but for a factor.

    Parameters
    ----------
    contrasts : ndarray of shape (C, q), of the distribution

    Attributes
    ----------
    rank : int, how many of the predictors are free whatever the penalty
    size : int, predictors in one system
    own_pairs : of the pairs that curvatures are given by, a predictor with itself
    keeps_curvature : bool, whether rows must keep theirs for `implicit`
    moments_suffice : bool
        Whether a regression to the end needs blended moments alone; else it sees each
        row twice.
    """

    size, own_pairs = 1, slice(None)
    keeps_curvature, moments_suffice = True, False

    def __init__(self, contrasts):
        self.rank = contrasts.shape[1]
        self.groups = [slice(i, i + 1) for i in range(self.rank)]

    def stored(self, grams, mass):
        """Curvature of each set of coefficients with some mass (J,), a list."""
        return [DenseCurvature(gram[0]) for gram in grams]

    def implicit(self, design, weights, probability, exact, passes):
        """As `stored`, by products with all rows of weights (J, n)."""
        return [
            ImplicitCurvature(design, weight, exact=exact, passes=passes)
            for weight in weights
        ]

    def information(self, grams, precision):
        """Hessian of the loss in the coefficients at precisions (J, q), a matrix."""
        return block_diag(
            *(a * gram[0] for gram, row in zip(grams, precision) for a in row)
        )


class Together:
    """As `Separate`, the predictors of a softmax, whose system is one."""

    keeps_curvature, moments_suffice = False, True

    def __init__(self, contrasts):
        # With a lasso classes have a predictor each, of which one is not free.
        self.rank, self.size = contrasts.shape[0] - 1, contrasts.shape[1]
        self.contrasts, self.groups = contrasts, [slice(None)]
        self.own_pairs = np.equal(*free_pairs(self.size))

    def stored(self, grams, mass):
        """As of `Separate`."""
        matrices = [join_pairs(gram, self.size) for gram in grams]
        return list(map(DenseCurvature, matrices, mass))

    def implicit(self, design, weights, probability, exact, passes):
        """As of `Separate`, of rows with class probabilities (K, C, n)."""
        return [
            ImplicitCurvature(design, weight, own, self.contrasts, exact, passes)
            for weight, own in zip(weights, probability)
        ]

    def information(self, grams, precision):
        """As of `Separate`; classes have no dispersion."""
        return block_diag(*(join_pairs(gram, self.size) for gram in grams))
