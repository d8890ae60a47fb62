"""Barriers: a function that stops in the middle and goes on later.

The simdgroups of a threadgroup take turns. One that comes to a barrier puts what it still needs into its frame and
returns the barrier's number; called again with that number it goes on behind. No stack has to be kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .layout import Layout

__all__ = ["DONE", "Suspension", "suspend"]

DONE = -1  # what a function returns that has come to its end

_LABEL = re.compile(r'^"([^"]+)":$')
_TARGET = re.compile(r'label %"([^"]+)"')
_LOAD = re.compile(r"^  %[\w.]+ = load [^\n]*, ptr (%[\w.]+)$")
_STORE = re.compile(r"^  store [^\n]*, ptr (%[\w.]+)$")
_MARK = re.compile(r"^  ; suspend (\d+)$")
_NAME = re.compile(r"%[\w.]+")


@dataclass
class _Part:
    name: str
    lines: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    set_: set[str] = field(default_factory=set)
    live: set[str] = field(default_factory=set)
    targets: list[str] = field(default_factory=list)


@dataclass
class Suspension:
    """The result: the function's lines, and how large its frame is."""

    lines: list[str]
    frame_bytes: int


def suspend(
    lines: list[str], variables: dict[str, str], empty: list[set[str]], layout: Layout, start: int
) -> Suspension:
    """Replace the marks of barriers.

    Parameters
    ----------
    lines : list of str
        The function's body without its entry, beginning with a label.
    variables : dict of str to str
        Names and types of local variables.
    empty : list of set of str
        For each barrier, variables that are known to be zero.
    layout : Layout
    start : int
        Bytes at the frame's beginning that are in use already.
    """
    parts = _parts(lines)
    _find_live(parts, set(variables))
    marks = {part.name: int(mark[1]) for part in parts if part.lines and (mark := _MARK.match(part.lines[0]))}
    kept = sorted({v for part in parts if part.name in marks for v in part.live - empty[marks[part.name] - 1]})
    changed = _find_changed(parts, set(marks))
    places, end = {}, start
    for name in kept:
        end = -(-end // 64) * 64 if layout.size(variables[name]) >= 64 else -(-end // 8) * 8
        places[name] = end
        end += layout.size(variables[name])
    out: list[str] = []
    for part in parts:
        out.append(f'"{part.name}":')
        if part.name in marks:
            number = marks[part.name]
            zero = sorted(part.live & empty[number - 1])
            kept_now = sorted(part.live - set(zero))
            out += _suspended(number, kept_now, changed[part.name], zero, variables, places)
            out += part.lines[1:]
        else:
            out += part.lines
    return Suspension(out, -(-end // 64) * 64)


def _suspended(
    number: int,
    saved: list[str],
    changed: set[str],
    zero: list[str],
    variables: dict[str, str],
    places: dict[str, int],
) -> list[str]:
    save = []
    restore = [f"  store {variables[name]} zeroinitializer, ptr {name}" for name in zero]
    for i, name in enumerate(saved):
        type_, tag = variables[name], f"{number}.{i}"
        at = places[name]
        align = 64 if at % 64 == 0 else 8
        save += (
            []
            if name not in changed
            else [
                f"  %save.{tag} = load {type_}, ptr {name}",
                f"  %place.{tag} = getelementptr i8, ptr %frame, i64 {at}",
                f"  store {type_} %save.{tag}, ptr %place.{tag}, align {align}",
            ]
        )
        restore += [
            f"  %back.{tag} = getelementptr i8, ptr %frame, i64 {at}",
            f"  %saved.{tag} = load {type_}, ptr %back.{tag}, align {align}",
            f"  store {type_} %saved.{tag}, ptr {name}",
        ]
    go_on = [f'  br label %"after.{number}"', f'"after.{number}":']
    return [*save, f"  ret i32 {number}", f'"resume.{number}":', *restore, *go_on]


def _parts(lines: list[str]) -> list[_Part]:
    parts: list[_Part] = []
    for line in lines:
        label = _LABEL.match(line)
        if label:
            parts.append(_Part(label[1]))
        else:
            parts[-1].lines.append(line)
    return parts


def _find_live(parts: list[_Part], variables: set[str]) -> None:
    """Which variables are read later than the start of each part."""
    for part in parts:
        for line in part.lines:
            load, store = _LOAD.match(line), _STORE.match(line)
            if load and load[1] in variables:
                if load[1] not in part.set_:
                    part.used.add(load[1])
            elif store and store[1] in variables:
                part.set_.add(store[1])
            else:
                part.used |= {n for n in _NAME.findall(line) if n in variables and n not in part.set_}
            part.targets += _TARGET.findall(line)
    by_name = {part.name: part for part in parts}
    changed = True
    while changed:
        changed = False
        for part in reversed(parts):
            after = {v for t in part.targets if t in by_name for v in by_name[t].live}
            live = part.used | (after - part.set_)
            if live != part.live:
                part.live = live
                changed = True


def _find_changed(parts: list[_Part], marked: set[str]) -> dict[str, set[str]]:
    """Which variables may differ from what the frame holds at the start of each part."""
    found: dict[str, set[str]] = {part.name: set() for part in parts}
    changed = True
    while changed:
        changed = False
        for part in parts:
            out = part.set_ | (set() if part.name in marked else found[part.name])
            for target in part.targets:
                if target in found and not out <= found[target]:
                    found[target] |= out
                    changed = True
    return found
