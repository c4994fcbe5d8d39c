"""The same labelled items on both sides: how good the answers are, as one number a side."""

from enum import StrEnum


class HoldoutMetric(StrEnum):
    """What is computed from answers and labels, as scikit-learn defines it."""

    ACCURACY = "Accuracy"
    EXACT_MATCH = "ExactMatch"
    F1 = "F1"
    MAE = "MAE"
    RMSE = "RMSE"
    AUROC = "AUROC"


class Average(StrEnum):
    """How the classes' F1 become one number."""

    BINARY = "Binary"
    MACRO = "Macro"
    MICRO = "Micro"
    WEIGHTED = "Weighted"
