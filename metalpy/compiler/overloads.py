"""Overloads that differ in an address space and do different things, told apart although the spaces are erased.

``f(device T*)`` and ``f(constant T*)`` are one function to C++. Each overload of such a set gets a name of its own, and
a function of the common name takes its place, which asks in which memory its arguments are::

    int f(const int* p) {
      const int mp_0 = __mp_space(0, 0, p);
      if (mp_0 == 1) return __mp_overload_0_0_f(p);
      if (mp_0 == 2) return __mp_overload_0_1_f(p);
      return __mp_no_overload(0), ...
    }

Constructors keep their name, and are told apart by a parameter of a type of that name; the one that takes their place
delegates to an object that a static function of the class makes in the same way.

`spaces` answers the question in the IR of each kernel, before anything else is made of it. As overload resolution
would, C++ still chooses between overloads that differ in more; of those that differ in ``const`` as well, it chooses by
that alone, so they are a set, too. So are ``f(device T*, float)`` and ``f(thread T*, int)``, where it would take the
second for a whole number and a pointer into device memory, which only the first can be called with.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

from .declarations import (
    ADDRESS_SPACES,
    SCALAR,
    number_kind,
    outside_brackets,
    parameter_name,
    spell,
    split_attributes,
    split_commas,
)
from .lexer import Token, closing
from .source import blanked
from .specialisations import differing_specialisations, insertions_for
from .twins import Definition, Finder, Text, are_twins

__all__ = ["SPACES", "OverloadSet", "Separated", "separate_overloads"]

# Numbers of address spaces, as __mp_space returns them.
SPACES = {"device": 1, "constant": 2, "threadgroup": 3, "thread": 4}
MARK = "__mp_overload_"  # what the names of overloads begin with
_GROUPED = ("__attribute__", "alignas", "decltype", "explicit", "typeof", "requires", "noexcept")
_NOT_REPEATED = frozenset({"constexpr", "consteval", "explicit"})
_CONST = frozenset({"const", "constant"})
_ERASED = ADDRESS_SPACES | _CONST
_Types: TypeAlias = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class OverloadSet:
    """What errors say of a set."""

    name: str
    offset: int  # of the first one's name in the program
    arguments: tuple[str, ...]  # what each question is about, by number


@dataclass
class Separated:
    """A program whose twins are gone and whose overload sets are separated."""

    program: str
    insertions: dict[int, str] = field(default_factory=dict)  # by offset in the program
    sets: list[OverloadSet] = field(default_factory=list)


@dataclass
class _Overload:
    definition: Definition
    head: list[Token]
    name: tuple[int, int]  # in the head
    parameters: list[list[Token]]
    trailing: list[Token]
    is_method: bool
    is_constructor: bool = False
    initializers: list[Token] = field(default_factory=list)

    @property
    def token(self) -> Token:
        return self.head[self.name[0]]

    @property
    def name_text(self) -> str:
        return " ".join(t.text for t in self.head[slice(*self.name)])

    @property
    def spaces(self) -> tuple[str, ...]:
        """The space of the object and of what each parameter points to; "" where none is named."""
        return (_space(self.trailing) if self.is_method else "", *map(_space, self.parameters))

    @cached_property
    def types(self) -> _Types:
        """The types of the parameters without what the overloads of a set may differ in."""
        return tuple(tuple(_type(p)) for p in self.parameters)

    @property
    def returned(self) -> list[Token]:
        """The return type, with what stands in front of it."""
        return self.head[_template_end(self.head) : self.name[0]]


def separate_overloads(original: str, rewritten: str, lexed: list[Token] | None = None) -> Separated:
    """Drop the twins of a program and give the overloads for different address spaces names of their own.

    Parameters
    ----------
    original : str
        The user's spliced program, address spaces in place.
    rewritten : str
        The same as C++ of the same length.
    lexed : list of Token, optional
        What `lexer.lex` makes of `original`, if that is known.
    """
    text = Text(original, lexed)
    finder = Finder(text, rewritten)
    definitions = finder.definitions()
    twins = finder.twins(definitions)
    out = Separated(rewritten)
    dropped = set(twins)
    for overloads in _sets(text, finder, definitions):
        spans = [text.span(o.definition) for o in overloads]
        if any(s <= start and end <= e and (s, e) != (start, end) for start, end in spans for s, e in twins):
            continue  # in a class that goes
        _separate(text, overloads, rewritten, out)
        dropped -= set(spans)
    specialisations = differing_specialisations(text, finder, definitions)
    dropped -= {text.span(s.definition) for s in specialisations}
    for offset, inserted in insertions_for(text, specialisations, rewritten):
        _insert(out, offset, inserted)
    for start, end in dropped:
        out.program = out.program[:start] + blanked(out.program[start:end]) + out.program[end:]
    return out


# ---- finding them ----


def _sets(text: Text, finder: Finder, definitions: Iterable[Definition]) -> list[list[_Overload]]:
    """Functions that differ in the address spaces of their parameters or object, and in what they do."""
    groups: dict[tuple[object, ...], list[_Overload]] = {}
    for definition in definitions:
        found = _overload(text.tokens, definition)
        if found is not None:
            template = [t.text for t in found.head[: _template_end(found.head)]]
            if template:  # templates may differ in what they return alone, as by enable_if
                template += [t.text for t in found.returned if t.text not in _ERASED]
            key = (
                id(definition.scope), *definition.branches, found.name_text, *template, found.is_method,
                *(p if number_kind(p) is None else None for p in found.types),
            )  # fmt: skip
            groups.setdefault(key, []).append(found)
    return [those for group in groups.values() for those in _divided(group) if _is_set(text, finder, those)]


def _divided(group: list[_Overload]) -> list[list[_Overload]]:
    """Overloads that differ in no more than spaces and types of numbers, as the sets that C++ can choose between.

    It chooses by the types first. That is wrong where the overloads for the types that it takes are not for the space
    that is meant, and those for other types are, to which the arguments convert: both belong to one set.
    """
    by_types: dict[_Types, list[_Overload]] = {}
    for overload in group:
        by_types.setdefault(overload.types, []).append(overload)
    spaces = {types: {o.spaces for o in those} for types, those in by_types.items()}
    sets: list[list[_Types]] = []
    for a in by_types:
        linked = [
            those
            for those in sets
            if any(
                (_converts(a, b) and spaces[b] - spaces[a]) or (_converts(b, a) and spaces[a] - spaces[b])
                for b in those
            )
        ]
        sets = [those for those in sets if those not in linked] + [[*itertools.chain(*linked), a]]
    return [[o for o in group if o.types in those] for those in sets]


def _converts(types: _Types, wanted: _Types) -> bool:
    """Whether arguments of some types are what is wanted, or numbers that become it."""
    return all(
        of == to or (number_kind(of) == SCALAR and number_kind(to) is not None)
        for of, to in zip(types, wanted, strict=True)
    )


def _is_set(text: Text, finder: Finder, group: list[_Overload]) -> bool:
    bodies = [o for o in group if text.tokens[o.definition.body].text == "{"]
    if len({o.spaces for o in bodies}) < 2 or len({(o.types, o.spaces, _shape(o)) for o in bodies}) < len(bodies):
        return False
    words = [text.words(text.span(o.definition)) for o in bodies]
    if len({o.types for o in bodies}) == 1 and all(
        are_twins(w, words[0]) or _does(o, w) == _does(bodies[0], words[0]) for o, w in zip(bodies, words, strict=True)
    ):
        return False
    first, last = group[0].definition.first, group[-1].definition.first
    heads = (t.text for o in group for t in o.head)
    return finder.mean_the_same(heads, first, last)


def _does(overload: _Overload, words: list[str]) -> list[str]:
    """What an overload does: the names of its parameters and its body, address spaces aside."""
    names = [parameter_name(split_attributes(p)[1]) for p in overload.parameters]
    initializers = [t.text for t in overload.initializers]
    return names + [word for word in initializers + words[words.index("{") :] if word not in _ERASED]


def _overload(tokens: list[Token], definition: Definition) -> _Overload | None:
    """A function's parts; None for what is no function, or cannot be given another name."""
    head = tokens[definition.first : definition.body]
    if any(t.kind == "directive" or t.text in ("kernel", "friend", "vertex", "fragment") for t in head):
        return None
    start = _template_end(head)
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
    if head[max(name - 1, 0)].text in ("::", "~", ".", "->"):
        return None  # a member that is defined outside its class
    end = closing(head, i)
    texts = [t.text for t in head]
    stop = texts.index(":", end) if is_constructor and ":" in texts[end:] else len(head)
    if end >= len(head) or any(t.text in (":", "->", "try") for t in head[end + 1 : stop]):
        return None
    if is_constructor and _space(head[end + 1 : stop]):
        return None  # for objects in one space
    is_static = any(t.text == "static" for t in head[start:name])
    parameters = [p for p in split_commas(head[i + 1 : end]) if p and [t.text for t in p] != ["void"]]
    is_method = scope.is_class and not is_static and not is_constructor
    trailing, initializers = head[end + 1 : stop], head[stop:]
    return _Overload(definition, head, (name, i), parameters, trailing, is_method, is_constructor, initializers)


