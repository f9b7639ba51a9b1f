"""Standard errors where degrees of freedom of the noise were learned, too."""

import numpy as np
from scipy.linalg import block_diag

from skmoe._noise_df import is_at_bound, problem_with
from skmoe.engine.information import InformationMatrices

# Step of the logarithm for differences of F and its gradient, both exact.
_STEP = 1e-3


def learned_df(estimator):
    """Degrees of freedom that a fit has learned, inside their bounds, or None."""
    df = vars(estimator).get("noise_df_")
    return None if df is None or is_at_bound(df) else df


def with_df(fit, df, gradient):
    """Matrices and gradient of free parameters, and log(df) as one more, the last.

    Of a `Fit`; the information on log(df) is that of F's second differences.
    """
    lower, upper = (_at(fit, df * np.exp(step)) for step in (-_STEP, _STEP))
    cross = (upper[1] - lower[1]) / (2 * _STEP)
    slope = (upper[0] - lower[0]) / (2 * _STEP)
    curvature = (upper[0] - 2 * fit.state.objective + lower[0]) / _STEP**2
    none = np.zeros((len(cross) + 1, len(cross) + 1))
    complete = block_diag(fit.matrices.complete, curvature)
    complete[-1, :-1] = complete[:-1, -1] = cross
    found = InformationMatrices(
        complete,
        none,  # only the observed information is known
        block_diag(fit.matrices.missing, 0.0),
        none,
        block_diag(fit.matrices.penalty, 0.0),
    )
    return found, np.append(gradient, slope)


def _at(fit, df):
    """F and its gradient in the free parameters at some degrees of freedom."""
    mixture = problem_with(fit.problem, df).mixture
    state = mixture.evaluate(fit.state.theta)
    return state.objective, fit.of_learnt(mixture.gradient(state))
