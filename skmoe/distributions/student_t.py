"""Student's t distribution, under which outliers weigh little.

With a hidden ``u ~ Gamma(df/2, rate df/2)`` for each row, common to its outputs,
``y | x, z=k, u ~ N(x' beta_k, diag(sigma_k^2) / u)``: EM has a second latent variable,
and the weight of a row is its mean given y (Lange, Little and Taylor 1989).
"""

import numpy as np
from scipy.special import betaln, gammaln, stdtr, stdtrit

from skmoe.distributions.gamma_functions import LARGE, stirling
from skmoe.distributions.normal import NOISE_FLOOR, Normal, NormalRows

_LOG_PI, _LOG_2PI = np.log(np.pi), np.log(2 * np.pi)
# Of more rows the deviation of the bulk is that of a part.
_MANY_ROWS = 2**17
# Starts take values farther from the median, in robust standard deviations, for less.
_FAR = 10.0
# Standard deviation of normal data in units of its median absolute deviation.
_NORMAL_MAD = 1.482602218505602


class StudentT(Normal):
    """Real outputs with t noise: normal in rows that weigh u.

    Its dispersions are squared scales.

    Parameters
    ----------
    df : float, degrees of freedom
    n_outputs : int, default=1
    """

    dispersion_kind = "squared scale"

    def __init__(self, df, n_outputs=1):
        super().__init__(n_outputs)
        self.df = df
        self.variance = df / (df - 2) if df > 2 else np.inf

    def at(self, predictor, target, dispersion):
        """As of `Normal`."""
        residual = np.subtract(target, predictor, out=predictor)
        return StudentRows(self, residual, dispersion)

    def log_density(self, distance, dispersion, log_factor=0.0):
        """As of `Normal`."""
        n_outputs = dispersion.shape[1]
        log_scale = 0.5 * np.log(dispersion).sum(axis=1)
        tail = np.log1p(distance / self.df) + log_factor
        tail = 0.5 * (self.df + n_outputs) * tail
        return _constant(self.df, n_outputs) - log_scale - tail

    def _cdf(self, at):
        """P(T <= at)."""
        return stdtr(self.df, at)

    def _quantile(self, q):
        """Inverse of `_cdf`."""
        return stdtrit(self.df, q)

    def _density(self, at):
        """Density of the noise of scale 1."""
        top = np.exp(-betaln(self.df / 2, 0.5)) / np.sqrt(self.df)
        tail = 0.5 * (self.df + 1) * np.log1p(np.square(at) / self.df)
        return top * np.exp(-tail)

    def _noise(self, shape, rng):
        """Draws of the noise of scale 1, (..., m); outputs share their u."""
        normal = rng.standard_normal(shape)
        hidden = rng.chisquare(self.df, size=shape[:-1]) / self.df
        return normal / np.sqrt(np.maximum(hidden, np.finfo(float).tiny))[..., None]

    def without_outliers(self, target, weight):
        """Targets (m, n) brought near the bulk, which starts are made from."""
        rows = []
        for row in target:
            center, deviation = _bulk(row, weight)
            reach = _FAR * _NORMAL_MAD * deviation if deviation > 0 else np.inf
            rows.append(np.clip(row, center - reach, center + reach))
        return np.stack(rows)

    def noise_floor(self, target, weight):
        """Least squared scale of standardised targets (m, n), (m,).

        Outliers make their variance, 1, large; the noise is that of the bulk.
        """
        stride = -(-target.shape[1] // _MANY_ROWS)
        deviation = [_bulk(row[::stride], weight[::stride])[1] for row in target]
        share = np.square(_NORMAL_MAD * np.array(deviation))
        # More than half of the rows may have one value.
        return NOISE_FLOOR * np.where(share > 0, np.minimum(share, 1), 1.0)


class StudentRows(NormalRows):
    """As `NormalRows`, in rows that weigh what is expected of u.

    Given z and y, u is ``Gamma((df + m) / 2, rate (df + distance) / 2)``.
    """

    def __init__(self, distribution, residual, variance):
        super().__init__(distribution, residual, variance)
        df, n_outputs = distribution.df, residual.shape[1]
        self.weight = (df + n_outputs) / (df + self.distance)
        self._shape = (df + n_outputs) / 2

    def hidden(self):
        """Variance of u (K, b), and what residuals and deviances change by with it."""
        return [(np.square(self.weight) / self._shape, self._residual, self._square)]


def _bulk(values, weight):
    """Weighted median of values (n,), and median absolute deviation from it."""
    center = _median(values, weight)
    return center, _median(np.abs(values - center), weight)


def _median(values, weight):
    """Weighted lower median of values (n,)."""
    order = np.argsort(values)
    cumulated = np.cumsum(weight[order])
    return values[order[np.searchsorted(cumulated, 0.5 * cumulated[-1])]]


def _constant(df, n_outputs):
    """Logarithm of the density of m outputs at its mode, of scale 1."""
    a, h = df / 2, n_outputs / 2
    if a < LARGE:
        return gammaln(a + h) - gammaln(a) - h * (np.log(df) + _LOG_PI)
    # With lgamma(a + h) - lgamma(a) - h log(a) nothing large is left to cancel.
    ratio = (a + h - 0.5) * np.log1p(h / a) - h + stirling(a + h) - stirling(a)
    return ratio - h * _LOG_2PI