def _template_end(head: list[Token]) -> int:
    i = 0
    while i + 1 < len(head) and head[i].text == "template" and head[i + 1].text == "<":
        i = closing(head, i + 1) + 1
    return i


def _bare(parameter: list[Token]) -> list[Token]:
    """A parameter without attributes, default and name."""
    plain = split_attributes(parameter)[1]
    texts = [t.text for t in plain]
    plain = plain[: texts.index("=")] if "=" in texts else plain
    name = parameter_name(plain)
    at = max((i for i, t in enumerate(plain) if t.text == name), default=-1) if name else -1
    return [t for i, t in enumerate(plain) if i != at]


def _type(parameter: list[Token]) -> list[str]:
    """A parameter's type without what the overloads of a set may differ in."""
    return [t.text for t in _bare(parameter) if t.text not in ADDRESS_SPACES and t.text != "const"]


def _space(tokens: list[Token]) -> str:
    return next((t.text for t in outside_brackets(tokens) if t.text in ADDRESS_SPACES), "")


def _shape(overload: _Overload) -> tuple[tuple[bool, ...], ...]:
    """What C++ tells the overloads of a set apart by: where they have a const."""
    # What a parameter is itself, const or not, is no part of the function's type.
    return tuple(_consts(overload.trailing)), *(tuple(_consts(_bare(p))[:-1]) for p in overload.parameters)


