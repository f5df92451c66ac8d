"""Lines of TOML: where a field stands that a message names as ``charges[3].windows[0].to_h``."""

from __future__ import annotations

import re
from collections.abc import Iterator

_PATH = re.compile(r"[A-Za-z_][\w-]*(?:\[\d+\])?(?:\.[A-Za-z_][\w-]*(?:\[\d+\])?)*")
_STEP = re.compile(r"([A-Za-z_][\w-]*)(?:\[(\d+)\])?")
_TOKEN = re.compile(r'"""|\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{},=\n]|[A-Za-z_][\w-]*')


def line_of(text: str, message: str) -> int | None:
    """Give the line of the field, or of the table around it, that a message names; none: it names none of the file."""
    keys = list(_keys(text))
    best: tuple[int, int] | None = None
    for found in _PATH.finditer(message):
        for skipped in range(found[0].count(".") + 1):
            wanted = [(m[1], int(m[2] or -1)) for m in _STEP.finditer(found[0].split(".", skipped)[-1])]
            depth, line = _deepest(wanted, keys)
            if depth and (best is None or depth > best[0]):
                best = depth, line
    return None if best is None else best[1]


def _deepest(wanted: list[tuple[str, int]], keys: list[tuple[tuple[tuple[str, int], ...], int]]) -> tuple[int, int]:
    """How many steps of a path the file has, and the line of the last; an entry of a list stands where it begins."""
    for depth in range(len(wanted), 0, -1):
        for path, line in keys:
            if len(path) == depth and all(
                a == b and (i == j or j < 0) for (a, i), (b, j) in zip(path, wanted, strict=False)
            ):
                return depth, line
    return 0, 0


def _keys(text: str) -> Iterator[tuple[tuple[tuple[str, int], ...], int]]:
    """Every key and every entry of a list of tables with its path and line, as far as brackets tell."""
    line, at_start, header = 1, True, False
    base: list[tuple[str, int]] = []
    counts: dict[str, int] = {}
    stack: list[list[tuple[str, int]]] = []  # paths of open lists and tables
    places: list[int] = []  # entries so far of each open list; -1 for a table
    key: tuple[str, int] | None = None
    tokens = list(_TOKEN.finditer(text))
    for k, token in enumerate(tokens):
        word, line = token[0], text.count("\n", 0, token.start()) + 1
        follows = tokens[k + 1][0] if k + 1 < len(tokens) else ""
        if not stack and at_start and word == "[":
            header = True
        if header:
            if word == "\n":
                header, at_start = False, True
            elif re.match(r"[A-Za-z_]", word):
                is_list = text[: token.start()].rstrip().endswith("[[")
                counts[word] = counts.get(word, -1) + 1
                base = [(word, counts[word] if is_list else -1)]
                yield tuple(base), line
            continue
        if word == "\n":
            at_start = True
            continue
        at_start = False
        here = stack[-1] if stack else base
        if follows == "=" and re.match(r"[A-Za-z_]", word):
            key = (word, -1)
            yield (*here, key), line
        elif word == "[" and key is not None:
            stack.append([*here, key])
            places.append(0)
            key = None
        elif word == "{":
            if stack and places[-1] >= 0:
                *before, (name, _) = stack[-1]
                path = [*before, (name, places[-1])]
                places[-1] += 1
                yield tuple(path), line
            else:
                path = [*here, *([key] if key is not None else [])]
            stack.append(path)
            places.append(-1)
            key = None
        elif word in "]}" and stack:
            stack.pop()
            places.pop()
        elif word == ",":
            key = None
