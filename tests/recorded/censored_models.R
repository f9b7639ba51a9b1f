# Censored regressions of R's AER and survival.
#
#     Rscript tests/recorded/censored_models.R
#
# Writes censored_models.json beside this script: log-likelihood, coefficients (the
# intercept first), scale, and standard errors of coefficients and of the scale's logarithm.
# The data sets are `Affairs` of AER and `veteran` of survival; visits every 30 days make
# intervals of the times of the latter.

suppressPackageStartupMessages(library(AER))
script <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
numbers_of <- function(fit) {
  list(
    logLik = as.numeric(logLik(fit)), coef = unname(coef(fit)), scale = fit$scale,
    se = unname(sqrt(diag(vcov(fit))))
  )
}
data("Affairs", package = "AER")
patients <- survival::veteran
exactly <- survreg.control(rel.tolerance = 1e-14, iter.max = 200)
visits <- within(patients, {
  after <- 30 * floor(time / 30)
  before <- ifelse(status == 1, after + 30, NA)
  after[after == 0] <- NA
})
terms <- ~ age + yearsmarried + religiousness + occupation + rating
record <- list(
  "tobit" = numbers_of(tobit(update(terms, affairs ~ .), data = Affairs, control = exactly)),
  "tobit with two limits" = numbers_of(tobit(
    update(terms, affairs ~ .), right = 4, data = Affairs, control = exactly
  )),
  "log-normal times" = numbers_of(survreg(Surv(time, status) ~ karno + diagtime + age,
    data = patients, dist = "lognormal", control = exactly
  )),
  "times between visits" = numbers_of(survreg(
    Surv(after, before, type = "interval2") ~ karno + diagtime + age,
    data = visits, dist = "lognormal", control = exactly
  )),
  "normal times between visits" = numbers_of(survreg(
    Surv(after, before, type = "interval2") ~ karno + diagtime + age,
    data = visits, dist = "gaussian", control = exactly
  ))
)
path <- file.path(dirname(normalizePath(script)), "censored_models.json")
jsonlite::write_json(record, path, digits = 15, auto_unbox = TRUE, pretty = TRUE)