def _consts(tokens: list[Token]) -> list[bool]:
    """Whether what is pointed to is const, and each pointer in turn."""
    levels = [False]
    for token in tokens:
        levels[-1] = levels[-1] or token.text in _CONST
        if token.text in ("*", "&"):
            levels.append(False)
    return levels


# ---- separating them ----


def _separate(text: Text, overloads: list[_Overload], rewritten: str, out: Separated) -> None:
    """Rename the overloads and write the functions that choose between them."""
    number = len(out.sets)
    questions = [i for i in range(len(overloads[0].parameters) + 1) if len({o.spaces[i] for o in overloads}) > 1]
    names: dict[tuple[object, ...], str] = {}  # a declaration has that of its definition
    for o in overloads:
        is_new = (o.spaces, _shape(o)) not in names
        new = names.setdefault((o.spaces, _shape(o)), f"{MARK}{number}_{len(names)}_")
        if o.is_constructor and is_new:
            _insert(out, text.span(o.definition)[0], f"struct {new} {{}}; ")
        _rename(o, new, out)
    members = [(o, names[o.spaces, _shape(o)]) for o in overloads]
    # Where overloads have defaults of their own, there is a function for each number of arguments.
    required = _required(members)
    counts = range(min(required.values()), len(overloads[0].parameters) + 1) if required else (None,)
    written: set[object] = set()
    choosers = []
    for o, count in itertools.product(overloads, counts):
        shown = _cut(o, count)
        number_shown = len(shown.parameters)
        those = [(m, name) for m, name in members if required.get((name, m.types), 0) <= number_shown]
        is_needed = any(m.types == o.types for m, _ in those)
        if (count, shown.types, _shape(shown)) in written or not is_needed:
            continue
        written.add((count, shown.types, _shape(shown)))
        callable_ones = [(_cut(m, count), name) for m, name in those]
        choice = _choice(shown, callable_ones, [i for i in questions if i <= number_shown], number)
        is_member = o.definition.scope.is_class
        _insert(out, text.span(o.definition)[0], "" if is_member else _head(shown, rewritten, defaults=True) + "; ")
        head = _head(shown, rewritten, defaults=is_member)
        if o.is_constructor:
            made = f"__mp_made_{number}_{len(written)}"
            head += f" : {o.token.text}({made}({_arguments(shown)})) {{}} "
            head += _head(shown, rewritten, defaults=False, name=made)
        choosers.append(f" {head} {{ {choice} }}")
    _insert(out, max(text.span(o.definition)[1] for o in overloads), "".join(choosers))
    first = overloads[0]
    arguments = tuple("object" if i == 0 else f"argument {i}" for i in questions)
    out.sets.append(OverloadSet(first.name_text.replace(" ", ""), first.token.start, arguments))


