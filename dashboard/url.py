"""The state of a page as the query of its URL, and back: every value stays the text that it is.

Panel's own synchronisation converts what looks like a number (`12e3...` can be a run id), drops every parameter
when one is bad, and neither hears the back button nor makes one step of a typed text; hence this module. It knows
no Panel: `components.address_bar` moves the query between browser and server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from dashboard.text import plain_text

if TYPE_CHECKING:
    import param

MAX_LINK_TEXT = 2_000


class BadValue(ValueError):
    """A value of a link cannot be used; the message says why, as a sentence."""


class Field(msgspec.Struct, frozen=True):
    """One parameter of the query.

    `name` is its name in the URL, `owner` and `attribute` the state behind it. `check` raises `BadValue` for a
    value that cannot be used. `typed` marks a text that is typed: successive changes of it are one step of the
    history. A value equal to the parameter's default is left out of the link.
    """

    name: str
    owner: object
    attribute: str
    check: Callable[[str], None] | None = None
    typed: bool = False

    @property
    def default(self) -> str:
        """Value that stands for an absent parameter."""
        return str(self.owner.param[self.attribute].default)  # type: ignore[attr-defined]


def decode_query(search: str) -> dict[str, str]:
    """Read a query.

    Parameters
    ----------
    search
        As the browser gives it, with or without the leading question mark.

    Returns
    -------
    dict
        Text by name, in order; the first value where a name occurs twice. Bytes that are not UTF-8 come out as
        replacement characters.
    """
    values: dict[str, str] = {}
    for name, value in parse_qsl(search.removeprefix("?"), keep_blank_values=True, errors="replace"):
        values.setdefault(name, value)
    return values


def encode_query(values: Mapping[str, str]) -> str:
    """Write a query.

    Parameters
    ----------
    values
        Text by name. Lone surrogates, which a URL cannot hold, become question marks.

    Returns
    -------
    str
        With its leading question mark; empty for no values.
    """
    query = urlencode(list(values.items()), quote_via=quote, errors="replace")
    return f"?{query}" if query else ""


class UrlState:
    """Two-way link between Param objects and a query.

    Parameters
    ----------
    fields
        The parameters of the query; other parameters of a URL are kept as they are.
    write
        Called as `write(search, push)` after a selection changed; `push` tells whether it is a new step of the
        history.
    report
        Called with one sentence for each value of a link that cannot be used.
    """

    def __init__(
        self,
        fields: list[Field],
        write: Callable[[str, bool], None],
        report: Callable[[str], None],
    ) -> None:
        self.fields = fields
        self._write = write
        self._report = report
        self._foreign: dict[str, str] = {}
        self._last_typed: str | None = None
        self._last_search: str | None = None
        self._reading = False
        self._watchers: list[tuple[param.Parameterized, object]] = []

    def read(self, search: str) -> None:
        """Take the state from a query: an absent parameter means its default, a bad one is reported and ignored.

        Parameters
        ----------
        search
            Query of a link, or of the step of the history that was gone to.
        """
        values = decode_query(search)
        self._foreign = {name: value for name, value in values.items() if name not in {f.name for f in self.fields}}
        self._last_typed = None
        self._reading = True
        try:
            for field in self.fields:
                current = getattr(field.owner, field.attribute)
                if field.name not in values and len(current) > MAX_LINK_TEXT:
                    continue  # the link could not carry it; better kept than lost by the back button
                value = values.get(field.name, field.default)
                if field.name in values and field.check is not None:
                    try:
                        field.check(value)
                    except BadValue as error:
                        self._report(str(error))
                        value = field.default
                if current != value:
                    setattr(field.owner, field.attribute, value)
        finally:
            self._reading = False
            self._last_search = self.search()

    def settle(self, change: Callable[[], None]) -> None:
        """Change the state without a new step of the history, as when a default is named."""
        self._reading = True
        try:
            change()
        finally:
            self._reading = False
        self._last_search = self.search()
        self._write(self._last_search, False)

    def search(self) -> str:
        """Query that leads back to the present state; texts too long for a link are left out."""
        values = {}
        for field in self.fields:
            value = getattr(field.owner, field.attribute)
            if value != field.default and len(value) <= MAX_LINK_TEXT:
                values[field.name] = value
        return encode_query(values | self._foreign)

    def follow(self) -> None:
        """From now on, write the URL whenever the state changes."""
        for field in self.fields:
            owner: param.Parameterized = field.owner
            watcher = owner.param.watch(lambda _event, field=field: self._changed(field), field.attribute)
            self._watchers.append((owner, watcher))

    def stop(self) -> None:
        """Stop writing the URL."""
        for owner, watcher in self._watchers:
            owner.param.unwatch(watcher)
        self._watchers.clear()

    def _changed(self, field: Field) -> None:
        if self._reading:
            return
        push = not (field.typed and self._last_typed == field.name)
        self._last_typed = field.name if field.typed else None
        search = self.search()
        # What changes at once is heard of field by field, and is one step.
        if search != self._last_search:
            self._last_search = search
            self._write(search, push)


def check_length(name: str, limit: int) -> Callable[[str], None]:
    """Make a check that refuses values longer than `limit` characters; `name` is what the sentence calls them."""

    def check(value: str) -> None:
        if len(value) > limit:
            raise BadValue(f"The link's {name} is longer than {limit:,} characters; it was left out.")

    return check


def check_member(name: str, members: Callable[[], list[str] | None]) -> Callable[[str], None]:
    """Make a check that refuses values that are not among `members()`; the sentence names those there are.

    Where `members()` is None, nobody knows them yet, and any short value is taken.
    """

    def check(value: str) -> None:
        known = members()
        if known is None:
            check_length(name, MAX_LINK_TEXT)(value)
        elif value and value not in known:
            listed = ", ".join(plain_text(member, 40) for member in known[:6]) or "none"
            raise BadValue(
                f"The link names the {name} “{plain_text(value, 60)}”, which is not there (there: {listed})."
            )

    return check


def filter_fields(samples: param.Parameterized, tags: Callable[[], list[str] | None]) -> list[Field]:
    """List the parameters that hold the filter of the Data section.

    Parameters
    ----------
    samples
        A `dashboard.state.SampleFilter`.
    tags
        Returns the tags that may be named, None where the data has not been read yet.

    Returns
    -------
    list of Field
        What cannot be read is refused here; what the data does not have is said by the section, which knows the data.
    """

    def check(attribute: str) -> Callable[[str], None]:
        def readable(value: str) -> None:
            # Imported here, as most of what knows links needs no filter.
            from dashboard.criteria import read_condition
            from engine.exploration.filter import FilterError

            try:
                read_condition(attribute, value)
            except FilterError as error:
                raise BadValue(f"The link's {attribute} was left out: {error}") from None

        return readable

    names = ("split", "outcome", "predicted", "created", "words", "tokens", "finding", "missing", "polygon")
    return [
        Field("show", samples, "tag", check_member("tag to show", tags)),
        Field("find", samples, "text", check_length("text to find", MAX_LINK_TEXT), typed=True),
        *(Field(name, samples, name, check(name)) for name in names),
        Field("sort", samples, "sort", check_length("sort", 200)),
        # After all that the page of the table depends on: whatever changes leads to its first page.
        Field("page", samples, "page", check_page),
        Field("row", samples, "row", check_length("row", MAX_LINK_TEXT)),
        Field("terms", samples, "terms", check_member("tag whose words are shown", tags)),
        Field("against", samples, "against", check_member("tag that words are compared with", tags)),
        Field("length", samples, "length", check_member("length", lambda: ["words", "tokens"])),
        Field("colour", samples, "colour", check_length("colour", 40)),
    ]


def check_page(value: str) -> None:
    """Refuse what is no number of a page."""
    if not re.fullmatch("[1-9][0-9]{0,8}", value):
        raise BadValue(f"The link's page “{plain_text(value, 40)}” is no number of a page; the first one is shown.")
