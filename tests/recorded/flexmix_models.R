# Mixtures with offsets, shared coefficients and groups: the numbers of R's flexmix and
# mixtools, and the data that they were fitted to.
#
#     Rscript tests/recorded/flexmix_models.R [MODEL ...]
#
# Writes NAME.csv for each data set, all columns numbers, and the models, all or some, to
# flexmix_models.json, both beside this script.  Needs flexmix, mixtools, numDeriv,
# jsonlite, MASS and AER.  The data sets are those of flexmix, whose help pages name their
# sources, `epil` of MASS and `CPS1985` of AER.
#
# Of each model: the best of 60 starts of flexmix (20 for large data), random ones and
# levels of residuals, gone on with to a tolerance of 1e-15 ("flexmix"), and from there
# the maximum of the likelihood by quasi-Newton and Newton steps on derivatives of
# numDeriv ("maximum").  The two differ where flexmix does not maximise: it divides noise
# variances by n - p, weighs rows as if these were equal where linear experts share
# coefficients, and stops the gate early.
# Experts come by decreasing prior, those of nested models as the call has them; gates
# sum to zero over the experts.  Binomial log-likelihoods contain the logarithms of the
# binomial coefficients, which are also given ("constant").

suppressPackageStartupMessages({
  library(flexmix)
  library(mixtools)
})
options(warn = 1)
call_of <- function(model) paste(deparse(model$call, width.cutoff = 500), collapse = "")
script <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
folder <- dirname(normalizePath(script))
data(list = c(
  "NregFix", "NPreg", "fabricfault", "salmonellaTA98", "dmft", "bioChemists", "patent",
  "BregFix", "betablocker", "Mehta", "tribolium", "trypanosome", "seizure"
), package = "flexmix")
NPreg$id2 <- as.numeric(NPreg$id2)
Mehta$Site <- as.numeric(as.character(Mehta$Site))
Mehta.sub <- subset(Mehta, Site != 15)
tribolium$Confusum <- as.numeric(tribolium$Species == "Confusum")
tribolium$Third <- as.numeric(tribolium$Replicate == 3)
seizure$Treatment <- as.numeric(seizure$Treatment == "Yes")
data("CPS1985", package = "AER")
epil <- transform(MASS::epil, trt = as.numeric(trt == "progabide"))

# Terms of a data set that any of its models sees, and what else tests need of it.
data_sets <- list(
  NregFix = ~ y + x1 + x2 + w,
  NPreg = ~ yn + yp + x + I(x^2) + id2,
  fabricfault = ~ Faults + log(Length),
  salmonellaTA98 = ~ y + x + log(x + 10),
  dmft = ~ End + Gender + Ethnic + Treatment,
  bioChemists = ~ art + fem + mar + kid5 + phd + ment,
  patent = ~ Patents + RDS + lgRD,
  BregFix = ~ yes + no + x + w,
  Mehta = ~ Response + Total + Drug + Site,
  tribolium = ~ Remaining + Total + Species + Replicate + Confusum + Third,
  trypanosome = ~ Dead + log(Dose),
  seizure = ~ Seizures + Hours + Treatment * log(Day)
)

