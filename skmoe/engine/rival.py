"""Descents that are broken off, since they end no lower than another has ended."""

from skmoe.engine.curvature import InfeasibleStep
from skmoe.engine.descent import still_to_come
from skmoe.engine.outlook import outlook

# Gains that shrink twice by this ratio are those of a descent that nears its end.
_CONTRACTION = 0.5
# A descent goes on while five times its promise would beat the rival.
_BENEFIT_OF_DOUBT = 5.0
# Iterations from a look ahead that sees more to come to the next.
_WAIT = 4


class Rival:
    """An objective to beat, whose `report` is one of `minimise`.

    Parameters
    ----------
    objective : float, where another descent on the same rows ended
    same : float, difference of objectives that counts as none
    clear : float, promise of a descent small enough to say where it ends

    Attributes
    ----------
    is_met : bool, whether the descent ends at the same objective
    has_won : bool, whether it is clear that the descent ends there or above
    """

    def __init__(self, objective, same, clear):
        self.objective, self.same, self.clear = objective, same, clear
        self.gains, self.is_met, self.has_won = [0.0, 0.0], False, False

    def report(self, iteration, state, change, step_size):
        """Whether to stop, since the rival has won."""
        # What an EM step gains; a longer one gains more.
        self.gains.append(-change / max(step_size, 1.0))
        first, before, last = self.gains[-3:]
        if before < _CONTRACTION * first and last < _CONTRACTION * before:
            self._compare(state, still_to_come(before, last))
        return self.has_won

    def _compare(self, state, remaining):
        """Compare where a descent ends that has so much to come."""
        if remaining < self.clear:
            end = state.objective - remaining
            self.has_won = self.is_met = abs(end - self.objective) < self.same
        else:
            promised = state.objective - _BENEFIT_OF_DOUBT * remaining
            self.has_won = promised > self.objective


class ConfirmedRival(Rival):
    """One that wins only where the second derivatives of F agree: gains shrink on
    plateaus too.

    Parameters
    ----------
    mixture : Mixture that the descents are of
    objective : float
    same : float, as of `Rival`, and its `clear`
    """

    def __init__(self, mixture, objective, same):
        super().__init__(objective, same, same)
        self.mixture, self.wait = mixture, 0

    def _compare(self, state, remaining):
        """As it is done, then confirmed."""
        self.wait -= 1
        if self.wait > 0 or not self.mixture.gate.is_continuous:
            return
        super()._compare(state, remaining)
        if self.has_won and not self._is_confirmed(state):
            self.has_won = self.is_met = False
            self.wait = _WAIT

    def _is_confirmed(self, state):
        """Whether no saddle is in sight, and too little to come to beat the rival."""
        above = (state.objective - self.objective) / _BENEFIT_OF_DOUBT
        bound = max(self.same, above)
        try:
            seen = outlook(self.mixture, state, bound)
        except InfeasibleStep:
            return False
        return seen.downhill is None and not seen.promises(bound)
