"""Quantiles of mixtures of distributions of one output."""

import numpy as np

from skmoe.engine.counts import least_count

_MAX_ROOT_STEPS = 200
# Ends of brackets are brought back, so that differences are finite.
_LARGEST = 1e300
_TINY = np.finfo(np.float64).tiny
# Of a cdf, relative; a few of each expert's.
_ROUNDING = 8 * np.finfo(np.float64).eps


class OutputMixture:
    """Mixtures of distributions of one output, one for each of n rows.

    Parameters
    ----------
    gate : ndarray of shape (E, n)
    mean : ndarray of shape (K, n)
    dispersion : ndarray of shape (K, 1) or (K, n)
    distribution : of K experts, see `skmoe.distributions`
    fixed : sequence
        Experts without parameters, of one output, the others of E.
    """

    def __init__(self, gate, mean, dispersion, distribution, fixed=()):
        self.gate, self.mean, self.dispersion = gate, mean, dispersion
        self.distribution, self.fixed = distribution, list(fixed)

    def cdf(self, y, rows=slice(None)):
        """P(Y <= y) of some rows, (n,)."""
        below = self.distribution.cdf(y, *self._own(rows))
        of_fixed = [expert.cdf(y[None])[0] for expert in self.fixed]
        return self._sum(below, of_fixed, rows)

    def density(self, y, rows):
        """Density of some rows, (n,), beside jumps of the cdf."""
        found = self.distribution.density(y, *self._own(rows))
        return self._sum(found, [expert.density(y) for expert in self.fixed], rows)

    def bracket(self, q):
        """Least and largest quantile of the experts, and their mean, three (n,)."""
        found = self.distribution.quantile(q, self.mean, self.dispersion)
        if self.fixed:
            levels = np.broadcast_to(q, self.mean.shape[1:]).astype(np.float64)
            others = [expert.quantile(levels) for expert in self.fixed]
            found = np.concatenate([found, others])
        found = np.clip(found, -_LARGEST, _LARGEST)
        # Experts that do not count may be anywhere.
        low = np.where(self.gate > 0, found, np.inf).min(axis=0)
        high = np.where(self.gate > 0, found, -np.inf).max(axis=0)
        return low, high, np.clip((self.gate * found).sum(axis=0), low, high)

    def reflected(self):
        """The mixtures of -y, of symmetric distributions."""
        fixed = [expert.reflected() for expert in self.fixed]
        rest = self.dispersion, self.distribution, fixed
        return OutputMixture(self.gate, -self.mean, *rest)

    def without_jump(self, number):
        """The mixtures without a fixed expert, normalised."""
        k = len(self.mean) + number
        gate = np.delete(self.gate, k, axis=0) / np.maximum(1 - self.gate[k], _TINY)
        fixed = self.fixed[:number] + self.fixed[number + 1 :]
        rest = self.dispersion, self.distribution, fixed
        return OutputMixture(gate, self.mean, *rest)

    def take(self, rows):
        """Some of the rows (index array)."""
        rest = *self._own(rows), self.distribution, self.fixed
        return OutputMixture(self.gate[:, rows], *rest)

    def _own(self, rows):
        """Means and dispersions of some rows, (K, n) and (K, 1) or (K, n)."""
        is_common = self.dispersion.shape[1] == 1
        return self.mean[:, rows], self.dispersion[
            :, slice(None) if is_common else rows
        ]

    def _sum(self, values, of_fixed, rows):
        """Sum over the experts of values (K, n) and of fixed ones (F lists), (n,)."""
        if of_fixed:
            values = np.concatenate([values, of_fixed])
        return np.einsum("kn,kn->n", self.gate[:, rows], values)


def mixture_quantile(q, mixture):
    """Quantiles of an `OutputMixture`, (r,) or (r, n) -> (r, n)."""
    if mixture.distribution.is_discrete:
        return np.stack([_of_counts(level, mixture) for level in q])
    jumps = [k for k, expert in enumerate(mixture.fixed) if expert.has_jump]
    if jumps:
        return np.stack([_beside_jump(level, mixture, jumps[0]) for level in q])
    if q.ndim > 1:
        return np.stack([_of_each(level, 1 - level, mixture) for level in q])
    return np.stack([_of_smooth(level, 1 - level, mixture) for level in q])


def _of_counts(q, mixture):
    """One quantile of each row of counts, (n,)."""
    low, high, guess = mixture.bracket(q)
    q = np.broadcast_to(q, low.shape)
    guess = np.clip(np.floor(guess), low, high - 1)
    return least_count(q, mixture.cdf, guess, low - 1, high)


def _beside_jump(q, mixture, number):
    """One quantile of rows whose cdf jumps at the value of a fixed expert, (n,).

    Where it is not that value, the others have it alone.
    """
    share = mixture.gate[len(mixture.mean) + number]
    others, rest = mixture.without_jump(number), np.maximum(1 - share, _TINY)
    found = mixture.fixed[number].quantile(np.full(share.shape, q))
    below = rest * others.cdf(found)
    for rows, level, above in (
        (q < below, q / rest, (1 - q - share) / rest),
        (q > below + share, (q - share) / rest, (1 - q) / rest),
    ):
        chosen = np.flatnonzero(rows)
        levels = level[chosen], above[chosen]
        found[chosen] = _of_each(*levels, others.take(chosen))
    return found


def _of_each(q, above, mixture):
    """As `_of_smooth`, of probabilities (n,) on both sides of the median."""
    found = np.empty_like(q)
    for half in q <= 0.5, q > 0.5:
        if (rows := np.flatnonzero(half)).size:
            found[rows] = _of_smooth(q[rows], above[rows], mixture.take(rows))
    return found


def _of_smooth(q, above, mixture):
    """One quantile of each row, (n,), of probabilities up to and above it.

    A number or (n,) on one side of the median.  Above it a symmetric mixture is
    reflected, so that the tail that is small keeps its digits.
    """
    if np.max(q) > 0.5 and mixture.distribution.is_symmetric:
        return -_root(above, mixture.reflected())
    return _root(q, mixture)


def _root(q, mixture):
    """Where the cdf is q, by Newton's method between the experts' quantiles, (n,).

    Rows that have converged are left out: rows do not see each other.
    """
    low, high, at = mixture.bracket(q)
    q = np.broadcast_to(q, low.shape)
    found, rows, step = at, np.arange(low.shape[0]), high - low
    for _ in range(_MAX_ROOT_STEPS):
        excess = mixture.cdf(at, rows) - q[rows]
        low, high = np.where(excess < 0, at, low), np.where(excess < 0, high, at)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            newton = at - excess / mixture.density(at, rows)
        # Newton's step if it stays inside and shrinks, else half the bracket.
        good = (newton > low) & (newton < high) & (np.abs(newton - at) < step / 2)
        following = np.where(good, newton, (low + high) / 2)
        moving = (step > 4 * np.spacing(np.abs(at))) & (following != at)
        # No step tells more than the rounding of the cdf.
        moving &= np.abs(excess) > _ROUNDING * q[rows]
        rows, step = rows[moving], np.abs(following - at)[moving]
        if not rows.size:
            break
        low, high, at = low[moving], high[moving], following[moving]
        found[rows] = at
    return found
