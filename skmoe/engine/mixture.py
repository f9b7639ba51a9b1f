"""A mixture of experts on its data: one fused pass yields all that a step needs.

``F(theta) = mean_i s_i [-log p(y_i | x_i)] + penalties`` and, for the complete data as
an exponential family, the model moments m(theta) and the posterior moments p(theta).  A
step only needs them multiplied with the features: statistics of fixed size, sums over
blocks of rows.
"""

import copy

import numpy as np

from skmoe.data.design import block_rows
from skmoe.engine.gate_curvature import GateCurvature
from skmoe.engine.penalty import Penalties
from skmoe.engine.preconditioner import with_gram
from skmoe.engine.routing import BLOCKS_AT_ONCE, is_worthwhile
from skmoe.engine.state import Parameters, State
from skmoe.engine.sweep import IN_MEMORY, kept_rows, sweep
from skmoe.engine.tie import expand_adjoint
from skmoe.engine.units import SingleRows

# Up to this many coefficients in one Newton system the curvature is stored, and up to
# so many logits of a gate: the Gram matrices of their pairs take longer than products.
DENSE_LIMIT, MOST_STORED_LOGITS = 256, 4


class Mixture:
    """Gate and experts on one data set; `theta` lives outside.

    Parameters
    ----------
    experts : LinearExperts
    gate_design, expert_design : DenseDesign or SparseDesign
    target : ndarray of shape (m, n) or (n,), as the distribution wants it
    weight : ndarray of shape (n,), sums to 1
    gate : Gate
    gate_penalty : Penalty
    constant : float, added to F so that it is in the units of the original targets
    units : Groups, default=None
        Groups of rows that share a latent expert; each has a row of `gate_design`.
    known : ndarray of int of shape (u,), default=None
        Experts of units, where they are known, else -1; None if none is.
    passes : InMemory or OverParts, default=IN_MEMORY
        How sums over all rows are made.
    fixed : FixedRows, default=None
        The rows under experts without parameters, if there are some.

    Attributes
    ----------
    n_experts : int, experts that have parameters, K; the gate has E with the others
    """

    def __init__(
        self,
        experts,
        gate_design,
        expert_design,
        target,
        weight,
        gate,
        gate_penalty,
        constant,
        units=None,
        known=None,
        passes=IN_MEMORY,
        fixed=None,
    ):
        self.passes = passes
        self.experts, self.target, self.weight = experts, target, weight
        self.gate_design, self.expert_design = gate_design, expert_design
        self.gate, self.gate_penalty, self.constant = gate, gate_penalty, constant
        self.units, self.known = SingleRows(weight) if units is None else units, known
        self.fixed = fixed
        self.equal_noise_start = None  # Parameters, where a prior was learned
        self._arrange()

    def _arrange(self):
        """What follows from gate, experts and designs."""
        self.remembered = {}  # see `once`
        gate, experts, p_gate = self.gate, self.experts, self.gate_design.n_columns
        self.n_experts = len(experts.tie)
        self.is_routed = is_worthwhile(gate)
        width = max(p_gate, self.expert_design.n_columns)
        row_size = max(self.gate_design.row_size, self.expert_design.row_size)
        n_rows = block_rows(row_size) * (BLOCKS_AT_ONCE if self.is_routed else 1)
        self.blocks = self.units.blocks(n_rows)
        self.work = self.weight.shape[0] * width * self.n_experts
        self.gate_size = gate.contrasts.shape[1] * p_gate
        self.penalties = Penalties(self.gate_penalty, experts)
        has_few = gate.n_coupled <= MOST_STORED_LOGITS
        self.gate_curvature = GateCurvature(
            self.gate_design,
            self.units.weight,
            gate,
            has_few and gate.n_coupled * p_gate <= DENSE_LIMIT,
            self.passes,
        )
        # Experts that share coefficients have one system, of all of them.
        is_small = experts.curvature_size <= DENSE_LIMIT
        self.experts_are_dense = is_small or not experts.sharing.is_separate
        # Targets below and above entries, where rows are seen only above theirs.
        self.unseen = experts.distribution.unseen(self.target)
        self.experts_are_dense |= self.unseen is not None

    def replaced(self, **parts):
        """The same mixture with other parts, by the names of its constructor."""
        other = copy.copy(self)
        vars(other).update(parts)
        other._arrange()
        return other

    def take(self, chosen, weight=None):
        """The mixture on some units (index array), of the same weight unless given."""
        units, rows = self.units.take(chosen, weight)
        weight = units.expand(units.weight)
        gate_design = with_gram(self.gate_design.take(chosen), units.weight)
        expert_design = gate_design
        if self.expert_design is not self.gate_design:
            expert_design = with_gram(self.expert_design.take(rows), weight)
        return self.replaced(
            gate_design=gate_design,
            expert_design=expert_design,
            target=self.target[..., rows],
            weight=weight,
            units=units,
            known=None if self.known is None else self.known[chosen],
            fixed=None if self.fixed is None else self.fixed.take(rows),
        )

    def once(self, name, make):
        """What `make()` gives of these rows and this model, made once by its name."""
        if name not in self.remembered:
            self.remembered[name] = make()
        return self.remembered[name]

    def afresh(self, passes):
        """The same mixture, knowing nothing of other descents on it.

        It remembers what depends on rows and model alone.
        """
        fresh = copy.copy(self)
        fresh.gate_curvature = self.gate_curvature.afresh(passes)
        fresh.passes = passes
        return fresh

    def with_stored_experts(self):
        """The same mixture with its experts' curvature in matrices of any size."""
        stored = copy.copy(self)
        stored.experts_are_dense = True
        return stored

    def with_stored_curvature(self):
        """The same, the gate's curvature too."""
        stored = self.with_stored_experts()
        stored.gate_curvature = copy.copy(self.gate_curvature)
        stored.gate_curvature.dense = True
        return stored

    def initial(self):
        """Parameters with equal gates and zero experts."""
        gate = np.zeros((self.gate.contrasts.shape[1], self.gate_design.n_columns))
        return Parameters(gate, *self.experts.initial())

    def feasible(self, theta):
        """The nearest parameters in Omega: noise variances within their bounds."""
        noise = np.clip(theta.log_variance, *np.log(self.experts.noise_bounds))
        return theta._replace(log_variance=noise)

    def evaluate(self, theta, *, curvature=True, blend=False):
        """One pass: the objective and the statistics at `theta`.

        `curvature` asks for Gram matrices, `blend` for those of the model moments too
        (steps other than 1 need them).
        """
        rows = kept_rows(self) if curvature else None
        stats = sweep(self, theta, curvature, blend, rows)
        objective = self.constant - float(stats.log_likelihood)
        return State(theta, objective + self.penalties.value(theta), stats, rows)

    def gradient(self, state):
        """Gradient of F, but for the lasso, in the free parameters, as Parameters."""
        theta, stats = state.theta, state.stats
        own = self.experts.gradient(theta, stats.of_first(self.n_experts))
        loss = Parameters(stats.gate_gradient, *own)
        return loss.plus(self.penalties.gradient(theta))

    def slope(self, state, theta):
        """What F changes by from a state to `theta`, to first order, a float."""
        slope = self.gradient(state).dot(theta.minus(state.theta))
        return slope + self.penalties.rough_change(theta, state.theta)

    def project(self, state, step_size=1.0, damping=1.0):
        """Maximum likelihood on the blended moments (1 - eta) m + eta p.

        Exact for linear experts; one Newton step, shortened by `damping`, for the
        gate and for logistic experts.
        """
        gate = self.project_gate(state, step_size, damping)
        return Parameters(gate, *self.project_experts(state, step_size, damping))

    def project_gate(self, state, step_size=1.0, damping=1.0, curvature=None):
        """As `project`, the gate alone; its curvature may be given."""
        gate = state.theta.gate
        curvature = curvature or self.gate_curvature.at(gate)
        step_size = step_size / self._rows_per_seen(state)
        penalty = self.gate_penalty.times(step_size)
        score = -step_size * state.stats.gate_gradient
        return gate + damping * penalty.solve(curvature, score, gate)

    def project_experts(self, state, step_size=1.0, damping=1.0, exact=False):
        """As `project`, the experts alone: coefficients and log-variances.

        `exact` as `LinearExperts.m_step` takes it.
        """
        curvatures = self._expert_curvatures(state, step_size, exact)
        stats = state.stats.of_first(self.n_experts)
        return self.experts.m_step(
            state.theta, stats, curvatures, step_size, damping, exact
        )

    def recentred(self, state, gate_curvature, change):
        """Statistics of a state after a change of its parameters, to first order."""
        stats = state.stats
        gate_gradient = stats.gate_gradient + gate_curvature.dot(change.gate)
        curvatures = self._expert_curvatures(state, 1.0)
        stats = self.experts.recentred(stats, curvatures, change.experts)
        return stats._replace(gate_gradient=gate_gradient)

    def natural_step(self, state, gradient):
        """Complete information at a state to the -1, times a gradient, as Parameters.

        With the gradient of F this is minus the EM step to first order, but for how
        penalties couple noise and coefficients.  The gate's information may be that of
        a state nearby.
        """
        theta = state.theta
        curvature = self.gate_curvature.near(theta.gate)
        share = 1 / self._rows_per_seen(state)
        penalty, slope = self.gate_penalty.times(share), share * gradient.gate
        gate = penalty.natural_step(curvature, slope, theta.gate)
        curvatures = self._expert_curvatures(state, 1.0)
        stats = state.stats.of_first(self.n_experts)
        experts = self.experts.natural_step(theta, stats, curvatures, gradient)
        return Parameters(gate, *experts)

    def row_moments(self, theta):
        """Responsibilities, gate and class probabilities of every row at `theta`."""
        rows = kept_rows(self, always=True)
        sweep(self, theta, False, False, rows)
        return rows

    def design_blocks(self, block):
        """Blocks of gate and experts, one object where they see the same columns."""
        gate_block = self.gate_design.block(block.units)
        if self.expert_design is self.gate_design:
            return gate_block, gate_block
        return gate_block, self.expert_design.block(block.rows)

    def shares(self, state):
        """Shares of the experts in all rows, also those that nobody has seen, (K,)."""
        return state.stats.mass / self._rows_per_seen(state)

    def _rows_per_seen(self, state):
        """Rows, seen or not, for each that is seen: the gate's curvature is of these.

        A mean over the rows, of which the curvature is a sample too.
        """
        return 1.0 if self.unseen is None else state.stats.model_mass.sum()

    def _expert_curvatures(self, state, step_size, exact=False):
        """Curvature of each free expert's log-partition at blended mass, a list."""
        stats = state.stats.of_first(self.n_experts)
        rows, experts = state.rows, self.experts
        if self.experts_are_dense:
            grams = stats.expert_grams
            if step_size != 1:
                grams = (1 - step_size) * stats.model_grams + step_size * grams
            mass = (1 - step_size) * stats.model_mass + step_size * stats.mass
            return experts.curvatures(grams, mass)
        if experts.n_kept_curvatures:
            posterior, model = rows.curvature_weights
            weights = (1 - step_size) * model + step_size * posterior
        else:
            blended = (1 - step_size) * rows.model + step_size * rows.posterior
            blended = blended[: self.n_experts]
            mass = self.units.expand(self.units.weight * blended)
            weights = expand_adjoint(experts.tie**2, mass)
        design = self.expert_design
        given = design, weights, rows.expert, exact, self.passes
        return experts.implicit_curvatures(*given)
