"""SQLTransformer: a SELECT over the columns, one row at a time."""

from dataclasses import dataclass
from typing import Self

from skysail_container.spark.errors import UnsupportedStageError
from skysail_container.spark.registry import spark_stage
from skysail_container.spark.schema import Schema
from skysail_container.spark.sql.compiler import CompiledQuery, check_functions, compiled, run
from skysail_container.spark.sql.faults import SqlError, SqlFault, UnsupportedSqlError
from skysail_container.spark.sql.parser import parsed
from skysail_container.spark.sql.syntax import Query
from skysail_container.spark.stage import Bound, Row, Score, Stage
from skysail_container.spark.stage_folder import StageFolder

__all__ = ["SQLTransformer"]

_SPARK_4 = (4,)


@spark_stage(
    "org.apache.spark.ml.feature.SQLTransformer",
    parameters={"statement": None},
    exactness="1e-12: logarithms, powers and angles come from another mathematical library than Java's",
)
@dataclass(frozen=True)
class SQLTransformer(Stage):
    """A statement of the form SELECT ... FROM __THIS__ WHERE ... that looks at one row at a time.

    Source: org.apache.spark.ml.feature.SQLTransformer. What the statement does not select is gone, and rows that its
    WHERE leaves out are dropped. Unlike Spark's optimiser this computes columns of earlier stages before the WHERE, so
    that a row fails on which Spark would not have looked at them.
    """

    uid: str
    query: Query
    ansi: bool
    """Whether what has no answer fails: Spark's default since 4.0. Before, it is null or wraps around."""

    @classmethod
    def of(cls, uid: str, statement: str, spark_version: tuple[int, ...] = _SPARK_4) -> Self:
        """The transformer as that version of Spark reads the statement.

        :raises UnsupportedStageError: the statement has parts that are not known here.
        :raises StageError: it is no query.
        """
        is_ansi = spark_version >= _SPARK_4
        stage = cls(uid, Query((), None, None, frozenset()), is_ansi)
        try:
            query = parsed(statement, doubled_quotes=is_ansi)
            check_functions(query)
        except SqlError as error:
            raise stage._refusal(error) from error
        return cls(uid, query, is_ansi)

    @classmethod
    def from_spark(cls, folder: StageFolder) -> Self:
        statement = folder.required("statement")
        if not isinstance(statement, str):
            raise folder.error("its statement is no text")
        return cls.of(folder.uid, statement, folder.metadata.spark_version)

    def bind(self, schema: Schema) -> Bound:
        try:
            query = compiled(self.query, schema, ansi=self.ansi)
        except SqlError as error:
            raise self._refusal(error) from error
        return Bound(query.schema, self._score(query))

    def _refusal(self, error: SqlError) -> Exception:
        if isinstance(error, UnsupportedSqlError):
            return UnsupportedStageError(self.uid, f"its statement has what is not known here: {error}")
        return self.error(f"its statement does not fit: {error}")

    def _score(self, query: CompiledQuery) -> Score:
        def score(row: Row) -> None:
            try:
                scored = run(query, row)
            except SqlFault as fault:
                raise self.row_error(str(fault)) from fault
            if scored is None:
                raise self.dropped("its WHERE leaves this row out")
            row.clear()
            row.update(scored)

        return score