# `block`: the experts that share coefficients in a nested model.
model <- function(call, k, family = "gaussian", block = rep(1, k), offset = NULL) {
  list(call = substitute(call), k = k, family = family, block = block, offset = offset)
}
# `k`, `cluster` and `control` are added to each call.
models <- list(
  "seizure" = model(flexmix(Seizures ~ Treatment * log(Day), data = seizure,
    model = FLXMRglm(family = "poisson", offset = log(seizure$Hours))
  ), 2, "poisson", offset = log(seizure$Hours)),
  "NregFix shared" = model(flexmix(y ~ x1, data = NregFix,
    model = FLXMRglmfix(fixed = ~x2), concomitant = FLXPmultinom(~w)
  ), 3),
  "NregFix shared, one variance" = model(flexmix(y ~ x1, data = NregFix,
    model = FLXMRglmfix(fixed = ~x2, varFix = TRUE), concomitant = FLXPmultinom(~w)
  ), 3),
  "NregFix nested" = model(flexmix(y ~ 1, data = NregFix,
    model = FLXMRglmfix(~1, fixed = ~x2, nested = list(k = c(2, 1), formula = c(~x1, ~0))),
    concomitant = FLXPmultinom(~w)
  ), 3, block = c(1, 1, 2)),
  "NregFix nested, one variance" = model(flexmix(y ~ 1, data = NregFix,
    model = FLXMRglmfix(
      fixed = ~x2, nested = list(k = c(1, 2), formula = c(~0, ~x1)), varFix = TRUE
    ), concomitant = FLXPmultinom(~w)
  ), 3, block = c(1, 2, 2)),
  "NPreg shared" = model(flexmix(yn ~ x, data = NPreg,
    model = FLXMRglmfix(fixed = ~ I(x^2))
  ), 2),
  "NPreg one intercept" = model(flexmix(yn ~ 0 + x + I(x^2), data = NPreg,
    model = FLXMRglmfix(fixed = ~1)
  ), 2),
  "NPreg nested, groups" = model(flexmix(yn ~ x | id2, data = NPreg,
    model = FLXMRglmfix(nested = list(k = c(1, 1), formula = c(~0, ~ I(x^2))))
  ), 2, block = c(1, 2)),
  "NPreg poisson" = model(flexmix(yp ~ 1, data = NPreg,
    model = FLXMRglmfix(family = "poisson", fixed = ~x)
  ), 2, "poisson"),
  "fabricfault" = model(flexmix(Faults ~ 1, data = fabricfault,
    model = FLXMRglmfix(family = "poisson", fixed = ~ log(Length))
  ), 2, "poisson"),
  "fabricfault nested" = model(flexmix(Faults ~ 0, data = fabricfault,
    model = FLXMRglmfix(
      family = "poisson", fixed = ~ log(Length),
      nested = list(k = c(1, 1), formula = list(~0, ~1))
    )
  ), 2, "poisson", block = c(1, 2)),
  "salmonellaTA98" = model(flexmix(y ~ 1, data = salmonellaTA98,
    model = FLXMRglmfix(family = "poisson", fixed = ~ x + log(x + 10))
  ), 2, "poisson"),
  "dmft" = model(flexmix(End ~ 1, data = dmft,
    model = FLXMRglmfix(family = "poisson", fixed = ~ Gender + Ethnic + Treatment)
  ), 2, "poisson"),
  "bioChemists 2" = model(flexmix(art ~ fem + phd, data = bioChemists,
    model = FLXMRglmfix(family = "poisson", fixed = ~ kid5 + mar + ment)
  ), 2, "poisson"),
  "bioChemists 3" = model(flexmix(art ~ fem, data = bioChemists,
    model = FLXMRglmfix(family = "poisson", fixed = ~ kid5 + mar + ment)
  ), 2, "poisson"),
  "bioChemists 4" = model(flexmix(art ~ 1, data = bioChemists,
    model = FLXMRglmfix(family = "poisson", fixed = ~ kid5 + mar + ment),
    concomitant = FLXPmultinom(~fem)
  ), 2, "poisson"),
  "bioChemists 5" = model(flexmix(art ~ 1, data = bioChemists,
    model = FLXMRglmfix(family = "poisson", fixed = ~ kid5 + ment + fem)
  ), 2, "poisson"),
  "patent" = model(flexmix(Patents ~ 1, data = patent,
    model = FLXMRglmfix(family = "poisson", fixed = ~lgRD),
    concomitant = FLXPmultinom(~RDS)
  ), 3, "poisson"),
  "BregFix nested" = model(flexmix(cbind(yes, no) ~ 1, data = BregFix,
    model = FLXMRglmfix(family = "binomial", nested = list(formula = c(~x, ~0), k = c(2, 1))),
    concomitant = FLXPmultinom(~w)
  ), 3, "binomial", block = c(1, 1, 2)),
  "betablocker" = model(flexmix(cbind(Deaths, Total - Deaths) ~ 1 | Center,
    data = betablocker, model = FLXMRglmfix(family = "binomial", fixed = ~Treatment)
  ), 3, "binomial"),
  "betablocker nested" = model(flexmix(cbind(Deaths, Total - Deaths) ~ 1 | Center,
    data = betablocker, model = FLXMRglmfix(
      family = "binomial", nested = list(k = c(2, 1), formula = c(~Treatment, ~0))
    )
  ), 3, "binomial", block = c(1, 1, 2)),
  "Mehta" = model(flexmix(cbind(Response, Total - Response) ~ 1 | Site,
    data = Mehta, model = FLXMRglmfix(family = "binomial", fixed = ~Drug)
  ), 3, "binomial"),
  "Mehta without site 15" = model(flexmix(cbind(Response, Total - Response) ~ 1 | Site,
    data = Mehta.sub, model = FLXMRglmfix(family = "binomial", fixed = ~Drug)
  ), 2, "binomial"),
  "tribolium" = model(flexmix(cbind(Remaining, Total - Remaining) ~ 1,
    data = tribolium, model = FLXMRglmfix(family = "binomial", fixed = ~Species),
    concomitant = FLXPmultinom(~Replicate)
  ), 2, "binomial"),
  "tribolium of Wang" = model(flexmix(cbind(Remaining, Total - Remaining) ~ 1,
    data = tribolium, model = FLXMRglmfix(family = "binomial", fixed = ~Confusum),
    concomitant = FLXPmultinom(~Third)
  ), 2, "binomial"),
  "trypanosome" = model(flexmix(cbind(Dead, 1 - Dead) ~ 1, data = trypanosome,
    model = FLXMRglmfix(family = "binomial", fixed = ~ log(Dose))
  ), 2, "binomial"),
  "epil" = model(flexmix(y ~ lbase + lage + trt + V4 | subject, data = epil,
    model = FLXMRglm(family = "poisson")
  ), 2, "poisson")
)

