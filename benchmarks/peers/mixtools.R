# mixtools::hmeEM: two linear experts, its defaults, random start.

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "common.R"))
needs("mixtools")

arguments <- read_arguments()
case <- arguments$case

fit <- function(start) {
  set.seed(0)
  lines <- capture.output(fitted <- suppressWarnings(
    hmeEM(arguments$y, arguments$X, k = 2, verb = TRUE)
  ))
  list(fitted = fitted, lines = lines)
}

runs <- timed(fit, arguments$repeats)
best <- runs$best
fitted <- best$fitted
values <- printed(best$lines, "log-likelihood") / case$n_samples
write_result(c(runs$figures, list(
  n_iter = length(fitted$all.loglik) - 1,
  note = "",
  # The second expert is the gate's reference.
  gate = intercept_last(cbind(as.vector(fitted$w), 0)),
  experts = intercept_last(fitted$beta),
  variance = fitted$sigma^2,
  # Iterations are taken to last equally long.
  trace_time = runs$figures$fit_time * seq_along(values) / length(values),
  trace_value = values
)), arguments$result)
