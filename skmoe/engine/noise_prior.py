"""The noise that the prior expects: that of experts with equal noise.

A mixture's likelihood grows without bound as an expert on a few rows drives its noise
to zero; that of experts with equal noise does not.  The noise of one linear model would
be far too large a scale where several experts explain y well.
"""

import numpy as np

from skmoe.data.design import varying_columns
from skmoe.engine.draws import sample_size, sampled
from skmoe.engine.m_step import completed
from skmoe.engine.one_expert import one_expert
from skmoe.engine.splitting import best_of_starts
from skmoe.engine.starts import best_of_short_runs, converged, for_starts
from skmoe.engine.sweep import sweep


def equal_noise(mixture, n_rows, solver, starts=None):
    """Noise variance (m,), or dispersion, of as many experts with equal noise.

    It is what they leave of rows that they have not seen, estimated from the number of
    coefficients of experts and gate, and at most what one expert leaves, or a constant.
    It is a function of the data alone: draws come from a random state of its own.  With
    it come the Parameters of these experts, a start, or None where there are not rows
    enough to tell them apart.

    Parameters
    ----------
    mixture : Mixture
    n_rows : float, weight of its rows
    solver : callable, as of `starting_point`
    starts : list of Parameters, default=None; those of short runs by default
    """
    rng, start = np.random.RandomState(0), None
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        whole = for_starts(mixture)
        whole = whole.replaced(experts=whole.experts.with_equal_noise())
        sample = sampled(whole, sample_size(whole), rng)
        is_open = True if sample.fixed is None else ~sample.fixed.closed
        if sample is not whole:
            n_rows = np.sum(is_open & (sample.weight > 0))
        elif sample.fixed is not None:
            n_rows = n_rows * (sample.weight @ is_open)
        found = [_constant_noise(sample)]
        gate, expert, experts = _n_coefs(sample)
        if n_rows > expert:
            one = one_expert(sample)
            theta = converged(one.mixture, one.theta, solver)
            found.append(_expected(theta, n_rows, expert))
        n_coefs = experts + gate
        if n_rows > n_coefs and mixture.n_experts > 1:
            if starts is None:
                theta = best_of_short_runs(sample, rng, solver)
            else:
                starts = [_with_mean_noise(sample, theta) for theta in starts]
                theta = best_of_starts(sample, starts, solver)
            found.append(_expected(theta, n_rows, n_coefs))
            like = mixture.experts.initial()[1]
            noise = np.broadcast_to(theta.log_variance, like.shape)
            start = theta._replace(log_variance=noise)
        noise = np.min(found, axis=0)
    return np.clip(noise, *mixture.experts.noise_bounds), start


def _constant_noise(mixture):
    """Noise of experts that are constant, (m,)."""
    theta, experts = mixture.initial(), mixture.experts
    shape = mixture.n_experts, mixture.units.weight.shape[0]
    shares = completed(mixture, np.full(shape, 1 / shape[0]))
    stats = sweep(mixture, theta, False, False, None, shares)
    return experts.distribution.dispersion_of(
        stats.deviance.sum(axis=0) / stats.of_first(shape[0]).mass.sum()
    )


def _with_mean_noise(mixture, theta):
    """Parameters whose experts have the same noise."""
    noise = np.log(np.exp(theta.log_variance).mean(axis=0, keepdims=True))
    like = mixture.experts.initial()[1]
    return theta._replace(log_variance=np.broadcast_to(noise, like.shape))


def _n_coefs(mixture):
    """Coefficients of gate, one expert and all, but for constant columns."""
    gate, experts = (
        varying_columns(design)
        for design in (mixture.gate_design, mixture.expert_design)
    )
    n_logits, sharing = mixture.gate.contrasts.shape[1], mixture.experts.sharing
    return n_logits * gate.sum(), experts.sum(), sharing.n_among(experts)


def _expected(theta, n_rows, n_coefs):
    """Noise on new rows, by generalised cross-validation, (m,)."""
    return np.exp(theta.log_variance[0]) * (n_rows / (n_rows - n_coefs)) ** 2
