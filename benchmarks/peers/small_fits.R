# Seconds of ten starts of flexmix on its own small sets: small_fits.R FOLDER REPEATS
suppressMessages(library(flexmix))
arguments <- commandArgs(trailingOnly = TRUE)
read <- function(name) {
  read.csv(file.path(arguments[1], paste0(name, ".csv")), check.names = FALSE)
}
seizure <- read("seizure")
sets <- list(
  NPreg = list(yn ~ x + `I(x^2)`, FLXMRglm(), read("NPreg"), 2),
  NregFix = list(y ~ x1 + x21, FLXMRglm(), read("NregFix"), 3),
  BregFix = list(cbind(yes, no) ~ x, FLXMRglm(family = "binomial"), read("BregFix"), 3),
  fabricfault = list(Faults ~ `log(Length)`, FLXMRglm(family = "poisson"), read("fabricfault"), 2),
  seizure = list(
    Seizures ~ Treatment + `log(Day)` + `Treatment:log(Day)`,
    FLXMRglm(family = "poisson", offset = log(seizure$Hours)), seizure, 2
  ),
  dmft = list(End ~ ., FLXMRglm(family = "poisson"), read("dmft"), 2)
)
for (name in names(sets)) {
  set <- sets[[name]]
  times <- values <- c()
  for (seed in seq_len(as.integer(arguments[2]))) {
    set.seed(seed)
    start <- proc.time()[["elapsed"]]
    fit <- stepFlexmix(set[[1]], data = set[[3]], k = set[[4]], nrep = 10,
      model = set[[2]], verbose = FALSE)
    times <- c(times, proc.time()[["elapsed"]] - start)
    values <- c(values, as.numeric(logLik(fit)))
  }
  cat(name, min(times), max(values), "\n")
}
