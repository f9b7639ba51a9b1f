"""The exact M-step with a log link: maximum likelihood on blended moments."""

import numpy as np

from skmoe.engine.curvature import DenseCurvature

_MAX_ALTERNATIONS, _MAX_HALVINGS = 50, 30
_SETTLED, _ROUNDING = 1e-13, 1e-13


class BlendedRegression:
    """Rows of one expert, minimised by Newton's method.

    Each row comes twice, with its target and with the mean that the model gave it:
    targets enter a log-density by their means, but for terms of the dispersion alone.

    Parameters
    ----------
    family : Poisson or Gamma
    block : all rows of the design
    mass : ndarray of shape (2, n), eta times the posterior's and 1 - eta the model's
    target : ndarray of shape (2, n), targets and the model's means
    beyond : pair of float, mass and deviance beside those of the rows: of the prior on
        the dispersion, and what the model expects about its means, times 1 - eta
    penalty : Penalty
    """

    def __init__(self, family, block, mass, target, beyond, penalty):
        self.family, self.block, self.penalty = family, block, penalty
        self.mass, self.target, self.beyond = mass, target, beyond

    def solve(self, coef, dispersion, max_iter, tol):
        """Coefficients (1, p) and dispersion, which a penalty couples."""
        for _ in range(_MAX_ALTERNATIONS):
            coef = self._newton(coef, dispersion, max_iter, tol)
            if not self.family.has_dispersion:
                break
            before, dispersion = dispersion, self._dispersion(coef)
            if abs(np.log(dispersion / before)) < _SETTLED or max_iter == 1:
                break
        return coef, dispersion

    def _newton(self, coef, dispersion, max_iter, tol):
        """Coefficients at a dispersion, whose multiple is minimised."""
        penalty = self.penalty.times(dispersion)
        value = self._value(coef, dispersion, penalty)
        for _ in range(max_iter):
            pull, curvature = self._slope(coef)
            step = penalty.solve(curvature, pull, coef)
            rough = penalty.rough_value(coef) - penalty.rough_value(coef + step)
            decrease = rough + np.vdot(pull - penalty.ridge * coef, step)
            if decrease <= tol:
                break
            if decrease <= _ROUNDING * max(1.0, abs(value)):
                coef = coef + step  # too small for the line search to see
                continue
            for _ in range(_MAX_HALVINGS):
                trial = self._value(coef + step, dispersion, penalty)
                if trial <= value:
                    break
                step = step / 2
            coef, value = coef + step, trial
        return coef

    def _value(self, coef, dispersion, penalty):
        """What is minimised, the dispersion times the loss."""
        predictor = self.block.dot(coef)[0]
        log_density = self.family.log_density(
            predictor, np.exp(predictor), self.target, dispersion
        )
        return penalty.value(coef) - dispersion * np.vdot(self.mass, log_density)

    def _slope(self, coef):
        """Weighted residuals times features (1, p), and the curvature."""
        mean = np.exp(self.block.dot(coef)[0])
        residual = self.family.residual(mean, self.target)
        weights = self.mass * self.family.curvature(mean, self.target)
        pull = self.block.adjoint((self.mass * residual).sum(axis=0)[None])
        gram = self.block.gram(weights.sum(axis=0)[None])
        return pull, DenseCurvature(gram[0])

    def _dispersion(self, coef):
        """Dispersion at the coefficients."""
        mean = np.exp(self.block.dot(coef)[0])
        deviance = np.vdot(self.mass, self.family.deviance(mean, self.target))
        mass = self.mass.sum() + self.beyond[0]
        return float(self.family.dispersion_of((deviance + self.beyond[1]) / mass))
