"""Large letters, three lines high, of half blocks: they can be read across a room."""

from __future__ import annotations

from typing import Final

__all__ = ["big"]

_ROWS: Final = {
    "A": "010 101 111 101 101",
    "B": "110 101 110 101 110",
    "C": "011 100 100 100 011",
    "D": "110 101 101 101 110",
    "E": "111 100 110 100 111",
    "F": "111 100 110 100 100",
    "G": "0110 1000 1011 1001 0110",
    "H": "101 101 111 101 101",
    "I": "1 1 1 1 1",
    "K": "101 101 110 101 101",
    "L": "100 100 100 100 111",
    "M": "10001 11011 10101 10001 10001",
    "N": "1001 1101 1011 1001 1001",
    "O": "0110 1001 1001 1001 0110",
    "P": "110 101 110 100 100",
    "R": "110 101 110 101 101",
    "S": "011 100 010 001 110",
    "T": "111 010 010 010 010",
    "U": "101 101 101 101 111",
    "V": "101 101 101 101 010",
    "W": "10001 10001 10101 11011 10001",
    "Y": "101 101 010 010 010",
}
_HALVES: Final = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}


def big(word: str, *, ascii_only: bool) -> tuple[str, str, str]:
    """Return three lines that show `word`; in ASCII, the word in a frame."""
    if ascii_only:
        rule = "+" + "-" * (len(word) + 4) + "+"
        return rule, f"|  {word}  |", rule
    lines = ["", "", ""]
    for letter in word:
        rows = [*_ROWS.get(letter, "0 0 0 0 0").split(), ""]
        rows[5] = "0" * len(rows[0])
        for index in range(3):
            upper, lower = rows[2 * index], rows[2 * index + 1]
            lines[index] += "".join(
                _HALVES[int(u), int(v)] for u, v in zip(upper, lower, strict=True)
            )
            lines[index] += " "
    return lines[0].rstrip(), lines[1].rstrip(), lines[2].rstrip()
