# A mixture of R's LRMoE: two classes of policies by their claims, whose gate sees where
# and what they drive.
#
#     Rscript tests/recorded/lrmoe_models.R
#
# Writes lrmoe_models.json beside this script: the best of 12 random starts.  The data set is
# `Insurance` of MASS.

suppressPackageStartupMessages(library(LRMoE))
script <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
data <- MASS::Insurance
X <- cbind(1, as.numeric(data$District == 4), as.numeric(data$Group) - 1)
Y <- matrix(data$Claims, ncol = 1)
fit_from <- function(seed) {
  set.seed(seed)
  rates <- lapply(runif(2, 0.05, 0.3), function(rate) list(lambda = rate))
  invisible(capture.output(fit <- FitLRMoE(Y, X,
    alpha_init = rbind(rnorm(3), 0), comp_dist = matrix("poisson", 1, 2),
    params_list = matrix(rates, 1), exposure = data$Holders, exact_Y = TRUE,
    penalty = FALSE, eps = 1e-12, ecm_iter_max = 5000, print_steps = FALSE
  )))
  fit
}
fits <- lapply(1:12, function(seed) tryCatch(fit_from(seed), error = function(e) NULL))
fits <- Filter(Negate(is.null), fits)
fit <- fits[[which.max(sapply(fits, function(one) one$ll_np))]]
alpha <- fit$alpha_fit
model <- fit$model_fit
seen <- data$Holders
record <- list(
  logLik = fit$ll_np, lambda = sapply(1:2, function(k) model$select(1, k)$get_params()$lambda),
  alpha = alpha[1, ], AIC = fit$AIC, BIC = fit$BIC,
  posterior = predict_class_posterior(Y, X, alpha, model, seen, TRUE)$prob[, 1],
  mean_prior = predict_mean_prior(X, alpha, model, seen)[, 1],
  mean_posterior = predict_mean_posterior(Y, X, alpha, model, seen, seen, TRUE)[, 1]
)
path <- file.path(dirname(normalizePath(script)), "lrmoe_models.json")
jsonlite::write_json(record, path, digits = 15, auto_unbox = TRUE, pretty = TRUE)
