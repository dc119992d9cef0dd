"""An XGBoost model in its own file, deployed to the stack that runs here: train, save, deploy, link, ask.

Run it as often as you like: what is there already stays as it is. Another Skysail: xgboost_model.py URL QUERY_URL
"""

import sys
from contextlib import suppress

import numpy as np
from sklearn.datasets import load_breast_cancer
from xgboost import XGBClassifier

from skysail_admin import AlreadyExistsError, Skysail


def main() -> None:
    rows, labels = load_breast_cancer(return_X_y=True)
    estimator = XGBClassifier(n_estimators=50, max_depth=3, random_state=0).fit(rows[:400], labels[:400])
    estimator.save_model("tumours.ubj")

    with Skysail(*sys.argv[1:]) as skysail:
        with suppress(AlreadyExistsError):
            skysail.register_application("tumours-xgboost", "doubles", default_output=-1, slo_ms=1000)
        skysail.deploy_model("tumours-xgboost", 1, "doubles", "tumours.ubj", method="predict_proba")
        with suppress(AlreadyExistsError):
            skysail.link_model_to_app("tumours-xgboost", "tumours-xgboost")

        answer = skysail.predict("tumours-xgboost", rows[400])
        own = estimator.predict_proba(rows[400:401])[0]
        is_same = np.array_equal(np.float32(answer.output), own)
        print(f"probabilities {np.round(answer.output, 4).tolist()}, those of XGBoost itself: {is_same}")


if __name__ == "__main__":
    main()
