"""What a pipeline ends in, and what that sees of X."""

from sklearn.pipeline import Pipeline

from skmoe._base import BaseMixtureOfExperts


def check_mixture(estimator, name="estimator", remedy=""):
    """Raise an error if an estimator is none of this package; `name` is its own."""
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
