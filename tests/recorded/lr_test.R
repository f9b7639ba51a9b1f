# Records the likelihood ratio statistics of one component against two that flexmix's
# LR_test and mixtools' boot.comp find, before they draw data sets of their own.
#
#     Rscript tests/recorded/lr_test.R tests/recorded
#
# lr_test.csv: the data.  lr_test.json: for "flexmix" and "mixtools" twice the difference
# of the log-likelihoods by the response, "linear", "poisson" or "binomial".  The noise
# variances of flexmix are not quite maximum likelihood: it divides by n - p.
suppressMessages({
  library(flexmix)
  library(mixtools)
})
library(jsonlite)

out <- commandArgs(trailingOnly = TRUE)[1]
RNGversion("4.0.0")
set.seed(1)
n <- 200
x <- round(rnorm(n), 3)
second <- runif(n) < 0.4
trials <- sample(4:20, n, replace = TRUE)
d <- data.frame(
  x = x, trials = trials,
  linear = round(ifelse(second, 1 - x, -1 + x) + 0.4 * rnorm(n), 3),
  poisson = rpois(n, exp(ifelse(second, 2 + 0.3 * x, 0.5 - 0.5 * x))),
  binomial = rbinom(n, trials, plogis(ifelse(second, 1 + x, -1 - 0.5 * x)))
)
write.csv(d, file.path(out, "lr_test.csv"), row.names = FALSE)

control <- list(tolerance = 1e-10, iter.max = 5000, minprior = 0, nrep = 3)
of_flexmix <- function(formula, model) {
  one <- flexmix(formula, data = d, k = 1, model = model)
  test <- LR_test(one, R = 2, alternative = "greater", control = control)
  2 * diff(as.numeric(test$bootstrap.results@logLik[1, c("1", "2")]))
}
of_mixtools <- function(...) {
  invisible(capture.output(
    test <- boot.comp(..., max.comp = 1, B = 1, hist = FALSE, epsilon = 1e-8)
  ))
  test$obs.log.lik[1]
}
set.seed(2)
write_json(list(
  flexmix = list(
    linear = of_flexmix(linear ~ x, FLXMRglm()),
    poisson = of_flexmix(poisson ~ x, FLXMRglm(family = "poisson")),
    binomial = of_flexmix(
      cbind(binomial, trials - binomial) ~ x, FLXMRglm(family = "binomial")
    )
  ),
  mixtools = list(
    linear = of_mixtools(d$linear, x, mix.type = "regmix"),
    poisson = of_mixtools(d$poisson, x, mix.type = "poisregmix"),
    binomial = of_mixtools(d$binomial, x, N = trials, mix.type = "logisregmix")
  )
), file.path(out, "lr_test.json"), digits = I(12), auto_unbox = TRUE)
