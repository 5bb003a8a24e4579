"""Which columns of a file hold what: the one record that loading, snapshots and runs share."""

from __future__ import annotations

import msgspec

RESERVED_COLUMNS = frozenset({"id", "row", "tag", "created", "text", "holdout", "split"})
"""Column names that a loaded frame uses itself."""

OTHER = "other"
"""The tag of what has no tag of its own: a rare one, or an answer that is not sure enough."""


class Fields(msgspec.Struct, frozen=True):
    """The names of the columns, as they stand in the header of the file.

    Parameters
    ----------
    text : tuple of str
        The columns whose values are joined, in this order, into the text that is classified.
    label : str
        The column with the tag.
    id : str or None
        The column with a unique id per row. The default, ``"id"``, is used where it exists; any other name must exist.
        Without an id column an id is made from the text.
    created : str or None
        The column with the date of a row, under the same rule as `id`.

    An empty name for `id` or `created`, which is how an environment variable says "none", becomes None.

    Examples
    --------
    >>> Fields(text=("subject", "body"), label="team").text
    ('subject', 'body')
    """

    text: tuple[str, ...] = ("title", "description")
    label: str = "tag"
    id: str | None = "id"
    created: str | None = "created_on"

    def __post_init__(self) -> None:
        """Take an empty name for no name."""
        for name in ("id", "created"):
            value = getattr(self, name)
            if value is not None and not value.strip():
                msgspec.structs.force_setattr(self, name, None)

    def column(self, name: str) -> str:
        """Return the name under which a loaded frame keeps the text column `name`.

        That is `name` itself, unless the frame needs this name for its own purposes (a text column that is called
        ``text``, ``row``, ...): then it is ``field:<name>``.
        """
        return f"field:{name}" if name in RESERVED_COLUMNS else name

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns of a loaded frame that hold the raw text fields, in the order of `text`."""
        return tuple(self.column(name) for name in self.text)
