"""Solvers: a mirror map and a rule for its step, both for the one loop in `descent`."""

from skmoe.solvers.accelerated import AcceleratedEM
from skmoe.solvers.gradient import GradientDescent
from skmoe.solvers.mirror import GradientSteps, MirrorDescent
from skmoe.solvers.stochastic import StochasticGradientDescent, StochasticMirrorDescent

__all__ = [
    "AcceleratedEM",
    "GradientDescent",
    "GradientSteps",
    "MirrorDescent",
    "StochasticGradientDescent",
    "StochasticMirrorDescent",
    "make_solver",
]


def make_solver(name, step_size):
    """Solver of the public names 'em', 'md' and 'gd'."""
    if name == "em":
        return AcceleratedEM() if step_size == "auto" else MirrorDescent(1.0)
    return {"md": MirrorDescent, "gd": GradientDescent}[name](step_size)


for _name in __all__:
    globals()[_name].__module__ = __name__  # not the file, which may move
