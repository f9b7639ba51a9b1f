"""scikit-learn's callbacks where it has them (1.9), and their absence elsewhere."""

import numpy as np

from skmoe._sklearn import callback_context, has_callbacks
from skmoe.engine.descent import Descent

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    FRAMES = 1  # that `with_callbacks` adds to the stack
except ImportError:
    FRAMES = 0

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's mixin where it has no callbacks."""

    def with_callbacks(method):
        """Leave the method as it is."""
        return method


def print_iteration(number, iteration, state, change, step_size):
    """Print an iteration of a start."""
    print(
        f"init {number + 1}, iteration {iteration}: objective "
        f"{state.objective:.8f}, change {change:.2e}, step {step_size:.3g}"
    )


class FitProgress:
    """Reports the iterations of `fit` to scikit-learn's callbacks and to the screen.

    Parameters
    ----------
    estimator : estimator
    data : dict with the keys X, y and metadata, handed to the callbacks; None of
        partial_fit, which has none
    n_init : int
    describe : callable, Descent -> dict of fitted attributes
    """

    def __init__(self, estimator, data, n_init, describe):
        self.estimator, self.data, self.describe = estimator, data, describe
        self.root = None if data is None else callback_context(estimator, n_init)
        if self.root is not None:
            self.root.call_on_fit_task_begin(estimator=estimator, **data)
        # Callbacks may stop a fit, and expect its starts one after another.
        self.is_watched = self.root is not None and has_callbacks(estimator)

    def run(self, number):
        """Report function for one initialisation, and a function to call at its end."""
        context = None
        if self.root is not None:
            context = self.root.subcontext("init", max_subtasks=self.estimator.max_iter)
            context.call_on_fit_task_begin(estimator=self.estimator, **self.data)
        curve = []

        def report(iteration, state, change, step_size):
            if self.estimator.verbose:
                print_iteration(number, iteration, state, change, step_size)
            if context is None:
                return False
            task = context.subcontext("iteration")
            task.call_on_fit_task_begin(estimator=self.estimator, **self.data)
            if not curve:
                curve.append(state.objective - change)
            curve.append(state.objective)
            return self._end(task, lambda: _descent(state, curve))

        def finish(descent):
            if context is not None:
                self._end(context, lambda: descent)

        return report, finish

    def finish(self, descent):
        """Report the end of `fit`."""
        if self.root is not None:
            self._end(self.root, lambda: descent)

    def _end(self, context, descent):
        """End a task; the callbacks may ask for an estimator fitted up to here."""
        return context.call_on_fit_task_end(
            estimator=self.estimator,
            reconstruction_attributes=lambda: self.describe(descent()),
            **self.data,
        )


def _descent(state, curve):
    """The descent as if it had stopped at a state, before it converged."""
    mass = state.stats.mass
    return Descent(state.theta, mass, np.array(curve), len(curve) - 1, False)
