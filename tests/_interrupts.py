"""Ctrl-C at a chosen point: KeyboardInterrupt at the n-th step inside some files."""

import inspect
import linecache
import sys


class Interrupt:
    """Raises KeyboardInterrupt at a step of the code that runs in the block.

    Steps are lines and beginnings of functions, but not the return to a `with` at its
    end: Python looks for no signal there, and a lock would stay closed.  Nor is it one
    where a generator goes on, since it does so too where it is let go, and what is
    raised there Python drops.  The interrupt does not leave the block; `came` tells
    whether there were so many steps.

    Parameters
    ----------
    files : str or tuple of str, beginnings of the names of the files that count
    at : int, the step that fails; 0 for none
    """

    def __init__(self, files, at=0):
        self.files, self.at, self.steps, self.came = files, at, 0, False
        self.lines = {}  # last line of each frame

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, kind, error, traceback):
        sys.settrace(self.before)
        self.lines.clear()  # lets go of the frames
        return self.came and kind is KeyboardInterrupt

    def _trace(self, frame, event, argument):
        # Python drops what is raised in a finaliser.
        is_finaliser = frame.f_code.co_name == "__del__"
        if is_finaliser or not frame.f_code.co_filename.startswith(self.files):
            return None
        goes_on = event == "call" and frame.f_code.co_flags & inspect.CO_GENERATOR
        is_step = event in ("call", "line") and not goes_on
        if is_step and not self._ends_with(frame):
            self.steps += 1
            if self.steps == self.at:
                self.came = True
                sys.settrace(None)
                raise KeyboardInterrupt
        return self._trace

    def _ends_with(self, frame):
        """Whether a frame goes back to the line of a `with`."""
        before = self.lines.get(frame, 0)
        self.lines[frame] = line = frame.f_lineno
        if line >= before:  # reading every line would cost most of a test's time
            return False
        text = linecache.getline(frame.f_code.co_filename, line)
        return text.lstrip().startswith("with ")


def number_of_steps(files, function):
    """Steps that a call of a function takes in some files."""
    with Interrupt(files) as counted:
        function()
    return counted.steps
