"""Which coefficients experts have in common, and which columns they do not see.

Coefficients keep the shape (K, q, p): experts that share one hold copies of it, and it
is 0 where an expert does not see its column.  They then lie in a linear subspace, and
so do gradients once they are projected onto it; inner products, steps along a line and
elastic nets need to know no more.  Newton systems are solved in its coordinates.
"""

import numpy as np
from scipy import sparse

from skmoe.engine.curvature import DenseCurvature
from skmoe.engine.many_outputs import ForMany, is_for_many
from skmoe.engine.penalty import Penalty


def numbered(sets):
    """Numbers from 0 on in the order of their first place, row by row; -1 stays."""
    found, first = np.unique(sets, return_index=True)
    order = np.full(sets.max(initial=-1) + 2, -1)
    known = found[np.argsort(first)]
    known = known[known >= 0]
    order[known] = np.arange(known.size)
    return order[sets]


class OwnCoefficients:
    """Every set of coefficients for itself, J of them with p columns."""

    is_separate = True

    def __init__(self, n_sets, n_columns):
        self.shape = n_sets, n_columns

    def of_copies(self, penalty):
        """Penalty of all copies."""
        return penalty

    def projected(self, values):
        """The nearest values (J, q, p) that coefficients can have."""
        return values

    def has_rows(self, is_learning):
        """Where one of the experts (J,) that have a coefficient learns, (J, 1, 1)."""
        return is_learning[:, None, None]

    def n_own(self, is_free):
        """Coefficients of each expert that nobody shares, (J, q, p) -> (J, q)."""
        return is_free.sum(axis=2)

    def n_among(self, chosen):
        """Coefficients of one predictor among some columns (bool, (p,))."""
        return self.shape[0] * int(chosen.sum())

    def firsts(self):
        """Where the first copies are, (J, 1, p)."""
        return np.ones((self.shape[0], 1, self.shape[1]), dtype=bool)

    def owners(self):
        """Experts that have each coefficient, lists of J lists of p tuples."""
        return [[(j,)] * self.shape[1] for j in range(self.shape[0])]

    def embedding(self, n_predictors):
        """Linear map from the free coefficients to all copies, a sparse matrix."""
        return sparse.csr_array(
            sparse.eye(n_predictors * self.shape[0] * self.shape[1])
        )

    def steps(self, solve, penalty, systems, coef, learning, groups):
        """Steps (J, q, p) of Newton systems; those that do not learn stay.

        Parameters
        ----------
        solve : Penalty.solve or Penalty.natural_step
        penalty : Penalty
        systems : tuple
            Curvatures, a list of J; what the penalty is multiplied by beside each,
            (J, q); and minus the gradients, (J, q, p), in the curvatures' units.
        coef : ndarray of shape (J, q, p)
        learning : sequence of int
        groups : list of slices of predictors that are solved for at once
        """
        curvatures, strength, score = systems
        step = np.zeros_like(score)
        for j in learning:
            if is_for_many(curvatures[j], groups) and penalty.is_smooth:
                own = penalty.times(strength[j, :, None])
                step[j] = solve(own, ForMany(curvatures[j]), score[j], coef[j])
                continue
            for rows in groups:
                own = penalty.times(strength[j, rows][0])
                step[j, rows] = solve(own, curvatures[j], score[j, rows], coef[j, rows])
        return step


