"""An estimator in an MLflow directory, as `mlflow.sklearn.save_model` leaves it in the folder `mlflow-tumours`."""

import warnings
from importlib.metadata import version

import mlflow.sklearn
from mlflow.models import infer_signature
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main() -> None:
    rows, labels = load_breast_cancer(return_X_y=True, as_frame=True)
    rows = rows[["mean radius", "mean texture"]]
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)
    libraries = ("mlflow-skinny", "pandas", "scikit-learn", "skops")  # skops is how MLflow saves estimators
    requirements = [f"{name}=={version(name)}" for name in libraries]
    with warnings.catch_warnings(action="ignore"):
        mlflow.sklearn.save_model(
            estimator,
            "mlflow-tumours",
            signature=infer_signature(rows, estimator.predict(rows)),
            pip_requirements=requirements,
        )


if __name__ == "__main__":
    main()
