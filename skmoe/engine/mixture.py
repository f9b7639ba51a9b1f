"""A mixture of experts on its data: one fused pass yields all that a step needs.

``F(theta) = mean_i s_i [-log p(y_i | x_i)] + penalties`` and, for the complete data as
an exponential family, the model moments m(theta) and the posterior moments p(theta).  A
step only needs them folded with the features: statistics of fixed size, sums over
blocks of rows.
"""

import copy

import numpy as np

from skmoe.engine.design import block_rows
from skmoe.engine.gate import Gate
from skmoe.engine.gate_curvature import GateCurvature
from skmoe.engine.m_step import fitted_experts, neutral_state
from skmoe.engine.penalty import Penalties
from skmoe.engine.routing import BLOCKS_AT_ONCE, is_worthwhile
from skmoe.engine.soft_label import soft_label_regression
from skmoe.engine.state import Parameters, RowMoments, State
from skmoe.engine.sweep import IN_MEMORY, sweep
from skmoe.engine.tie import fold, is_tied
from skmoe.engine.units import SingleRows

# Up to this many coefficients in one Newton system the curvature is stored.
DENSE_LIMIT = 256


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
    offset : float, added to F so that it is in the units of the original targets
    units : Groups, default=None
        Groups of rows that share a latent expert; each has a row of `gate_design`.
    passes : InMemory or OverParts, default=IN_MEMORY
        How sums over all rows are made.
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
        offset,
        units=None,
        passes=IN_MEMORY,
    ):
        self.passes = passes
        self.experts, self.target, self.weight = experts, target, weight
        self.gate_design, self.expert_design = gate_design, expert_design
        self.gate_penalty, self.offset = gate_penalty, offset
        self.n_experts = experts.tie.shape[0]
        self.gate, self.contrasts = gate, gate.contrasts
        self.is_routed = is_worthwhile(gate)
        width = max(gate_design.n_columns, expert_design.n_columns)
        self.units = SingleRows(weight) if units is None else units
        n_rows = block_rows(width) * (BLOCKS_AT_ONCE if self.is_routed else 1)
        self.blocks = self.units.blocks(n_rows)
        self.work = weight.shape[0] * width * self.n_experts
        self.gate_size = self.contrasts.shape[1] * gate_design.n_columns
        self.gate_curvature = GateCurvature(
            gate_design,
            self.units.weight,
            gate,
            _is_stored(gate.n_coupled * gate_design.n_columns, gate_penalty),
        )
        self.experts_are_dense = _is_stored(experts.curvature_size, experts.penalty)
        self.equal_noise_start = None  # Parameters, where a prior was learned

    @property
    def penalties(self):
        """Penalties of all parameters."""
        return Penalties(self.gate_penalty, self.experts)

    def initial(self):
        """Parameters with equal gates and zero experts."""
        gate = np.zeros((self.contrasts.shape[1], self.gate_design.n_columns))
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
        rows = self.allocate_rows() if curvature else None
        stats = sweep(self, theta, curvature, blend, rows)
        objective = self.offset - float(stats.log_likelihood)
        return State(theta, objective + self.penalties.value(theta), stats, rows)

    def gradient(self, state):
        """Gradient of F, but for the lasso, in the free parameters, as Parameters."""
        theta, stats = state.theta, state.stats
        loss = Parameters(stats.gate_gradient, *self.experts.gradient(theta, stats))
        return loss.plus(self.penalties.gradient(theta))

    def with_noise_prior(self, prior):
        """The same mixture with a prior on its noise."""
        mixture = copy.copy(self)
        mixture.experts = self.experts.with_noise_prior(prior)
        return mixture

    def with_equal_noise(self):
        """The same mixture with the same noise for all experts, and no prior on it."""
        mixture = copy.copy(self)
        mixture.experts = self.experts.with_equal_noise()
        return mixture

    def surrogate_gradient(self, theta, responsibilities):
        """Gradient of the M-step's objective at given responsibilities (K, n)."""
        stats = sweep(self, theta, False, False, None, responsibilities)
        return self.gradient(State(theta, np.nan, stats, None))

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
        penalty = self.gate_penalty.times(step_size)
        pull = -step_size * state.stats.gate_gradient
        return gate + damping * penalty.solve(curvature, pull, gate)

    def project_experts(self, state, step_size=1.0, damping=1.0):
        """As `project`, the experts alone: coefficients and log-variances."""
        curvatures = self._expert_curvatures(state, step_size)
        return self.experts.m_step(
            state.theta, state.stats, curvatures, step_size, damping
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
        gate = self.gate_penalty.natural_step(curvature, gradient.gate, theta.gate)
        curvatures = self._expert_curvatures(state, 1.0)
        experts = self.experts.natural_step(theta, state.stats, curvatures, gradient)
        return Parameters(gate, *experts)

    def project_exactly(self, state, step_size=1.0, max_iter=100, tol=1e-22):
        """As `project`, with the regressions solved to the end."""
        theta, stats = state.theta, state.stats
        rows = state.rows or self.row_moments(theta)
        blended = (1 - step_size) * rows.model + step_size * rows.posterior
        closed = self.gate.closed(rows.model)
        gate = self._regress_gate(
            blended, theta.gate, step_size, max_iter, tol, closed, exact=True
        )
        distribution = self.experts.distribution
        if distribution.is_quadratic:
            curvatures = self._expert_curvatures(state, step_size, exact=True)
            experts = self.experts.m_step(theta, stats, curvatures, step_size, 1, True)
            return Parameters(gate, *experts)
        if not distribution.n_categories:
            masses = (
                self.units.spread(self.units.weight * share)
                for share in (rows.posterior, rows.model)
            )
            block = self.expert_design.block(slice(0, self.expert_design.n_rows))
            given = block, self.target, *masses
            experts = self.experts.m_step_exactly(
                theta, stats, given, step_size, max_iter, tol
            )
            return Parameters(gate, *experts)
        model, posterior = map(self.units.repeat, (rows.model, rows.posterior))
        moments = (1 - step_size) * model[:, None] * rows.expert
        moments += step_size * posterior[:, None] * distribution.moments(self.target)
        experts = self._regress_experts(
            moments, theta.experts, step_size, max_iter, tol
        )
        return Parameters(gate, experts, theta.log_variance)

    def project_responsibilities(self, responsibilities, max_iter=50, tol=1e-10):
        """Complete M-step of responsibilities (K, u), from the neutral start.

        At most `max_iter` Newton steps of gate and experts, until one gains no more
        than `tol`, in nats per sample.
        """
        if not self.gate.is_continuous:
            # There all gates are equal: none is to be left out.
            dense = self.with_all_experts()
            return dense.project_responsibilities(responsibilities, max_iter, tol)
        neutral = self.initial().gate
        gate = self._regress_gate(responsibilities, neutral, 1.0, max_iter, tol)
        return Parameters(gate, *self.first_experts(responsibilities, max_iter, tol))

    def first_step(self, responsibilities, max_iter=1, tol=0.0):
        """One step of the gate, and up to `max_iter` of the experts.

        As `project_responsibilities`.
        """
        neutral = neutral_state(self, responsibilities)
        experts = fitted_experts(self, neutral, responsibilities, max_iter, tol)
        return Parameters(self.project_gate(neutral), *experts)

    def first_experts(self, responsibilities, max_iter=1, tol=0.0):
        """As `first_step`, the experts alone: coefficients and log-variances."""
        neutral = neutral_state(self, responsibilities)
        return fitted_experts(self, neutral, responsibilities, max_iter, tol)

    def lighter(self, theta):
        """The same model with the lesser penalty, where one can be written in two ways.

        Symmetric logistic experts do not tell w from beta, since
        ``P(y=1 | x) = (1 + tanh(x'w/2) tanh(x'beta/2)) / 2``.
        """
        shares_columns = self.gate_design is self.expert_design
        has_classes = self.experts.distribution.n_categories > 0
        if not (has_classes and is_tied(self.experts.tie) and shares_columns):
            return theta
        gap = self.contrasts[0, 0] - self.contrasts[1, 0]
        other = theta._replace(
            gate=theta.experts[0] / gap, experts=gap * theta.gate[None]
        )
        return min(theta, other, key=self.penalties.value)

    def alone(self):
        """The mixture of one expert on the same data."""
        return Mixture(
            self.experts.alone(),
            self.gate_design,
            self.expert_design,
            self.target,
            self.weight,
            Gate(1, smooth=self.gate.smooth),
            self.gate_penalty,
            self.offset,
            self.units,
            self.passes,
        )

    def take(self, chosen, weight=None):
        """The mixture on some units (index array), of the same weight unless given."""
        units, rows = self.units.take(chosen, weight)
        gate_design = expert_design = self.gate_design.take(chosen)
        if self.expert_design is not self.gate_design:
            expert_design = self.expert_design.take(rows)
        return Mixture(
            self.experts,
            gate_design,
            expert_design,
            self.target[..., rows],
            units.spread(units.weight),
            self.gate,
            self.gate_penalty,
            self.offset,
            units,
            self.passes,
        )

    def afresh(self, passes):
        """The same mixture, knowing nothing of other descents on it."""
        fresh = copy.copy(self)
        fresh.gate_curvature = copy.copy(self.gate_curvature)
        fresh.gate_curvature.forget()
        fresh.passes = passes
        return fresh

    def with_stored_curvature(self):
        """The same mixture with its curvature in matrices, whatever their size."""
        stored = copy.copy(self)
        stored.gate_curvature = copy.copy(self.gate_curvature)
        stored.experts_are_dense = stored.gate_curvature.dense = True
        return stored

    def with_all_experts(self):
        """The same mixture where all experts count; gates that choose start from it."""
        if self.gate.is_continuous:
            return self
        dense = copy.copy(self)
        dense.gate = self.gate.with_all_experts()
        dense.gate_curvature = self.gate_curvature.through(dense.gate)
        dense.is_routed = False
        return dense

    def for_starts(self):
        """The mixture that starts are tried on: of all experts, without outliers."""
        mixture = copy.copy(self.with_all_experts())
        distribution = self.experts.distribution
        mixture.target = distribution.without_outliers(self.target, self.weight)
        return mixture

    def row_moments(self, theta):
        """Responsibilities, gate and class probabilities of every row at `theta`."""
        rows = self.allocate_rows(always=True)
        sweep(self, theta, False, False, rows)
        return rows

    def design_blocks(self, block):
        """Blocks of gate and experts, one object where they see the same columns."""
        gate_block = self.gate_design.block(block.units)
        if self.expert_design is self.gate_design:
            return gate_block, gate_block
        return gate_block, self.expert_design.block(block.rows)

    def _expert_curvatures(self, state, step_size, exact=False):
        """Curvature of each free expert's log-partition at blended mass, a list."""
        stats, rows, experts = state.stats, state.rows, self.experts
        if self.experts_are_dense:
            grams = stats.expert_grams
            if step_size != 1:
                grams = (1 - step_size) * stats.model_grams + step_size * grams
            mass = (1 - step_size) * stats.model_mass + step_size * stats.mass
            return experts.curvatures(grams, mass)
        if experts.is_coupled:
            blended = (1 - step_size) * rows.model + step_size * rows.posterior
            mass = self.units.spread(self.units.weight * blended)
            weights = fold(experts.tie**2, mass)
        else:
            weights = (1 - step_size) * rows.bend[1] + step_size * rows.bend[0]
        design = self.expert_design
        return experts.implicit_curvatures(design, weights, rows.expert, exact)

    def _regress_gate(
        self, blended, coef, step_size, max_iter, tol, closed=None, exact=False
    ):
        """Soft-label softmax regressions of the gate's nodes on moments (K, u)."""
        weight = self.units.weight

        def solve(share, target, start):
            return soft_label_regression(
                self.gate_design,
                weight * share,
                target,
                start,
                self.gate.node_contrasts,
                self.gate_penalty.times(step_size),
                dense=self.gate_curvature.dense,
                max_iter=max_iter,
                tol=tol,
                scale=weight,
                closed=closed,
                exact=exact,
            )

        return self.gate.regress(solve, blended, coef)

    def _regress_experts(self, moments, coef, step_size, max_iter, tol):
        """Soft-label softmax regressions of logistic experts on moments (K, C, n)."""
        if coef.shape[0] < moments.shape[0]:
            # Symmetric: z = -1 sees the classes reflected; one regression on all mass.
            moments = moments[:1] + moments[1:, ::-1]
        target = self.weight * moments
        fitted = [
            soft_label_regression(
                self.expert_design,
                target[j].sum(axis=0),
                target[j],
                coef[j],
                self.experts.distribution.contrasts,
                self.experts.penalty.times(step_size),
                dense=self.experts_are_dense,
                max_iter=max_iter,
                tol=tol,
                exact=True,
            )
            for j in range(coef.shape[0])
        ]
        return np.stack(fitted)

    def allocate_rows(self, always=False):
        """Room for the moments of every row where a projection will need them."""
        if self.experts_are_dense and not always:
            return None
        n, classes = self.weight.shape[0], self.experts.distribution.n_categories
        is_needed = not (classes or self.experts_are_dense)
        n_sets = self.experts.tie.shape[1] if is_needed else 0
        n_units = self.units.weight.shape[0]
        return RowMoments(
            np.empty((self.n_experts, n_units)),
            np.empty((self.n_experts, n_units)),
            np.empty((self.n_experts, classes, n)),
            np.empty((2, n_sets, n)),
        )


def _is_stored(size, penalty):
    """Whether a Newton system of so many coefficients is stored; a lasso needs it."""
    return size <= DENSE_LIMIT or not penalty.is_smooth
