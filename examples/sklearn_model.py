"""A random forest of scikit-learn, deployed to the stack that runs here: train, deploy, link, ask.

Run it as often as you like: what is there already stays as it is. Another Skysail: sklearn_model.py URL QUERY_URL
"""

import sys
from contextlib import suppress

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

from skysail_admin import AlreadyExistsError, Skysail


def main() -> None:
    rows, labels = load_breast_cancer(return_X_y=True)
    forest = RandomForestClassifier(100, random_state=0).fit(rows[100:], labels[100:])

    with Skysail(*sys.argv[1:]) as skysail:
        with suppress(AlreadyExistsError):
            skysail.register_application("tumours-forest", "doubles", default_output=-1, slo_ms=1000)
        skysail.deploy_model("tumours-forest", 1, "doubles", forest, method="predict_proba")
        with suppress(AlreadyExistsError):
            skysail.link_model_to_app("tumours-forest", "tumours-forest")

        served = skysail.predict("tumours-forest", rows[0]).output[0]
        expected = forest.predict_proba(rows[:1])[0, 0]
        print(f"{served:.2f} to be malignant, says the forest; scikit-learn says {expected:.2f}")


if __name__ == "__main__":
    main()
