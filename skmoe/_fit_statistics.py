"""How well a mixture fits some data, and what follows from it."""

from typing import NamedTuple

import numpy as np
from scipy.special import entr


class FitToData(NamedTuple):
    """A fitted model on some data; units are rows, or groups of them.

    Classes are the experts, of which a unit is assigned to the most probable one.
    """

    n_parameters: int
    n_samples: float  # sum of weights
    log_likelihood: float
    responsibilities: np.ndarray  # of units, (u, K)
    times: np.ndarray  # what each unit counts for, (u,)
    has_groups: bool  # whether units are groups, of which each counts once

    @property
    def n_units(self):
        """Number of groups, or of rows (sum of weights)."""
        return float(self.times.sum())

    @property
    def shares(self):
        """Shares of the classes in the units, (K,)."""
        return self.times @ self.responsibilities / self.n_units

    @property
    def uncertainty(self):
        """Entropy of the responsibilities, nats."""
        return float(self.times @ entr(self.responsibilities).sum(axis=1))

    def criterion(self, per_parameter):
        """A criterion that a parameter costs so much."""
        return per_parameter * self.n_parameters - 2 * self.log_likelihood

    @property
    def aic(self):
        """Akaike's criterion."""
        return self.criterion(2.0)

    @property
    def bic(self):
        """Schwarz's criterion."""
        return self.criterion(np.log(self.n_samples))

    @property
    def bic_groups(self):
        """Schwarz's criterion whose sample size is the number of units."""
        return self.criterion(np.log(self.n_units))

    @property
    def sabic(self):
        """That of Sclove (1987), adjusted for the sample size."""
        return self.criterion(np.log((self.n_samples + 2) / 24))

    @property
    def caic(self):
        """That of Bozdogan (1987), consistent AIC."""
        return self.criterion(np.log(self.n_samples) + 1)

    @property
    def icl(self):
        """BIC and twice the entropy (Biernacki, Celeux and Govaert 2000)."""
        return self.bic + 2 * self.uncertainty

    @property
    def relative_entropy(self):
        """1 where units are certain of their class; NaN of one class."""
        n_classes = self.responsibilities.shape[1]
        if n_classes == 1:
            return np.nan
        return 1 - self.uncertainty / (self.n_units * np.log(n_classes))

    @property
    def classification(self):
        """Mean responsibilities of the units of each class, (K, K); NaN of none."""
        n_classes = self.responsibilities.shape[1]
        assigned = np.eye(n_classes)[self.responsibilities.argmax(axis=1)]
        weights = self.times[:, None] * assigned
        with np.errstate(invalid="ignore"):
            return weights.T @ self.responsibilities / weights.sum(axis=0)[:, None]

    @property
    def smallest_class(self):
        """Least share of the units that are assigned to one class."""
        n_classes = self.responsibilities.shape[1]
        assigned = self.responsibilities.argmax(axis=1)
        sizes = np.bincount(assigned, self.times, minlength=n_classes)
        return float(sizes.min() / self.n_units)

    @property
    def smallest_posterior(self):
        """Least mean responsibility of a class for the units assigned to it."""
        return float(np.nanmin(self.classification.diagonal()))
