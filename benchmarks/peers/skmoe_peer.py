"""skmoe with default parameters; METHOD is the solver.

'em-mle' is 'em' without penalties: maximum likelihood, as most peers compute it.
"""

import time
import warnings

import numpy as np
from common import CHEAP, Arguments, Fits, as_model, needs, value, write, write_seeds

with needs("skmoe"):
    from skmoe import MixtureOfLinearExperts, MixtureOfLogisticExperts


class Recorder:
    """A scikit-learn callback that notes when each iteration ended, and its model."""

    visited = ()

    def setup(self, estimator, context):
        self.start, self.visited = time.perf_counter(), []

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        if context.task_name == "iteration":
            self.visited.append((time.perf_counter() - self.start, fitted_estimator))


def model_of(case, estimator):
    """Parameters as `score` wants them."""

    def joined(coef, intercept):
        return np.concatenate([coef, intercept[..., None]], axis=-1)

    return as_model(
        case,
        joined(estimator.gate_coef_, estimator.gate_intercept_),
        joined(estimator.coef_, estimator.intercept_),
        getattr(estimator, "noise_variance_", ()),
    )


def run(arguments, X, y, make):
    """Fits, and a trace: the value after each iteration and when it was known.

    Recording takes a little time of its own, so where fits are cheap they are repeated
    without it and the trace's clock is scaled to them.
    """
    recorder = Recorder()

    def recorded():
        estimator = make()
        if hasattr(estimator, "set_callbacks"):
            estimator.set_callbacks(recorder)
        return estimator.fit(X, y)

    first = fits = Fits(recorded, 1)
    if first.time < CHEAP:
        fits = Fits(lambda: make().fit(X, y), arguments.repeats)
        fits.memory_before = first.memory_before
    if not recorder.visited:
        return fits, {}
    case = arguments.case
    times, models = zip(*recorder.visited)
    return fits, {
        "trace_time": [fits.time / first.time * seconds for seconds in times],
        "trace_value": [
            value(case, X, arguments.y, model_of(case, model)) for model in models
        ],
    }


def main():
    arguments = Arguments()
    case, X, y = arguments.case, arguments.X, arguments.y
    kind = MixtureOfLinearExperts
    if case.family != "gaussian":
        kind, y = MixtureOfLogisticExperts, y.astype(int)
    solver, _, variant = arguments.method.partition("-")
    penalties = {}
    if variant == "mle" or case.penalty:
        # That of the case is for each row.
        names = ["alpha", "gate_alpha"]
        penalties = dict.fromkeys(names, case.penalty * X.shape[0])
        if kind is MixtureOfLinearExperts:
            penalties["noise_prior"] = 0

    def make(seed=0):
        return kind(case.n_experts, solver=solver, random_state=seed, **penalties)

    warnings.simplefilter("ignore")
    if arguments.n_seeds:
        fit = lambda seed: make(seed).fit(X, y)  # noqa: E731
        write_seeds(arguments, fit, lambda fitted: model_of(case, fitted))
        return
    fits, trace = run(arguments, X, y, make)
    fitted = fits.result
    write(
        arguments,
        fits,
        model_of(case, fitted),
        n_iter=fitted.n_iter_,
        note="" if fitted.converged_ else "stopped at max_iter",
        **trace,
    )


if __name__ == "__main__":
    main()
