"""Barriers: a function becomes one for each way from a barrier to the next.

The simdgroups of a threadgroup take turns. One that comes to a barrier puts what it still needs into its frame and
returns the barrier's number; the function of that number goes on behind. No stack has to be kept, and all simdgroups
run through one region in a plain loop.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .layout import Layout

__all__ = ["DONE", "Regions", "split_at_barriers"]

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
class Regions:
    """The lines of each region, from the start and from each barrier, and how large the frame is."""

    lines: list[list[str]]
    frame_bytes: int


def split_at_barriers(
    lines: list[str], variables: dict[str, str], empty: list[set[str]], layout: Layout, start: int
) -> Regions:
    """The regions of a function whose barriers are marked.

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
    kept = [part.live - empty[marks[part.name] - 1] for part in parts if part.name in marks]
    places, end = _places(kept, {name: layout.size(variables[name]) for names in kept for name in names}, start)
    starts = [parts[0].name, *(name for name, _ in sorted(marks.items(), key=lambda item: item[1]))]
    regions = [_region(name, parts, marks, empty, variables, places) for name in starts]
    return Regions(regions, -(-end // 64) * 64)


def _places(kept: list[set[str]], sizes: dict[str, int], start: int) -> tuple[dict[str, int], int]:
    """Where in the frame each variable is kept, and the frame's end.

    Two variables share a place if no barrier keeps both: then one that is kept later has been set anew in between.
    """
    names = sorted(sizes)
    bit = {name: 1 << i for i, name in enumerate(names)}
    together = dict.fromkeys(names, 0)
    for some in kept:
        bits = sum(bit[name] for name in some)
        for name in some:
            together[name] |= bits
    places: dict[str, int] = {}
    slots: dict[int, list[list[int]]] = {}  # by size: places, with the bits of those that are there
    end = start
    for name in names:
        size = sizes[name]
        slot = next((slot for slot in slots.get(size, ()) if not slot[1] & together[name]), None)
        if slot is None:
            end = -(-end // 64) * 64 if size >= 64 else -(-end // 8) * 8
            slot = [end, 0]
            slots.setdefault(size, []).append(slot)
            end += size
        slot[1] |= bit[name]
        places[name] = slot[0]
    return places, end


def _region(
    start: str,
    parts: list[_Part],
    marks: dict[str, int],
    empty: list[set[str]],
    variables: dict[str, str],
    places: dict[str, int],
) -> list[str]:
    """What runs from a barrier, or the start, up to the next ones."""
    by_name = {part.name: part for part in parts}
    reached, waiting = {start}, [start]
    while waiting:
        new = {t for t in by_name[waiting.pop()].targets if t in by_name} - reached
        reached |= new
        waiting += sorted(new - set(marks))
    inside = [part for part in parts if part.name in reached]
    zero = by_name[start].live & empty[marks[start] - 1] if start in marks else set()
    changed = _find_changed(inside, set(marks), by_name[start], zero)
    out = ['  br label %"go.on"', '"go.on":']
    if start in marks:
        number, first = marks[start], by_name[start]
        out += [f"  store {variables[name]} zeroinitializer, ptr {name}" for name in sorted(zero)]
        for i, name in enumerate(sorted(first.live - empty[number - 1])):
            out += _restored(f"{number}.{i}", name, variables[name], places[name])
    else:
        first = by_name[start]
    out += first.lines[1 if start in marks else 0 :]
    entered = {t for part in inside if part.name == start or part.name not in marks for t in part.targets}
    for part in inside:
        if part.name in marks and part.name in entered:
            out.append(f'"{part.name}":')
            number = marks[part.name]
            for i, name in enumerate(sorted((part.live - empty[number - 1]) & changed[part.name])):
                out += _saved(f"{number}.{i}", name, variables[name], places[name])
            out.append(f"  ret i32 {number}")
        elif part.name != start and part.name not in marks:
            out += [f'"{part.name}":', *part.lines]
    return out


def _saved(tag: str, name: str, type_: str, at: int) -> list[str]:
    return [
        f"  %save.{tag} = load {type_}, ptr {name}",
        f"  %place.{tag} = getelementptr i8, ptr %frame, i64 {at}",
        f"  store {type_} %save.{tag}, ptr %place.{tag}, align {_alignment(at)}",
    ]


def _restored(tag: str, name: str, type_: str, at: int) -> list[str]:
    return [
        f"  %back.{tag} = getelementptr i8, ptr %frame, i64 {at}",
        f"  %saved.{tag} = load {type_}, ptr %back.{tag}, align {_alignment(at)}",
        f"  store {type_} %saved.{tag}, ptr {name}",
    ]


def _alignment(at: int) -> int:
    return 64 if at % 64 == 0 else 8


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


def _find_changed(parts: list[_Part], marked: set[str], start: _Part, zero: set[str]) -> dict[str, set[str]]:
    """Which variables may differ from what the frame holds at the start of each of a region's parts.

    The frame does not hold those that were `zero` at the region's start.
    """
    found: dict[str, set[str]] = {part.name: set() for part in parts}
    for target in start.targets:
        if target in found:
            found[target] |= start.set_ | zero
    changed = True
    while changed:
        changed = False
        for part in parts:
            for target in () if part.name in marked else part.targets:
                out = found[part.name] | part.set_
                if target in found and not out <= found[target]:
                    found[target] |= out
                    changed = True
    return found