def _required(members: list[tuple[_Overload, str]]) -> dict[tuple[str, _Types], int]:
    """How many arguments each overload of a set must have; empty if all have the same defaults."""
    defaults: dict[tuple[str, _Types], list[str]] = {}  # what a declaration gives, its definition has
    for o, name in members:
        given = defaults.setdefault((name, o.types), [""] * len(o.parameters))
        for i, parameter in enumerate(o.parameters):
            given[i] = given[i] or " ".join(_default(parameter))
    first, *others = defaults.values()
    if all(given == first for given in others):
        return {}
    return {key: next((i for i, d in enumerate(given) if d), len(given)) for key, given in defaults.items()}


def _default(parameter: list[Token]) -> list[str]:
    texts = [t.text for t in parameter]
    return texts[texts.index("=") + 1 :] if "=" in texts else []


def _cut(overload: _Overload, count: int | None) -> _Overload:
    """The overload with so many parameters and no defaults; None: as it is."""
    if count is None:
        return overload
    kept = [p[: len(p) - len(_default(p)) - 1] if _default(p) else p for p in overload.parameters[:count]]
    return replace(overload, parameters=kept)


def _insert(out: Separated, offset: int, text: str) -> None:
    if text:
        out.insertions[offset] = out.insertions.get(offset, "") + text


def _rename(overload: _Overload, new: str, out: Separated) -> None:
    first, last = overload.name
    name = overload.head[first:last]
    if overload.is_constructor:
        _insert(out, overload.head[last].end, f"{new}, ")
        return
    if name[0].text != "operator":
        _insert(out, name[0].start, new)
        return
    is_conversion = any(t.kind == "id" for t in name[1:])  # its type stays, as what is returned
    blanks = name[:1] if is_conversion else name
    for token in blanks:
        out.program = out.program[: token.start] + " " * len(token.text) + out.program[token.end :]
    _insert(out, name[-1].end, f" {new}operator")


def _cpp(tokens: Iterable[Token], rewritten: str) -> str:
    return " ".join(t for token in tokens if (t := rewritten[token.start : token.end].strip()))


def _head(overload: _Overload, rewritten: str, *, defaults: bool, name: str = "") -> str:
    """The head of a function of an overload's type under the common name, its parameters named.

    With a `name`, that of a static function which makes what the constructor `overload` would.
    """
    head, (first, last) = overload.head, overload.name
    end = _template_end(head)
    template = _template(head[:end], rewritten, defaults=defaults) if end else ""
    kept = {"explicit"} if overload.is_constructor else set()
    before = _cpp([t for t in head[end:first] if t.text not in _NOT_REPEATED - kept], rewritten)
    if name:
        before = f"static {overload.token.text}"
    parameters = []
    for i, parameter in enumerate(overload.parameters):
        texts = [t.text for t in parameter]
        at = texts.index("=") if "=" in texts else len(texts)
        spelled = _cpp(parameter[:at], rewritten)
        if not parameter_name(split_attributes(parameter)[1]):
            spelled += f" mp_p{i}"
        parameters.append(spelled + (" " + _cpp(parameter[at:], rewritten) if defaults else ""))
    name = name or spell(head[first:last])
    return f"{template} {before} {name}({', '.join(parameters)}) {_cpp(overload.trailing, rewritten)}".strip()


def _template(template: list[Token], rewritten: str, *, defaults: bool) -> str:
    if defaults or closing(template, 1) + 1 < len(template):
        return _cpp(template, rewritten)
    parts = []
    for part in split_commas(template[2:-1]):
        texts = [t.text for t in part]
        parts.append(_cpp(part[: texts.index("=")] if "=" in texts else part, rewritten))
    return f"template <{', '.join(parts)}>"


