"""M-steps: of given responsibilities, which fits begin with, and to the end.

The loop of a fit takes one Newton step towards an M-step at a time.  Where fits begin
regressions are solved to the end: where the experts are one step from the neutral ones,
which is far from where responsibilities put them, EM may not find back.
"""

import numpy as np

from skmoe.engine.blended_regression import SoftLabels, newton
from skmoe.engine.curvature import InfeasibleStep
from skmoe.engine.state import Parameters, State
from skmoe.engine.sweep import kept_rows, sweep

_MAX_HALVINGS = 30


def project_exactly(mixture, state, step_size=1.0, max_iter=100, tol=1e-22):
    """As `Mixture.project`, with the regressions solved to the end."""
    theta, experts = state.theta, mixture.experts
    if not (experts.sharing.is_separate or experts.m_step_is_exact):
        raise TypeError("Experts that share coefficients have one regression")
    if mixture.unseen is not None:
        raise TypeError("Responsibilities of rows that are seen are not all")
    if experts.n_noises and not experts.distribution.is_dispersion_model:
        raise TypeError("The dispersion of such experts has no M-step to its end")
    rows = state.rows or mixture.row_moments(theta)
    blended = (1 - step_size) * rows.model + step_size * rows.posterior
    closed = mixture.gate.closed(rows.model)
    gate = _regressed_gate(
        mixture, blended, theta.gate, step_size, max_iter, tol, closed, exact=True
    )
    if experts.m_step_is_exact:
        found = mixture.project_experts(state, step_size, exact=True)
    else:
        moments_suffice = experts.coupling.moments_suffice
        regress = _regressed_on_moments if moments_suffice else _regressed_on_rows
        found = regress(mixture, state, rows, step_size, max_iter, tol)
    return Parameters(gate, *found)


def project_responsibilities(mixture, responsibilities, max_iter=50, tol=1e-10):
    """Complete M-step of responsibilities (K, u), from the neutral start.

    At most `max_iter` Newton steps of gate and experts, until one gains no more than
    `tol`, in nats per sample.
    """
    # Where gates choose all are equal at first: none is to be left out.
    mixture = mixture.replaced(gate=mixture.gate.with_all_experts())
    responsibilities = completed(mixture, responsibilities)
    start = mixture.initial().gate
    gate = _regressed_gate(mixture, responsibilities, start, 1.0, max_iter, tol)
    return Parameters(gate, *first_experts(mixture, responsibilities, max_iter, tol))


def first_step(mixture, responsibilities, max_iter=1, tol=0.0):
    """One step of the gate, and up to `max_iter` of the experts.

    As `project_responsibilities`.
    """
    responsibilities = completed(mixture, responsibilities)
    neutral = _neutral_state(mixture, responsibilities)
    experts = _fitted_experts(mixture, neutral, responsibilities, max_iter, tol)
    return Parameters(mixture.project_gate(neutral), *experts)


def completed(mixture, responsibilities):
    """Responsibilities of all experts (E, u), those of known ones 1.

    From those of all, or of the ones that have parameters, (K, u).
    """
    known = mixture.known
    if mixture.fixed is not None:
        given = responsibilities, mixture.n_experts, mixture.units
        responsibilities = mixture.fixed.completed(*given)
    if known is None:
        return responsibilities
    own = np.arange(mixture.gate.n_experts)[:, None] == known
    return np.where(known < 0, responsibilities, own)


def first_experts(mixture, responsibilities, max_iter=1, tol=0.0):
    """As `first_step`, the experts alone: coefficients and log-variances."""
    neutral = _neutral_state(mixture, responsibilities)
    return _fitted_experts(mixture, neutral, responsibilities, max_iter, tol)


def converged_experts(mixture, theta, responsibilities, max_iter, tol):
    """Parameters after Newton steps of the experts, until one gains at most `tol`."""
    state = _state(mixture, mixture, theta, responsibilities)
    return _converged(mixture, state, responsibilities, max_iter, tol).theta


def surrogate_gradient(mixture, theta, responsibilities):
    """Gradient of the M-step's objective at given responsibilities (K, u)."""
    stats = sweep(mixture, theta, False, False, None, responsibilities)
    return mixture.gradient(State(theta, np.nan, stats, None))


def _regressed_gate(
    mixture, blended, coef, step_size, max_iter, tol, closed=None, exact=False
):
    """Soft-label softmax regressions of the gate's nodes on moments (K, u)."""
    gate, weight = mixture.gate, mixture.units.weight
    penalty = mixture.gate_penalty.times(step_size)

    def solve(share, target, start):
        loss = SoftLabels(
            mixture.gate_design,
            weight * share,
            target,
            gate.node_contrasts,
            mixture.gate_curvature.dense,
            weight,
            closed,
            exact,
        )
        return newton(loss, penalty, start, max_iter, tol)

    return gate.regress(solve, blended, coef)


