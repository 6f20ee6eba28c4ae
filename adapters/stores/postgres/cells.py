"""Values as parameters of a statement. Pure."""

from adapters.stores import rows
from adapters.stores.rows import Cell, Row


def bound(*values: Cell) -> Row:
    """`values` as parameters that PostgreSQL accepts: NUL, which its text cannot contain, becomes U+FFFD."""
    return tuple(value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in rows.bound(*values))