def _choice(chosen: _Overload, members: list[tuple[_Overload, str]], questions: list[int], number: int) -> str:
    """The body of the function that takes the place of the overloads that C++ cannot tell from `chosen`."""
    names, arguments = _names(chosen), _arguments(chosen)
    template = _template_arguments(chosen.head[: _template_end(chosen.head)])
    parts = []
    for question, i in enumerate(questions):
        address = "this" if i == 0 else _address(chosen.parameters[i - 1], names[i - 1])
        parts.append(f"[[maybe_unused]] const int mp_{question} = __mp_space({number}, {question}, {address});")
    callable_ones = _callable([(o, name) for o, name in members if _takes(o, chosen)], chosen)
    alike = Counter((o.spaces, _shape(o)) for o, _ in {name: (o, name) for o, name in callable_ones}.values())
    callable_ones = [(o, name) for o, name in callable_ones if alike[o.spaces, _shape(o)] == 1]
    # The very one first; one that names no space last, which takes any.
    callable_ones.sort(key=lambda member: (member[0].spaces.count(""), _shape(member[0]) != _shape(chosen)))
    seen = set()
    for o, name in callable_ones:
        if name in seen:
            continue
        seen.add(name)
        tests = [f"mp_{q} == {SPACES[o.spaces[i]]}" for q, i in enumerate(questions) if o.spaces[i]]
        called = name + o.token.text
        if o.is_constructor:
            parts.append(f"if ({' && '.join(tests) or 'true'}) return {o.token.text}({name}(), {arguments});")
            continue
        parts.append(f"if ({' && '.join(tests) or 'true'}) return {called}{template}({arguments});")
    parts.append(f"__mp_no_overload({number}); __builtin_unreachable();")
    return " ".join(parts)


def _names(overload: _Overload) -> list[str]:
    """Its parameters', as `_head` names them."""
    return [parameter_name(split_attributes(p)[1]) or f"mp_p{i}" for i, p in enumerate(overload.parameters)]


def _arguments(overload: _Overload) -> str:
    pairs = zip(_names(overload), overload.parameters, strict=True)
    return ", ".join(name + "..." * _is_pack(p) for name, p in pairs)


def _takes(overload: _Overload, chosen: _Overload) -> bool:
    """Whether the overload may be called with what `chosen` takes: it adds const or converts a number."""
    pairs = zip(_shape(overload), _shape(chosen), strict=True)
    returned, wanted = overload.returned, chosen.returned
    same = [t.text for t in returned if t.text not in _ERASED] == [t.text for t in wanted if t.text not in _ERASED]
    return (
        same
        and _converts(chosen.types, overload.types)
        and _consts(returned) <= _consts(wanted)
        and all(a >= b for a, b in pairs)
    )


def _callable(members: list[tuple[_Overload, str]], chosen: _Overload) -> list[tuple[_Overload, str]]:
    """Those of the members that C++ finds by their name with the parameters of `chosen` as arguments.

    Members for the same spaces that take other types of numbers share a name: C++ finds the one for the very types, or
    the only one that they convert to.
    """
    kept = []
    types: dict[str, set[_Types]] = {}
    for o, name in members:
        types.setdefault(name, set()).add(o.types)
    for o, name in members:
        if o.types == chosen.types or (chosen.types not in types[name] and len(types[name]) == 1):
            kept.append((o, name))
    return kept


def _address(parameter: list[Token], name: str) -> str:
    texts = [t.text for t in outside_brackets(_bare(parameter))]
    return f"__builtin_addressof({name})" if "&" in texts and "*" not in texts else name


def _is_pack(parameter: list[Token]) -> bool:
    return [t.text for t in _bare(parameter)].count(".") >= 3


def _template_arguments(template: list[Token]) -> str:
    """The template's own parameters as arguments, up to the first one without a name."""
    if not template:
        return ""
    names = []
    for part in split_commas(template[2:-1]):
        texts = [t.text for t in part]
        plain = part[: texts.index("=")] if "=" in texts else part
        if len(plain) < 2 or plain[-1].kind != "id" or plain[-2].text == "::":
            break
        names.append(plain[-1].text + "..." * (texts.count(".") >= 3))
    return f"<{', '.join(names)}>" if names else ""
