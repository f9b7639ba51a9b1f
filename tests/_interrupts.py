"""Ctrl-C at a chosen point: KeyboardInterrupt at the n-th step inside some files."""

import sys


class Interrupt:
    """Raises KeyboardInterrupt at a step of the code that runs in the block.

    Steps are lines, and beginnings of functions, where Python looks for signals.  The
    interrupt does not leave the block; `came` tells whether there were so many steps.

    Parameters
    ----------
    files : str or tuple of str, beginnings of the names of the files that count
    at : int, the step that fails; 0 for none
    """

    def __init__(self, files, at=0):
        self.files, self.at, self.steps, self.came = files, at, 0, False

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, kind, error, traceback):
        sys.settrace(self.before)
        return self.came and kind is KeyboardInterrupt

    def _trace(self, frame, event, argument):
        # Python drops what is raised in a finaliser.
        is_finaliser = frame.f_code.co_name == "__del__"
        if is_finaliser or not frame.f_code.co_filename.startswith(self.files):
            return None
        if event in ("call", "line"):
            self.steps += 1
            if self.steps == self.at:
                self.came = True
                sys.settrace(None)
                raise KeyboardInterrupt
        return self._trace


def number_of_steps(files, function):
    """Steps that a call of a function takes in some files."""
    with Interrupt(files) as counted:
        function()
    return counted.steps
