"""A LightGBM classifier whose queries are objects of named features: train, deploy, link, ask.

Run it as often as you like: what is there already stays as it is. Another Skysail: lightgbm_model.py URL QUERY_URL
"""

import sys
from contextlib import suppress

from lightgbm import LGBMClassifier
from sklearn.datasets import load_wine

from skysail_admin import AlreadyExistsError, Skysail


def main() -> None:
    wine = load_wine(as_frame=True)
    cultivars = wine.target.map(lambda number: f"cultivar {number + 1}")
    estimator = LGBMClassifier(n_estimators=30, num_leaves=7, random_state=0, verbose=-1).fit(wine.data, cultivars)
    estimator.booster_.save_model("wine.txt")

    with Skysail(*sys.argv[1:]) as skysail:
        with suppress(AlreadyExistsError):
            skysail.register_application("wine", "json", default_output="unknown", slo_ms=1000)
        skysail.deploy_model("wine", 1, "json", estimator)
        with suppress(AlreadyExistsError):
            skysail.link_model_to_app("wine", "wine")

        bottle = wine.data.iloc[0].to_dict()
        print(f"the wine is of {skysail.predict('wine', bottle).output}, and in truth of {cultivars[0]}")
        del bottle["proline"]
        print(f"without its proline it is taken for one of {skysail.predict('wine', bottle).output}")


if __name__ == "__main__":
    main()
