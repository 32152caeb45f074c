"""Render untrusted Markdown to HTML that is safe to insert into a page.

Raw HTML is off in the parser, and the result is sanitised nevertheless. URLs become links. So do
images, because loading one would tell a third party that the ticket was opened. Only mentions are
rendered as `<mark>`.
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

_ALLOWED_TAGS = {
    "p", "br", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "hr",
    "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "mark",
}  # fmt: skip
_ALLOWED_ATTRIBUTES = {"a": {"href", "title"}}
_ALLOWED_SCHEMES = {"https", "http", "mailto"}
_URL = re.compile(r"(?<!\w)https?://\w[^\s<>\"]{0,2000}", re.IGNORECASE)
_TRAILING_PUNCTUATION = frozenset(".,;:!?'*_~]}…”’»")  # ends a sentence rather than a URL


def _render_text_with_mentions(
    _self: RendererHTML, tokens: list[Token], index: int, _options: OptionsDict, env: EnvType
) -> str:
    text = escape(tokens[index].content)
    pattern = _compile_mention_pattern([escape(name) for name in env.get("mentioned", ())])
    return pattern.sub(r"<mark>@\1</mark>", text) if pattern else text


def _render_image_as_link(
    _self: RendererHTML, tokens: list[Token], index: int, _options: OptionsDict, _env: object
) -> str:
    token = tokens[index]
    source = escape(str(token.attrs.get("src", "")), quote=True)
    return f'<a href="{source}">{escape(token.content) or source}</a>'


def _autolink_urls(state: StateCore) -> None:
    """Make a link of every bare URL in the text, except inside links."""
    for block in state.tokens:
        if block.type == "inline" and block.children:
            block.children = list(_autolink_tokens(state, block.children))


def _autolink_tokens(state: StateCore, tokens: list[Token]) -> Iterator[Token]:
    depth = 0
    for token in tokens:
        depth += token.nesting if token.type in ("link_open", "link_close") else 0
        if token.type != "text" or depth or "://" not in token.content:
            yield token
            continue
        end = 0
        for match in _URL.finditer(token.content):
            url = _strip_trailing_punctuation(match[0])
            if state.md.validateLink(href := state.md.normalizeLink(url)):
                yield Token("text", "", 0, content=token.content[end : match.start()])
                yield Token("link_open", "a", 1, attrs={"href": href})
                yield Token("text", "", 0, content=url)
                yield Token("link_close", "a", -1)
                end = match.start() + len(url)
        yield Token("text", "", 0, content=token.content[end:])


def _strip_trailing_punctuation(url: str) -> str:
    """Turn `https://example.org/a_(b)).` into `https://example.org/a_(b)`."""
    while url[-1] in _TRAILING_PUNCTUATION or (url[-1] == ")" and url.count(")") > url.count("(")):
        url = url[:-1]
    return url


_parser = MarkdownIt("commonmark", {"html": False, "breaks": True})
_parser.enable(["table", "strikethrough"])
_parser.core.ruler.push("addresses", _autolink_urls)
_parser.add_render_rule("image", _render_image_as_link)
_parser.add_render_rule("text", _render_text_with_mentions)

_cleaner = nh3.Cleaner(
    tags=_ALLOWED_TAGS,
    attributes=_ALLOWED_ATTRIBUTES,
    url_schemes=_ALLOWED_SCHEMES,
    link_rel="noopener noreferrer nofollow",
)


def render_markdown(text: str, mentioned_names: Collection[str] = ()) -> str:
    """Render `text` as sanitised HTML; `@` before one of `mentioned_names` becomes a mention."""
    return _cleaner.clean(_parser.render(text, {"mentioned": mentioned_names})).strip()


def find_mentions(text: str, names: Collection[str]) -> set[str]:
    """Return those of `names` that `text` mentions."""
    pattern = _compile_mention_pattern(names)
    return {match[1] for match in pattern.finditer(text)} if pattern else set()


def _compile_mention_pattern(names: Collection[str]) -> re.Pattern[str] | None:
    if not names:
        return None
    # The longest name first: `@Ada Lovelace` does not mention `@Ada`.
    any_of = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?<!\w)@({any_of})(?!\w)")
