"""The loop over a threadgroup's simdgroups, around the functions of one simdgroup."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from .code import WIDE
from .suspend import DONE

__all__ = ["SIZE", "WIDTH", "Kind", "group_function"]

WIDTH = 32
SIZE = 64  # bytes from the start of mp_group to the threadgroup's size; see metalpy_kernel.h
_SHARED = "call align 16 ptr @mp_threadgroup_variable(i32 0)"
_TOGETHER = -1  # in place of the number of the simdgroup whose turn it is


@dataclass(frozen=True)
class Kind:
    """What runs in threadgroups of some shape.

    Attributes
    ----------
    name : str
        "rows", "half" or "any".
    whole : str
        The function for simdgroups with all lanes; where there are barriers, ``.k`` is its region behind barrier k.
    part : str
        The one for the last simdgroup, if that has fewer; '' where that cannot be.
    outcomes : list of set of int
        The barriers that each region leads to; empty without barriers.
    unrolled : bool
        Whether there is code without loops over simdgroups for the largest threadgroup: see `_unrolled`.
    """

    name: str
    whole: str
    part: str
    outcomes: Sequence[frozenset[int]]
    unrolled: bool = False

    @property
    def can_part(self) -> bool:
        """Whether simdgroups may come to different barriers."""
        return any(len(outcomes) > 1 for outcomes in self.outcomes)


def group_function(kinds: Sequence[Kind], frame: int, count: int, shared: bool) -> str:
    """``void mp.group(ptr group)``: all simdgroups of a threadgroup.

    Parameters
    ----------
    kinds : sequence of Kind
        The last one serves all threadgroups that the others do not.
    frame : int
        Bytes that a simdgroup keeps from one barrier to the next.
    count : int
        How many frames there are.
    shared : bool
        Whether there are threadgroup variables.
    """
    size = max(frame, 64)
    apart = [f"  %frames.{i} = alloca [{size} x i8], align 64" for i in range(count) if any(k.unrolled for k in kinds)]
    out = [
        "define hidden void @mp.group(ptr noalias readonly captures(none) %group) nounwind null_pointer_is_valid "
        f"{WIDE} {{",
        f"  %frames = alloca [{count * size} x i8], align 64",
        f"  %states = alloca [{count + 2} x i32], align 64",
        *apart,
        f"  %shared = {_SHARED if shared else 'getelementptr i8, ptr null, i64 0'}",
    ]
    for i, name in enumerate(("width", "height", "depth")):
        out += [
            f"  %{name}.at = getelementptr i8, ptr %group, i64 {SIZE + 4 * i}",
            f"  %{name} = load i32, ptr %{name}.at, align 4",
        ]
    out += [
        "  %layers = mul i32 %height, %depth",
        "  %volume = mul i32 %width, %layers",
        f"  %whole = and i32 %volume, {-WIDTH}",
        f"  %left = and i32 %volume, {WIDTH - 1}",
        "  %left.wide = zext i32 %left to i64",
        "  %ones = shl i64 1, %left.wide",
        "  %rest.wide = sub i64 %ones, 1",
        "  %rest = trunc i64 %rest.wide to i32",
        "  %flat = icmp eq i32 %layers, 1",
        f"  %odd = and i32 %width, {WIDTH - 1}",
        "  %even = icmp eq i32 %odd, 0",
        "  %rows = or i1 %flat, %even",
        f"  %half.wide = icmp eq i32 %width, {WIDTH // 2}",
        "  %odd.height = and i32 %height, 1",
        "  %even.height = icmp eq i32 %odd.height, 0",
        "  %half = and i1 %half.wide, %even.height",
        *_choice([kind.name for kind in kinds]),
    ]
    for kind in kinds:
        text = _turns(kind, size, count) if kind.outcomes else _once(kind)
        out += [line for line in text.replace("KIND", kind.name).split("\n") if line]
    return "\n".join([*out, '"end":', "  ret void", "}"])


def _choice(kinds: list[str]) -> list[str]:
    """Go to the loop for the threadgroup's shape."""
    out = []
    for kind, other in itertools.pairwise(kinds):
        last = other == kinds[-1]
        out.append(f'  br i1 %{kind}, label %"to.{kind}", label %"{"to" if last else "not"}.{other}"')
        if not last:
            out.append(f'"not.{other}":')
    return out or [f'  br label %"to.{kinds[0]}"']


