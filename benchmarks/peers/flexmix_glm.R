# Poisson and Gamma mixtures of flexmix.  Started as `Rscript flexmix_glm.R DATA.csv
# RESULT.csv`; the data has the columns x1, x2, level and for each model a response and a
# start (labels from 1).

suppressPackageStartupMessages(library(flexmix))
words <- commandArgs(trailingOnly = TRUE)
data <- read.csv(words[1])
control <- list(minprior = 0, tolerance = 1e-12, iter.max = 5000)
fit <- function(..., k, start) {
  flexmix(..., data = data, k = k, cluster = data[[start]], control = control)
}
poisson <- FLXMRglm(family = "poisson")
gamma <- FLXMRglm(family = "Gamma")

models <- list(
  "poisson 2" = fit(poisson2 ~ x1 + x2,
    model = poisson, concomitant = FLXPmultinom(~x1), k = 2, start = "poisson2_start"
  ),
  "poisson 3" = fit(poisson3 ~ x1 + x2, model = poisson, k = 3, start = "poisson3_start"),
  # The link is the inverse: with one factor the means are free all the same.
  "gamma 2" = fit(gamma2 ~ level, model = gamma, k = 2, start = "gamma2_start"),
  "gamma 3" = fit(gamma3 ~ level, model = gamma, k = 3, start = "gamma3_start")
)

rows <- list()
keep <- function(model, name, value) {
  rows[[length(rows) + 1]] <<- data.frame(model = model, name = name, value = value)
}
for (model in names(models)) {
  fitted <- models[[model]]
  coefs <- parameters(fitted)
  for (k in seq_len(ncol(coefs))) {
    if (startsWith(model, "gamma")) {
      means <- 1 / c(coefs[1, k], coefs[1, k] + coefs[2, k])
      keep(model, paste("expert", k - 1, c("mean 0", "mean 1")), means)
      keep(model, paste("expert", k - 1, "shape"), coefs["shape", k])
    } else {
      keep(model, paste("expert", k - 1, rownames(coefs)), coefs[, k])
    }
  }
  keep(model, paste("prior", seq_len(ncol(coefs)) - 1), prior(fitted))
  keep(model, "logLik per row", logLik(fitted) / nrow(data))
  keep(model, paste("posterior", 0:4), posterior(fitted)[1:5, 1])
}
write.csv(do.call(rbind, rows), words[2], row.names = FALSE)
