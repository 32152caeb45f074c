"""Test Markdown: which texts become links, what is marked, and what a text may cost."""

from __future__ import annotations

import re
from html import unescape

import pytest

from deskwire.tickets import markdown
from deskwire.tickets.markdown import (
    MAX_HTML_LENGTH,
    MAX_MENTIONS,
    MAX_NESTING,
    MAX_PLAIN_LENGTH,
    MENTION_MARK,
    list_mention_candidates,
    mark_mentions,
    render_markdown,
)
from deskwire.tickets.markdown_budget import MAX_COST, STEP_COST, TOKEN_COST, Budget

LINK = re.compile(r'<a href="([^"]*)" rel="noopener noreferrer nofollow">(.*?)</a>')


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("See https://example.org/a_(b)).", [("https://example.org/a_(b)", None)]),
        ("**http://b.test**, (HTTPS://C.test?q=1&r=2)…", [("http://b.test", None), (..., None)]),
        ("[https://a.test](https://b.test)", [("https://b.test", "https://a.test")]),
        ("<https://a.test/x>", [("https://a.test/x", None)]),
        ("![a mast](https://a.test/x.png)", [("https://a.test/x.png", "a mast")]),
        ('https://a.test/"onclick="alert(1)', [("https://a.test/", None)]),
        ("`https://a.test` xhttps://a.test javascript://a.test example.org ftp://a.test", []),
    ],
)
def test_urls_and_nothing_else_become_links(
    text: str, links: list[tuple[object, str | None]]
) -> None:
    html = render_markdown(text)

    found = LINK.findall(html)
    assert html.count("<a") == len(found) == len(links)
    assert "<img" not in html
    for (href, shown), (wanted, said) in zip(found, links, strict=True):
        assert wanted in (..., href)
        assert shown == (said or href)


TABLE = ("a|" * 250 + "\n" + "-|" * 250 + "\n" + "a\n" * 9000)[:20_000]
HOSTILE_TEXTS = {
    "a wide table": TABLE,
    "images that never end": "![" * 10_000,
    "links that never end": "[" * 20_000,
    "links in links": "[a](" * 5_000,
    "images in images": "![a[" * 5_000,
    "emphasis in emphasis": "*" * 10_000 + "a" + "*" * 10_000,
    "emphasis and strong": "*a_ " * 5_000,
    "headings": "# a\n" * 5_000,
    "list items": "1. a\n" * 4_000,
    "quotes in quotes": ">" * 20_000,
    "lists in lists": "- " * 10_000,
    "addresses": "<a@b.c>" * 2_857,
    "links": "[a](b)" * 3_333,
    "ampersands": "&" * 20_000,
    "lines": "a\n" * 10_000,
    "definitions": "".join(f"[{n}]: b\n" for n in range(1_000)) + "[1]" * 2_500,
    "mentions": "@a " * 6_666,
    "a text that only SQL can store": "&\n" * 500_000,
}


@pytest.mark.parametrize("text", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS.keys())
def test_no_text_exceeds_the_limits_of_cost_nesting_and_length(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent: list[int] = []

    class Counted(Budget):
        def spend(self, cost: int) -> None:
            spent.append(cost)
            super().spend(cost)

    monkeypatch.setattr(markdown, "Budget", Counted)

    html = render_markdown(text)

    assert sum(spent) <= MAX_COST + max(STEP_COST, TOKEN_COST)
    assert len(html) <= max(MAX_HTML_LENGTH, 10 * MAX_PLAIN_LENGTH)
    assert len(text) > 20_000 or len(html) <= MAX_HTML_LENGTH
    assert measure_depth(html) <= MAX_NESTING
    assert html.count(MENTION_MARK) <= MAX_MENTIONS


def measure_depth(html: str) -> int:
    depth = deepest = 0
    for tag in re.findall(r"<(/?)(?!br|hr)", html):
        depth += -1 if tag else 1
        deepest = max(deepest, depth)
    return deepest


def test_a_text_beyond_a_limit_is_shown_unformatted() -> None:
    text = "| <b> & *a* |\n" + TABLE[:19_000]

    html = render_markdown(text)

    assert unescape(html.removeprefix("<p>").removesuffix("</p>").replace("<br>", "\n")) == text


def test_ten_pages_of_lists_links_code_and_logs_are_formatted() -> None:
    section = "# T\n\nSome *text*, `code`, [a link](https://a.b/c).\n\n- **one**\n- two\n\n"
    log = "[2026-11-27 10:00:00] INFO x=1 path=/a/b_c - done\n"

    html = render_markdown(section * 130 + "\n" + log * 200)

    assert html.count("<h1>") == 130
    assert html.count("<a ") == 130


def test_mentions_match_the_longest_name_and_only_outside_code() -> None:
    text = "@Ada Lovelace, @Ada. @Adam, x@Ada, `@Ada`, **@Ada**, @Bo & Co <"

    html = mark_mentions(render_markdown(text), ["Ada", "Ada Lovelace", "Bo & Co"])

    assert html == (
        "<p><mark>@Ada Lovelace</mark>, <mark>@Ada</mark>. @Adam, x@Ada, <code>@Ada</code>, "
        "<strong><mark>@Ada</mark></strong>, <mark>@Bo &amp; Co</mark> &lt;</p>"
    )


@pytest.mark.parametrize("text", [f"{MENTION_MARK}@Ada", "&#xfdd0;@Ada", "&#64976;@Ada"])
def test_no_text_can_forge_a_mention_mark(text: str) -> None:
    html = render_markdown(f"{text} [a](b '{text}') `{text}`")

    assert html.count(MENTION_MARK) <= 1
    assert MENTION_MARK not in mark_mentions(html, [])
    assert "<mark>" not in mark_mentions(html, []) + html


def test_mentions_per_text_are_limited() -> None:
    candidates = list_mention_candidates("".join(f"@a{n} " for n in range(5_000)), 80)

    assert len(candidates) == MAX_MENTIONS
    assert candidates[0][-1] == "a0"
    assert max(map(len, candidates)) <= 80
