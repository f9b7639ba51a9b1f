# Latent class models of R's lcmm without random effects, which are mixtures of linear
# experts with groups and one noise variance.
#
#     Rscript tests/recorded/lcmm_models.R
#
# Writes lcmm_models.json beside this script: the best of a grid search, gone on with to
# tolerances of 1e-8.  Classes come by decreasing share, logits of classes sum to zero.
# The data sets are `sleepstudy` of lme4 and `Sitka` of MASS.

suppressPackageStartupMessages(library(lcmm))
script <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
folder <- dirname(normalizePath(script))
data(sleepstudy, package = "lme4")
sleepstudy$Subject <- as.numeric(as.character(sleepstudy$Subject))
Sitka <- transform(MASS::Sitka, ozone = as.numeric(treat == "ozone"))

# Each model, and the same with one class, which random starts are drawn from.
models <- list(
  "types of subjects" = list(
    quote(hlme(Reaction ~ Days,
      mixture = ~Days, random = ~ -1, subject = "Subject", ng = 3, data = sleepstudy
    )),
    quote(hlme(Reaction ~ Days, random = ~ -1, subject = "Subject", data = sleepstudy))
  ),
  "one slope" = list(
    quote(hlme(Reaction ~ Days,
      mixture = ~1, random = ~ -1, subject = "Subject", ng = 3, data = sleepstudy
    )),
    quote(hlme(Reaction ~ Days, random = ~ -1, subject = "Subject", data = sleepstudy))
  ),
  "class membership" = list(
    quote(hlme(size ~ Time,
      mixture = ~Time, random = ~ -1, classmb = ~ozone, subject = "tree", ng = 3, data = Sitka
    )),
    quote(hlme(size ~ Time, random = ~ -1, subject = "tree", data = Sitka))
  )
)

record <- function(model) {
  set.seed(0)
  one <- eval(model[[2]])
  search <- list(quote(gridsearch), m = model[[1]], rep = 40, maxiter = 15, minit = quote(one))
  start <- eval(as.call(search))
  tight <- list(B = start$best, convB = 1e-8, convL = 1e-8, convG = 1e-8)
  call <- as.call(c(as.list(model[[1]]), tight))
  fit <- eval(call)
  stopifnot(fit$conv == 1)
  ng <- fit$ng
  n_logits <- fit$N[1]
  logits <- cbind(matrix(fit$best[seq_len(n_logits)], ncol = ng - 1, byrow = TRUE), 0)
  means <- fit$best[n_logits + seq_len(fit$N[2])]
  proba <- as.matrix(fit$pprob[, -(1:2)])
  by <- order(-colMeans(proba))
  terms <- unique(sub(" class[0-9]+$", "", names(means)))
  coef <- sapply(terms, function(term) {
    found <- means[sub(" class[0-9]+$", "", names(means)) == term]
    unname(rep(found, length.out = ng)[by])
  }, simplify = FALSE)
  list(
    call = paste(deparse(model[[1]], width.cutoff = 500), collapse = ""), n_classes = ng,
    logLik = fit$loglik, coef = coef, sigma = unname(tail(fit$best, 1)),
    logits = lapply(seq_len(nrow(logits)), function(j) (logits[j, ] - mean(logits[j, ]))[by]),
    share = unname(colMeans(proba)[by]), posterior = signif(unname(proba[, by[1]]), 8)
  )
}

records <- lapply(models, record)
path <- file.path(folder, "lcmm_models.json")
jsonlite::write_json(records, path, digits = 15, auto_unbox = TRUE, pretty = TRUE)
