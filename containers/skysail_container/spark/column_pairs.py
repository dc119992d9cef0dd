"""Which columns a stage reads and which it writes, where it takes either one of them or many.

Source: org.apache.spark.ml.param.ParamValidators.checkSingleVsMultiColumnParams.
"""

from skysail_container.spark.stage_folder import StageFolder

__all__ = ["ColumnPairs", "column_pairs"]

ColumnPairs = tuple[tuple[str, str], ...]
"""An input column and its output column, for each of them."""


def column_pairs(folder: StageFolder) -> ColumnPairs:
    """From `inputCols` and `outputCols`, or else `inputCol` and `outputCol`.

    :raises StageError: both are set, or neither, or there are more of the ones than of the others.
    """
    inputs = folder.param("inputCols")
    if inputs is None:
        return ((str(folder.required("inputCol")), str(folder.required("outputCol"))),)
    if folder.param("inputCol") is not None:
        raise folder.error("both its inputCol and its inputCols are set; set one of them")
    outputs = folder.required("outputCols")
    if not isinstance(inputs, list) or not isinstance(outputs, list):
        raise folder.error("its inputCols and outputCols are no lists of columns")
    if len(inputs) != len(outputs):
        raise folder.error(f"it has {len(inputs)} inputCols and {len(outputs)} outputCols")
    return tuple((str(source), str(target)) for source, target in zip(inputs, outputs, strict=True))
