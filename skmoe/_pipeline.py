"""What a pipeline ends in, and what that sees of X."""

from sklearn.pipeline import Pipeline

from skmoe._base import BaseMixtureOfExperts


def check_mixture(estimator, name="estimator", remedy="", before="transform"):
    """Raise an error if an estimator is none of this package; `name` is its own.

    `before` is the method of a pipeline's other steps that gives what the last one
    sees of X.
    """
    if isinstance(estimator, Pipeline):
        check_mixture(last_step(estimator)[0], f"The last step of {name}", remedy)
        rest = f", and pipe[:-1].{before}(X) for X" if len(estimator.steps) > 1 else ""
        raise TypeError(
            f"{name} is a Pipeline, and what is asked is in the units that its last "
            f"step sees; give pipe[-1]{rest}."
        )
    if not isinstance(estimator, BaseMixtureOfExperts):
        raise TypeError(
            f"{name} is a {type(estimator).__name__}; give a MixtureOfLinearExperts, "
            f"MixtureOfLogisticExperts or MixtureOfGLMExperts{remedy}."
        )


def last_step(estimator):
    """The last step of a pipeline, and a function from X to what that step sees of it.

    Pipelines may end in pipelines; anything else is its own last step.
    """
    before = []
    while isinstance(estimator, Pipeline):
        steps = [step for _, step in estimator.steps]
        before += [step for step in steps[:-1] if step not in (None, "passthrough")]
        estimator = steps[-1]

    def transform(X):
        for step in before:
            X = step.transform(X)
        return X

    return estimator, transform
