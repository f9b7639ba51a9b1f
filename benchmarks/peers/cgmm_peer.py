"""cgmm's MixtureOfExpertsRegressor with default parameters; METHOD is not used."""

import numpy as np
from common import Arguments, Fits, as_model, needs, write

with needs("cgmm"):
    from cgmm import MixtureOfExpertsRegressor


def main():
    arguments = Arguments()
    case, X, y = arguments.case, arguments.X, arguments.y

    def fit():
        return MixtureOfExpertsRegressor(case.n_experts, random_state=0).fit(X, y)

    fits = Fits(fit, arguments.repeats)
    fitted = fits.result
    # The parameters have no public name; the last expert is the gate's reference.
    p = fitted._params
    gate = np.zeros((case.n_experts, case.n_features + 1))
    gate[:-1, :-1], gate[:-1, -1] = p.W, p.c
    experts = np.concatenate([p.A[:, 0], p.b], axis=1)
    n_iter = fitted.n_iter_
    write(
        arguments,
        fits,
        as_model(case, gate, experts, p.cov[:, 0, 0]),
        n_iter=n_iter,
        # Iterations are taken to last equally long.
        trace_time=fits.time * np.arange(1, n_iter + 1) / n_iter,
        trace_value=fitted.lower_bounds_,
    )


if __name__ == "__main__":
    main()
