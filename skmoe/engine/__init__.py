"""Numerics of mixtures of experts; nothing here knows scikit-learn's estimators."""
