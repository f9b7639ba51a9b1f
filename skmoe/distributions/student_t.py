"""Student's t distribution, under which outliers weigh little.

With a hidden ``u ~ Gamma(df/2, rate df/2)`` for each row, common to its outputs,
``y | x, z=k, u ~ N(x' beta_k, diag(sigma_k^2) / u)``: EM has a second latent variable,
and the weight of a row is its mean given y (Lange, Little and Taylor 1989).
"""

import numpy as np
from scipy.special import betaln, gammaln, stdtr, stdtrit

from skmoe.distributions.gamma_functions import LARGE, stirling
from skmoe.distributions.normal import Normal, NormalRows
from skmoe.distributions.tails import TINY, log_beta_fraction, log_tails

_LOG_PI, _LOG_2PI = np.log(np.pi), np.log(2 * np.pi)
_FAR = 1e100  # SciPy squares values, and squares of large ones overflow


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
        super().__init__(n_outputs, has_outliers=True)
        self.df = df
        self.noise_variance = df / (df - 2) if df > 2 else np.inf

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
        return _below(self.df, at)

    def _log_tails(self, at):
        """Logarithms of P(T <= at) and P(T > at)."""
        low, high = _below(self.df, at), _below(self.df, -at)
        below, above = log_tails(low, high)
        for found, small in (below, low), (above, high):
            few = small < TINY
            found[few] = _log_far_tail(self.df, np.abs(at[few]))
        return below, above

    def _quantile(self, q):
        """Inverse of `_cdf`."""
        found = stdtrit(self.df, q)
        is_far = np.abs(found) >= _FAR  # where the root search of SciPy 1.11 ends
        if not np.any(is_far):
            return found
        with np.errstate(divide="ignore", over="ignore"):
            far = np.exp(_log_far_quantile(self.df, np.minimum(q, 1 - q)))
        return np.where(is_far, np.where(q < 0.5, -far, far), found)

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


def _below(df, at):
    """P(T <= at), whose digits are lost below `TINY`."""
    found, is_far = stdtr(df, at), np.abs(at) > _FAR
    if not np.any(is_far):
        return found
    tail = np.exp(_log_far_tail(df, np.maximum(np.abs(at), _FAR)))
    return np.where(is_far, np.where(at < 0, tail, 1 - tail), found)


def _log_far_tail(df, at):
    """log P(T > at) far above the bulk, where squares may overflow.

    It is ``I_x(df / 2, 1 / 2) / 2`` with ``x = df / (df + at^2)``.
    """
    a, log_square = df / 2, 2 * np.log(at) - np.log(df)
    log_x, log_rest = -np.logaddexp(0, log_square), -np.logaddexp(0, -log_square)
    front = a * log_x + 0.5 * (log_rest + np.log(df)) + _constant(df, 1)
    return front - np.log(df) + log_beta_fraction(a, 0.5, np.exp(log_x))


def _log_far_quantile(df, q):
    """Logarithm of the value above which q is left, where the tail is a power."""
    return np.log(df) / 2 + (_constant(df, 1) - np.log(df) / 2 - np.log(q)) / df


def _constant(df, n_outputs):
    """Logarithm of the density of m outputs at its mode, of scale 1."""
    a, h = df / 2, n_outputs / 2
    if a < LARGE:
        return gammaln(a + h) - gammaln(a) - h * (np.log(df) + _LOG_PI)
    # With lgamma(a + h) - lgamma(a) - h log(a) nothing large is left to cancel.
    ratio = (a + h - 0.5) * np.log1p(h / a) - h + stirling(a + h) - stirling(a)
    return ratio - h * _LOG_2PI
