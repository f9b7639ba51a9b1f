# Zero-inflated regressions of R's pscl on its data set bioChemists.
#
#     Rscript tests/recorded/zero_inflated_models.R
#
# Writes zero_inflated_models.json beside this script, from fits with a tolerance near
# rounding: coefficients of the counts, of the inflation (logit of a zero in excess),
# theta = 1 / a where there is one, the log-likelihood and standard errors.

suppressPackageStartupMessages(library(pscl))
script <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
folder <- dirname(normalizePath(script))
bioChemists <- read.csv(file.path(folder, "bioChemists.csv"))

record <- function(formula, dist) {
  fit <- zeroinfl(formula, data = bioChemists, dist = dist)
  for (again in 1:3) { # from where the last one ended
    start <- fit$coefficients
    if (!is.null(fit$theta)) start$theta <- fit$theta
    fit <- zeroinfl(formula,
      data = bioChemists, dist = dist, start = start, reltol = 1e-15, maxit = 1e5
    )
  }
  found <- list(
    count = as.list(fit$coefficients$count), zero = as.list(fit$coefficients$zero),
    logLik = as.numeric(logLik(fit)), se = as.list(sqrt(diag(vcov(fit))))
  )
  if (is.null(fit$theta)) found else c(found, theta = fit$theta)
}

models <- list(
  "poisson, inflation by all" = record(art ~ . | ., "poisson"),
  "poisson, constant inflation" = record(art ~ . | 1, "poisson"),
  "negative binomial, inflation by ment" = record(art ~ . | ment, "negbin"),
  "negative binomial, inflation by all" = record(art ~ . | ., "negbin")
)
path <- file.path(folder, "zero_inflated_models.json")
jsonlite::write_json(models, path, auto_unbox = TRUE, digits = NA, pretty = TRUE)
