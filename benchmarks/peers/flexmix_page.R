# What the page "Coming from flexmix" shows on R's side.  Started as
# `Rscript flexmix_page.R DATA.csv RESULT.csv`; the data has the columns y, bought, x1, x2
# and start (where the fits start, from 1), and for grouped rows id, w, z, chosen and
# id_start.

suppressPackageStartupMessages(library(flexmix))
words <- commandArgs(trailingOnly = TRUE)
data <- read.csv(words[1])
control <- list(minprior = 0, tolerance = 1e-12, iter.max = 5000)
fit <- function(..., start = data$start) {
  flexmix(..., data = data, k = 2, cluster = start, control = control)
}

models <- list(
  gated = fit(y ~ x1 + x2, concomitant = FLXPmultinom(~ x1 + x2)),
  constant = fit(y ~ x1 + x2),
  own = fit(y ~ x2, concomitant = FLXPmultinom(~x1)),
  logistic = fit(cbind(bought, 1 - bought) ~ x1 + x2,
    model = FLXMRglm(family = "binomial"), concomitant = FLXPmultinom(~ x1 + x2)
  ),
  grouped = fit(z ~ x1 + x2 | id, start = data$id_start),
  "grouped gated" = fit(z ~ x1 + x2 | id,
    concomitant = FLXPmultinom(~w), start = data$id_start
  ),
  "grouped logistic" = fit(cbind(chosen, 1 - chosen) ~ x1 + x2 | id,
    model = FLXMRglm(family = "binomial"), concomitant = FLXPmultinom(~w),
    start = data$id_start
  )
)

rows <- list()
keep <- function(model, name, value) {
  rows[[length(rows) + 1]] <<- data.frame(model = model, name = name, value = value)
}
for (model in names(models)) {
  fitted <- models[[model]]
  coefs <- parameters(fitted)
  for (k in 1:2) keep(model, paste("expert", k - 1, rownames(coefs)), coefs[, k])
  gate <- fitted@concomitant@coef
  # Without concomitant variables the priors say all.
  if (!(model %in% c("constant", "grouped"))) keep(model, paste("gate", rownames(gate)), gate[, 2])
  keep(model, paste("prior", 0:1), prior(fitted))
  keep(model, c("logLik", "AIC", "BIC"), c(logLik(fitted), AIC(fitted), BIC(fitted)))
  keep(model, paste("posterior", 0:4), posterior(fitted)[1:5, 1])
}
write.csv(do.call(rbind, rows), words[2], row.names = FALSE)
