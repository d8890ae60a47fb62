"""The heads of functions that may be overloads for address spaces: their parts, and which take the same arguments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, TypeAlias

from .declarations import (
    ADDRESS_SPACES,
    QUALIFIERS,
    SCALAR,
    VECTOR,
    name_of,
    number_kind,
    outside_brackets,
    parameter_name,
    split_attributes,
    split_commas,
)
from .lexer import Token, closing
from .twins import Definition

__all__ = [
    "ERASED",
    "SPACES",
    "Overload",
    "Related",
    "SpaceMacros",
    "address_of",
    "bare",
    "default_of",
    "does",
    "elsewhere_of",
    "is_friend",
    "is_pack",
    "is_specialisation",
    "may_be_taken_for",
    "overload_of",
    "space_macros",
    "template_end",
    "template_names",
]

# Numbers of address spaces, as __mp_space returns them.
SPACES = {"device": 1, "constant": 2, "threadgroup": 3, "thread": 4}
_CONST = frozenset({"const", "constant"})
ERASED = ADDRESS_SPACES | _CONST
_GROUPED = ("__attribute__", "alignas", "decltype", "explicit", "typeof", "requires", "noexcept")
_SPECIFIERS = frozenset(
    "static inline constexpr consteval explicit virtual extern METAL_FUNC INLINE ALWAYS_INLINE".split()
)
_LEFT_OUT = frozenset({"const", "volatile", "typename", "struct", "class", "metal", "::"})
Types: TypeAlias = tuple[tuple[str, ...], ...]
SpaceMacros: TypeAlias = dict[str, tuple[str, bool]]  # by name: the space that it stands for, and whether const
_MACRO = re.compile(r"[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+([\w \t]+)$")


@dataclass
class Overload:
    """A function that is defined or declared, by its tokens."""

    definition: Definition
    head: list[Token]
    name: tuple[int, int]  # in the head
    parameters: list[list[Token]]
    trailing: list[Token]
    is_method: bool
    is_constructor: bool = False
    initializers: list[Token] = field(default_factory=list)
    macros: SpaceMacros = field(default_factory=dict)

    @property
    def token(self) -> Token:
        return self.head[self.name[0]]

    @property
    def name_text(self) -> str:
        return " ".join(t.text for t in self.head[slice(*self.name)])

    @cached_property
    def spaces(self) -> tuple[str, ...]:
        """The space of the object and of what each parameter points to; "" where none is named."""
        own = _space(self.trailing, self.macros) if self.is_method else ""
        return (own, *(_space(p, self.macros) for p in self.parameters))

    @cached_property
    def types(self) -> Types:
        """The types of the parameters without what the overloads of a set may differ in."""
        return tuple(tuple(w for w in _type(p, self._numbered) if w not in self.macros) for p in self.parameters)

    @cached_property
    def _numbered(self) -> dict[str, str]:
        """What stands for each parameter of the template, whose own name means nothing."""
        names = template_names(self.head[: template_end(self.head)])
        return {name: f"${i}" for i, name in enumerate(names) if name}

    @property
    def returned(self) -> list[Token]:
        """The return type, with what stands in front of it."""
        return self.head[template_end(self.head) : self.name[0]]

    @cached_property
    def template(self) -> tuple[str, ...]:
        """What tells templates of the same parameters apart, as by enable_if; empty for a function that is none."""
        end = template_end(self.head)
        words = [self._numbered.get(t.text, t.text) for t in self.head[:end]]
        returned = [self._numbered.get(t.text, t.text) for t in self.returned]
        return (*words, *(w for w in returned if w not in ERASED | _SPECIFIERS)) if end else ()

    @cached_property
    def shape(self) -> tuple[tuple[bool, ...], ...]:
        """What C++ tells the overloads of a set apart by, besides types: where they have a const."""
        # What a parameter is itself, const or not, is no part of the function's type.
        consts = _CONST | {name for name, (_, is_const) in self.macros.items() if is_const}
        parameters = (tuple(_consts(bare(p), consts)[:-1]) for p in self.parameters)
        return tuple(_consts(self.trailing, consts)), *parameters

    @cached_property
    def counts(self) -> tuple[int, float]:
        """The least and the largest number of arguments."""
        least = next((i for i, p in enumerate(self.parameters) if default_of(p) or is_pack(p)), len(self.parameters))
        return least, float("inf") if any(map(is_pack, self.parameters)) else len(self.parameters)


def space_macros(directives: Iterable[Token]) -> SpaceMacros:
    """Macros such as `#define GLOBAL const device`; none of those that stand for different spaces here and there."""
    found: dict[str, set[tuple[str, bool]]] = {}
    for directive in directives:
        match = _MACRO.match(directive.text)
        words = match[2].split() if match else []
        spaces = [word for word in words if word in ADDRESS_SPACES]
        if match and len(spaces) == 1 and set(words) <= QUALIFIERS:
            found.setdefault(match[1], set()).add((spaces[0], not _CONST.isdisjoint(words)))
    return {name: those.pop() for name, those in found.items() if len(those) == 1}


def overload_of(
    tokens: list[Token], definition: Definition, macros: SpaceMacros, *, any_function: bool = False
) -> Overload | None:
    """A function's parts; None for what is no function or, unless it may be any, cannot be given another name."""
    head = tokens[definition.first : definition.body]
    if any(t.kind == "directive" or t.text in ("kernel", "vertex", "fragment") for t in head):
        return None
    if not any_function and ((is_friend(head) and not _is_found(tokens, definition)) or is_specialisation(head)):
        return None
    start = template_end(head)
    i = start
    while i < len(head) and head[i].text != "(":
        if head[i].text == "operator":
            break
        if head[i].text in _GROUPED and i + 1 < len(head) and head[i + 1].text == "(":
            i += 1
        i = closing(head, i) + 1 if head[i].text in ("(", "[[", "<") else i + 1
    name = i - 1
    if i < len(head) and head[i].text == "operator":
        name = i
        i += 1
        if i + 1 < len(head) and head[i].text == "(" and head[i + 1].text == ")":
            i += 2
        while i < len(head) and head[i].text != "(":
            i += 1
    if i >= len(head) or name < start or head[name].kind != "id":
        return None
    scope = definition.scope
    is_constructor = scope.is_class and head[name].text == scope.name
    if name == start and head[name].text != "operator" and not is_constructor:
        return None  # no function
    before = head[max(name - 1, 0)].text
    if before in ("~", ".", "->") or (before == "::" and not any_function):
        return None  # a member that is defined outside its class
    end = closing(head, i)
    texts = [t.text for t in head]
    stop = texts.index(":", end) if is_constructor and ":" in texts[end:] else len(head)
    if end >= len(head) or any(t.text in (":", "->", "try") and not any_function for t in head[end + 1 : stop]):
        return None
    if is_constructor and _space(head[end + 1 : stop], macros):
        return None  # for objects in one space
    is_static = any(t.text in ("static", "friend") for t in head[start:name])
    parameters = [p for p in split_commas(head[i + 1 : end]) if p and [t.text for t in p] != ["void"]]
    is_method = (scope.is_class and not is_static and not is_constructor) or bool(_space(head[end + 1 : stop], macros))
    trailing, initializers = head[end + 1 : stop], head[stop:]
    return Overload(definition, head, (name, i), parameters, trailing, is_method, is_constructor, initializers, macros)


