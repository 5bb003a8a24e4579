"""A button that saves a file of any size: it comes piece by piece, each when the browser has taken the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TextIO, TypeVar

import param
from panel.custom import JSComponent

from dashboard.components.work import Worker
from dashboard.sections.base import follow, run
from dashboard.text import sentence_of
from dashboard.theme import HTML_CSS, colour
from engine.errors import DataError, TagscopeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dashboard.job import Job

Value = TypeVar("Value")
CHARACTERS = 400_000
"""Of one piece: a few milliseconds of the event loop and far below the limit of the websocket's messages."""


class Order(NamedTuple):
    """What a press of the button asks for; all of it as it was when it was pressed.

    Parameters
    ----------
    write
        Runs in a thread: returns the name of the file and the file, open at its beginning.
    first
        Runs in a thread: returns work to wait for before, None for none.
    begin
        Begins that work, on the event loop.
    waiting
        Words of the button until it is done.
    """

    write: Callable[[], tuple[str, TextIO]]
    first: Callable[[], Job[Any] | None] = lambda: None
    begin: Callable[[], None] = lambda: None
    waiting: str = "The file is being prepared …"


class Download(JSComponent):
    """Saves what was ordered.

    The file is written and read in threads; the event loop only passes on one piece after the other, so that a million
    rows keep nobody waiting, and neither side holds all of it as one text. Work that comes first is followed rather
    than waited for in a thread: there are few of these for all visitors.

    Parameters
    ----------
    order
        Called on the event loop when the button is pressed. What it and its functions raise as a `TagscopeError` is
        said below the button.
    """

    label = param.String(default="Download", doc="Words of the button; shown as text.")
    disabled = param.Boolean(default=False, doc="Whether there is nothing to save.")
    sentence = param.String(default="", doc="Why it failed; shown as text.")
    waiting = param.String(default="", doc="What is done first, in the words of the button; empty: nothing.")
    asked = param.Integer(default=0, doc="Grows with each press.")
    taken = param.Integer(default=0, doc="How many pieces the browser has taken of what was asked for last.")
    piece = param.Dict(default={}, doc="asked, number (from 0), name, text, and whether it is the last.")

    _esm = """
    export function render({model}) {
      const root = document.createElement("div")
      const button = document.createElement("button")
      const said = document.createElement("p")
      said.setAttribute("role", "status")
      root.append(button, said)
      let parts = null
      const label = () => {
        button.textContent = parts === null ? model.label : (model.waiting || "The file is being written …")
        button.setAttribute("aria-disabled", String(model.disabled || parts !== null))
        said.textContent = model.sentence
      }
      button.addEventListener("click", () => {
        if (model.disabled || parts !== null) { return }
        parts = []
        model.taken = 0
        model.asked = model.asked + 1
        label()
      })
      model.on("piece", () => {
        const {asked, number, name, text, last} = model.piece
        if (parts === null || asked !== model.asked || number !== parts.length) { return }
        // A part of its own for each: one text of them all could be longer than a browser's texts may be.
        parts.push(new Blob([text]))
        if (!last) {
          model.taken = parts.length
          return
        }
        const link = document.createElement("a")
        link.href = URL.createObjectURL(new Blob(parts, {type: "text/csv;charset=utf-8"}))
        link.download = name
        link.click()
        setTimeout(() => URL.revokeObjectURL(link.href), 60000)
        parts = null
        model.taken = number + 1
        label()
      })
      model.on("sentence", () => {
        if (model.sentence) { parts = null }
        label()
      })
      for (const name of ["label", "disabled", "waiting"]) { model.on(name, label) }
      label()
      return root
    }
    """

    _stylesheets: ClassVar[list[str]] = [
        HTML_CSS,
        f"""
        button {{ font: inherit; font-size: 14px; color: {colour("text")}; background: {colour("surface")};
          border: 1px solid {colour("line")}; border-radius: 8px; padding: 6px 14px; cursor: pointer; }}
        button:hover {{ background: {colour("raised")}; }}
        button[aria-disabled=true] {{ opacity: 0.5; cursor: default; }}
        button:focus-visible {{ outline: 2px solid {colour("accent")}; }}
        p {{ font-size: 13.5px; color: {colour("error")}; }}
        """,
    ]

    def __init__(self, order: Callable[[], Order], **params: Any) -> None:
        super().__init__(margin=0, **params)
        self._order = order
        self._worker = Worker()
        self._file: TextIO | None = None
        self._name = ""
        self.param.watch(self._begin, "asked")
        self.param.watch(self._go_on, "taken")

    def _begin(self, _event: object) -> None:
        self._close()
        self.param.update(sentence="", waiting="")
        try:
            order = self._order()
        except TagscopeError as error:
            self.sentence = sentence_of(error)
            return

        def show(job: Job[Any] | None) -> None:
            if job is None:
                self._write(order)
                return
            self.waiting = order.waiting
            order.begin()
            job.start()
            # By the same worker: what is asked for anew ends it.
            follow(job, self._worker, lambda: self._write(order) if job.status.is_over else None)

        self._run(order.first, show)

    def _write(self, order: Order) -> None:
        def show(made: tuple[str, TextIO]) -> None:
            self.waiting = ""
            self._name, self._file = made
            self._send(0)

        self._run(order.write, show)

    def _run(self, compute: Callable[[], Value], show: Callable[[Value], None]) -> None:
        """Compute in a thread; what fails is said."""

        def caught() -> Value | TagscopeError:
            try:
                return compute()
            except TagscopeError as error:
                return error
            except OSError as error:
                return DataError(f"The file cannot be written ({error.strerror or error}); make room, then try again.")

        def show_or_say(found: Value | TagscopeError) -> None:
            if isinstance(found, TagscopeError):
                self.param.update(sentence=str(found), waiting="")
            else:
                show(found)

        run(self._worker, caught, show_or_say)

    def _go_on(self, event: Any) -> None:
        if event.new and self._file is not None:
            self._send(event.new)
        elif event.new:
            # The browser has it all: no page keeps the last piece.
            self.piece = {}

    def _send(self, number: int) -> None:
        file, asked, name = self._file, self.asked, self._name
        assert file is not None

        def compute() -> tuple[str, bool]:
            text = file.read(CHARACTERS)
            return text, len(text) < CHARACTERS

        def show(read: tuple[str, bool]) -> None:
            text, last = read
            if last:
                self._close()
            self.piece = {"asked": asked, "number": number, "name": name, "text": text, "last": last}

        run(self._worker, compute, show)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
