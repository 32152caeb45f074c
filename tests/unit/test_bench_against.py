"""Test the comparison of two trees: arguments, pairs, ratios, spreads, verdicts, the table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench.arguments import Arguments, parse_arguments
from bench.comparison import (
    DEFAULT_ROUNDS,
    NO_RATIO,
    OUTSIDE,
    WITHIN,
    Comparison,
    Label,
    Result,
    Round,
    Row,
    Spread,
    compare,
    divide,
    format_table,
    pair_labels,
    spread,
    spread_of_same,
    to_json,
)

PARTS = ("fanout", "door", "start")


def result(**values: float) -> Result:
    """What a part writes, its figures in µs."""
    figures = [{"what": what, "unit": "µs", "value": value} for what, value in values.items()]
    return {"ratios": figures[:1], "figures": figures[1:]}


def rounds(*values: tuple[float, float, float]) -> list[Round]:
    """Rounds of one figure: current, other, and current again."""
    return [Round(*(result(cpu=value) for value in each)) for each in values]


def only_row(*values: tuple[float, float, float]) -> tuple[float | None, str]:
    (row,) = compare("door", rounds(*values)).rows
    return (row.ratio.value if row.ratio else None, row.verdict)


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        parse_arguments(words, PARTS)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_no_argument_means_all_parts_of_this_tree() -> None:
    assert parse_arguments([], PARTS) == Arguments(PARTS, None, DEFAULT_ROUNDS, None)


@pytest.mark.parametrize(
    "words", ["--against abc door start", "door --against abc start", "door start --against=abc"]
)
def test_a_commit_and_parts_come_in_any_order(words: str) -> None:
    assert parse_arguments(words.split(), PARTS) == Arguments(("door", "start"), "abc", 5, None)


def test_a_part_named_twice_runs_once() -> None:
    words = ["--against", "abc", "--rounds", "2", "door", "door"]

    assert parse_arguments(words, PARTS) == Arguments(("door",), "abc", 2, None)


def test_results_can_be_written_to_another_file() -> None:
    assert parse_arguments(["--into", "there", "door"], PARTS).into == Path("there")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--against abc fan", "there is no part 'fan'; choose from fanout, door, start"),
        ("--against abc", "name the parts to compare"),
        ("--against", "expected one argument"),
        ("--rounds 3 door", "--rounds goes with --against COMMIT"),
        ("--against abc --rounds 0 door", "'0' is not a number from 1 to 50"),
        ("--against abc --rounds many door", "'many' is not a number from 1 to 50"),
        ("--against abc --into there door", "--into does not go with --against"),
    ],
)
def test_an_invalid_argument_is_named(
    capsys: pytest.CaptureFixture[str], words: str, said: str
) -> None:
    assert said in refusal(capsys, *words.split())


@pytest.mark.parametrize(
    ("value", "by", "ratio"),
    [(3, 2, 1.5), (0, 0, 1.0), (-2, -2, 1.0), (3, 0, None), (0, 3, None), (-1, 2, None)],
)
def test_a_ratio_needs_two_positive_figures_or_two_equal_ones(
    value: float, by: float, ratio: float | None
) -> None:
    assert divide(value, by) == ratio


def test_a_spread_is_the_median_with_the_lowest_and_highest_round() -> None:
    assert spread([1.2, 0.9, 1.0]) == Spread(1.0, 0.9, 1.2)
    assert spread([1.2, None, 1.0]) is None


def test_the_spread_of_equal_figures_is_symmetric() -> None:
    assert spread_of_same([1.25, 1.0]) == Spread(1.125, 0.8, 1.25)
    assert spread_of_same([0.5, 1.0]) == Spread(0.75, 0.5, 2.0)
    assert spread_of_same([None]) is None


def test_a_ratio_explained_by_chance_is_within() -> None:
    assert only_row((100, 100, 110), (100, 96, 92), (104, 90, 100)) == (1.05, WITHIN)


def test_a_ratio_not_explained_by_chance_is_outside() -> None:
    assert only_row((50, 100, 51), (52, 100, 50), (51, 100, 51)) == (0.51, OUTSIDE)
    assert only_row((100, 50, 102)) == (2.02, OUTSIDE)


def test_a_ratio_at_the_limit_of_the_spread_is_within() -> None:
    assert only_row((100, 72, 80)) == (1.25, WITHIN)


def test_an_unchanged_count_is_within_and_one_more_is_outside() -> None:
    assert only_row((6, 6, 6), (6, 6, 6)) == (1.0, WITHIN)
    assert only_row((7, 6, 7), (7, 6, 7))[1] == OUTSIDE


def test_a_count_that_was_zero_has_no_ratio() -> None:
    assert only_row((0, 0, 0)) == (1.0, WITHIN)
    assert only_row((3, 0, 3)) == (None, NO_RATIO)


def test_a_machine_that_becomes_slower_changes_no_ratio() -> None:
    assert only_row((100, 110, 120), (120, 130, 140)) == (1.0, WITHIN)


def test_each_round_gives_its_own_ratio() -> None:
    (row,) = compare("door", rounds((10, 5, 10), (30, 10, 30), (40, 40, 40))).rows

    assert (row.current, row.other) == (30, 10)
    assert row.ratio == Spread(2.0, 1.0, 3.0)


def test_figures_are_paired_by_name_in_any_order() -> None:
    a, b, c = Label("a", "µs"), Label("b", "µs"), Label("c", "µs")

    assert pair_labels([a, b], [b, c, a]) == {a: a, b: b}


def test_a_renamed_figure_is_paired_by_its_position() -> None:
    document, old, new = Label("kept", "×"), Label("old", "µs"), Label("new", "µs")

    assert pair_labels([document, new], [document, old]) == {document: document, new: old}
    assert pair_labels([document, new], [document, old, Label("more", "µs")]) == {
        document: document
    }
    assert pair_labels([document, new], [document, Label("old", "ms")]) == {document: document}


def test_a_figure_missing_in_one_tree_is_named() -> None:
    found = compare("door", [Round(result(a=1, b=1), result(a=1, c=1, d=1), result(a=1, b=1))])

    assert [row.what for row in found.rows] == ["a"]
    assert (found.only_current, found.only_other) == (["b"], ["c", "d"])
    assert "  only in this tree: b\n  only in abc: c\n  only in abc: d\n" in format_table(
        found, "abc"
    )


def test_a_figure_missing_in_a_round_is_left_out() -> None:
    whole, half = result(a=1, b=1), result(a=1)

    found = compare("door", [Round(whole, whole, whole), Round(whole, whole, half)])

    assert [row.what for row in found.rows] == ["a"]


def test_a_part_that_cannot_be_measured_says_why() -> None:
    why = {"not_measured": "no C compiler"}

    found = compare("fanout", [Round(result(a=1), why, result(a=1))])

    assert format_table(found, "abc").endswith("not measured: no C compiler")


def test_the_table_shows_values_ratios_spreads_and_verdicts() -> None:
    row = Row("CPU", "µs", 1234, 2468, Spread(0.5, 0.4, 0.6), Spread(1.01, 0.9, 1.1))

    assert format_table(Comparison("door", 5, [row]), "abc").splitlines() == [
        "",
        "door: this tree and abc, 5 rounds",
        "         current        abc   ratio   low–high      A/A   low–high",
        "  CPU   1,234 µs   2,468 µs   0.5 ×    0.4–0.6   1.01 ×    0.9–1.1   outside",
    ]


def test_a_verdict_from_few_rounds_is_qualified() -> None:
    one = (1.0, 1.0, 1.0)

    assert "fewer than 5 rounds" in format_table(compare("door", rounds(one, one, one, one)), "abc")
    assert "fewer" not in format_table(compare("door", rounds(one, one, one, one, one)), "abc")


def test_a_busy_machine_is_reported() -> None:
    def shares(*shares: float) -> list[Round]:
        runs = [{**result(a=1), "share_of_machine_used_by_others": share} for share in shares]
        return [Round(*runs)]

    assert "run it again" not in format_table(compare("door", shares(0.0, 0.05, 0.1)), "abc")
    busy = format_table(compare("door", shares(0.0, 0.34, 0.1)), "abc")
    assert "other processes used up to 34% of the machine in a run: not quiet" in busy


def test_a_comparison_is_stored_as_json() -> None:
    found = compare("door", rounds((1, 3, 1), (1, 3, 1)))

    document = json.loads(json.dumps(to_json(found)))

    (row,) = document.pop("rows")
    assert document == {"part": "door", "rounds": 2, "only_current": [], "only_other": []}
    assert row["ratio"] == {"value": 0.3333, "low": 0.3333, "high": 0.3333}
    assert row["verdict"] == OUTSIDE