# What a model sees, whatever its formulas: all terms, response, group of each row.
frame_of <- function(model) {
  data <- eval(model$call$data)
  formula <- eval(model$call[[2]])
  y <- as.matrix(eval(formula[[2]], data))
  right <- formula[[3]]
  is_grouped <- is.call(right) && right[[1]] == "|"
  group <- if (is_grouped) data[[right[[3]]]] else seq_len(nrow(y))
  right <- as.formula(call("~", if (is_grouped) right[[2]] else right))
  driver <- model$call$model
  concomitant <- model$call$concomitant
  design <- function(formula) model.matrix(formula, data)
  list(
    X = terms_of(c(eval(driver$fixed), eval(driver$nested)$formula, right), design),
    Z = design(if (is.null(concomitant)) ~1 else eval(concomitant[[2]])),
    y = if (ncol(y) == 1) y[, 1] else y, group = match(group, unique(group)),
    first = !duplicated(group), offset = if (is.null(model$offset)) 0 else model$offset
  )
}
terms_of <- function(formulas, design) {
  X <- do.call(cbind, lapply(formulas, design))
  X <- cbind("(Intercept)" = 1, X[, colnames(X) != "(Intercept)", drop = FALSE])
  X[, !duplicated(colnames(X)), drop = FALSE]
}

# Labels to start from: random ones, or levels of what one regression leaves.
labels <- function(seed, frame, family, k) {
  set.seed(seed)
  n <- max(frame$group)
  if (seed %% 2) {
    return(sample(k, n, TRUE)[frame$group])
  }
  offset <- frame$offset + numeric(nrow(frame$X))
  one <- suppressWarnings(glm.fit(frame$X, frame$y, family = get(family)(), offset = offset))
  left <- as.vector(rowsum(residuals(one, "pearson"), frame$group))
  left <- rank(left + rnorm(n, 0, runif(1) * sd(left)))
  cuts <- n * c(0, sort(runif(k - 1, 0.05, 0.95)), 1)
  sample(k)[cut(left, cuts)][frame$group]
}

# The best of many starts, run to the end.
fitted_model <- function(model, frame) {
  n_starts <- if (nrow(frame$X) > 500) 20 else 60
  run <- function(cluster, ...) {
    more <- list(k = model$k, cluster = cluster, control = list(...))
    call <- as.call(c(as.list(model$call), more))
    fit <- tryCatch(eval(call), error = function(e) NULL)
    if (!is.null(fit) && fit@k == model$k && is.finite(logLik(fit))) fit
  }
  fits <- lapply(seq_len(n_starts), function(seed) {
    start <- labels(seed, frame, model$family, model$k)
    run(start, minprior = 0, tolerance = 1e-7, iter.max = 1000)
  })
  fits <- Filter(Negate(is.null), fits)
  best <- fits[[which.max(vapply(fits, logLik, 0))]]
  found <- mean(vapply(fits, logLik, 0) > logLik(best) - 0.1)
  fit <- run(posterior(best), minprior = 0, tolerance = 1e-15, iter.max = 20000)
  if (is.null(fit)) fit <- best
  list(fit = fit, found = found)
}

# Coefficients (terms, K), 0 where an expert lacks the term, and the gate (terms, K).
coefficients_of <- function(fit) {
  found <- lapply(fit@components, function(component) component[[1]]@parameters)
  terms <- unique(unlist(lapply(found, function(one) names(one$coef))))
  coef <- vapply(found, function(one) {
    unname(ifelse(terms %in% names(one$coef), one$coef[terms], NA))
  }, numeric(length(terms)))
  coef <- matrix(coef, length(terms), dimnames = list(terms, NULL))
  sigma <- unlist(lapply(found, function(one) one$sigma))
  gate <- if (is(fit@concomitant, "FLXPmultinom")) {
    fit@concomitant@coef
  } else {
    matrix(log(prior(fit)), 1, dimnames = list("(Intercept)", NULL))
  }
  list(coef = coef, sigma = unname(sigma), gate = unname_columns(gate - rowMeans(gate)))
}
unname_columns <- function(x) matrix(x, nrow(x), dimnames = list(rownames(x), NULL))

