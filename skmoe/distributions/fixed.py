"""Experts without parameters: all mass at one value, or spread evenly over a range.

Targets, of the user's units, are (n,) or (m, n).
"""

import numpy as np


class PointMass:
    """Mass at one value of y, in all outputs.

    Parameters
    ----------
    value : float
    is_discrete : bool
        Whether y is counted, so that other experts may have the value too.

    Attributes
    ----------
    is_alone : bool, whether rows that it can have belong to it alone
    first_share : float, of rows that it can have, where fits begin
    """

    name, first_share, has_jump = "point mass", 0.5, True
    variance = np.zeros(1)

    def __init__(self, value, is_discrete):
        self.value, self.is_alone = float(value), not is_discrete
        self.mean = np.array([self.value])

    def log_density(self, target):
        """With respect to the value, (m, n) -> (n,)."""
        return np.where((target == self.value).all(axis=0), 0.0, -np.inf)

    def cdf(self, target):
        """P(Y <= target) of each output, (m, n)."""
        return (target >= self.value).astype(np.float64)

    def sf(self, target):
        """P(Y > target) of each output, (m, n)."""
        return (target < self.value).astype(np.float64)

    def density(self, target):
        """None beside the value."""
        return np.zeros_like(target)

    def quantile(self, q):
        """The value, whatever the probability."""
        return np.full_like(q, self.value)

    def sample(self, shape, rng):
        """Draws, (n, m)."""
        return np.full(shape, self.value)

    def of_output(self, number):
        """The same for one of the outputs."""
        return self

    def reflected(self):
        """The distribution of -y."""
        return PointMass(-self.value, not self.is_alone)


class Flat:
    """The same density, or probability of a count, over the range of each output.

    Parameters
    ----------
    low, high : ndarray of shape (m,)
    is_discrete : bool

    Attributes
    ----------
    is_alone, first_share : as of `PointMass`
    """

    name, first_share, has_jump, is_alone = "background", 0.05, False, False

    def __init__(self, low, high, is_discrete):
        self.low, self.high, self.is_discrete = low, high, is_discrete
        self.width = high - low + is_discrete
        self.mean = low / 2 + high / 2
        # Counts at both ends are among the possible ones.
        with np.errstate(over="ignore"):
            self.variance = (np.square(self.width) - is_discrete) / 12

    def log_density(self, target):
        """Of all outputs together, (m, n) -> (n,)."""
        low, high = self.low[:, None], self.high[:, None]
        is_inside = ((target >= low) & (target <= high)).all(axis=0)
        return np.where(is_inside, -np.log(self.width).sum(), -np.inf)

    def cdf(self, target):
        """P(Y <= target) of each output, (m, n)."""
        at = np.floor(target) + 1 if self.is_discrete else target
        return np.clip((at - self.low[:, None]) / self.width[:, None], 0, 1)

    def sf(self, target):
        """P(Y > target) of each output, (m, n)."""
        at = np.floor(target) + 1 if self.is_discrete else target
        end = (self.low + self.width)[:, None]
        return np.clip((end - at) / self.width[:, None], 0, 1)

    def density(self, target):
        """Density of one output, (n,)."""
        is_inside = (target >= self.low) & (target <= self.high)
        return is_inside / self.width

    def quantile(self, q):
        """Inverse of `cdf`, of one output, (n,)."""
        if self.is_discrete:
            return self.low + np.maximum(np.ceil(q * self.width) - 1, 0)
        return self.low + q * self.width

    def sample(self, shape, rng):
        """Draws, (n, m)."""
        drawn = self.low + rng.uniform(size=shape) * self.width
        return np.floor(drawn) if self.is_discrete else drawn

    def of_output(self, number):
        """The same for one of the outputs."""
        one = slice(number, number + 1)
        return Flat(self.low[one], self.high[one], self.is_discrete)

    def reflected(self):
        """The distribution of -y."""
        return Flat(-self.high, -self.low, self.is_discrete)


class FixedExperts:
    """The experts of a model that have no parameters, F of them.

    Parameters
    ----------
    experts : list of PointMass and Flat
    n_outputs : int, default=None
        Rows of targets that are y; all by default.

    Attributes
    ----------
    names : list of str
    first_shares : ndarray of shape (F,)
    """

    def __init__(self, experts, n_outputs=None):
        self.experts, self.n_outputs = experts, n_outputs
        self.names = [expert.name for expert in experts]
        self.first_shares = np.array([expert.first_share for expert in experts])

    def __len__(self):
        return len(self.experts)

    def log_density(self, target):
        """Of rows of targets (n,) or (m, n) under each, (F, n)."""
        target = np.atleast_2d(target)[: self.n_outputs]
        found = np.stack([expert.log_density(target) for expert in self.experts])
        closed = self.closed(found)
        for expert, row in zip(self.experts, found):
            row[closed & (not expert.is_alone)] = -np.inf
        return found

    def closed(self, log_density):
        """Rows (n,) that no other expert can have, from what `log_density` gave."""
        alone = [expert.is_alone for expert in self.experts]
        return (log_density[alone] > -np.inf).any(axis=0)

    def moments(self, n_outputs):
        """Means and variances of so many outputs, two arrays (F, m)."""
        shape = len(self), n_outputs
        found = np.empty((2, *shape))
        for k, expert in enumerate(self.experts):
            found[:, k] = expert.mean, expert.variance
        return found

    def sf(self, target):
        """P(Y > target) of each output, (m, n) -> (F, m, n)."""
        return np.stack([expert.sf(target) for expert in self.experts])

    def cdf(self, target):
        """P(Y <= target) of each output, (m, n) -> (F, m, n)."""
        return np.stack([expert.cdf(target) for expert in self.experts])
