"""From the user's arrays and units to standardised coordinates, and back."""

import copy

import numpy as np

from skmoe.data.design import column_moments, make_design, with_offset
from skmoe.data.scaling import Scaling
from skmoe.engine.coordinates import learnt_parts
from skmoe.engine.experts import LinearExperts
from skmoe.engine.fixed import FixedRows
from skmoe.engine.mixture import Mixture
from skmoe.engine.noise_prior import equal_noise
from skmoe.engine.penalty import NoisePrior, Penalty
from skmoe.engine.preconditioner import with_gram
from skmoe.engine.sharing import numbered
from skmoe.engine.state import Parameters
from skmoe.engine.sweep import IN_MEMORY
from skmoe.engine.tie import is_tied
from skmoe.engine.units import Groups, SingleRows

# Rows of less weight in all are no reason for penalties that overflow.
_LEAST_SEEN = 1e-100
# Experts with less rows in all learn nothing from them.
_LEAST_ROWS = 0.5
# A noise variance less than so many times its floor counts as near it.
_LOW_NOISE = 10.0
# A coefficient of less in standardised units is not missed.
_NOTICED = 1e-6


class Problem:
    """A mixture on data in the user's units.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, d)
    target : ndarray of shape (..., n)
        As the distribution wants it: real outputs (m, n), class codes or amounts (n,),
        successes and failures (2, n), a number and what is known of y (4, n).
    weight : ndarray of shape (n,), non-negative, not all zero
    specification : Specification
    group : ndarray of int of shape (n,), default=None
        Codes of groups that share a latent expert, rising; the gate sees their first
        rows.
    offset : ndarray of shape (C, n), default=None
        Known part of the predictors that are reported; real outputs have none, as it is
        taken away from them.
    expert : ndarray of int of shape (n,), default=None
        Experts that are known, -1 where one is not; the same in all rows of a group.
    fixed : ndarray of shape (F, n), default=None
        Log-densities of targets, in their units, under experts without parameters.
    prior_noise : ndarray of shape (m,), default=None
        Noise variances, or dispersion, of the prior, where they are known; in the
        user's units.
    scaling : Scaling, default=None
        That of all rows, where these are a part of them, or of earlier ones.
    n_seen : float, default=None
        Weight of the rows that share penalties and prior; that of `scaling` by default.
    passes : InMemory
        How the mixture sums over rows.
    """

    def __init__(
        self,
        X,
        target,
        weight,
        specification,
        *,
        group=None,
        offset=None,
        expert=None,
        fixed=None,
        prior_noise=None,
        scaling=None,
        n_seen=None,
        passes=IN_MEMORY,
    ):
        self.specification = spec = specification
        if scaling is None:
            centres = spec.fit_intercept or spec.gate_intercept
            scaling = Scaling(weight.sum(), *column_moments(X, weight, centres))
        if spec.shares_intercept:
            _check_constant(spec, scaling)
        units, first = _units(weight, group)
        X_units = X if units is None else X[first]
        self.has_groups = units is not None
        gate_design = make_design(
            X_units,
            spec.gate_columns,
            *scaling.columns(spec.gate_intercept),
            spec.gate_intercept,
        )
        gate_design = with_gram(gate_design, weight if units is None else units.weight)
        expert_design = gate_design
        is_shared = spec.gate_intercept == spec.fit_intercept and not self.has_groups
        is_shared &= not spec.shares_intercept
        if not (is_shared and _same(spec.gate_columns, spec.expert_columns)):
            expert_design = make_design(
                X,
                spec.expert_columns,
                *scaling.columns(spec.fit_intercept, spec.shares_intercept),
                spec.fit_intercept,
            )
            expert_design = with_gram(expert_design, weight)
        if offset is not None:
            expert_design = with_offset(expert_design, offset)
        self.gate_design, self.expert_design = gate_design, expert_design
        weight = weight / scaling.total
        n_seen = max(scaling.total if n_seen is None else n_seen, _LEAST_SEEN)
        self.n_seen = n_seen
        constant = 0.0
        closed = None if fixed is None else spec.fixed.closed(fixed)
        own, own_weight = _own_rows(closed, weight)
        self.target_scale = None
        self.experts = experts = _linear_experts(spec, expert_design, n_seen)
        if spec.distribution.is_standardised:
            # Experts of opposite sign have no common mean to take away.
            centred = spec.fit_intercept and not spec.symmetric
            if scaling.target_scale is None:
                values = target[: spec.n_targets, own]
                scaling = scaling.of_target(values, own_weight, centred)
            self.target_mean = scaling.target_mean
            self.target_scale = scaling.target_scale
            target = self._standardised(target)
            if scaling.noise_floor is None:
                floor = experts.distribution.noise_floor(target[:, own], own_weight)
                scaling = scaling._replace(noise_floor=floor)
            self.experts.learn_target_mean(1.0, scaling.noise_floor)
            self.experts.learn_unit(self.target_scale)
            constant = float(np.log(self.target_scale).sum())
        elif spec.distribution.first_predictor is not None:
            if scaling.target_mean is None:
                exposure = None if offset is None else offset[:, own]
                scaling = scaling.of_target_mean(target[own], own_weight, exposure)
            self.experts.learn_target_mean(float(scaling.target_mean[0]))
        self.scaling = scaling
        if fixed is not None:
            target, fixed = self._beside_fixed(target, fixed, closed, constant)
        penalty = _penalty(gate_design, spec.gate_alpha / n_seen, spec.gate_l1_ratio)
        gate = spec.gate(penalty.is_smooth)
        self.mixture = Mixture(
            self.experts,
            gate_design,
            expert_design,
            target,
            weight,
            gate,
            gate.free_penalty(penalty),
            constant,
            units,
            None if expert is None else expert[first],
            passes,
            fixed,
        )
        # Probabilities are at most 1: no dispersion of counts can collapse.
        has_prior = experts.n_noises and not experts.distribution.is_discrete
        self._prior_rows = spec.noise_prior / n_seen if has_prior else 0.0
        if self._prior_rows and prior_noise is not None:
            self._take_prior(np.ravel(prior_noise) / np.square(self._unit()))

    def learn_noise_prior(self, solver, starts=None):
        """Learn what noise the prior expects, if there is one that is not known.

        By a `solver`, as of `starting_point`; from a list of Parameters, `starts`, in
        place of those of short runs.
        """
        if self._prior_rows and not self.experts.noise_prior.rows:
            noise, start = equal_noise(self.mixture, self.scaling.total, solver, starts)
            self._take_prior(noise)
            self.mixture.equal_noise_start = start

    def mixture_of(self, rows):
        """The mixture on other `Rows`, dense and without groups, in the same units."""
        mixture, (target, fixed) = self.mixture, (rows.target, rows.fixed)
        gate_design = expert_design = mixture.gate_design.on(rows.X)
        if mixture.expert_design is not mixture.gate_design:
            expert_design = mixture.expert_design.on(rows.X)
        if rows.offset is not None:
            expert_design = with_offset(expert_design, rows.offset)
        if self.target_scale is not None:
            target = self._standardised(target)
        if fixed is not None:
            closed = self.specification.fixed.closed(fixed)
            target, fixed = self._beside_fixed(target, fixed, closed, mixture.constant)
        weight = rows.weight / self.scaling.total
        return mixture.replaced(
            experts=self.experts,
            gate_design=gate_design,
            expert_design=expert_design,
            target=target,
            weight=weight,
            units=SingleRows(weight),
            known=rows.expert,
            passes=IN_MEMORY,
            fixed=fixed,
        )

    def without_rows(self):
        """The same problem on no rows, for `mixture_of` in other processes."""
        bare = copy.copy(self)
        mixture = self.mixture.take(np.arange(0), np.empty(0))
        bare.mixture = mixture.replaced(passes=IN_MEMORY)
        bare.gate_design = mixture.gate_design
        bare.expert_design = mixture.expert_design
        return bare

    def _standardised(self, target):
        """Real outputs (m, n) in units of their scale, from their mean."""
        target = target - self.target_mean[:, None]
        target /= self.target_scale[:, None]
        return target

    def _beside_fixed(self, target, fixed, closed, constant):
        """Targets for experts with parameters, and `FixedRows`; see `__init__`."""
        # A point mass is one in any units; F is in the user's by a constant.
        shares = self.specification.fixed.first_shares
        fixed = FixedRows(fixed + constant, closed, shares)
        if closed.any():
            # Others cannot have these rows; they need not bear their targets.
            target = np.where(closed, self.experts.target_mean, target)
        return target, fixed

    def with_distribution(self, distribution):
        """The same problem where y has another distribution with as many predictors."""
        changed = copy.copy(self)
        changed.specification = self.specification._replace(distribution=distribution)
        changed.experts = self.experts.with_distribution(distribution)
        changed.mixture = self.mixture.replaced(experts=changed.experts)
        return changed

    def _take_prior(self, noise):
        """Take the prior of some noise (m,) in standardised units."""
        log_unit = 2 * np.log(self._unit())
        prior = NoisePrior(self._prior_rows, noise, log_unit)
        self.experts = self.experts.with_noise_prior(prior)
        self.mixture = self.mixture.replaced(experts=self.experts)

    @property
    def _noise_name(self):
        """Fitted attribute of the noise parameters."""
        return self.experts.distribution.dispersion_name

    def _unit(self):
        """Units of the targets, (m,), or 1 where they keep theirs."""
        return 1.0 if self.target_scale is None else self.target_scale

    def account(self, theta, mass):
        """Number of learned parameters, and what is to be said of rows and of noise.

        The experts' responsibilities sum to `mass` (K,).
        """
        learnt = learnt_parts(self, theta, mass)
        n_free = self._n_free_parameters(theta, mass, learnt)
        lack_of_rows = self._lack_of_rows(theta, mass, learnt, n_free)
        return n_free, lack_of_rows, self._low_noise(theta, mass)

    def _n_free_parameters(self, theta, mass, learnt):
        """Number of parameters that were learned of gate, experts and noise.

        Zeros of a lasso do not count, nor what `learnt_parts` leaves out.
        """
        experts, gate = self.experts, self.mixture.gate
        in_gate, in_experts, in_noise = learnt
        n_free = gate.n_free(
            self.mixture.gate_penalty, theta.gate, in_gate, self.counted(mass)
        )
        for coef, own in zip(theta.experts, in_experts):
            n_free += experts.penalty.n_free(coef, own, experts.coupling.rank)
        return int(n_free + in_noise.sum())

    def counted(self, mass):
        """Mass of experts (K,), 0 where they have less than half a row.

        Weights below 1 on average are no counts: then rows count as they are.
        """
        n_rows = max(self.n_seen, self.mixture.weight.shape[0])
        return np.where(mass * n_rows < _LEAST_ROWS, 0.0, mass)

    def _lack_of_rows(self, theta, mass, learnt, n_free):
        """What is to be said of a fit with more parameters than rows, or None."""
        n_rows = self.n_seen
        if n_free > n_rows:
            return (
                f"The model has {n_free} parameters, and {n_rows:g} rows (weights "
                "count as rows)."
            )
        rows, needed = self._rows_and_coefs(theta, self.counted(mass), learnt)
        short = np.flatnonzero((rows > 0) & (rows < needed))
        if short.size:
            worst = short[np.argmin(rows[short] - needed[short])]
            return (
                f"An expert has {rows[worst]:.2g} rows, and {needed[worst]} "
                "coefficients to learn from them."
            )
        return None

    def _low_noise(self, theta, mass):
        """What is to be said of an expert whose noise is near its least, or None."""
        if not self.experts.n_noises or self.experts.distribution.is_discrete:
            return None
        ratio = np.exp(theta.log_variance) / self.experts.noise_bounds[0]
        _, has_noise_rows = self.experts.learning(mass)
        low = (ratio < _LOW_NOISE).any(axis=1) & has_noise_rows
        if not low.any():
            return None
        return (
            f"{low.sum()} of {low.size} noise parameters ({self._noise_name}) "
            "are near the least that is allowed, which then decides the likelihood."
        )

    def _rows_and_coefs(self, theta, mass, learnt):
        """Rows (J,) of each set of coefficients, and how many they determine, (J,)."""
        _, learnt, _ = learnt
        is_free = learnt & ((theta.experts != 0) | (self.experts.penalty.lasso == 0))
        tie = np.abs(self.experts.tie)
        # Outputs have rows of their own; what is shared has those of several experts.
        needed = self.experts.sharing.n_own(is_free)
        mass = mass[: len(tie)]
        return tie.T @ mass * self.n_seen, needed.max(axis=1, initial=0)

    def attributes(self, theta, dtype):
        """Fitted attributes in the user's units, a dict of arrays."""
        gate = self.mixture.gate.reported(theta.gate)
        gate_coef, gate_intercept = _to_units(gate, self.gate_design)
        gate_intercept -= gate_intercept.mean(axis=-1, keepdims=True)
        fitted = {"gate_coef_": gate_coef, "gate_intercept_": gate_intercept}
        coef = self.experts.reported(theta.experts)
        coef, intercept = _to_units(coef, self.expert_design)
        if self.experts.is_zero_sum:
            intercept = intercept - intercept.mean(axis=-1, keepdims=True)
        unit = self._unit()
        if self.target_scale is not None:
            coef = coef * unit[:, None]
            intercept = intercept * unit + self.target_mean
        if theta.log_variance.size:
            variance = np.exp(theta.log_variance) * np.square(unit)
            fitted[self._noise_name] = variance[self.experts.noise_sets]
        fitted["coef_"], fitted["intercept_"] = coef, intercept
        # What a coefficient does to standardised predictors.
        weight = {"gate_coef_": self.gate_design.scale}
        weight["coef_"] = self.expert_design.scale / np.reshape(unit, (-1, 1))
        return {
            name: _fitting(name, value, dtype, weight.get(name))
            for name, value in fitted.items()
        }

    def prior_noise(self):
        """Noise variances (m,), or dispersion (1,), of the prior; None without it."""
        if not self.experts.n_noises or not self.experts.noise_prior.rows:
            return None
        return self.experts.noise_prior.variance * np.square(self._unit())

    def parameters(self, fitted):
        """Standardised parameters of fitted attributes, as `attributes` gives them."""
        gate = _from_units(
            fitted["gate_coef_"], fitted["gate_intercept_"], self.gate_design
        )
        gate = self.mixture.gate.free(gate)
        coef, intercept = fitted["coef_"], fitted["intercept_"]
        unit, log_variance = 1.0, np.zeros((0, 0))
        if self.target_scale is not None:
            unit = self.target_scale
            coef = coef / unit[:, None]
            intercept = (intercept - self.target_mean) / unit
        if self.experts.n_noises:
            log_variance = np.log(fitted[self._noise_name] / np.square(unit))
            _, first = np.unique(self.experts.noise_sets, return_index=True)
            log_variance = log_variance[first]
        experts = _from_units(coef, intercept, self.expert_design)
        return Parameters(gate, self.experts.free(experts), log_variance)

    def ordered(self, descent):
        """The same descent with its experts in the order of decreasing mass.

        Known experts keep their numbers, and so do those that differ in what they see
        or share.  A symmetric model is told apart from its mirror image by the sign of
        the largest coefficient of its first expert instead.
        """
        if self.experts.is_numbered:
            return descent
        theta, mass = descent.theta, descent.mass
        if self.mixture.known is not None:
            return descent  # labels say which expert is which
        if is_tied(self.experts.tie):
            flat = theta.experts.ravel()
            if flat[np.abs(flat).argmax()] >= 0:
                return descent
            theta = theta._replace(gate=-theta.gate, experts=-theta.experts)
            return descent._replace(theta=theta, mass=mass[::-1])
        rank, n_experts = mass.copy(), self.specification.n_experts
        rank[n_experts:] = -1.0  # those without parameters stay behind
        order, gate = self.mixture.gate.ordered(theta.gate, rank)
        noise, own = theta.log_variance, order[:n_experts]
        theta = Parameters(
            gate,
            theta.experts[own],
            noise[own] if noise.shape[0] == n_experts else noise,
        )
        return descent._replace(theta=theta, mass=mass[order])


