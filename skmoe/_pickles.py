"""Pickles of earlier releases."""

import inspect

from sklearn.base import BaseEstimator


class LoadsOldPickles(BaseEstimator):
    """An estimator whose missing parameters take their defaults when it is loaded."""

    def __setstate__(self, state):
        """Load a state, of a release that may not have had all parameters."""
        parameters = inspect.signature(type(self).__init__).parameters
        defaults = {name: parameters[name].default for name in self._get_param_names()}
        super().__setstate__(defaults | state)
