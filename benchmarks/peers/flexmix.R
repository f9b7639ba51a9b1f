# flexmix: FLXMRglm or FLXMRmultinom with FLXPmultinom, random start, its defaults but
# for minprior = 0 (no expert is dropped).

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "common.R"))
needs("flexmix")

arguments <- read_arguments()
case <- arguments$case
data <- list(X = arguments$X, y = arguments$y)
formula <- if (case$family == "binary") cbind(y, 1 - y) ~ X else y ~ X
driver <- switch(case$family,
  gaussian = FLXMRglm(formula, family = "gaussian"),
  binary = FLXMRglm(formula, family = "binomial"),
  multiclass = FLXMRmultinom(formula)
)

fit <- function(start) {
  set.seed(0)
  # Each iteration begins with the gate: note when.
  begins <- c()
  gate <- FLXPmultinom(~X)
  fit_gate <- gate@fit
  gate@fit <- function(...) {
    begins <<- c(begins, now() - start)
    fit_gate(...)
  }
  lines <- capture.output(fitted <- flexmix(y ~ X,
    data = data, k = case$n_experts, model = driver, concomitant = gate,
    control = list(verbose = 1, minprior = 0)
  ))
  list(fitted = fitted, begins = begins, ends = now() - start, lines = lines)
}

runs <- timed(fit, arguments$repeats)
best <- runs$best
fitted <- best$fitted
width <- case$n_features + 1
coefs <- lapply(seq_len(case$n_experts), function(k) {
  parameters <- fitted@components[[k]][[1]]@parameters
  if (case$family != "multiclass") {
    return(list(coef = intercept_last(as.matrix(parameters$coef)), sigma = parameters$sigma))
  }
  # One row for each class but the first.
  list(coef = intercept_last(cbind(0, t(parameters$coef))), sigma = NULL)
})
values <- printed(best$lines, "Log-likelihood") / case$n_samples
times <- c(best$begins[-1], best$ends)[seq_along(values)]
write_result(c(runs$figures, list(
  n_iter = fitted@iter,
  note = if (fitted@converged) "" else "stopped at iter.max",
  # Coefficients come as a matrix with a column for each component.
  gate = intercept_last(matrix(fitted@concomitant@coef, width)),
  experts = unlist(lapply(coefs, `[[`, "coef")),
  variance = unlist(lapply(coefs, `[[`, "sigma"))^2,
  trace_time = times,
  # The penalty of a case is not part of what flexmix prints.
  trace_value = if (case$penalty == 0) values else numeric()
)), arguments$result)
