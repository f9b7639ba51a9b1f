# What the R peers share: their arguments, the clock, and the result file.
# Every peer is started as `Rscript PEER.R CASE_FOLDER RESULT METHOD REPEATS LIMIT`.

missing_status <- 77
cheap <- 10 # fits are repeated only while all together take fewer seconds

needs <- function(package) {
  if (!requireNamespace(package, quietly = TRUE)) {
    message(package, " is not installed")
    quit(status = missing_status)
  }
  suppressPackageStartupMessages(library(package, character.only = TRUE))
}

read_arguments <- function() {
  words <- commandArgs(trailingOnly = TRUE)
  case <- read.csv(file.path(words[1], "case.csv"))
  n <- case$n_samples
  d <- case$n_features
  X <- matrix(readBin(file.path(words[1], "X.bin"), "double", n * d), n, d)
  y <- readBin(file.path(words[1], "y.bin"), "double", n)
  list(case = case, X = X, y = y, result = words[2], repeats = as.integer(words[4]))
}

# Peak resident memory so far in bytes, NA where the system does not tell.
peak_memory <- function() {
  lines <- tryCatch(readLines("/proc/self/status"),
    error = function(e) character(), warning = function(w) character()
  )
  line <- grep("^VmHWM", lines, value = TRUE)
  if (length(line)) 1024 * as.numeric(gsub("[^0-9]", "", line)) else NA
}

now <- function() proc.time()[["elapsed"]]
cpu_now <- function() sum(proc.time()[c("user.self", "sys.self")])

# The fastest of a few fits where fits are cheap, and its figures.
timed <- function(fit, repeats) {
  before <- peak_memory()
  times <- c()
  best <- NULL
  cpu_time <- NA
  while (length(times) < repeats && sum(times) < cheap) {
    start <- now()
    cpu_start <- cpu_now()
    fitted <- fit(start)
    times <- c(times, now() - start)
    if (times[length(times)] == min(times)) {
      best <- fitted
      cpu_time <- cpu_now() - cpu_start
    }
  }
  list(
    best = best,
    figures = list(
      fit_time = min(times), fit_times = times, cpu_time = cpu_time,
      memory_before = before
    )
  )
}

# Write a list of numeric vectors and strings as JSON.
write_result <- function(result, path) {
  values <- vapply(result, function(entry) {
    if (is.character(entry)) {
      return(paste0("\"", entry, "\""))
    }
    numbers <- ifelse(is.finite(entry), sprintf("%.17g", entry), "null")
    text <- paste(numbers, collapse = ", ")
    if (length(entry) == 1) text else paste0("[", text, "]")
  }, "")
  fields <- paste0("\"", names(result), "\": ", values, collapse = ",\n")
  writeLines(paste0("{", fields, "}"), path)
}

# Coefficients with the intercept last, one model a column, flattened in C order.
intercept_last <- function(coef) as.vector(coef[c(2:nrow(coef), 1), , drop = FALSE])

# Numbers that follow `label` in lines that a peer prints, one an iteration.
printed <- function(lines, label) {
  lines <- grep(label, lines, value = TRUE)
  as.numeric(sub(paste0(".*", label, "[ :]*([-0-9.e+]+).*"), "\\1", lines))
}