def _once(kind: Kind) -> str:
    """Each simdgroup after the other."""
    text = f"""
"to.KIND":
  %none.KIND = icmp eq i32 %whole, 0
  br i1 %none.KIND, label %"tail.KIND", label %"loop.KIND"
"loop.KIND":
  %first.KIND = phi i32 [ 0, %"to.KIND" ], [ %next.KIND, %"loop.KIND" ]
  call void @{kind.whole}(ptr %group, ptr %frames, i32 %first.KIND, i32 -1, ptr %shared)
  %next.KIND = add nuw i32 %first.KIND, {WIDTH}
  %more.KIND = icmp ult i32 %next.KIND, %whole
  br i1 %more.KIND, label %"loop.KIND", label %"tail.KIND"
"""
    if not kind.part:
        return text + '"tail.KIND":\n  br label %"end"\n'
    return f"""{text}
"tail.KIND":
  %short.KIND = icmp eq i32 %left, 0
  br i1 %short.KIND, label %"end", label %"last.KIND"
"last.KIND":
  call void @{kind.part}(ptr %group, ptr %frames, i32 %whole, i32 %rest, ptr %shared)
  br label %"end"
"""


def _turns(kind: Kind, size: int, count: int) -> str:
    """All simdgroups through one region after the other; if they part at some barrier, each by its own number.

    Where one barrier follows another for certain, the way leads there without a look at what the simdgroups say.
    """
    text = _unrolled(kind, count) if kind.unrolled else '"to.KIND":\n'
    text += f"""
  %more.KIND = add i32 %volume, {WIDTH - 1}
  %count.KIND = udiv i32 %more.KIND, {WIDTH}
  %wholes.KIND = udiv i32 %whole, {WIDTH}
  %short.KIND = icmp ne i32 %left, 0
  %whose.KIND = getelementptr i32, ptr %states, i32 {count}
  %some.open.KIND = getelementptr i32, ptr %states, i32 {count + 1}
  store i32 {_TOGETHER}, ptr %whose.KIND, align 4
  br label %"region.0.KIND"
"""
    for k in range(len(kind.outcomes)):
        text += _region_loop(kind, size, k)
    return text + (_parted(kind) if kind.can_part else "")


def _unrolled(kind: Kind, count: int) -> str:
    """Threadgroups of the most threads: each region for one simdgroup after the other. Then what a simdgroup keeps from
    one barrier to the next need not go to memory.
    """
    text = f"""
"to.KIND":
  %full.KIND = icmp eq i32 %volume, {count * WIDTH}
  br i1 %full.KIND, label %"full.0.KIND", label %"turns.KIND"
"""
    for k, outcomes in enumerate(kind.outcomes):
        calls = [
            f"  %full.{k}.{i}.KIND = call i32 @{kind.whole}.{k}"
            f"(ptr %group, ptr %frames.{i}, i32 {i * WIDTH}, i32 -1, ptr %shared)"
            for i in range(count)
        ]
        (state,) = outcomes
        following = "end" if state == DONE else f"full.{state}.KIND"
        text += "\n".join([f'"full.{k}.KIND":', *calls, f'  br label %"{following}"\n'])
    return text + '"turns.KIND":\n'


