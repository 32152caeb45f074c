"""Check what the morph keeps when a fragment reloads, in a real browser.

htmx's own morph fails six of these; docs/decisions/0035-the-morph.md has the comparison.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

PAGE_FUNCTIONS = Path(__file__).parents[2] / "frontend" / "build" / "browser" / "page_functions.js"
FOCUSED = """() => {
    const { activeElement: at } = document;
    return [at.closest("[data-row]")?.dataset.row, at.value, at.selectionStart, at.selectionEnd];
}"""


@pytest.fixture(scope="module")
def blank(browser: Browser) -> Iterator[Page]:
    """An empty page with the front end's own functions."""
    assert PAGE_FUNCTIONS.exists(), "run `npm test` in frontend/ first: it builds this file"
    page = browser.new_page()
    page.set_content("<!doctype html><title>Blank</title>")
    page.add_script_tag(path=PAGE_FUNCTIONS)
    yield page
    page.close()


def show(page: Page, *parts: str) -> None:
    page.evaluate("html => { document.body.innerHTML = html; }", region(*parts))


def reload(page: Page, *parts: str) -> None:
    page.evaluate("html => morphInto(html)", region(*parts))


def value_of(page: Page, selector: str) -> Any:
    return page.evaluate("selector => document.querySelector(selector)?.value ?? null", selector)


def region(*parts: str) -> str:
    return f'<section id="region">{"".join(parts)}</section>'


def row(name: str, revision: int = 1, text: str = "Old") -> str:
    return f'<p data-row="{name}" data-revision="{revision}"><b>{text}</b><input></p>'


def test_focus_and_caret_stay_in_a_row_that_changes_and_moves(blank: Page) -> None:
    show(blank, row("a"), row("b"), row("c"))
    blank.evaluate("""() => {
        const input = document.querySelector('[data-row="c"] input');
        input.focus();
        input.value = "half typed";
        input.setSelectionRange(4, 6);
    }""")

    reload(blank, row("c", 2, "New"), row("a"), row("b"))

    assert blank.evaluate(FOCUSED) == ["c", "half typed", 4, 6]
    assert blank.inner_text("#region b >> nth=0") == "New"


def test_typed_text_stays_in_its_row_when_the_order_is_reversed(blank: Page) -> None:
    show(blank, *(row(name) for name in "abcd"))
    blank.evaluate("""() => document.querySelectorAll("[data-row] input").forEach((input) => {
        input.value = `for ${input.closest("[data-row]").dataset.row}`;
    })""")

    reload(blank, *(row(name, 2, "New") for name in "dcba"))

    typed = {name: value_of(blank, f'[data-row="{name}"] input') for name in "abcd"}
    assert typed == {name: f"for {name}" for name in "abcd"}


def test_typed_text_stays_when_the_server_has_another_value(blank: Page) -> None:
    show(blank, '<input id="title" value="Old"><textarea id="text">Old</textarea>')
    blank.evaluate("""() => {
        for (const id of ["title", "text"]) document.getElementById(id).value = "half typed";
    }""")

    reload(blank, '<input id="title" value="New"><textarea id="text">New</textarea>')

    assert value_of(blank, "#title") == value_of(blank, "#text") == "half typed"


def test_a_row_newer_than_the_response_is_kept_when_it_moves(blank: Page) -> None:
    show(blank, row("a"), row("b", 9, "Newest"), row("c"))

    reload(blank, row("b", 2, "Older"), row("c", 2), row("a"))

    rows = blank.eval_on_selector_all(
        "[data-row]", "all => all.map(row => [row.dataset.row, row.querySelector('b').innerText])"
    )
    assert rows == [["b", "Newest"], ["c", "Old"], ["a", "Old"]]


def test_a_kept_element_stays_when_the_response_lacks_it(blank: Page) -> None:
    show(blank, "<p>Old</p>", '<form id="composer" data-keep><input></form>')
    blank.fill("#composer input", "half typed")

    reload(blank, "<p>New</p>")

    assert value_of(blank, "#composer input") == "half typed"
    assert blank.inner_text("#region p") == "New"


def test_open_details_stay_open(blank: Page) -> None:
    show(blank, "<details open><summary>Old</summary></details>")

    reload(blank, "<details><summary>New</summary></details>")

    assert blank.evaluate("document.querySelector('details').open") is True
    assert blank.inner_text("summary") == "New"


def test_a_select_that_submits_at_once_shows_the_servers_value(blank: Page) -> None:
    options = "<option selected>new</option><option>done</option>"
    form = f'<form data-after="keep"><select id="status">{options}</select></form>'
    show(blank, form)
    blank.select_option("#status", "done")

    reload(blank, form)

    assert value_of(blank, "#status") == "new"


def test_an_unsent_message_stays_until_the_server_has_it(blank: Page) -> None:
    line = '<li data-line="{0}"{1}>{0}</li>'
    show(blank, line.format("a", ""), line.format("b", ' data-fate="failed"'), line.format("c", ""))

    reload(blank, line.format("a", ""))
    kept = blank.locator("#region").inner_text().split()
    reload(blank, line.format("a", ""), line.format("b", ""))

    assert kept == ["a", "b"]
    assert blank.locator("[data-line=b]:not([data-fate])").count() == 1
