"""A real model, deployed to the stack that runs here (start it with `make up`): train, register, deploy, link, ask.

Run it as often as you like: what is there already stays as it is. Another Skysail: quickstart.py URL QUERY_URL
"""

import sys
from contextlib import suppress

from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skysail_admin import AlreadyExistsError, Skysail


def main() -> None:
    rows, labels = load_breast_cancer(return_X_y=True)
    seen, held_out, seen_labels, held_out_labels = train_test_split(
        rows, labels, test_size=0.3, stratify=labels, random_state=0
    )
    estimator = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(seen, seen_labels)

    with Skysail(*sys.argv[1:]) as skysail:
        with suppress(AlreadyExistsError):
            skysail.register_application("tumours", "doubles", default_output=-1, slo_ms=100)
        skysail.deploy_model("tumour-classifier", 1, "doubles", estimator)
        with suppress(AlreadyExistsError):
            skysail.link_model_to_app("tumours", "tumour-classifier")

        answer = skysail.predict("tumours", held_out[0])
        print(f"prediction {answer.output}, truth {held_out_labels[0]}, default output: {answer.default}")
        print("feedback:", skysail.update("tumours", answer.query_id, int(held_out_labels[0])))


if __name__ == "__main__":
    main()
