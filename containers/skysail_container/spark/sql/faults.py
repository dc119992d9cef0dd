"""What goes wrong in SQL: with a statement, and with one row."""

__all__ = ["SqlError", "SqlFault", "UnsupportedSqlError"]


class SqlError(Exception):
    """The statement is none that Spark would take either."""


class UnsupportedSqlError(SqlError):
    """The statement, or a part of it that the text names, is not known here."""


class SqlFault(Exception):  # noqa: N818 - one row's fate, no error of the statement
    """Spark fails on this row."""
