"""Test Markdown: which texts become links."""

from __future__ import annotations

import re

import pytest

from deskwire.tickets.markdown import render_markdown

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
def test_an_address_is_a_link_and_nothing_else_is(
    text: str, links: list[tuple[object, str | None]]
) -> None:
    html = render_markdown(text)

    found = LINK.findall(html)
    assert html.count("<a") == len(found) == len(links)
    assert "<img" not in html
    for (href, shown), (wanted, said) in zip(found, links, strict=True):
        assert wanted in (..., href)
        assert shown == (said or href)
