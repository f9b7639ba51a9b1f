"""PyTorch on a hand-written negative log-likelihood; METHOD is 'lbfgs' or 'adam'.

'lbfgs-1' and 'adam-1' use one thread, the others as many as PyTorch does by default.

Full batch, float64, random start with a fixed seed.  The log-likelihood of each
evaluation and its time make the trace; the best parameters visited are the result.
"""

import math
import time

from common import Arguments, Fits, as_model, needs, write, write_seeds

with needs("torch"):
    import torch

_MAX_EVALUATIONS = 5000
_START_SCALE = 0.1
_LEARNING_RATE = 0.05
# Adam stops where this many steps in a row have gained less than this, in nats.
_PATIENCE, _GAIN = 50, 1e-6


class OutOfTime(Exception):
    """The time limit has passed."""


class Objective:
    """Mean negative log-likelihood plus the case's penalty, with a trace."""

    def __init__(self, case, X, y, limit, seed=0):
        self.case, self.limit = case, limit
        self.start, self.times, self.values = time.perf_counter(), [], []
        self.best, self.best_parameters = math.inf, None
        X = torch.from_numpy(X)
        self.X = torch.cat([X, torch.ones_like(X[:, :1])], dim=1)
        self.y = torch.from_numpy(y)
        torch.manual_seed(seed)
        width, n_experts = case.n_features + 1, case.n_experts
        n_outputs = case.n_classes if case.family == "multiclass" else 1
        self.gate = self._parameter(n_experts, width)
        self.experts = self._parameter(n_experts * n_outputs, width)
        self.parameters = [self.gate, self.experts]
        if case.family == "gaussian":
            self.log_std = self.y.std().log().expand(n_experts).clone()
            self.parameters.append(self.log_std.requires_grad_())

    def evaluate(self):
        """Loss with gradients; notes it."""
        for parameter in self.parameters:
            parameter.grad = None
        loss = self._loss()
        loss.backward()
        self.times.append(time.perf_counter() - self.start)
        self.values.append(-loss.item())
        if loss.item() < self.best:
            self.best = loss.item()
            self.best_parameters = [p.detach().clone() for p in self.parameters]
        if self.times[-1] > self.limit:
            raise OutOfTime
        return loss

    def _parameter(self, *shape):
        start = _START_SCALE * torch.randn(*shape, dtype=torch.float64)
        return start.requires_grad_()

    def _loss(self):
        log_gate = torch.log_softmax(self.X @ self.gate.T, dim=1)
        joint = log_gate + self._log_density(self.X @ self.experts.T)
        loss = -torch.logsumexp(joint, dim=1).mean()
        if self.case.penalty:
            squares = sum(p[:, :-1].square().sum() for p in (self.gate, self.experts))
            loss = loss + 0.5 * self.case.penalty * squares
        return loss

    def _log_density(self, predictor):
        """Log-density of y under each expert, (n, K)."""
        if self.case.family == "gaussian":
            scaled = (self.y[:, None] - predictor) * torch.exp(-self.log_std)
            return -0.5 * (scaled.square() + math.log(2 * math.pi)) - self.log_std
        if self.case.family == "binary":
            signs = 2 * self.y[:, None] - 1
            return torch.nn.functional.logsigmoid(signs * predictor)
        shape = (-1, self.case.n_experts, self.case.n_classes)
        log_probability = torch.log_softmax(predictor.reshape(shape), dim=2)
        codes = self.y.long()[:, None, None].expand(-1, self.case.n_experts, 1)
        return log_probability.gather(2, codes)[:, :, 0]


def run_lbfgs(objective):
    """L-BFGS with strong Wolfe line search and its default tolerances."""
    optimiser = torch.optim.LBFGS(
        objective.parameters,
        max_iter=_MAX_EVALUATIONS,
        max_eval=_MAX_EVALUATIONS,
        line_search_fn="strong_wolfe",
    )
    optimiser.step(objective.evaluate)


def run_adam(objective):
    """Adam until the loss converges."""
    optimiser = torch.optim.Adam(objective.parameters, lr=_LEARNING_RATE)
    best_before = math.inf
    for step in range(1, _MAX_EVALUATIONS + 1):
        objective.evaluate()
        optimiser.step()
        if step % _PATIENCE == 0:
            if best_before - objective.best < _GAIN:
                break
            best_before = objective.best


def main():
    arguments = Arguments()
    name, _, n_threads = arguments.method.partition("-")
    run = {"lbfgs": run_lbfgs, "adam": run_adam}[name]
    if n_threads:
        torch.set_num_threads(int(n_threads))
    notes = set()

    def fit(seed=0):
        case, X, y, limit = arguments.case, arguments.X, arguments.y, arguments.limit
        objective = Objective(case, X, y, limit, seed)
        try:
            run(objective)
        except OutOfTime:
            notes.add("stopped at the time limit")
        return objective

    if arguments.n_seeds:
        write_seeds(arguments, fit, lambda found: model_of(arguments.case, found))
        return
    fits = Fits(fit, arguments.repeats)
    objective = fits.result
    write(
        arguments,
        fits,
        model_of(arguments.case, objective),
        n_iter=len(objective.values),
        note=", ".join(notes),
        trace_time=objective.times,
        trace_value=objective.values,
    )


def model_of(case, objective):
    """The best parameters visited as `score` wants them."""
    gate, experts, *log_std = (p.numpy() for p in objective.best_parameters)
    variance = [math.exp(2 * s) for s in log_std[0]] if log_std else ()
    return as_model(case, gate, experts, variance)


if __name__ == "__main__":
    main()
