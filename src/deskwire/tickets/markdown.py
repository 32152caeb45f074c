"""Render untrusted Markdown to HTML that is safe to insert into a page.

Raw HTML is off in the parser, and the result is sanitized nevertheless. URLs become links. So do
images, because loading one would tell a third party that the ticket was opened. Only mentions are
rendered as `<mark>`.

Rendering is bounded: a text that would cost too much, nest too deep or grow too long is shown as it
was written. Who is mentioned is known only in the transaction that stores the text, and rendering
is too slow for one. So the HTML is rendered before it, with a mark at each place that may mention
someone, and `mark_mentions` replaces the marks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from deskwire.tickets.markdown_budget import Budget, BudgetExceeded, limit_parser

MAX_MARKDOWN_LENGTH = 20_000  # characters; what people may write. Longer texts come from SQL edits
MAX_PLAIN_LENGTH = 100_000  # characters shown of a text; only a direct edit stores more
MAX_HTML_LENGTH = 200_000  # characters; every page and stream of a request repeats them
MAX_NESTING = 40  # elements within each other; browsers slow down at a few hundred
MAX_MENTIONS = 100  # places in one text that may mention someone

_ALLOWED_TAGS = {
    "p", "br", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "hr",
    "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "mark",
}  # fmt: skip
_ALLOWED_ATTRIBUTES = {"a": {"href", "title"}}
_ALLOWED_SCHEMES = {"https", "http", "mailto"}
_URL = re.compile(r"(?<!\w)https?://\w[^\s<>\"]{0,2000}", re.IGNORECASE)
# A noncharacter, which `render_markdown` removes from the text and no entity stands for.
MENTION_MARK = "\ufdd0"
_MENTION_SIGN = re.compile(r"(?<!\w)@(?=\S)")
_TRAILING_PUNCTUATION = frozenset(".,;:!?'*_~]}…”’»")  # ends a sentence rather than a URL


def _render_text_with_marks(
    _self: RendererHTML, tokens: list[Token], index: int, _options: OptionsDict, env: EnvType
) -> str:
    text = escape(tokens[index].content)
    if "@" not in text:
        return text
    marked, count = _MENTION_SIGN.subn(MENTION_MARK + "@", text, count=env["marks_left"])
    env["marks_left"] -= count
    return marked if count else text


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
_parser.add_render_rule("text", _render_text_with_marks)
limit_parser(_parser)

_cleaner = nh3.Cleaner(
    tags=_ALLOWED_TAGS,
    attributes=_ALLOWED_ATTRIBUTES,
    url_schemes=_ALLOWED_SCHEMES,
    link_rel="noopener noreferrer nofollow",
)


def render_markdown(text: str) -> str:
    """Render `text` as sanitized HTML, with MENTION_MARK before each sign that may mention someone.

    `mark_mentions` removes the marks.
    """
    text = text.replace(MENTION_MARK, "")
    html = _render_formatted(text) if len(text) <= MAX_MARKDOWN_LENGTH else None
    return _render_plain(text) if html is None else html


def _render_formatted(text: str) -> str | None:
    """Render Markdown; None if a limit is exceeded."""
    env: dict[str, object] = {"budget": Budget(), "marks_left": MAX_MENTIONS}
    try:
        tokens = _parser.parse(text, env)
    except BudgetExceeded:
        return None
    if _measure_nesting(tokens) > MAX_NESTING:
        return None
    html = _cleaner.clean(_parser.renderer.render(tokens, _parser.options, env)).strip()
    return html if len(html) <= MAX_HTML_LENGTH else None


def _measure_nesting(tokens: Sequence[Token]) -> int:
    depth = deepest = 0
    for token in tokens:
        depth += token.nesting
        deepest = max(deepest, depth + _measure_nesting(token.children or ()))
    return deepest


def _render_plain(text: str) -> str:
    """Show a text as it was written: one paragraph, with its line breaks."""
    shown = text if len(text) <= MAX_PLAIN_LENGTH else text[:MAX_PLAIN_LENGTH] + "…"
    return f"<p>{_escape_as_cleaned(shown).replace(chr(10), '<br>')}</p>"


def mark_mentions(html: str, names: Collection[str]) -> str:
    """Make each `@` of rendered HTML with one of `names` after it a mention; remove other marks."""
    first, *pieces = html.split(MENTION_MARK)
    # The longest name first: `@Ada Lovelace` does not mention `@Ada`.
    escaped = sorted(map(_escape_as_cleaned, names), key=len, reverse=True)
    return first + "".join(_mark_beginning(piece, escaped) for piece in pieces)


def _mark_beginning(piece: str, names: Sequence[str]) -> str:
    for name in names:
        end = 1 + len(name)
        if piece.startswith(name, 1) and not _is_word_character(piece[end : end + 1]):
            return f"<mark>{piece[:end]}</mark>{piece[end:]}"
    return piece


def list_mention_candidates(text: str, max_name_length: int) -> tuple[tuple[str, ...], ...]:
    """Return what `text` may mention: for each `@`, the names that may follow it, longest first.

    Looks at the first MAX_MENTIONS different places only.
    """
    candidates: dict[str, None] = {}
    for match in _MENTION_SIGN.finditer(text):
        candidates[text[match.end() : match.end() + max_name_length + 1]] = None
        if len(candidates) == MAX_MENTIONS:
            break
    return tuple(_list_possible_names(each, max_name_length) for each in candidates)


def _list_possible_names(following: str, max_name_length: int) -> tuple[str, ...]:
    longest = min(len(following), max_name_length)
    ends = [
        end
        for end in range(longest, 0, -1)
        if not _is_word_character(following[end : end + 1])  # or the name would go on
    ]
    return tuple(following[:end] for end in ends)


def _is_word_character(character: str) -> bool:
    return character.isalnum() or character == "_"


def _escape_as_cleaned(text: str) -> str:
    """Escape text exactly as the sanitizer writes it."""
    return escape(text, quote=False).replace("\xa0", "&nbsp;")
