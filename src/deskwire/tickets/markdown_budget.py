"""Bound the work of the Markdown parser: some texts cost it a thousand times what others do.

The parser tries rules at every position, and scans the same brackets again for each one that is
open. `limit_parser` makes it count its steps in the `Budget` of a text, and give up early.
"""

from __future__ import annotations

import time
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.parser_block import ParserBlock
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType

MAX_COST = 150_000  # units of about 1 µs, 0.15 s at most; ten pages of a log take 115,000
STEP_COST = 10  # units of a position where every rule is tried
TOKEN_COST = 15  # units of an element of a block: a cell of a table, an item of a list
RESCAN_COST = 1  # unit of a position whose end is remembered
YIELD_COST = 2_000  # units, about 1 ms, between two offers of the GIL to other threads


class BudgetExceeded(Exception):
    """The text costs too much to be rendered as Markdown."""


class Budget:
    """What is left of the work for one text."""

    __slots__ = ("_left", "_yield_at")

    def __init__(self, cost: int = MAX_COST) -> None:
        self._left = cost
        self._yield_at = cost - YIELD_COST

    def spend(self, cost: int) -> None:
        """Count work. Raises BudgetExceeded when nothing is left."""
        self._left -= cost
        if self._left < self._yield_at:
            self._yield_at = self._left - YIELD_COST
            time.sleep(0)  # other threads would otherwise get the GIL every 5 ms only
        if self._left < 0:
            raise BudgetExceeded


class _CountedBlockState(StateBlock):
    def push(self, ttype: str, tag: str, nesting: Any) -> Token:  # noqa: ANN401 - -1, 0 or 1
        self.env["budget"].spend(TOKEN_COST)
        return super().push(ttype, tag, nesting)


class _CountedBlockParser(ParserBlock):
    def parse(
        self,
        src: str,
        md: MarkdownIt,
        env: EnvType,
        outTokens: list[Token],  # noqa: N803 - its name in the class it overrides
    ) -> list[Token] | None:
        if not src:
            return None
        state = _CountedBlockState(src, md, env, outTokens)
        self.tokenize(state, state.line, state.lineMax)
        return state.tokens


class _CountedInlineParser(ParserInline):
    def skipToken(self, state: StateInline) -> None:  # noqa: N802 - overrides
        state.env["budget"].spend(RESCAN_COST)
        super().skipToken(state)


def limit_parser(parser: MarkdownIt) -> None:
    """Make `parser` count its steps in `env["budget"]`, which every text it parses must bring."""
    block, inline = _CountedBlockParser(), _CountedInlineParser()
    # The rulers keep which rules are enabled, and the rules that were added.
    block.ruler, inline.ruler, inline.ruler2 = (
        parser.block.ruler,
        parser.inline.ruler,
        parser.inline.ruler2,
    )
    block.ruler.before("table", "count", _count_line)
    inline.ruler.before("text", "count", _count_position)
    parser.block, parser.inline = block, inline


def _count_line(state: StateBlock, _start: int, _end: int, _silent: bool) -> bool:
    state.env["budget"].spend(STEP_COST)
    return False


def _count_position(state: StateInline, _silent: bool) -> bool:
    state.env["budget"].spend(STEP_COST)
    return False