def _region_loop(kind: Kind, size: int, k: int) -> str:
    """Region k of simdgroups: of all of them, or of one that has parted from the others."""
    many = len(kind.outcomes[k]) > 1
    low, high, short = (
        ("%low.K.KIND", "%high.K.KIND", "%last.K.KIND") if kind.can_part else ("0", "%wholes.KIND", "%short.KIND")
    )
    text = '"region.K.KIND":\n'
    if kind.can_part:
        text += _bounds(kind, k)
    text += f"""
  %some.K.KIND = icmp ult i32 {low}, {high}
  br i1 %some.K.KIND, label %"loop.K.KIND", label %"tail.K.KIND"
"loop.K.KIND":
  %i.K.KIND = phi i32 [ {low}, %"region.K.KIND" ], [ %i.next.K.KIND, %"loop.K.KIND" ]
"""
    if many:
        text += """
  %before.K.KIND = phi i32 [ 0, %"region.K.KIND" ], [ %now.K.KIND, %"loop.K.KIND" ]
  %agree.K.KIND = phi i1 [ true, %"region.K.KIND" ], [ %agreed.K.KIND, %"loop.K.KIND" ]
"""
    text += f"""
  %wide.K.KIND = zext nneg i32 %i.K.KIND to i64
  %far.K.KIND = mul nuw nsw i64 %wide.K.KIND, {size}
  %frame.K.KIND = getelementptr inbounds nuw i8, ptr %frames, i64 %far.K.KIND
  %first.K.KIND = mul nuw nsw i32 %i.K.KIND, {WIDTH}
  %now.K.KIND = call i32 @{kind.whole}.{k}(ptr %group, ptr %frame.K.KIND, i32 %first.K.KIND, i32 -1, ptr %shared)
"""
    if many:
        text += f"""
  %state.at.K.KIND = getelementptr inbounds nuw i32, ptr %states, i64 %wide.K.KIND
  store i32 %now.K.KIND, ptr %state.at.K.KIND, align 4
  %is.first.K.KIND = icmp eq i32 %i.K.KIND, {low}
  %equal.K.KIND = icmp eq i32 %now.K.KIND, %before.K.KIND
  %fits.K.KIND = or i1 %is.first.K.KIND, %equal.K.KIND
  %agreed.K.KIND = and i1 %agree.K.KIND, %fits.K.KIND
"""
    text += f"""
  %i.next.K.KIND = add nuw i32 %i.K.KIND, 1
  %again.K.KIND = icmp ult i32 %i.next.K.KIND, {high}
  br i1 %again.K.KIND, label %"loop.K.KIND", label %"tail.K.KIND"
"tail.K.KIND":
"""
    if many:
        text += """
  %came.K.KIND = phi i32 [ 0, %"region.K.KIND" ], [ %now.K.KIND, %"loop.K.KIND" ]
  %alike.K.KIND = phi i1 [ true, %"region.K.KIND" ], [ %agreed.K.KIND, %"loop.K.KIND" ]
"""
    if kind.part:
        text += _last_simdgroup(kind, size, k, short)
    text += '  br label %"done.K.KIND"\n"done.K.KIND":\n' + _next(kind, k)
    return text.replace(".K.", f".{k}.")


def _last_simdgroup(kind: Kind, size: int, k: int, short: str) -> str:
    """Region k of the simdgroup that is not full, where there is one, behind the loop over the full ones."""
    text = f"""
  br i1 {short}, label %"part.K.KIND", label %"done.K.KIND"
"part.K.KIND":
  %far.last.K.KIND = mul i32 %wholes.KIND, {size}
  %frame.last.K.KIND = getelementptr i8, ptr %frames, i32 %far.last.K.KIND
  %now.last.K.KIND = call i32 @{kind.part}.{k}(ptr %group, ptr %frame.last.K.KIND, i32 %whole, i32 %rest, ptr %shared)
"""
    if len(kind.outcomes[k]) > 1:
        text += """
  %state.last.K.KIND = getelementptr i32, ptr %states, i32 %wholes.KIND
  store i32 %now.last.K.KIND, ptr %state.last.K.KIND, align 4
  %equal.last.K.KIND = icmp eq i32 %now.last.K.KIND, %came.K.KIND
  %alone.K.KIND = xor i1 %some.K.KIND, true
  %fits.last.K.KIND = or i1 %alone.K.KIND, %equal.last.K.KIND
  %agreed.last.K.KIND = and i1 %alike.K.KIND, %fits.last.K.KIND
"""
    return text


def _bounds(kind: Kind, k: int) -> str:
    """The simdgroups that a region runs with."""
    together = [f'%"next.{j}.KIND"' for j, outcomes in enumerate(kind.outcomes) if k in outcomes]
    if k == 0:
        together.append('%"to.KIND"')
    every = {"low": ("0", "i32"), "high": ("%wholes.KIND", "i32"), "last": ("%short.KIND", "i1")}
    return "".join(
        f"  %{name}.K.KIND = phi {type_} {', '.join(f'[ {value}, {block} ]' for block in together)}"
        f'{", " if together else ""}[ %{name}.KIND, %"go.KIND" ]\n'
        for name, (value, type_) in every.items()
    )


