"""All of MLeap's operators: those that stages here score, and those that are refused, and why.

Source: ml.combust.bundle.dsl.Bundle.BuiltinOps, and the operators that MLeap registers in its reference.conf.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

from skysail_container.spark.mleap.operator_registry import KNOWN, Operator, stage_of

__all__ = ["OPERATORS", "REFUSED", "stage_of"]

for _family in ("classification", "clustering", "feature", "regression", "text"):
    import_module(f"skysail_container.spark.mleap.{_family}_operators")

OPERATORS: Final[Mapping[str, Operator]] = MappingProxyType(KNOWN)

_OF_MLEAP: Final = "MLeap's own, with no equal in Spark"
_FROM_FILES: Final = "scored from Spark's own files only"
_OF_OTHERS: Final = "of another library"

REFUSED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "als": _FROM_FILES,
        "bucketed_random_projection_lsh": _FROM_FILES,
        "coalesce": _OF_MLEAP,
        "feature_hasher": _FROM_FILES,
        "interaction": _FROM_FILES,
        "math_binary": _OF_MLEAP,
        "math_unary": _OF_MLEAP,
        "min_hash_lsh": _FROM_FILES,
        "multinomial_labeler": _OF_MLEAP,
        "string_map": _OF_MLEAP,
        "support_vector_machine": "of the old spark.mllib; Spark's is `linear_svc`",
        "tensorflow": _OF_OTHERS,
        "word_filter": _OF_MLEAP,
        "xgboost.classifier": _OF_OTHERS,
        "xgboost.regression": _OF_OTHERS,
    }
)
"""The others that MLeap's packages have, with the reason; any other name is refused as well."""
