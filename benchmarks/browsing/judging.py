"""What a visitor does in Performance, Errors and Compare: opens each, and asks every view for something else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from browsing.page import OpenPage
from browsing.watching import Interaction

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

    from browsing.watching import Times

# What of a section says that it is there: each comes whole.
SECTIONS = {"Performance": ".changes b", "Errors": "[data-card]", "Compare": ".verdict"}
_EXAMPLES = ("within", "errors", ".ts-shown")
_PAGE_OF_EXAMPLES = ("within", "errors", ".ts-examples")


class Judge(OpenPage):
    """One page that is open, with the sections on a run's answers."""

    def __init__(self, browser: Browser, url: str) -> None:
        super().__init__(browser, url)
        self.watcher.quiet()

    def show(self, title: str) -> Times:
        """Click a section's link in the header."""
        link = self.page.get_by_role("link", name=title, exact=True)
        return self.watcher.time(link.click, "within", title.lower(), SECTIONS[title])

    def section(self, name: str) -> Locator:
        """Return a section that is there."""
        return self.page.locator(f".section-{name}").last

    def reach(self, title: str) -> None:
        """Bring a chart into sight and wait until it is drawn; further down they are drawn when they are seen."""
        heading = self.page.locator(f"h3:text-is('{title}')")
        heading.scroll_into_view_if_needed()
        sheet = self.page.locator(".bk-panel-models-layout-Column", has=heading).last
        sheet.locator(".bk-Canvas").first.scroll_into_view_if_needed()
        self.watcher.quiet()

    def views(self) -> list[Interaction]:
        """Return every view; all sections must be there."""
        return [*self._performance(), *self._errors(), *self._compare(), *self._runs()]

    def _performance(self) -> list[Interaction]:
        watcher, section = self.watcher, self.section("performance")
        by_tag, cards = ("picture", "By tag"), ("figure", "Confidence threshold", "dl")

        def chosen(label: str, number: int) -> Times:
            # Each one differs from the one before, and from what is chosen at the beginning.
            return self._choose("performance", label, 7 * number + 3, "figure", f"By {label.lower()}", ".ts-cards")

        def pill(number: int, names: tuple[str, ...], *where: str) -> Times:
            # The first is pressed at the beginning.
            button = section.get_by_role("button", name=names[(number + 1) % len(names)], exact=True).first
            button.scroll_into_view_if_needed()
            return watcher.time(button.click, *where)

        def slide(number: int) -> Times:
            slider = section.get_by_role("slider")
            slider.focus()
            for _ in range(0 if number else 20):
                # To where answers are: below, all thresholds do the same.
                slider.press("ArrowRight")
                watcher.quiet()
            return watcher.time(lambda: slider.press("ArrowRight"), *cards, events=["keydown"])

        def cost(number: int) -> Times:
            field = section.get_by_role("spinbutton")
            field.fill(str(number + 2))
            # What it costs a row stands in the sentence behind the field.
            place = ("within", "performance", "p:has(input) > b")
            return watcher.time(lambda: field.press("Enter"), *place, events=["keydown"])

        def rates(number: int) -> Times:
            self.reach("Confusion")
            return pill(number, ("Counts", "Rates"), "picture", "Confusion")

        return [
            Interaction("Performance: tag", lambda number: chosen("Tag", number)),
            Interaction("Performance: slice", lambda number: chosen("Slice", number)),
            Interaction(
                "Performance: sorted otherwise",
                lambda number: pill(number, ("F1", "Precision", "Recall", "Support", "Name"), *by_tag),
            ),
            Interaction("Performance: counts or rates", rates),
            Interaction("Performance: threshold", slide),
            Interaction("Performance: cost", cost),
            Interaction("Performance: bar to its rows", lambda number: self._click("By tag", number)),
            Interaction("Performance: cell to its rows", lambda number: self._click("Confusion", number)),
        ]

    def _click(self, title: str, number: int) -> Times:
        """Click a rectangle of a chart; its rows are shown in Errors."""
        self.reach(title)
        box = self.watcher.box(title)
        places = [place for place in self.watcher.rectangles(title) if 80 < box["y"] + place[1] < 880]
        x, y = places[(11 * number + 5) % len(places)]
        return self.watcher.time(lambda: self.page.mouse.click(box["x"] + x, box["y"] + y), *_EXAMPLES)

    def _errors(self) -> list[Interaction]:
        watcher, section = self.watcher, self.section("errors")

        def kind(number: int) -> Times:
            pills = section.get_by_role("group", name="Kind of examples").get_by_role("button", pressed=False)
            return watcher.time(pills.nth(number % pills.count()).click, *_EXAMPLES)

        def chosen(label: str, number: int, *where: str) -> Times:
            field = section.get_by_role("combobox", name=label)
            size = field.locator("option").count()
            place = 1 + number % (size - 1)
            return watcher.time(lambda: field.select_option(index=place), *where)

        def all_wrong() -> None:
            """Show all wrong answers: of a kind and tag there may be too few for an order or another page."""
            if (clear := section.get_by_role("button", name="Clear", exact=True)).count():
                clear.click()
                watcher.quiet()

        def order(number: int) -> Times:
            if not number:
                all_wrong()
            return chosen("Order of the examples", number, *_PAGE_OF_EXAMPLES)

        def page(number: int) -> Times:
            if not number:
                all_wrong()
            return watcher.time(section.get_by_role("button", name="Next page").click, *_PAGE_OF_EXAMPLES)

        def layout(number: int) -> Times:
            name = ("Table", "Cards")[number % 2]
            button = section.get_by_role("button", name=name, exact=True)
            return watcher.time(button.click, *_PAGE_OF_EXAMPLES)

        def opened(number: int) -> Times:
            item = section.locator("[data-item]").nth(number % 10)
            return watcher.time(item.click, *_PAGE_OF_EXAMPLES)

        return [
            Interaction("Errors: tag", lambda number: chosen("Tag of the examples", number, *_EXAMPLES)),
            Interaction("Errors: kind", kind),
            Interaction("Errors: order", order),
            Interaction("Errors: next page", page),
            Interaction("Errors: cards or table", layout),
            Interaction("Errors: open an example", opened),
        ]

    def _compare(self) -> list[Interaction]:
        watcher, section = self.watcher, self.section("compare")

        def flip(number: int) -> Times:
            name = re.compile(("^Fixed", "^Broken")[number % 2])
            button = section.locator("[data-pick^='flip:']").filter(has_text=name)
            return watcher.time(button.first.click, "within", "compare", "[data-pick='all:']")

        def cell(number: int) -> Times:
            cells = section.locator(".ts-matrix td button[data-pick]:not(.tip *)")
            cells.first.wait_for()
            button = cells.nth((13 * number + 4) % cells.count())
            button.scroll_into_view_if_needed()
            return watcher.time(button.click, *_EXAMPLES)

        def metric(number: int) -> Times:
            self.reach("Over the runs")
            return self._choose("compare", "Figure", number, "picture", "Over the runs")

        return [
            Interaction("Compare: fixed or broken", flip),
            Interaction("Compare: metric", metric),
            Interaction("Compare: cell", cell),
        ]

    def _runs(self) -> list[Interaction]:
        why, sentences = ("within", "compare", ".why"), ("within", "performance", ".ts-summary")
        return [
            Interaction(
                "Compare: another run to compare with",
                lambda number: self._choose("compare", "Compared with", number, *why),
            ),
            Interaction(
                "Performance: another run", lambda number: self._choose("performance", "Run", number, *sentences)
            ),
        ]

    def _choose(self, section: str, label: str, number: int, *where: str) -> Times:
        """Choose in a selector what is not chosen yet."""
        field = self.section(section).get_by_role("combobox", name=label, exact=True)
        field.scroll_into_view_if_needed()
        shown = field.inner_text()
        field.click()
        options = self.page.get_by_role("menuitem")
        options.first.wait_for()
        size = options.count()
        place = next(at for at in (number % size, (number + 1) % size) if options.nth(at).inner_text() != shown)
        return self.watcher.time(options.nth(place).click, *where)
