"""Checkpoints of long fits, from which a fit goes on after its process ended."""

import copy
import os
import pickle
import uuid
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import sklearn

from skmoe._base import BaseMixtureOfExperts
from skmoe._callbacks import CallbackSupportMixin
from skmoe._sklearn import callback_attributes
from skmoe._validation import check_count

__all__ = ["Checkpoint", "load_checkpoint"]


class Checkpoint:
    """Save the fit so far to a file, every so many iterations.

    A callback for ``set_callbacks`` of all mixtures of experts.
    :func:`load_checkpoint` reads the file, also while the fit runs or after its process
    was killed: the file is replaced as a whole and never half-written.

    Parameters
    ----------
    path : str or path-like
        File to write, in a folder that exists.  A file that is there is replaced.
    every : int, default=10
        Number of iterations, of each start, between two checkpoints.  The end of a
        start and the end of the fit are saved too.

    Raises
    ------
    ImportError
        If scikit-learn is older than 1.9, which brought callbacks.

    See Also
    --------
    load_checkpoint : The estimator in the file, ready to go on.

    Notes
    -----
    The file holds the estimator by pickle, without its callbacks.  With `n_init` > 1 it
    is the fit of the lowest objective so far, over finished starts and the current one.
    The first checkpoint comes after `every` iterations on all rows: what
    ``init="short_runs"`` does on samples before that is not saved.

    Before the fit begins, an error says if `path` cannot be written.  If writing fails
    later, a warning says so, and the fit goes on.  A process that is killed while it
    writes leaves a file ``.NAME.*.part`` beside `path`, which may be deleted.

    Clones share the callback: all fits of a search, or of
    :func:`~skmoe.model_selection.n_experts_path`, write to the same file, and it holds
    the one that wrote last.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skmoe import MixtureOfLinearExperts
    >>> from skmoe.callbacks import Checkpoint, load_checkpoint
    >>> X = np.linspace(-1, 1, 201)[:, None]
    >>> y = np.abs(X[:, 0]) + 0.05 * np.random.default_rng(0).standard_normal(201)
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "fit.pkl"
    >>> model = MixtureOfLinearExperts(random_state=0)
    >>> model = model.set_callbacks(Checkpoint(path, every=5)).fit(X, y)
    >>> resumed = load_checkpoint(path).fit(X, y)
    >>> np.allclose(resumed.predict(X), model.predict(X), atol=1e-3)
    True
    >>> folder.cleanup()
    """

    def __init__(self, path, every=10):
        if not hasattr(CallbackSupportMixin, "set_callbacks"):
            raise ImportError(
                "Checkpoint needs the callbacks of scikit-learn 1.9 or later, but "
                f"{sklearn.__version__} is installed: pip install -U scikit-learn."
            )
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"path={path!r} is no path; give a str or a Path.")
        check_count("every", every, "iterations")
        # The folder may change during the fit, and a link is to stay one.
        self.path = Path(path).resolve()
        self.every = every
        self._lowest = {}  # objective in the file, for each running fit

    def setup(self, estimator, context):
        """Check, before a fit begins, that it can be saved."""
        if not isinstance(estimator, BaseMixtureOfExperts):
            raise TypeError(
                f"Checkpoint does not save a {type(estimator).__name__}; call "
                "set_callbacks of the mixture of experts in it."
            )
        _content(estimator)
        _check_writable(self.path)
        self._lowest[id(estimator)] = np.inf

    def teardown(self, estimator, context):
        """Forget a fit that ended."""
        self._lowest.pop(id(estimator), None)

    def on_fit_task_begin(self, estimator, context):
        """Do nothing."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Save the fit so far if it is time to."""
        is_iteration = context.task_name == "iteration"
        if is_iteration and (context.task_id + 1) % self.every:
            return
        objective = fitted_estimator.objective_curve_[-1]
        if context.task_name == "fit" or objective < self._lowest[id(estimator)]:
            self._lowest[id(estimator)] = objective
            self._save(fitted_estimator)

    def _save(self, estimator):
        """Write the file; a failure does not end the fit."""
        try:
            _replace(self.path, _content(estimator))
        except OSError as error:
            warnings.warn(
                f"No checkpoint could be written to path={str(self.path)!r}: {error}. "
                "The fit goes on, and the file keeps what it had.",
                stacklevel=2,
            )


def load_checkpoint(path):
    """Read the estimator that a :class:`Checkpoint` saved.

    It predicts as fitted so far.  Its parameters are those of the fit but for
    ``warm_start=True``, so that ``fit`` on the same data goes on from the checkpoint.
    It has no callbacks: set them again.

    Parameters
    ----------
    path : str or path-like
        File of a `Checkpoint`.  It is a pickle, so read only files that you trust.

    Returns
    -------
    estimator : MixtureOfLinearExperts, MixtureOfLogisticExperts or \
            MixtureOfGLMExperts
        Fitted up to the checkpoint.

    Raises
    ------
    FileNotFoundError
        If there is no file: no checkpoint was written yet.
    ValueError
        If the file is no checkpoint.

    Notes
    -----
    The fit that goes on has `max_iter` iterations of its own, and its `n_iter_` and
    `objective_curve_` begin at the checkpoint.  It makes no further starts, and its
    experts keep the order of the checkpoint.

    Examples
    --------
    A script that goes on where it was stopped, as often as it is started, with the X
    and y of the fit::

        from pathlib import Path

        from skmoe import MixtureOfLinearExperts
        from skmoe.callbacks import Checkpoint, load_checkpoint

        path = Path("fit.pkl")
        if path.exists():
            model = load_checkpoint(path)
        else:
            model = MixtureOfLinearExperts(n_experts=8, random_state=0)
        model.set_callbacks(Checkpoint(path)).fit(X, y)
    """
    try:
        with open(path, "rb") as file:
            estimator = pickle.load(file)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"path={str(path)!r} does not exist: no checkpoint was written yet, or not "
            "there; fit from the beginning."
        ) from error
    except OSError:
        raise
    except Exception as error:
        raise ValueError(
            f"path={str(path)!r} is no checkpoint ({error}); give the path of a "
            "Checkpoint."
        ) from error
    if not isinstance(estimator, BaseMixtureOfExperts):
        raise ValueError(
            f"path={str(path)!r} holds a {type(estimator).__name__}; give the path of "
            "a Checkpoint."
        )
    return estimator.set_params(warm_start=True)


def _content(estimator):
    """An estimator as bytes, without callbacks and what they put into it."""
    bare = copy.copy(estimator)
    for name in callback_attributes(bare):
        delattr(bare, name)
    try:
        return pickle.dumps(bare)
    except Exception as error:
        raise TypeError(
            f"Checkpoint cannot pickle the estimator ({error}); give parameters that "
            "pickle takes, such as a function of a module in place of a lambda."
        ) from error


def _check_writable(path):
    """Raise an error if a file cannot be written."""
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        with _part_of(path) as part:
            part.touch(exist_ok=False)
    except OSError as error:
        raise OSError(
            f"path={str(path)!r} cannot be written ({error}); give a file in a folder "
            "that exists and that you may write to."
        ) from error


def _replace(path, content):
    """Put new content in place of a file, in one step and on the disk."""
    with _part_of(path) as part:
        with open(part, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)


@contextmanager
def _part_of(path):
    """Name of a new file beside another, which is gone after the block."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)