def _fitting(name, value, dtype, weight=None):
    """A fitted attribute as another type, if it has room for it.

    Coefficients have a `weight`: those that do little in standardised units may vanish.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        cast = value.astype(dtype)
        is_vanished = name == "noise_variance_" and not cast.all()
        if weight is not None:
            is_vanished = ((cast == 0) & (np.abs(value) * weight > _NOTICED)).any()
    if is_vanished or not np.isfinite(cast).all():
        wider = " give X as float64," if cast.dtype == np.float32 else ""
        raise ValueError(
            f"{name} has values {value.min():.3g} to {value.max():.3g}, which do not "
            f"fit into {cast.dtype}, the type of X; scale X and y,{wider} or shorten a "
            "fixed step_size."
        )
    return cast


def _own_rows(closed, weight):
    """Rows that experts with coefficients can have: of y's units only these tell.

    And their weights, which sum to 1; `closed` (n,) says of which rows they cannot.
    """
    if closed is None or not closed.any() or closed.all():
        return slice(None), weight
    own = np.flatnonzero(~closed)
    return own, weight[own] / weight[own].sum()


def _units(weight, group):
    """Groups, or None for single rows, and the first row of each unit."""
    if group is None:
        return None, slice(None)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return Groups(np.append(starts, group.shape[0]), weight), starts


def _check_constant(spec, scaling):
    """Raise an error if a constant column that some experts see is their intercept."""
    columns = slice(None) if spec.expert_columns is None else spec.expert_columns
    is_constant = np.isinf(scaling.scale[columns]) & (scaling.mean[columns] != 0)
    is_own = (spec.coef_sets[:, :-1] < 0).any(axis=0)
    if (found := np.flatnonzero(is_constant & is_own)).size:
        column = np.arange(scaling.scale.size)[columns][found[0]]
        raise ValueError(
            f"X, column {column}: it is constant, and would be another intercept of "
            "the experts that see it beside the shared one; leave it out of "
            "expert_features, or say by shared_intercept which experts share theirs."
        )


def _same(first, second):
    """Whether two column selections are the same."""
    if first is None or second is None:
        return first is second
    return np.array_equal(first, second)


def _linear_experts(spec, design, n_seen):
    """The experts of a specification, whose penalties so many rows share out."""
    penalty = _penalty(design, spec.alpha / n_seen, spec.l1_ratio)
    sets = spec.coef_sets
    if sets is not None and not spec.fit_intercept:
        sets = numbered(sets[:, :-1])
    return LinearExperts(
        spec.distribution.under(penalty),
        spec.n_experts,
        penalty,
        symmetric=spec.symmetric,
        shares_noise=spec.shares_noise,
        coef_sets=sets,
        noise_sets=spec.noise_sets,
        is_numbered=spec.is_numbered,
        has_intercept=spec.fit_intercept,
    )


def _penalty(design, alpha, l1_ratio):
    """Elastic net of standardised coefficients; none on the intercept."""
    d = design.scale.shape[0]
    ridge, lasso = np.zeros((2, design.n_columns))
    ridge[:d] = (1 - l1_ratio) * alpha / design.scale**2
    lasso[:d] = l1_ratio * alpha / design.scale
    return Penalty(ridge, lasso)


def _to_units(coef, design):
    """Coefficients and intercepts in the units of X, (..., p) -> (..., d), (...)."""
    d = design.scale.shape[0]
    slopes = coef[..., :d] / design.scale
    intercept = coef[..., d] if design.intercept else np.zeros(coef.shape[:-1])
    return slopes, intercept - slopes @ design.mean


def _from_units(coef, intercept, design):
    """Inverse of `_to_units`, (..., d), (...) -> (..., p)."""
    scale = np.where(np.isfinite(design.scale), design.scale, 0.0)
    slopes = np.asarray(coef, dtype=np.float64) * scale
    if not design.intercept:
        return slopes
    ones = (intercept + coef @ design.mean)[..., None]
    return np.concatenate([slopes, ones], axis=-1)
