"""A visitor of the Data section: opens it, looks at all of it, and does the things that are timed."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from browsing.page import OpenPage
from browsing.watching import Interaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

    from browsing.watching import Times

MAP_MS = 900_000
TITLES = ("Findings", "Over time", "Map of the texts", "Characteristic words", "Missing values")
FIRST_DAY, LAST_DAY = datetime.date(2021, 1, 2), datetime.date(2025, 12, 30)
WORDS = ("model", "data", "learning", "detection", "text", "training", "images", "graph", "series", "policy", "bert")
COUNT, TABLE, DIALOG, PICTURE = "count", "table", "dialog", "picture"
_TERMS = "Characteristic words"


def reach(page: Page, title: str) -> None:
    """Scroll down until there is a heading, as all is made when it comes near, and bring it into sight."""
    heading = page.get_by_role("heading", name=title, exact=True)
    for _ in range(200):
        if heading.count():
            break
        page.mouse.move(700, 500)
        page.mouse.wheel(0, 300)
        page.wait_for_timeout(100)
    heading.scroll_into_view_if_needed()


class Visitor(OpenPage):
    """One page that is open, with the Data section."""

    def __init__(self, browser: Browser, url: str) -> None:
        super().__init__(browser, url)
        self._varied = 0

    def look_around(self) -> None:
        """Scroll through the whole section until every chart is there, and back to the top."""
        for title in TITLES:
            reach(self.page, title)
        self.page.wait_for_function("(title) => bench.canvas(title) !== null", arg=TITLES[-1])
        self.watcher.quiet()
        self.page.keyboard.press("Home")

    def draw_map(self) -> None:
        """See to it that there is a map of the texts."""
        page = self.page
        begin = page.get_by_role("button", name="Draw the map")
        drawn = page.get_by_text("Draw around points", exact=False)
        drawn.or_(begin).first.wait_for()
        if begin.count():
            begin.first.click()
        drawn.first.wait_for(timeout=MAP_MS)
        self.watcher.quiet()

    def clear(self) -> None:
        """Take every condition out, and close what is open."""
        if self.page.get_by_role("dialog").count():
            self.page.keyboard.press("Escape")
            self.page.get_by_role("dialog").wait_for(state="detached")
        if (clear := self.page.get_by_role("button", name="Clear all")).count():
            clear.click()
        self.watcher.quiet()

    def vary(self) -> None:
        """Set a filter that nobody had before, so that no kept answer is measured; not timed."""
        self._varied += 1
        day = FIRST_DAY + datetime.timedelta(self._varied)
        self.page.get_by_label("Created from").fill(day.isoformat())
        self.watcher.quiet()

    def filter_by_text(self, text: str) -> None:
        """Fill in the field for words, and wait until every view has followed."""
        self.page.get_by_label("Contains").fill(text)
        self.watcher.quiet()


def words_for(number: int) -> str:
    """Return words of a query, others for each number below 120: single words, then pairs."""
    if number < len(WORDS):
        return WORDS[number]
    first, step = number % len(WORDS), number // len(WORDS)
    return f"{WORDS[first]} {WORDS[(first + step) % len(WORDS)]}"


def interactions(visitor: Visitor) -> list[Interaction]:
    """Return everything that is timed. No repetition asks for what was asked before: the filter differs each time."""
    page, watcher = visitor.page, visitor.watcher

    def bar(number: int) -> Times:
        visitor.vary()
        box = watcher.box("Projects per tag")
        places = watcher.rectangles("Projects per tag")
        x, y = places[number % len(places)]
        return watcher.time(lambda: page.mouse.click(box["x"] + x, box["y"] + y), COUNT)

    def sort(number: int) -> Times:
        visitor.vary()
        heads = page.get_by_role("columnheader").get_by_role("button")
        # Ascending, then descending, then the next column.
        return watcher.time(heads.nth(number // 2 % heads.count()).click, TABLE)

    def turn(_number: int) -> Times:
        return watcher.time(page.get_by_role("button", name="Next page").click, TABLE)

    def open_row(number: int) -> Times:
        if page.get_by_role("dialog").count():
            page.keyboard.press("Escape")
            page.get_by_role("dialog").wait_for(state="detached")
        if number and number % 12 == 0:
            page.get_by_role("button", name="Next page").click()
        watcher.quiet()
        rows = page.locator("tbody").first.get_by_role("row")
        return watcher.time(rows.nth(number % 12).click, DIALOG)

    def length(number: int) -> Times:
        visitor.vary()
        field = page.get_by_label("Words from")
        # Where texts are frequent, so that each word more leaves fewer of them.
        field.fill(str(20 + number % 20))
        return watcher.time(lambda: field.press("Enter"), COUNT, events=["keydown"])

    def dates(number: int) -> Times:
        day = LAST_DAY - datetime.timedelta(30 * number)
        return watcher.time(lambda: page.get_by_label("Created to").fill(day.isoformat()), COUNT)

    def text(number: int, query: Callable[[str], str] = str) -> Times:
        visitor.filter_by_text("")
        visitor.vary()
        return watcher.time(lambda: page.get_by_label("Contains").fill(query(words_for(number))), COUNT)

    def lasso(number: int) -> Times:
        """Draw a triangle of another size and place each time; the time begins when the button is let go."""
        visitor.clear()
        box = watcher.box("Map of the texts")
        size = 60 + 9 * (number % 20)
        x = box["x"] + box["width"] / 2 + 15 * (number // 20)
        y = box["y"] + box["height"] / 2
        page.mouse.move(x - size, y - size / 2)
        page.mouse.down()
        page.mouse.move(x + size, y - size / 3, steps=15)
        page.mouse.move(x, y + size / 2, steps=15)
        return watcher.time(page.mouse.up, COUNT, events=("pointerup", "mouseup"))

    def terms(number: int) -> Times:
        visitor.vary()
        field = page.get_by_role("combobox", name="Words of")
        field.click()
        options = page.get_by_role("menuitem").or_(page.get_by_role("option"))
        options.first.wait_for()
        # The first one is chosen from the beginning.
        option = options.nth((number + 1) % options.count())
        return watcher.time(option.click, PICTURE, _TERMS)

    return [
        Interaction("tag, by a bar", bar),
        Interaction("sort", sort),
        Interaction("next page of a sorted table", turn),
        Interaction("open a row", open_row),
        Interaction("length", length),
        Interaction("dates", dates),
        Interaction("words (150 ms of it wait for more keys)", text),
        Interaction("regular expression (150 ms too)", lambda number: text(number, "/{}[a-z]* [a-z]+/".format)),
        Interaction("lasso", lasso),
        Interaction("characteristic words of another tag", terms),
    ]