def _is_found(tokens: list[Token], definition: Definition) -> bool:
    """Whether a friend is one of a set with others in its class: defined there, and found by way of its arguments."""
    head = tokens[definition.first : definition.body]
    start = next((i for i, t in enumerate(head) if t.text == "("), 0)
    return tokens[definition.body].text == "{" and any(t.text == definition.scope.name for t in head[start:])


def is_friend(head: list[Token]) -> bool:
    return any(t.text == "friend" for t in head)


def elsewhere_of(tokens: list[Token], definition: Definition, macros: SpaceMacros) -> tuple[list[str], Overload] | None:
    """A function that is defined outside the scope that declares it, or is declared to be a friend there: the names of
    that scope, as it says them, and its parts; None for another.
    """
    head = tokens[definition.first : definition.body]
    is_declaration = tokens[definition.body].text == ";"
    word = "friend" if is_declaration else "::"
    if not any(t.text == word for t in head) or is_specialisation(head) or is_declaration != is_friend(head):
        return None
    found = overload_of(tokens, definition, macros, any_function=True)
    if found is None or is_declaration:
        return None if found is None else ([], found)
    qualifiers: list[str] = []
    at = found.name[0] - 1
    while at > 0 and head[at].text == "::":
        at -= 1
        if head[at].text == ">":
            at = max(i for i in range(at) if head[i].text == "<" and closing(head, i) == at) - 1
        qualifiers.insert(0, head[at].text)
        at -= 1
    if qualifiers and qualifiers[-1] == found.token.text:  # a constructor
        end = closing(head, found.name[1]) + 1
        colon = next((i for i in range(end, len(head)) if head[i].text == ":"), len(head))
        found.is_constructor, found.trailing, found.initializers = True, head[end:colon], head[colon:]
    return (qualifiers, found) if qualifiers else None


