"""The shell of the page: title, links to the sections, theme, URL, and the end of a visit. No section imports it.

`panel_material_ui.Page` was chosen by measuring (`benchmarks/first_paint.py`): no other shell was clearly faster to
the first content, and it alone brings a dark theme without a reload, landmarks, and nothing from outside.
"""

from __future__ import annotations

import contextlib
from typing import Any

import panel as pn
import panel_material_ui as pmui
from panel.util import edit_readonly

from config.settings import get_settings
from dashboard.catalogue import Catalogue, get_catalogue
from dashboard.components.browser import AddressBar, Notice, SectionLinks
from dashboard.components.heading import hero_html
from dashboard.components.layout import stack
from dashboard.components.lazy import Lazy
from dashboard.components.work import Worker
from dashboard.evaluation.link import evaluation_fields
from dashboard.sections.compare.section import CompareSection
from dashboard.sections.data import EXPLANATION, DataSection
from dashboard.sections.errors.section import ErrorsSection
from dashboard.sections.inference import InferencePane
from dashboard.sections.performance.section import PerformanceSection
from dashboard.splash import page_template
from dashboard.state import DashboardState
from dashboard.text import sentence_of
from dashboard.theme import MATERIAL_THEME
from dashboard.url import MAX_LINK_TEXT, BadValue, Field, UrlState, check_length, check_member, filter_fields
from dashboard.warm import is_warming, warm_up
from engine.errors import TagscopeError
from engine.evaluation.slices_file import all_slices
from engine.runs.manifest import checked_run_id

SECTIONS = {
    "data": "Data",
    "performance": "Performance",
    "errors": "Errors",
    "compare": "Compare",
    "inference": "Inference",
}
MAX_WIDTH = 1240
_PAGE_SX = {
    # The document scrolls, not a box in it: the wheel works everywhere, and a printed page is whole.
    "&": {"height": "auto", "minHeight": "100vh", "width": "100%", "overflow": "visible"},
    ".main": {"overflow": "visible", "backgroundColor": "background.default"},
    ".main-content": {"overflow": "visible", "padding": "28px", "boxSizing": "border-box"},
    ".MuiAppBar-root": {
        "backgroundColor": "background.paper",
        "backgroundImage": "none",
        "color": "text.primary",
        "boxShadow": "none",
        "borderBottom": "1px solid",
        "borderColor": "divider",
    },
    ".MuiToolbar-root": {"paddingLeft": "28px", "paddingRight": "20px", "boxSizing": "border-box", "minHeight": "60px"},
    ".title": {"color": "text.primary", "fontSize": "21px", "letterSpacing": "-0.01em", "marginRight": "20px"},
    # On a telephone the links have the whole row: the name stands in the tab.
    "@media (max-width: 560px)": {
        ".MuiToolbar-root": {"paddingLeft": "6px", "paddingRight": "2px"},
        ".title": {"display": "none"},
    },
}


def build_page(catalogue: Catalogue | None = None) -> pmui.Page:
    """Build the page of one visitor.

    Parameters
    ----------
    catalogue
        What there is to show; the process's own by default.

    Returns
    -------
    panel_material_ui.Page
        To be made servable. It is freed when its session ends.
    """
    pn.extension()
    catalogue = catalogue or get_catalogue()
    if is_warming():
        warm_up(catalogue)
    state = DashboardState()
    notice = Notice(margin=0, width=0, height=0)
    bar = AddressBar(margin=0, width=0, height=0)
    url = UrlState(url_fields(state, catalogue), bar.write, notice.say)
    if pn.state.location is not None:
        url.read(pn.state.location.search)

    def settle(_nothing: object = None) -> None:
        url.settle(lambda: _settle_runs(state, catalogue))

    if catalogue.is_ready:
        settle()
    else:
        Worker().run(lambda: _read_runs(catalogue), settle)
    url.follow()
    dark = _wants_dark()
    state.appearance.dark = bar.dark = dark
    busy_before = _busy_watchers()
    links = SectionLinks(sections=SECTIONS, margin=0)
    page = pmui.Page(
        title=get_settings().dashboard.title,
        header=[links, bar, notice],
        main=[_sections(state, catalogue)],
        main_width=MAX_WIDTH,
        theme_config=MATERIAL_THEME,
        dark_theme=dark,
        busy_indicator=None,
        sx=_PAGE_SX,
        template=page_template(get_settings().dashboard.title, _hero(state, catalogue), EXPLANATION),
        meta_description="What the text classifier learns from, how good it is, and what it answers.",
    )
    bar.param.watch(lambda event: url.read(event.new["search"]), "arrived")
    bar.param.watch(lambda event: page.param.update(dark_theme=event.new), "wants_dark")
    state.examples.param.watch(lambda _event: links.lead("errors"), "asked")
    links.param.watch(lambda event: state.sight.param.update(sections=event.new), "in_sight")
    state.selection.param.watch(lambda _event: links.lead("performance/slices"), "asked")
    page.param.watch(lambda event: _theme_changed(event.new, state, bar), "dark_theme")
    _detach_busy(page, busy_before)
    pn.state.on_session_destroyed(lambda _context: _free(page, url))
    return page