def _regressed_on_rows(mixture, state, rows, step_size, max_iter, tol):
    """Experts with a log link after regressions on blended moments."""
    units, design = mixture.units, mixture.expert_design
    masses = (
        units.expand(units.weight * share[: mixture.n_experts])
        for share in (rows.posterior, rows.model)
    )
    given = design.block(slice(0, design.n_rows)), mixture.target, *masses
    stats = state.stats.of_first(mixture.n_experts)
    return mixture.experts.m_step_exactly(
        state.theta, stats, given, step_size, max_iter, tol
    )


def _regressed_on_moments(mixture, state, rows, step_size, max_iter, tol):
    """Logistic experts after soft-label softmax regressions on blended moments."""
    experts, theta = mixture.experts, state.theta
    model, posterior = map(mixture.units.repeat, (rows.model, rows.posterior))
    moments = (1 - step_size) * model[:, None] * rows.expert
    observed = experts.distribution.moments(mixture.target)
    moments += step_size * posterior[:, None] * observed
    if len(theta.experts) < len(moments):
        # Symmetric: z = -1 sees the classes reflected; one regression on all mass.
        moments = moments[:1] + moments[1:, ::-1]
    penalty, fitted = experts.penalty.times(step_size), []
    for target, coef in zip(mixture.weight * moments, theta.experts):
        loss = SoftLabels(
            mixture.expert_design,
            target.sum(axis=0),
            target,
            experts.distribution.contrasts,
            mixture.experts_are_dense,
            exact=True,
            offset=experts.logit_offset(mixture.expert_design.offset),
        )
        fitted.append(newton(loss, penalty, coef, max_iter, tol))
    return np.stack(fitted), theta.log_variance


def _neutral_state(mixture, responsibilities):
    """The neutral start with given responsibilities (K, u) for posterior ones."""
    rows_of = mixture
    if mixture.experts.distribution.first_predictor is not None:
        rows_of = mixture.replaced(experts=mixture.experts.near_targets())
    return _state(mixture, rows_of, mixture.initial(), responsibilities)


def _fitted_experts(mixture, neutral, responsibilities, max_iter, tol):
    """Experts, coefficients and log-variances, after up to `max_iter` steps.

    Newton steps from the neutral state, until one gains at most `tol`; the first is
    taken as it is if there is no other.
    """
    experts = _one_step(mixture, neutral, responsibilities)
    if max_iter == 1:
        return experts
    theta = Parameters(neutral.theta.gate, *experts)
    state = _state(mixture, mixture, theta, responsibilities)
    if not state.objective <= neutral.objective:
        state = _state(mixture, mixture, neutral.theta, responsibilities)
    return _converged(mixture, state, responsibilities, max_iter - 1, tol).theta[1:]


def _converged(mixture, state, responsibilities, max_iter, tol):
    """State after Newton steps of the experts, until one gains at most `tol`."""
    for _ in range(max_iter):
        before, state = state, _lower(mixture, state, responsibilities)
        if before.objective - state.objective <= tol:
            break
    return state


def _one_step(mixture, neutral, responsibilities):
    """Experts after one step from the neutral state."""
    coef, noise = mixture.project_experts(neutral)
    if mixture.experts.distribution.first_predictor is None:
        return coef, noise
    # Means of log links may overflow, and their noise is that about the new means.
    theta = neutral.theta._replace(experts=coef)
    state = _state(mixture, mixture, theta, responsibilities)
    if not np.isfinite(state.objective):
        return neutral.theta[1:]
    return coef, mixture.project_experts(state)[1]


def _lower(mixture, state, responsibilities):
    """State after a step of the experts that lowers F, or the same if there is none."""
    try:
        projected = Parameters(state.theta.gate, *mixture.project_experts(state))
    except InfeasibleStep:
        return state
    step = projected.minus(state.theta)
    for halvings in range(_MAX_HALVINGS):
        theta = state.theta.plus(step, 0.5**halvings) if halvings else projected
        trial = _state(mixture, mixture, theta, responsibilities)
        if trial.objective <= state.objective:
            return trial
    return state


def _state(mixture, rows_of, theta, responsibilities):
    """State whose F is that of the complete data; statistics of `rows_of`, a mixture.

    The gate's part of it does not change with the experts.
    """
    rows = kept_rows(mixture)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        stats = sweep(rows_of, theta, True, False, rows, responsibilities)
        objective = mixture.constant - float(stats.log_likelihood)
        return State(theta, objective + mixture.penalties.value(theta), stats, rows)
