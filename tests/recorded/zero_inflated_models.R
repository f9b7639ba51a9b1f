# Zero-inflated regressions of R's pscl on its data set bioChemists, and one with two
# Poisson components of flexmix.
#
#     Rscript tests/recorded/zero_inflated_models.R
#
# Writes zero_inflated_models.json beside this script, from fits with a tolerance near
# rounding: coefficients of the counts, of the inflation (logit of a zero in excess),
# theta = 1 / a where there is one, the log-likelihood and standard errors.  flexmix's
# components come in the order of its best start; its gate is relative to the first,
# which is always at zero.

suppressPackageStartupMessages({
  library(pscl)
  library(flexmix)
})
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

record_flexmix <- function() {
  set.seed(1)
  y <- bioChemists$art
  best <- NULL
  for (start in 1:2) {
    cluster <- sample(1:3, 915, TRUE)
    cluster[y == 0] <- sample(1:3, sum(y == 0), TRUE)
    positive <- y > 0 & cluster == 1
    cluster[positive] <- sample(2:3, sum(positive), TRUE)
    fit <- flexmix(art ~ .,
      data = bioChemists, k = 3, cluster = cluster,
      model = FLXMRziglm(family = "poisson"), concomitant = FLXPmultinom(~ment),
      control = list(iter.max = 20000, tolerance = 1e-14, minprior = 0)
    )
    if (is.null(best) || logLik(fit) > logLik(best)) best <- fit
  }
  list(
    coef = unname(apply(parameters(best)[, -1], 2, as.list)),
    gate = unname(apply(parameters(best, which = "concomitant")[, -1], 2, as.list)),
    logLik = as.numeric(logLik(best))
  )
}

models <- list(
  "two poisson, of flexmix" = record_flexmix(),
  "poisson, inflation by all" = record(art ~ . | ., "poisson"),
  "poisson, constant inflation" = record(art ~ . | 1, "poisson"),
  "negative binomial, inflation by ment" = record(art ~ . | ment, "negbin"),
  "negative binomial, inflation by all" = record(art ~ . | ., "negbin")
)
path <- file.path(folder, "zero_inflated_models.json")
jsonlite::write_json(models, path, auto_unbox = TRUE, digits = NA, pretty = TRUE)
