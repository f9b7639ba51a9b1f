# Records what mixtools' logisregmixEM and R's glm find for successes among trials.
#
#     Rscript tests/recorded/binomial_models.R tests/recorded
#
# binomial_models.csv: the data.  binomial_models.json: for "mixtools" the best of ten
# fits of two experts with a constant gate, logLik, coef (rows: experts; intercept,
# slope), prior, and the first expert's posterior; for "glm" one expert with an offset,
# logLik, coef and standard errors.
library(mixtools)
library(jsonlite)

out <- commandArgs(trailingOnly = TRUE)[1]
RNGversion("4.0.0")
set.seed(1)
n <- 200
x <- round(rnorm(n), 3)
trials <- sample(4:40, n, replace = TRUE)
offset <- round(runif(n, -1, 1), 3)
second <- runif(n) < 0.4
y <- rbinom(n, trials, plogis(ifelse(second, 1 + 1.2 * x, -0.8 - 0.7 * x)))
write.csv(data.frame(x, trials, offset, y),
  file.path(out, "binomial_models.csv"), row.names = FALSE
)

best <- NULL
for (i in 1:10) {
  invisible(capture.output(fit <- logisregmixEM(y, x,
    N = trials, k = 2, epsilon = 1e-12, maxit = 1e5
  )))
  if (is.null(best) || fit$loglik > best$loglik) best <- fit
}
eta <- cbind(1, x) %*% best$beta
density <- sapply(1:2, function(k) dbinom(y, trials, plogis(eta[, k])))
joint <- sweep(density, 2, best$lambda, "*")
one <- glm(cbind(y, trials - y) ~ x, family = binomial, offset = offset, epsilon = 1e-14)
write_json(list(
  mixtools = list(
    logLik = sum(log(rowSums(joint))), coef = t(best$beta), prior = best$lambda,
    posterior = joint[, 1] / rowSums(joint)
  ),
  glm = list(
    logLik = as.numeric(logLik(one)), coef = unname(coef(one)),
    se = unname(sqrt(diag(vcov(one))))
  )
), file.path(out, "binomial_models.json"), digits = I(12), auto_unbox = TRUE)
