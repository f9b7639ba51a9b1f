"""Student's t distribution, under which outliers weigh little.

With a hidden ``u ~ Gamma(df/2, rate df/2)`` for each row, common to its outputs,
``y | x, z=k, u ~ N(x' beta_k, diag(sigma_k^2) / u)``: EM has a second latent variable,
and the weight of a row is its mean given y (Lange, Little and Taylor 1989).
"""

import numpy as np
from scipy.special import betaln, gammaln, stdtr, stdtrit

from skmoe.distributions.gamma_functions import LARGE, stirling
from skmoe.distributions.normal import Normal, NormalRows
from skmoe.distributions.tails import log_tails

_LOG_PI, _LOG_2PI = np.log(np.pi), np.log(2 * np.pi)


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
        return stdtr(self.df, at)

    def _log_tails(self, at):
        """Logarithms of P(T <= at) and P(T > at)."""
        return log_tails(stdtr(self.df, at), stdtr(self.df, -at))

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


def _constant(df, n_outputs):
    """Logarithm of the density of m outputs at its mode, of scale 1."""
    a, h = df / 2, n_outputs / 2
    if a < LARGE:
        return gammaln(a + h) - gammaln(a) - h * (np.log(df) + _LOG_PI)
    # With lgamma(a + h) - lgamma(a) - h log(a) nothing large is left to cancel.
    ratio = (a + h - 0.5) * np.log1p(h / a) - h + stirling(a + h) - stirling(a)
    return ratio - h * _LOG_2PI
