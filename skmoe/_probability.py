"""`predict_proba` of regressors: the gate's probabilities."""

from typing import Any

from sklearn.utils import ClassifierTags
from sklearn.utils.metaestimators import available_if


def _is_asked_for(estimator):
    """Whether a regressor has `predict_proba`; scikit-learn's checks forbid it."""
    if estimator.probability:
        return True
    raise AttributeError(
        "probability=False: this regressor has no predict_proba, as scikit-learn wants "
        "it; gate_proba(X) gives the probability of each expert, and so does "
        "predict_proba(X) with probability=True."
    )


class HasGateProbability:
    """A regressor whose `predict_proba`, if asked for, is `gate_proba`."""

    n_experts: int
    probability: bool

    @available_if(_is_asked_for)
    def predict_proba(self: Any, X: Any) -> Any:
        """Probability of each expert given x, as `gate_proba`.

        Only with ``probability=True``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            What :meth:`gate_proba` takes.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_experts)
            What :meth:`gate_proba` gives.

        Notes
        -----
        cross_val_predict takes y for labels of classes where its method is
        'predict_proba', and hands on their ranks; so that it does not, give it y as
        ``params={"y": y}`` instead.
        """
        return self.gate_proba(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if self.probability:
            # scikit-learn's checks look here for how many columns there are.
            tags.classifier_tags = ClassifierTags(multi_class=self.n_experts > 2)
        return tags
