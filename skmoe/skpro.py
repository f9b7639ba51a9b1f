"""Adapter to skpro: a probabilistic regressor, whose predictions are distributions."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import clone

from skmoe._docs import see
from skmoe._glm import MixtureOfGLMExperts
from skmoe._linear import MixtureOfLinearExperts
from skmoe._predictive import PredictiveDistribution
from skmoe._regressor import MixtureRegressor

try:
    from skpro.distributions.base import BaseDistribution
    from skpro.regression.base import BaseProbaRegressor
except ImportError as error:
    raise ImportError(
        "The adapter to skpro needs skpro: pip install 'skmoe[skpro]'."
    ) from error

__all__ = ["MixtureDistribution", "MixtureProbaRegressor"]

_SECTION = "A regressor of skpro"


class MixtureDistribution(BaseDistribution):
    """Predictive distribution of rows as skpro has it, a table of one column.

    Parameters
    ----------
    predictive : PredictiveDistribution
        What `predictive` of a regressor gives, of one output.
    index : pandas.Index, default=None
        Labels of the rows; None for a scalar distribution, of one row.
    columns : pandas.Index, default=None
        Name of y.

    Notes
    -----
    Moments, densities, distribution function and quantiles are exact; energies are
    those of samples.

    Examples
    --------
    >>> import numpy as np
    >>> from skmoe import MixtureOfLinearExperts
    >>> from skmoe.skpro import MixtureDistribution
    >>> X, y = np.arange(20.0)[:, None], np.arange(20) % 2
    >>> model = MixtureOfLinearExperts(1, alpha=0).fit(X, y)
    >>> found = MixtureDistribution(model.predictive(X[:2]), ["a", "b"], ["y"])
    >>> found.mean().round(2)
          y
    a  0.43
    b  0.44
    """

    _tags = {
        "capabilities:approx": ["energy", "pdfnorm"],
        "capabilities:exact": [
            *["mean", "var", "cdf", "ppf"],
            *["pdf", "log_pdf", "pmf", "log_pmf"],
        ],
        "distr:measuretype": "continuous",
        "distr:paramtype": "general",
        "broadcast_init": "off",
    }

    def __init__(
        self, predictive: PredictiveDistribution, index: Any = None, columns: Any = None
    ) -> None:
        self.predictive = predictive
        super().__init__(index=index, columns=columns)
        if hasattr(predictive, "pmf"):
            self.set_tags(**{"distr:measuretype": "discrete"})
        elif predictive.point_mass is not None:
            self.set_tags(**{"distr:measuretype": "mixed"})

    def _mean(self):
        return self.predictive.mean().reshape(self.shape)

    def _var(self):
        return self.predictive.var().reshape(self.shape)

    def _of_values(self, method, values):
        """What a method of the predictive distribution gives, of the shape of self."""
        return getattr(self.predictive, method)(np.ravel(values)).reshape(self.shape)

    def _pdf(self, x):
        return np.exp(self._log_pdf(x))

    def _log_pdf(self, x):
        """Of all values but the one that has a probability."""
        found = self._of_values("logpdf", x)
        return np.where(self._is_point(x), -np.inf, found)

    def _pmf(self, x):
        return np.exp(self._log_pmf(x))

    def _log_pmf(self, x):
        """Of counts, or of the one value that has a probability."""
        if self.get_tag("distr:measuretype") == "discrete":
            return self._of_values("logpmf", x)
        found = self._of_values("logpdf", x)
        return np.where(self._is_point(x), found, -np.inf)

    def _is_point(self, x):
        """Whether values are the one that has a probability."""
        point = self.predictive.point_mass
        return np.equal(x, np.nan if point is None else point)

    def _cdf(self, x):
        return self._of_values("cdf", x)

    def _ppf(self, p):
        return self._of_values("ppf", p)

    def _sample(self, n_samples=None):
        drawn = self.predictive.rvs(1 if n_samples is None else n_samples)
        if not self.shape:
            return drawn[0, 0] if n_samples is None else pd.DataFrame(drawn[0])
        if n_samples is None:
            return pd.DataFrame(drawn, index=self.index, columns=self.columns)
        tables = [
            pd.DataFrame(column, index=self.index, columns=self.columns)
            for column in drawn.T
        ]
        return pd.concat(tables, keys=range(n_samples))

    def _iloc(self, rowidx=None, colidx=None):
        rows = np.arange(len(self))
        rows = rows if rowidx is None else np.atleast_1d(rows[rowidx])
        columns = self.columns
        if colidx is not None:
            columns = columns[np.atleast_1d(np.arange(len(columns))[colidx])]
        return MixtureDistribution(self.predictive[rows], self.index[rows], columns)

    def _iat(self, rowidx=None, colidx=None):
        return MixtureDistribution(self.predictive[[rowidx]])

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict]:
        """Parameters that skpro's checks construct distributions with.

        Parameters
        ----------
        parameter_set : str, default='default'
            Ignored: there is one set.

        Returns
        -------
        params : list of dict
        """
        X, y = np.arange(20.0)[:, None], np.arange(20) % 2
        model = MixtureOfLinearExperts(1).fit(X, y)
        rows, one = model.predictive(X[:3]), model.predictive(X[:1])
        table = {"index": pd.Index([1, 2, 5]), "columns": pd.Index(["a"])}
        return [{"predictive": rows, **table}, {"predictive": one}]


class MixtureProbaRegressor(BaseProbaRegressor):
    """A mixture of experts as a probabilistic regressor of skpro.

    Parameters
    ----------
    estimator : MixtureOfLinearExperts or MixtureOfGLMExperts
        The mixture, which a clone of is fitted.

    Attributes
    ----------
    estimator_ : MixtureOfLinearExperts or MixtureOfGLMExperts
        The fitted mixture.

    See Also
    --------
    skmoe.MixtureOfLinearExperts.predictive : The same without skpro.

    Notes
    -----
    `predict_proba` gives a :class:`MixtureDistribution`; `predict`, `predict_var`,
    `predict_interval` and `predict_quantiles` follow from it.  `update` is the
    mixture's `partial_fit`.  y has one column.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skmoe import MixtureOfLinearExperts
    >>> from skmoe.skpro import MixtureProbaRegressor
    >>> X = pd.DataFrame({"x": np.arange(20.0)})
    >>> y = pd.DataFrame({"y": np.arange(20) % 2})
    >>> regressor = MixtureProbaRegressor(MixtureOfLinearExperts(1, alpha=0))
    >>> found = regressor.fit(X, y).predict_proba(X.iloc[:2])
    >>> found.ppf(0.9).round(2)
          y
    0  1.07
    1  1.07
    """

    _tags = {
        "capability:multioutput": False,
        "capability:missing": False,
        "capability:update": True,
        "X_inner_mtype": "pd_DataFrame_Table",
        "y_inner_mtype": "pd_DataFrame_Table",
    }

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        super().__init__()

    def _fit(self, X: Any, y: Any) -> Self:
        if not isinstance(self.estimator, MixtureRegressor):
            raise TypeError(
                f"estimator is a {type(self.estimator).__name__}; give a "
                "MixtureOfLinearExperts or MixtureOfGLMExperts." + see(_SECTION)
            )
        self.estimator_ = clone(self.estimator).fit(_named(X), _one_column(y))
        self.columns_ = y.columns
        return self

    def _update(self, X: Any, y: Any) -> Self:
        self.estimator_.partial_fit(_named(X), _one_column(y))
        return self

    def _predict_proba(self, X: Any) -> MixtureDistribution:
        found = self.estimator_.predictive(_named(X))
        return MixtureDistribution(found, X.index, self.columns_)

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict]:
        """Parameters that skpro's checks construct regressors with.

        Parameters
        ----------
        parameter_set : str, default='default'
            Ignored: there is one set.

        Returns
        -------
        params : list of dict
        """
        amounts = MixtureOfGLMExperts(1, family="gamma")
        return [{"estimator": MixtureOfLinearExperts(1)}, {"estimator": amounts}]


def _one_column(y):
    """The only column of a table y."""
    if y.shape[1] != 1:
        raise ValueError(
            f"y has {y.shape[1]} columns; give one, or fit a mixture of several "
            "outputs without skpro." + see(_SECTION)
        )
    return y.iloc[:, 0]


def _named(X):
    """A table whose names of columns are strings, as scikit-learn wants them."""
    return X.rename(columns=str)


for _name in __all__:
    globals()[_name].__module__ = __name__