# Numbers that the free parameters stand for: equal ones are one parameter.
free_of <- function(values) {
  keys <- ifelse(is.na(values), NA, format(values, digits = 11))
  index <- match(keys, unique(keys[!is.na(keys)]))
  list(index = index, start = vapply(
    seq_len(max(index, na.rm = TRUE)), function(i) values[which(index == i)[1]], 0
  ))
}

# The mixture's log-density of each group (or row) under each expert, and the gate's.
densities <- function(numbers, frame, family) {
  coef <- ifelse(is.na(numbers$coef), 0, numbers$coef)
  eta <- frame$X[, rownames(numbers$coef), drop = FALSE] %*% coef + frame$offset
  y <- frame$y
  rows <- switch(family,
    gaussian = vapply(seq_len(ncol(eta)), function(k) {
      dnorm(y, eta[, k], numbers$sigma[k], log = TRUE)
    }, y),
    poisson = dpois(y, exp(eta), log = TRUE),
    binomial = dbinom(y[, 1], rowSums(y), plogis(eta), log = TRUE)
  )
  rows <- matrix(rows, nrow(eta))
  gate <- frame$Z[, rownames(numbers$gate), drop = FALSE] %*% numbers$gate
  gate <- gate - log_sums(gate)
  expert <- rowsum(rows, frame$group, reorder = FALSE)
  list(expert = expert, gate = gate[frame$first, , drop = FALSE])
}
log_sums <- function(x) {
  top <- apply(x, 1, max)
  top + log(rowSums(exp(x - top)))
}
log_likelihood <- function(numbers, frame, family) {
  both <- densities(numbers, frame, family)
  sum(log_sums(both$expert + both$gate))
}

# Maximum of the likelihood beside a fit.
maximum <- function(numbers, frame, family) {
  coef <- free_of(c(numbers$coef))
  sigma <- if (family == "gaussian") free_of(numbers$sigma)
  n_gate <- length(numbers$gate) - nrow(numbers$gate)
  sizes <- c(length(coef$start), length(sigma$start), n_gate)
  part <- split(seq_len(sum(sizes)), rep(factor(1:3), sizes))
  build <- function(theta) {
    numbers$coef[] <- theta[part[[1]]][coef$index]
    numbers$sigma <- exp(theta[part[[2]]])[sigma$index]
    gate <- cbind(0, matrix(theta[part[[3]]], nrow(numbers$gate)))
    numbers$gate[] <- gate - rowMeans(gate)
    numbers
  }
  value <- function(theta) -log_likelihood(build(theta), frame, family)
  slope <- function(theta) numDeriv::grad(value, theta)
  theta <- c(coef$start, log(as.numeric(sigma$start)), numbers$gate[, -1] - numbers$gate[, 1])
  scale <- pmax(abs(theta), 0.1)
  found <- optim(theta, value, slope,
    method = "BFGS", control = list(maxit = 2000, reltol = 1e-15, parscale = scale)
  )
  theta <- found$par
  for (i in 1:4) {
    step <- solve(numDeriv::hessian(value, theta), slope(theta))
    if (value(theta - step) > value(theta) + 1e-9) break
    theta <- theta - step
  }
  c(build(theta), list(slope = max(abs(slope(theta)))))
}

# Mean probabilities of the gate, and experts in another order.
prior_of <- function(numbers, frame) {
  gate <- (frame$Z %*% numbers$gate)[frame$first, , drop = FALSE]
  colMeans(exp(gate - log_sums(gate)))
}
reordered <- function(numbers, by) {
  for (name in c("coef", "gate")) numbers[[name]] <- numbers[[name]][, by, drop = FALSE]
  if (length(numbers$sigma)) numbers$sigma <- numbers$sigma[by]
  numbers
}

in_json <- function(numbers, frame, family) {
  both <- densities(numbers, frame, family)
  joint <- both$expert + both$gate
  posterior <- exp(joint - log_sums(joint))
  rows <- function(x) setNames(lapply(rownames(x), function(name) unname(x[name, ])), rownames(x))
  list(
    logLik = sum(log_sums(joint)), coef = rows(numbers$coef), sigma = numbers$sigma,
    gate = rows(numbers$gate), prior = prior_of(numbers, frame),
    posterior = signif(unname(head(posterior[, 1], 150)), 8)
  )
}