def _next(kind: Kind, k: int) -> str:
    """What follows a region. ``at`` is where the last simdgroup has come to."""
    outcomes = sorted(kind.outcomes[k]) or [DONE]  # one that never ends leads nowhere

    def way(state: int) -> str:
        return 'label %"end"' if state == DONE else f'label %"region.{state}.KIND"'

    text, at = "", str(outcomes[0])
    if len(outcomes) > 1:
        at = "%at.K.KIND"
        ends = ['[ %came.K.KIND, %"tail.K.KIND" ]'] + ['[ %now.last.K.KIND, %"part.K.KIND" ]'] * bool(kind.part)
        same = ['[ %alike.K.KIND, %"tail.K.KIND" ]'] + ['[ %agreed.last.K.KIND, %"part.K.KIND" ]'] * bool(kind.part)
        text += f"  {at} = phi i32 {', '.join(ends)}\n  %same.K.KIND = phi i1 {', '.join(same)}\n"
    if kind.can_part:
        text += f"""
  %whose.K.KIND = load i32, ptr %whose.KIND, align 4
  %together.K.KIND = icmp eq i32 %whose.K.KIND, {_TOGETHER}
  br i1 %together.K.KIND, label %"{"check" if len(outcomes) > 1 else "next"}.K.KIND", label %"went.K.KIND"
"went.K.KIND":
  %own.at.K.KIND = getelementptr i32, ptr %states, i32 %whose.K.KIND
  store i32 {at}, ptr %own.at.K.KIND, align 4
  br label %"on.KIND"
"""
        if len(outcomes) > 1:
            text += '"check.K.KIND":\n  br i1 %same.K.KIND, label %"next.K.KIND", label %"parted.KIND"\n'
        text += '"next.K.KIND":\n'
    if len(outcomes) == 1:
        return text + f"  br {way(outcomes[0])}\n"
    cases = " ".join(f"i32 {state}, {way(state)}" for state in outcomes[1:])
    return text + f"  switch i32 {at}, {way(outcomes[0])} [ {cases} ]\n"


def _parted(kind: Kind) -> str:
    """Each simdgroup goes on from its own barrier, in turns, until all have come to their end."""
    cases = " ".join(f'i32 {k}, label %"region.{k}.KIND"' for k in range(1, len(kind.outcomes)))
    return f"""
"parted.KIND":
  store i32 0, ptr %some.open.KIND, align 4
  br label %"turn.KIND"
"turn.KIND":
  %low.KIND = phi i32 [ 0, %"parted.KIND" ], [ %after.KIND, %"on.KIND" ], [ 0, %"rounded.KIND" ]
  store i32 %low.KIND, ptr %whose.KIND, align 4
  %own.at.KIND = getelementptr i32, ptr %states, i32 %low.KIND
  %own.KIND = load i32, ptr %own.at.KIND, align 4
  %over.KIND = icmp eq i32 %own.KIND, {DONE}
  br i1 %over.KIND, label %"on.KIND", label %"go.KIND"
"go.KIND":
  store i32 1, ptr %some.open.KIND, align 4
  %last.KIND = icmp uge i32 %low.KIND, %wholes.KIND
  %one.more.KIND = add i32 %low.KIND, 1
  %high.KIND = select i1 %last.KIND, i32 %wholes.KIND, i32 %one.more.KIND
  switch i32 %own.KIND, label %"region.0.KIND" [ {cases} ]
"on.KIND":
  %done.KIND = load i32, ptr %whose.KIND, align 4
  %after.KIND = add nuw i32 %done.KIND, 1
  %all.KIND = icmp uge i32 %after.KIND, %count.KIND
  br i1 %all.KIND, label %"rounded.KIND", label %"turn.KIND"
"rounded.KIND":
  %any.open.KIND = load i32, ptr %some.open.KIND, align 4
  store i32 0, ptr %some.open.KIND, align 4
  %goes.on.KIND = icmp ne i32 %any.open.KIND, 0
  br i1 %goes.on.KIND, label %"turn.KIND", label %"end"
"""
