"""Overloads for different address spaces that cannot be made a set, since several scopes declare them.

Where ``using`` brings together ``a::f(device int*)`` and ``f(const thread int*)``, or they stand under different
conditions, C++ may take the wrong one, and nothing can take their place. So each such function asks in which space its
arguments are, and a kernel is refused in which one is called with another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from .choosers import OverloadSet, Separated, insert
from .declarations import name_of
from .lexer import Token
from .overload_heads import (
    SPACES,
    Overload,
    Related,
    SpaceMacros,
    address_of,
    does,
    is_pack,
    may_be_taken_for,
    overload_of,
)
from .twins import Definition, Text, are_twins

__all__ = ["guard"]


def guard(
    text: Text,
    definitions: Iterable[Definition],
    sets: list[list[Overload]],
    related: Related,
    macros: SpaceMacros,
    out: Separated,
) -> None:
    """Let functions that are no set, and that calls may mean in place of each other, ask for the right spaces."""
    in_set = {o.definition.first for those in sets for o in those}
    named: dict[str, list[Overload]] = defaultdict(list)
    for definition in definitions:
        if text.tokens[definition.body].text == "{":
            found = overload_of(text.tokens, definition, macros, any_function=True)
            if found is not None:
                named[_name(found)].append(found)
    several = [those for those in named.values() if len({o.spaces for o in those}) > 1]
    if not several:
        return
    used = _used(text.tokens)
    for those in several:
        for a in those:
            if a.definition.first in in_set:
                continue
            others = [
                b
                for b in those
                if b is not a
                and _meet(a, b, used)
                and may_be_taken_for(a, b, related, for_values=True)
                and not _is_alike(text, a, b)
            ]
            if others:
                _guard(text, a, those, others, out)


def _is_alike(text: Text, a: Overload, b: Overload) -> bool:
    """Whether it does not matter which of them is called."""
    words, others = (text.words(text.span(o.definition)) for o in (a, b))
    return does(a, words) == does(b, others) or are_twins(words, others)


def _name(overload: Overload) -> str:
    is_conversion = overload.token.text == "operator" and overload.head[overload.name[0] + 1].kind == "id"
    return "operator" if is_conversion else overload.name_text


def _used(tokens: list[Token]) -> frozenset[str]:
    """The names in using-declarations, and of namespaces that are used as a whole."""
    used = set()
    for i, token in enumerate(tokens[:-2]):
        if token.text == "using" and tokens[i + 2].text != "=":
            end = next((j for j in range(i, len(tokens)) if tokens[j].text == ";"), i + 1)
            used |= {t.text for t in tokens[i + 1 : end] if t.text == "operator"} | {tokens[end - 1].text}
        elif token.text == "inline" and tokens[i + 1].text == "namespace":
            used.add(tokens[i + 2].text)
    return frozenset(used)


def _meet(a: Overload, b: Overload, used: frozenset[str]) -> bool:
    """Whether one call may find both."""
    if _scope(a) == _scope(b):
        return a.is_method == b.is_method
    is_used = a.token.text in used
    if a.definition.scope.is_class or b.definition.scope.is_class:
        return is_used and a.definition.scope.is_class and b.definition.scope.is_class
    namespaces = {name for o in (a, b) for name in o.definition.scope.path}
    words = {t.text for o in (a, b) for p in o.parameters for t in p}  # of a type in it: a call finds it there
    return is_used or bool(namespaces & (used | words))


def _scope(overload: Overload) -> tuple[object, ...]:
    head, at = overload.head, overload.name[0]
    path = overload.definition.scope.path
    if any(t.text == "friend" for t in head[:at]):
        return tuple(name for name in path if isinstance(name, str))
    qualifiers: list[str] = []
    while at >= 2 and head[at - 1].text == "::":
        qualifiers.insert(0, head[at - 2].text)
        at -= 2
    return (*path, *qualifiers)


def _kind(overload: Overload) -> tuple[object, ...]:
    return overload.types, overload.shape, overload.template


def _guard(text: Text, found: Overload, those: list[Overload], others: list[Overload], out: Separated) -> None:
    same = [o for o in those if _scope(o) == _scope(found) and _kind(o) == _kind(found)]
    asked = []
    for i, space in enumerate(found.spaces):
        names = {o.spaces[i] for o in same}
        if space and "" not in names and any((b.spaces[i : i + 1] or ("",))[0] not in names for b in others):
            asked.append((i, sorted(SPACES[s] for s in names)))
    asked = [(i, allowed) for i, allowed in asked if i == 0 or not is_pack(found.parameters[i - 1])]
    if not asked:
        return
    number = len(out.sets)
    tests = []
    for question, (i, allowed) in enumerate(asked):
        name = "this"
        if i:
            parameter = found.parameters[i - 1]
            name = name_of(parameter)
            if not name:
                name = f"mp_p{i}"
                insert(out, parameter[-1].end, f" {name}")
            name = address_of(parameter, name)
        wrong = " && ".join(f"__mp_space({number}, {question}, {name}) != {space}" for space in allowed)
        tests.append(f"({wrong})")
    check = f" if (!__builtin_is_constant_evaluated() && ({' || '.join(tests)})) __mp_no_overload({number});"
    insert(out, text.tokens[found.definition.body].end, check)
    arguments = tuple("object" if i == 0 else f"argument {i}" for i, _ in asked)
    expected = tuple(allowed[0] for _, allowed in asked)
    out.sets.append(OverloadSet(found.name_text.replace(" ", ""), found.token.start, arguments, expected))
