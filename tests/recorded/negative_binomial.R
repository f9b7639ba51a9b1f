# Negative binomial regressions: the numbers of R's MASS::glm.nb.
#
#     Rscript tests/recorded/negative_binomial.R
#
# Writes negative_binomial.json beside this script.  Needs MASS and jsonlite; the data
# are the CSV files of flexmix_models.R.  `theta` is 1 / a.

suppressPackageStartupMessages(library(MASS))
script <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
folder <- dirname(normalizePath(script))
data_of <- function(name) {
  read.csv(file.path(folder, paste0(name, ".csv")), check.names = FALSE)
}
control <- glm.control(epsilon = 1e-14, maxit = 500)
numbers <- function(model) {
  list(
    coef = as.list(coef(model)), theta = model$theta, theta_error = model$SE.theta,
    logLik = as.numeric(logLik(model)), n = length(model$y)
  )
}
seizure <- data_of("seizure")
fabric <- data_of("fabricfault")
found <- list(
  bioChemists = numbers(glm.nb(art ~ ., data_of("bioChemists"), control = control)),
  seizure = numbers(glm.nb(
    Seizures ~ Treatment * `log(Day)` + offset(log(Hours)),
    seizure[, c("Seizures", "Hours", "Treatment", "log(Day)")], control = control
  )),
  fabricfault = numbers(glm.nb(Faults ~ `log(Length)`, fabric, control = control))
)
jsonlite::write_json(
  found, file.path(folder, "negative_binomial.json"),
  digits = NA, auto_unbox = TRUE, pretty = TRUE
)