record <- function(name) {
  model <- models[[name]]
  frame <- frame_of(model)
  done <- fitted_model(model, frame)
  fit <- done$fit
  numbers <- coefficients_of(fit)
  stopifnot(abs(log_likelihood(numbers, frame, model$family) - logLik(fit)) < 0.1)
  best <- maximum(numbers, frame, model$family)
  by <- order(model$block, -prior_of(best, frame))
  numbers <- reordered(numbers, by)
  best <- reordered(best, by)
  constant <- if (model$family == "binomial") sum(lchoose(rowSums(frame$y), frame$y[, 1])) else 0
  flexmix <- in_json(numbers, frame, model$family)
  flexmix$posterior <- NULL
  flexmix$logLik <- as.numeric(logLik(fit))
  message(sprintf(
    "%-30s flexmix %.6f from %.0f%% of the starts, maximum %.6f, slope %.1e",
    name, flexmix$logLik, 100 * done$found, log_likelihood(best, frame, model$family), best$slope
  ))
  result <- list(
    call = call_of(model), k = model$k, family = model$family, n = nrow(frame$X),
    df = attr(logLik(fit), "df"), constant = constant, flexmix = flexmix,
    maximum = in_json(best, frame, model$family)
  )
  c(result, if (name == "epil") list(past = past_of(fit)))
}

# Posteriors of groups of which one half is known, and what that says of the other half.
past_of <- function(fit) {
  fit <- relabel(fit, by = as.integer(order(-prior(fit))))
  past <- subset(epil, period <= 2)
  future <- subset(epil, period > 2)
  first <- !duplicated(past$subject)
  known <- posterior(fit, newdata = past)[first, ]
  later <- vapply(predict(fit, newdata = future), function(mean) {
    rowsum(dpois(future$y, mean, log = TRUE), future$subject)
  }, numeric(sum(first)))
  list(
    past = unname(known[, 1]), future = unname(posterior(fit, newdata = future)[first, 1]),
    both = unname(posterior(fit, newdata = epil)[!duplicated(epil$subject), 1]),
    logLik_future = sum(log(exp(later) %*% prior(fit))),
    logLik_future_given_past = sum(log(rowSums(known * exp(later))))
  )
}

# One of mixtools: the same coefficients, two variances.
scale_mixture <- function() {
  fits <- lapply(1:20, function(seed) {
    set.seed(seed)
    invisible(capture.output(fit <- with(CPS1985, regmixEM(
      log(wage), cbind(education, experience),
      k = 2, arbmean = FALSE, epsilon = 1e-13, maxit = 1e5
    ))))
    fit
  })
  fit <- fits[[which.max(vapply(fits, function(one) one$loglik, 0))]]
  by <- order(-fit$lambda)
  list(
    call = "regmixEM(log(wage), cbind(education, experience), k = 2, arbmean = FALSE)",
    logLik = fit$loglik, coef = unname(fit$beta), sigma = (fit$sigma * fit$scale)[by],
    prior = fit$lambda[by]
  )
}

# One regression with an offset.
one_glm <- function() {
  fit <- glm(Seizures ~ Treatment * log(Day) + offset(log(Hours)), poisson, seizure,
    control = list(epsilon = 1e-14)
  )
  list(
    call = "glm(Seizures ~ Treatment * log(Day) + offset(log(Hours)), poisson, seizure)",
    logLik = as.numeric(logLik(fit)), coef = as.list(coef(fit))
  )
}

others <- list("CPS1985 scales" = scale_mixture, "seizure glm" = one_glm)

# A JSON of what was recorded before and now, lists of numbers on one line.
path <- file.path(folder, "flexmix_models.json")
write_records <- function(records) {
  text <- jsonlite::toJSON(records,
    digits = 15, auto_unbox = TRUE, na = "null", null = "null", pretty = TRUE
  )
  text <- gsub("\\[\n +", "[", gsub("(?<=[0-9l])\n +\\]", "]", text, perl = TRUE))
  writeLines(gsub(",\n +(?=[-0-9n])", ", ", text, perl = TRUE), path)
}
records <- if (file.exists(path)) jsonlite::read_json(path) else list()
asked <- commandArgs(trailingOnly = TRUE)
for (name in if (length(asked)) asked else c(names(models), names(others))) {
  records[[name]] <- if (name %in% names(others)) others[[name]]() else record(name)
  write_records(records)
}
for (name in names(data_sets)) {
  seen <- model.matrix(data_sets[[name]], get(name))[, -1]
  text <- apply(seen, 2, format, digits = 15, trim = TRUE)
  write.csv(text, file.path(folder, paste0(name, ".csv")), row.names = FALSE, quote = FALSE)
}
