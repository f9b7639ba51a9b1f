# Standard errors of flexmix: `refit(method = "optim")`, a numerical Hessian of the
# log-likelihood.  Started as `Rscript flexmix_refit.R DATA.csv K FAMILY RESULT.csv`; the
# data has columns x1, x2, ..., y and label (the experts' start, from 1).

suppressPackageStartupMessages(library(flexmix))
words <- commandArgs(trailingOnly = TRUE)
data <- read.csv(words[1])
features <- grep("^x", names(data), value = TRUE)
right <- paste(features, collapse = " + ")
if (words[3] == "binary") {
  data$failures <- 1 - data$y
  formula <- as.formula(paste("cbind(y, failures) ~", right))
  driver <- FLXMRglm(formula, family = "binomial")
} else {
  formula <- as.formula(paste("y ~", right))
  driver <- FLXMRglm(formula, family = "gaussian")
}
fitted <- flexmix(formula,
  data = data, k = as.integer(words[2]), cluster = data$label, model = driver,
  concomitant = FLXPmultinom(as.formula(paste("~", right))),
  control = list(minprior = 0, tolerance = 1e-12, iter.max = 5000)
)
again <- refit(fitted, method = "optim")
write.csv(data.frame(
  name = names(again@coef), estimate = again@coef, std_error = sqrt(diag(again@vcov))
), words[4], row.names = FALSE)
cat("log-likelihood", sprintf("%.8f", logLik(fitted)), "\n")