def url_fields(state: DashboardState, catalogue: Catalogue) -> list[Field]:
    """List the parameters of the page's URL, in the order in which a link's values are taken.

    Parameters
    ----------
    state
        What they set and are written from.
    catalogue
        What a link may name.
    """

    def run(value: str) -> None:
        if not catalogue.is_ready:
            return  # nobody waits for a big file here; a run that is not there is said by the sections
        try:
            known = {entry.run_id for entry in catalogue.runs()}
            if value and checked_run_id(value) not in known:
                raise BadValue(f"The link's run {value} is not here; the default run is shown instead.")
        except TagscopeError as error:
            raise BadValue(f"The link's run cannot be shown: {sentence_of(error)}") from None

    def of_report(kind: str) -> Any:
        def members() -> list[str]:
            try:
                report = catalogue.report(state.selection.run_id or catalogue.default_run())
                # What was saved as a slice after the run was judged is one all the same.
                defined = all_slices() if kind == "slices" else {}
            except TagscopeError:
                return []
            return list(dict.fromkeys((*getattr(report.performance, kind), *defined)))

        return members

    def of_samples() -> list[str] | None:
        # What has not been read yet is no reason to wait: the section says what is not there.
        try:
            run_id = state.selection.run_id or catalogue.default_run()
            samples = catalogue.kept_samples(run_id) if catalogue.is_ready else None
        except TagscopeError:
            return []
        return None if samples is None else list(samples.facts.tags)

    selection, samples, question = state.selection, state.samples, state.question
    return [
        Field("run", selection, "run_id", run),
        Field("tag", selection, "tag", check_member("tag", of_report("classes"))),
        Field("slice", selection, "slice_name", check_member("slice", of_report("slices"))),
        *filter_fields(samples, of_samples),
        *evaluation_fields(state.figures, state.runs, state.examples, run),
        Field("text", question, "text", check_length("text", 10 * MAX_LINK_TEXT), typed=True),
        # Any text may stand here: the Inference section itself says what is wrong with it.
        Field("ask", question, "run_id", check_length("run ID", 200)),
    ]


def _settle_runs(state: DashboardState, catalogue: Catalogue) -> None:
    """Name the default runs in the state, so that a copied link always carries it."""
    try:
        shown, answering = catalogue.default_run(), catalogue.answering_run()
    except TagscopeError:
        return  # the sections say what is wrong
    state.selection.run_id = state.selection.run_id or shown
    state.question.run_id = state.question.run_id or answering


def _read_runs(catalogue: Catalogue) -> None:
    # The sections say what is wrong.
    with contextlib.suppress(TagscopeError):
        catalogue.runs()


def _sections(state: DashboardState, catalogue: Catalogue) -> pn.Column:
    # Which runs there are is asked for on the event loop afterwards.
    prepare = catalogue.runs
    shared: dict[str, Any] = {"state": state, "catalogue": catalogue, "deferred": True}
    return stack(
        DataSection(**shared),
        _place("performance", Lazy(lambda: PerformanceSection(**shared), prepare=prepare, whole=True, height=2600)),
        _place("errors", Lazy(lambda: ErrorsSection(**shared), prepare=prepare, whole=True, height=1900)),
        _place("compare", Lazy(lambda: CompareSection(**shared), prepare=prepare, whole=True, height=2900)),
        _place("inference", Lazy(lambda: InferencePane(**shared), prepare=prepare, whole=True, height=460)),
        gap=56,
        css=":host { padding-bottom: 40px; }",
    )


def _place(name: str, lazy: Lazy) -> pn.Column:
    """Make a section's place findable before the section is there."""
    css = ":host { scroll-margin-top: 84px; }"
    return stack(lazy, css=css, css_classes=[f"section-{name}"])


def _hero(state: DashboardState, catalogue: Catalogue) -> str:
    try:
        samples = catalogue.kept_samples(state.selection.run_id) if catalogue.is_ready else None
    except TagscopeError:
        return ""
    return "" if samples is None else hero_html(samples.facts)


def _wants_dark() -> bool:
    asked = pn.state.session_args.get("theme", [b""])[0].decode("utf-8", "replace")
    return bool((asked or pn.state.cookies.get("tagscope_theme", "")) == "dark")


def _theme_changed(dark: bool, state: DashboardState, bar: AddressBar) -> None:
    state.appearance.dark = bar.dark = dark


def _busy_watchers() -> list[Any]:
    return list(pn.state.param.watchers.get("busy", {}).get("value", []))


def _detach_busy(page: pmui.Page, before: list[Any]) -> None:
    """End a new page's reference to the busy state, which is one for the whole process.

    It would keep every page of the process alive, and send each change to all of them: several messages per
    callback, between which messages that matter got lost (seen with Panel 1.9.4). A plain value ends the reference;
    its watcher stays even then, and is found as the one that was not there before.
    """
    with edit_readonly(page):
        page.busy = False
    for watcher in _busy_watchers():
        if watcher not in before:
            pn.state.param.unwatch(watcher)


def _free(page: pmui.Page, url: UrlState) -> None:
    """Let go of a page whose visitor has left.

    HoloViews keeps a plot until it is told to clean up. This function must live in an imported module: the globals
    of the served script are gone by then.
    """
    url.stop()
    for pane in page.select(pn.pane.HoloViews):
        for plot, _pane in list(pane._plots.values()):
            plot.cleanup()
