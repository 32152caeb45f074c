"""Markdown to HTML that is safe to insert, whoever wrote it.

Raw HTML is off in the parser and the result is sanitised all the same. Addresses become links, and
so do images, so that opening a ticket tells no third party about it. A mention is the only `<mark>`
there is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

_TAGS = {
    "p", "br", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "hr",
    "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "mark",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href", "title"}}
_SCHEMES = {"https", "http", "mailto"}
_ADDRESS = re.compile(r"(?<!\w)https?://\w[^\s<>\"]{0,2000}", re.IGNORECASE)
_ENDS = frozenset(".,;:!?'*_~]}…”’»")  # what ends a sentence rather than an address


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


def _link_addresses(state: StateCore) -> None:
    """Make a link of every address that stands in a text as it is, but for those in a link."""
    for block in state.tokens:
        if block.type == "inline" and block.children:
            block.children = list(_linked(state, block.children))


def _linked(state: StateCore, tokens: list[Token]) -> Iterator[Token]:
    depth = 0
    for token in tokens:
        depth += token.nesting if token.type in ("link_open", "link_close") else 0
        if token.type != "text" or depth or "://" not in token.content:
            yield token
            continue
        end = 0
        for match in _ADDRESS.finditer(token.content):
            address = _without_end_of_sentence(match[0])
            if state.md.validateLink(href := state.md.normalizeLink(address)):
                yield Token("text", "", 0, content=token.content[end : match.start()])
                yield Token("link_open", "a", 1, attrs={"href": href})
                yield Token("text", "", 0, content=address)
                yield Token("link_close", "a", -1)
                end = match.start() + len(address)
        yield Token("text", "", 0, content=token.content[end:])


def _without_end_of_sentence(address: str) -> str:
    """`https://example.org/a_(b)).` is `https://example.org/a_(b)`."""
    while address[-1] in _ENDS or (address[-1] == ")" and address.count(")") > address.count("(")):
        address = address[:-1]
    return address


_parser = MarkdownIt("commonmark", {"html": False, "breaks": True})
_parser.enable(["table", "strikethrough"])
_parser.core.ruler.push("addresses", _link_addresses)
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
