"""Markdown to HTML that is safe to insert, whoever wrote it.

Raw HTML is off in the parser and the result is sanitised all the same. Images become links, so
that opening a ticket tells no third party about it. A mention is the only `<mark>` there is.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

_TAGS = {
    "p", "br", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "hr",
    "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "mark",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href", "title"}}
_SCHEMES = {"https", "http", "mailto"}


def _text_with_mentions(
    _self: RendererHTML, tokens: list[Token], index: int, _options: OptionsDict, env: EnvType
) -> str:
    shown = escape(tokens[index].content)
    pattern = _mention_of([escape(name) for name in env.get("mentioned", ())])
    return pattern.sub(r"<mark>@\1</mark>", shown) if pattern else shown


def _image_as_link(
    _self: RendererHTML, tokens: list[Token], index: int, _options: OptionsDict, _env: object
) -> str:
    token = tokens[index]
    source = escape(str(token.attrs.get("src", "")), quote=True)
    return f'<a href="{source}">{escape(token.content) or source}</a>'


_parser = MarkdownIt("commonmark", {"html": False, "breaks": True})
_parser.enable(["table", "strikethrough"])
_parser.add_render_rule("image", _image_as_link)
_parser.add_render_rule("text", _text_with_mentions)

_cleaner = nh3.Cleaner(
    tags=_TAGS,
    attributes=_ATTRIBUTES,
    url_schemes=_SCHEMES,
    link_rel="noopener noreferrer nofollow",
)


def render(text: str, mentioned: Collection[str] = ()) -> str:
    """`text` as sanitised HTML; `@` before one of the names `mentioned` marks somebody."""
    return _cleaner.clean(_parser.render(text, {"mentioned": mentioned})).strip()


def mentions_in(text: str, names: Collection[str]) -> set[str]:
    """Those of `names` that `text` mentions."""
    pattern = _mention_of(names)
    return {match[1] for match in pattern.finditer(text)} if pattern else set()


def _mention_of(names: Collection[str]) -> re.Pattern[str] | None:
    """The longest name wins: `@Ada Lovelace` is not `@Ada`."""
    if not names:
        return None
    any_of = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?<!\w)@({any_of})(?!\w)")
