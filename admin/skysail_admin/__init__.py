"""Skysail's admin client: deploy models, register applications, ask for predictions.

from skysail_admin import Skysail

skysail = Skysail()
skysail.register_application("tumours", "doubles", default_output=-1, slo_ms=100)
skysail.deploy_model("tumours", 1, "doubles", fitted_estimator)
skysail.link_model_to_app("tumours", "tumours")
skysail.predict("tumours", [0.1, 0.2, 0.3]).output
"""

from skysail_admin.client import Skysail
from skysail_admin.errors import (
    AlreadyExistsError,
    DeployFailedError,
    InUseError,
    InvalidRequestError,
    NotFoundError,
    SkysailError,
    UnauthorizedError,
    UnavailableError,
    WaitTimeoutError,
)
from skysail_admin.records import Application, Deployment, Link, Model, Prediction, Replica, Version

__all__ = [
    "AlreadyExistsError",
    "Application",
    "DeployFailedError",
    "Deployment",
    "InUseError",
    "InvalidRequestError",
    "Link",
    "Model",
    "NotFoundError",
    "Prediction",
    "Replica",
    "Skysail",
    "SkysailError",
    "UnauthorizedError",
    "UnavailableError",
    "Version",
    "WaitTimeoutError",
]
