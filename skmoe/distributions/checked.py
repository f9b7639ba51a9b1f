"""What a distribution of the user's own must have, checked before a fit."""

from inspect import signature
from numbers import Real

import numpy as np

from skmoe._docs import see
from skmoe.distributions.gamma import Gamma
from skmoe.distributions.poisson import Poisson

_SECTION = "Counts and amounts"
_KINDS = {bool: (bool, np.bool_), int: Real, tuple: (tuple, list, np.ndarray)}


def check_distribution(family):
    """Raise an error that names all that an object or class lacks to be a family."""
    if isinstance(family, type):
        try:
            family = family()
        except TypeError as error:
            raise ValueError(
                f"family={family!r} is a class that cannot be called without "
                f"arguments ({error}); give an object of it." + see(_SECTION)
            ) from error
    model = Gamma if getattr(family, "has_dispersion", False) else Poisson
    lacking = [
        _described(name, example)
        for name, example in vars(model).items()
        if name[0] != "_" and not _is_like(getattr(family, name, None), example)
    ]
    if lacking:
        raise ValueError(
            f"family={family!r} lacks {', '.join(lacking)}; a family has all "
            f"attributes and methods of skmoe.distributions.{model.__name__}."
            + see(_SECTION)
        )


def _is_like(found, example):
    """Whether an attribute or bound method can stand for that of an example class."""
    if not callable(example):
        return isinstance(found, _KINDS[type(example)])
    if not callable(found):
        return False
    try:
        signature(found).bind(*_arguments(example))
    except TypeError:
        return False
    except ValueError:  # of compiled functions nothing is known
        pass
    return True


def _described(name, example):
    """What is to be added to a family."""
    if callable(example):
        return f"the method {name}({', '.join(_arguments(example))})"
    kinds = {bool: "True or False", int: "a number", tuple: "two numbers"}
    return f"the attribute {name} ({kinds[type(example)]})"


def _arguments(method):
    """Names of a method's arguments, but for self."""
    return list(signature(method).parameters)[1:]