def template_end(head: list[Token]) -> int:
    i = 0
    while i + 1 < len(head) and head[i].text == "template" and head[i + 1].text == "<":
        i = closing(head, i + 1) + 1
    return i


def is_specialisation(head: list[Token]) -> bool:
    return [t.text for t in head[:3]] == ["template", "<", ">"]


def template_names(template: list[Token]) -> Iterator[str]:
    """The names of a template's parameters, "" for one that has none."""
    for part in split_commas(template[2:-1]) if template else ():
        texts = [t.text for t in part]
        plain = part[: texts.index("=")] if "=" in texts else part
        has_name = len(plain) >= 2 and plain[-1].kind == "id" and plain[-2].text != "::"
        yield plain[-1].text if has_name else ""


def bare(parameter: list[Token]) -> list[Token]:
    """A parameter without attributes, default and name; an array as the pointer that it is."""
    plain = split_attributes(parameter)[1]
    texts = [t.text for t in plain]
    plain = plain[: texts.index("=")] if "=" in texts else plain
    name = parameter_name(plain)
    at = max((i for i, t in enumerate(plain) if t.text == name), default=-1) if name else -1
    if at >= 0 and [t.text for t in plain[at + 1 : at + 2]] == ["["]:  # T x[32]; but not T (&x)[32]
        start = plain[at + 1].start
        plain[at + 1 : closing(plain, at + 1) + 1] = [Token("punct", "*", start)]
    return [t for i, t in enumerate(plain) if i != at]


def address_of(parameter: list[Token], name: str) -> str:
    """The C++ for the address that a parameter of a pointer or reference type stands for."""
    texts = [t.text for t in outside_brackets(bare(parameter))]
    return f"__builtin_addressof({name})" if "&" in texts and "*" not in texts else name


def default_of(parameter: list[Token]) -> list[str]:
    texts = [t.text for t in parameter]
    return texts[texts.index("=") + 1 :] if "=" in texts else []


def is_pack(parameter: list[Token]) -> bool:
    return [t.text for t in bare(parameter)].count(".") >= 3


def does(overload: Overload, words: list[str]) -> list[str]:
    """What an overload does: the names and defaults of its parameters and its body, address spaces aside."""
    names = [word for p in overload.parameters for word in (name_of(p), *default_of(p))]
    initializers = [t.text for t in overload.initializers]
    return names + [word for word in initializers + words[words.index("{") :] if word not in ERASED]


def _type(parameter: list[Token], numbered: dict[str, str]) -> list[str]:
    """A parameter's type without what the overloads of a set may differ in."""
    return [numbered.get(t.text, t.text) for t in bare(parameter) if t.text not in ADDRESS_SPACES and t.text != "const"]


def _space(tokens: list[Token], macros: SpaceMacros) -> str:
    words = [macros[t.text][0] if t.text in macros else t.text for t in outside_brackets(tokens)]
    return next((word for word in words if word in ADDRESS_SPACES), "")


def _consts(tokens: list[Token], words: frozenset[str]) -> list[bool]:
    """Whether what is pointed to is const, and each pointer in turn."""
    levels = [False]
    for token in tokens:
        levels[-1] = levels[-1] or token.text in words
        if token.text in ("*", "&"):
            levels.append(False)
    return levels


# ---- which may be meant by the same call ----


class Related(NamedTuple):
    """Types that other types may be, or become, by their names."""

    aliases: frozenset[str] = frozenset()  # and classes with bases
    converting: frozenset[str] = frozenset()  # classes with constructors
    choosable: bool = True  # templates of any value are instantiated with pointers, to choose between these and others