class SharedCoefficients:
    """Coefficients of which some are copies of each other, F of them free.

    Parameters
    ----------
    sets : ndarray of int of shape (K, p)
        Number of the free coefficient that each is a copy of, from 0 on and each at
        most once for an expert; -1 where an expert does not see the column.
    """

    is_separate = False

    def __init__(self, sets):
        self.sets, self.is_seen = sets, sets >= 0
        self.size = int(sets.max(initial=-1)) + 1
        known = sets[self.is_seen]
        self.n_copies = np.bincount(known, minlength=self.size)
        experts, columns = np.nonzero(self.is_seen)
        _, first = np.unique(known, return_index=True)
        # Expert and column of the first copy of each.
        self.expert, self.column = experts[first], columns[first]

    def expand_adjoint(self, values):
        """Sums over copies, (K, q, p) -> (q, F); the adjoint of `expand`."""
        total = np.zeros((values.shape[1], self.size))
        for own, sets, seen in zip(values, self.sets, self.is_seen):
            total[:, sets[seen]] += own[:, seen]
        return total

    def expand(self, free):
        """Copies of free coefficients, (q, F) -> (K, q, p)."""
        padded = np.pad(free, ((0, 0), (0, 1)))
        return np.ascontiguousarray(padded[:, self.sets].transpose(1, 0, 2))

    def of_copies(self, penalty):
        """Penalty of all copies: each has its share, and a coefficient counts once."""
        count = np.append(self.n_copies, 1)[self.sets]
        share = np.where(self.is_seen, 1 / count, 0.0)[:, None]
        return Penalty(share * penalty.ridge, share * penalty.lasso)

    def projected(self, values):
        """The nearest values (K, q, p) that coefficients can have: means of copies."""
        return self.expand(self.expand_adjoint(values) / self.n_copies)

    def has_rows(self, is_learning):
        """Where one of the experts (K,) that have a coefficient learns, (K, 1, p)."""
        values = np.broadcast_to(
            is_learning[:, None, None], self.is_seen[:, None].shape
        )
        return self.expand(self.expand_adjoint(values.astype(float))) > 0

    def n_own(self, is_free):
        """Coefficients of each expert that nobody shares, (K, q, p) -> (K, q)."""
        is_own = self.is_seen & (np.append(self.n_copies, 0)[self.sets] == 1)
        return (is_free & is_own[:, None]).sum(axis=2)

    def n_among(self, chosen):
        """Coefficients of one predictor among some columns (bool, (p,))."""
        return int(chosen[self.column].sum())

    def firsts(self):
        """Where the first copies are, (K, 1, p)."""
        found = np.zeros(self.sets.shape, dtype=bool)
        found[self.expert, self.column] = True
        return found[:, None]

    def owners(self):
        """Experts that have each coefficient, lists of K lists of p tuples."""
        experts = [
            tuple(np.flatnonzero((self.sets == s).any(1)).tolist())
            for s in range(self.size)
        ]
        return [[experts[s] if s >= 0 else () for s in sets] for sets in self.sets]

    def embedding(self, n_predictors):
        """Linear map from the free coefficients to all copies, a sparse matrix.

        Free ones are in the order of their first copies in (K, q, p).
        """
        n_experts, n_columns = self.sets.shape
        shape = n_experts, n_predictors, n_columns
        first = np.flatnonzero(np.broadcast_to(self.firsts(), shape))
        numbers = np.arange(n_predictors)[:, None] * self.size + self.sets[:, None]
        place = np.empty(n_predictors * self.size, dtype=int)
        place[numbers.ravel()[first]] = np.arange(first.size)
        rows = np.flatnonzero(np.broadcast_to(self.is_seen[:, None], shape))
        where = rows, place[numbers.ravel()[rows]]
        return sparse.csr_array(
            (np.ones(rows.size), where), shape=(np.prod(shape), first.size)
        )

    def steps(self, solve, penalty, systems, coef, learning, groups):
        """As of `OwnCoefficients`: the experts' systems, added up, are one."""
        curvatures, strength, score = systems
        kept = np.isin(np.arange(len(coef)), learning)
        alive = np.flatnonzero(self._of_firsts(self.has_rows(kept))[0])
        score = self.expand_adjoint(
            np.where(kept[:, None, None], score / strength[..., None], 0)
        )
        coef, step = self._of_firsts(coef), np.zeros_like(score)
        columns = self.column[alive]
        own = Penalty(penalty.ridge[columns], penalty.lasso[columns])
        for rows in groups:
            chosen = np.ix_(np.arange(coef.shape[0])[rows], alive)
            matrix = self._stacked(curvatures, strength[:, rows], learning, alive)
            step[chosen] = solve(
                own, DenseCurvature(matrix), score[chosen], coef[chosen]
            )
        return self.expand(step)

    def _of_firsts(self, values):
        """Values of the first copies, (K, q, p) -> (q, F)."""
        return values[self.expert, :, self.column].T

    def _stacked(self, curvatures, strength, learning, alive):
        """Curvature of some free coefficients (index array) of q predictors at once."""
        n_predictors, n_columns = strength.shape[1], self.sets.shape[1]
        each = np.arange(n_predictors)[:, None]
        total = np.zeros((n_predictors * alive.size,) * 2)
        for k in learning:
            seen = np.flatnonzero(self.is_seen[k])
            place = np.searchsorted(alive, self.sets[k, seen])
            rows = (each * alive.size + place).ravel()
            own = (each * n_columns + seen).ravel()
            matrix = curvatures[k].matrix[np.ix_(own, own)]
            matrix.ravel()[:: own.size + 1] += curvatures[k].floor
            total[np.ix_(rows, rows)] += matrix / strength[k, 0]
        return total
