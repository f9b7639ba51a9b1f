"""The private names of scikit-learn that this package uses, each with the reason.

No other module imports one.  Besides, classes have four private attributes that
scikit-learn looks for: `_parameter_constraints`, without which parameters are not
validated, `_doc_link_module` and `_doc_link_template`, without which diagrams link
nowhere, and `_accept_sample_weight`, without which searches with several scorers do not
give log_likelihood_scorer their weights.
"""

# Validates parameters at the door of fit, and honours skip_parameter_validation of
# sklearn.config_context.  Without it there is no fit.
from sklearn.base import _fit_context as fit_context

# The columns of data frames of pandas, polars and pyarrow, each by its own methods.
# Without it, frames with columns that nobody sees cannot be fitted.
from sklearn.utils import _safe_indexing as safe_indexing

# What parameters may be, and the messages that scikit-learn's users know.  Without
# them the package cannot be imported.
from sklearn.utils._param_validation import (
    HasMethods,
    Hidden,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)

# Makes a data frame of the library of another one.  Without it, displays of pipelines
# that select columns by name cannot be drawn.
from sklearn.utils._set_output import _get_adapter_from_container


def validate_parameters(estimator):
    """Raise an error if a constructor parameter is invalid.

    What `fit_context` does, for fits that are no method of the estimator: those of
    batches and partitions do not work without it.
    """
    estimator._validate_params()


def frame_like(X, rows):
    """A data frame of the library and with the columns of X, from rows (n, p)."""
    adapter = _get_adapter_from_container(X)
    return adapter.create_container(rows, rows, list(X.columns))


def callback_context(estimator, max_subtasks):
    """Where a fit reports its progress to callbacks; None before scikit-learn 1.9.

    `fit` makes its tasks itself, for which there is no public way: without this name
    callbacks are not called.
    """
    make = getattr(estimator, "_init_callback_context", None)
    return make and make(max_subtasks=max_subtasks)


def has_callbacks(estimator):
    """Whether callbacks are set.

    They expect starts one after another, so without this name fits with callbacks and
    `n_jobs` call them from several processes.
    """
    return bool(getattr(estimator, "_skl_callbacks", None))


def callback_attributes(estimator):
    """Names of the attributes that hold callbacks, or that callbacks set.

    `fit` takes them away by itself, and they cannot be pickled: under other names
    checkpoints cannot be written.
    """
    return [name for name in vars(estimator) if "callback" in name]