def may_be_taken_for(a: Overload, b: Overload, related: Related, *, for_values: bool = False) -> bool:
    """Whether C++ might take a function where Metal, which sees the spaces, takes another of that name, `b`.

    That one takes a reference to an object in one space, and the other any object as a value, counts only if
    `for_values`: to choose between these would instantiate templates with what they are not made for.
    """
    least = max(a.counts[0], b.counts[0])
    most = int(min(a.counts[1], b.counts[1], max(len(a.parameters), len(b.parameters))))
    if least > most or not _differ_in_spaces(a, b, most, related.choosable, for_values):
        return False
    return all(_is_taken_for(_at(a.types, i), _at(b.types, i), related) for i in range(least))


def _at(types: Types, i: int) -> tuple[str, ...]:
    return types[i] if i < len(types) else ("$", "...")


def _differ_in_spaces(a: Overload, b: Overload, most: int, choosable: bool, for_values: bool) -> bool:
    if a.spaces[0] != b.spaces[0]:
        return True
    for i in range(1, most + 1):
        mine, others = (x.spaces[i] if i < len(x.spaces) else "" for x in (a, b))
        if mine and others and mine != others:
            return True
        if bool(mine) != bool(others):
            in_one_space, anywhere = (_at(x.types, i - 1) for x in ((a, b) if mine else (b, a)))
            is_reference = "*" not in in_one_space and "[" not in in_one_space
            is_value = (is_reference or not choosable) and "&" not in anywhere
            if _takes_pointers(anywhere) and (for_values or not is_value):
                return True
    return False


def _takes_pointers(words: tuple[str, ...]) -> bool:
    """Whether a type that names no space may take a pointer, or a reference.

    Numbers do not, and a pointer that names none is not Metal.
    """
    return number_kind(words) is None and (_is_any(words) or "*" not in words)


def _is_taken_for(a: tuple[str, ...], b: tuple[str, ...], related: Related) -> bool:
    if a == b:
        return True
    if number_kind(a) and number_kind(b):
        return number_kind(a) == SCALAR  # what becomes a vector is one, or a scalar
    if _is_any(a) or _is_any(b):
        return True
    (base, levels), (other, other_levels) = _taken_apart(a), _taken_apart(b)
    if levels == 0 or other_levels == 0:  # an object, that may be made of the other, or an alias
        objects = (*(base if levels == 0 else ()), *(other if other_levels == 0 else ()))
        if any(word in related.aliases | related.converting for word in objects):
            return True
    return levels == other_levels and _may_be_the_same(base, other, related)


def _may_be_the_same(base: tuple[str, ...], other: tuple[str, ...], related: Related) -> bool:
    if base == other or "void" in (*base, *other) or _is_any(base) or _is_any(other):
        return True
    if any(word in related.aliases for word in (*base, *other)):
        return True
    names = [words[0] if words else "" for words in (base, other)]
    is_dependent = any("$" in word for word in (*base, *other))
    if not is_dependent:
        return False
    # vec<T, 2> and float2, Box<T> and Box<int>
    vectors = {VECTOR, SCALAR} & {number_kind(base), number_kind(other)}
    return names[0] == names[1] or (bool(vectors) and "vec" in names) or any("$" in name for name in names)


def _is_any(words: tuple[str, ...]) -> bool:
    """Whether a type is a parameter of the template, or depends on one in a way that cannot be seen."""
    plain = [w for w in words if w not in _LEFT_OUT and w not in ("&", ".", "*")]
    is_pointer = "*" in words
    return not is_pointer and (
        (len(plain) == 1 and plain[0].startswith("$")) or "..." in words or "decltype" in words or "auto" in words
    )


def _taken_apart(words: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
    """What a type points to, and how many pointers there are. A reference is as the object itself."""
    levels, depth, base = 0, 0, list[str]()
    for word in words:
        if word == "::" and base:  # what it is in may be named or not
            base.pop()
        depth += word in ("<", "(")
        if depth == 0 and word in ("*", "["):
            levels += 1
        elif word not in _LEFT_OUT and word not in ("&", "]", "."):
            base.append(word)
        depth -= word in (">", ")")
    return tuple(base), levels
