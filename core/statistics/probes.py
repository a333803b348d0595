"""What a linear probe can still read: the AUC of a logistic regression on rows that it was not fitted on."""

import numpy as np

from core.statistics.areas import auc_estimate
from core.statistics.estimates import Estimate


def probe_auc(x: np.ndarray, labels: np.ndarray, x_test: np.ndarray, labels_test: np.ndarray) -> Estimate:
    """AUC on test rows of a linear probe fitted on other rows; labels are group numbers, -1 unknown."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known, asked = labels >= 0, labels_test >= 0
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    probe.fit(x[known].astype(np.float64), labels[known])
    scores = probe.decision_function(x_test[asked].astype(np.float64))
    truth = labels_test[asked]
    if scores.ndim == 1:
        return auc_estimate(scores, truth == probe.classes_[1])
    found = [auc_estimate(scores[:, place], truth == group) for place, group in enumerate(probe.classes_)]
    values = [estimate.estimate for estimate in found if estimate.estimate is not None]
    lows, highs = ([getattr(e, end) for e in found if e.estimate is not None] for end in ("lo", "hi"))
    return Estimate(float(np.mean(values)), float(np.mean(lows)), float(np.mean(highs)), len(truth))
