"""Overloads that differ in an address space and do different things, told apart although the spaces are erased.

``f(device T*)`` and ``f(constant T*)`` are one function to C++. Each overload of such a set goes by a name of its own,
with a number that says which spaces it is for, and a function of the common name takes its place, which asks in which
memory its arguments are::

    int __mp_overload_0_0_f(unsigned long mp_s, const int* p) __attribute__((enable_if(__mp::is_for(mp_s, 1), ""))) ...

    int f(const int* p) {
      const int mp_0 = __mp_space(0, 0, p);
      if (mp_0 == 1) return __mp_overload_0_0_f(1, p);
      if (mp_0 == 2) return __mp_overload_0_0_f(2, p);
      return __mp_no_overload(0), ...
    }

So overload resolution chooses twice: first C++ as it would without spaces, since calls are left as they are, then among
those for the spaces that the arguments are in. Which functions are a set is decided by that: those of one name and
scope of which C++ might first take one where Metal takes another. They may be templates or not, have defaults, and
differ in ``const`` or in types that convert, too: for ``f(device T*, float)`` and ``f(thread T*, int)``, a pointer into
device memory and a whole number, C++ takes the second at first.

Constructors keep their name, and are told apart by a parameter of a type of that name; the one that takes their place
delegates to an object that a static function of the class makes in the same way. `spaces` answers the questions in the
IR of each kernel, before anything else is made of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from .choosers import Separated, insert, separate
from .guards import guard
from .lexer import Token, places
from .overload_heads import (
    Overload,
    Related,
    SpaceMacros,
    default_of,
    does,
    elsewhere_of,
    is_friend,
    may_be_taken_for,
    overload_of,
    space_macros,
)
from .source import blanked
from .specialisations import differing_specialisations, insertions_for
from .twins import Definition, Finder, Text, are_twins

__all__ = ["separate_overloads"]


_NAMING = frozenset({"using", "typedef", "struct", "class", "typename"})


def separate_overloads(
    original: str, rewritten: str, lexed: list[Token] | None = None, *, choosable: bool = True
) -> Separated:
    """Drop the twins of a program and give the overloads for different address spaces names of their own.

    Parameters
    ----------
    original : str
        The user's spliced program, address spaces in place.
    rewritten : str
        The same as C++ of the same length.
    lexed : list of Token, optional
        What `lexer.lex` makes of `original`, if that is known.
    choosable : bool
        Whether a template that takes any value is in one set with a function for pointers into one space. It is
        instantiated with pointers then, which it may not be made for. Otherwise the function is guarded.
    """
    text = Text(original, lexed)
    finder = Finder(text, rewritten)
    definitions = finder.definitions()
    twins = finder.twins(definitions)
    out = Separated(rewritten)
    dropped = set(twins)
    macros = space_macros(text.directives)
    groups = _groups(text, definitions, macros)
    elsewhere = _Elsewhere(text, definitions, macros)
    related = _related(text, definitions)._replace(choosable=choosable)
    sets = [
        those
        for group in groups
        for connected in _connected(group, related)
        for part in _by_conditions(connected)
        for those in ([part] if part is connected else _connected(part, related))
        if _is_set(text, finder, those, elsewhere)
    ]
    for overloads in sets:
        spans = [text.span(o.definition) for o in overloads]
        if any(s <= start and end <= e and (s, e) != (start, end) for start, end in spans for s, e in twins):
            continue  # in a class that goes
        others = elsewhere.of(overloads)
        separate(text, overloads, others, rewritten, out)
        dropped -= {*spans, *(text.span(o.definition) for o in others)}
    guard(text, definitions, [[*those, *elsewhere.of(those)] for those in sets], related, macros, out)
    specialisations = differing_specialisations(text, finder, definitions)
    dropped -= {text.span(s.definition) for s in specialisations}
    for offset, inserted in insertions_for(text, specialisations, rewritten):
        insert(out, offset, inserted)
    for start, end in dropped:
        out.program = out.program[:start] + blanked(out.program[start:end]) + out.program[end:]
    return out


def _groups(text: Text, definitions: Iterable[Definition], macros: SpaceMacros) -> list[list[Overload]]:
    """Functions of a name and scope, some of which are for other spaces than others."""
    groups: dict[tuple[object, ...], list[Overload]] = {}
    for definition in definitions:
        found = overload_of(text.tokens, definition, macros)
        if found is not None:
            key = (definition.scope.path, found.name_text, found.is_method, is_friend(found.head))
            groups.setdefault(key, []).append(found)
    return [group for group in groups.values() if len({o.spaces for o in group}) > 1]


class _Elsewhere:
    """Functions that are defined outside of the scopes that declare them, and declarations of friends."""

    def __init__(self, text: Text, definitions: list[Definition], macros: SpaceMacros) -> None:
        self._text, self._definitions, self._macros = text, definitions, macros

    @cached_property
    def _classes(self) -> dict[tuple[object, ...], str]:
        return {d.scope.path: d.scope.name for d in self._definitions if d.scope.is_class}

    @cached_property
    def _found(self) -> dict[tuple[str, ...], list[Overload]]:
        by_name: dict[tuple[str, ...], list[Overload]] = {}
        for definition in self._definitions:
            head = elsewhere_of(self._text.tokens, definition, self._macros)
            if head is not None:
                scope, found = head
                # A friend is a function of the namespace around its class.
                path = [name for name in definition.scope.path if isinstance(name, str)]
                by_name.setdefault((*path, *scope, found.name_text), []).append(found)
        return by_name

    def of(self, overloads: list[Overload]) -> list[Overload]:
        """Those that some overloads of a scope are, too."""
        path = overloads[0].definition.scope.path
        names = [name if isinstance(name, str) else self._classes.get(path[: i + 1], "") for i, name in enumerate(path)]
        spaces = {o.spaces for o in overloads}
        return [o for o in self._found.get((*names, overloads[0].name_text), ()) if o.spaces in spaces]


def _related(text: Text, definitions: Iterable[Definition]) -> Related:
    """Types whose names do not tell what they are: aliases, parameters of templates, classes with bases
    or with constructors.
    """
    tokens = text.tokens
    aliases = set()
    for i in places(tokens[:-3], _NAMING):
        word, behind = tokens[i].text, tokens[i + 2].text
        if word == "typedef":
            end = next((j for j in range(i, len(tokens)) if tokens[j].text == ";"), len(tokens))
            aliases.add(tokens[end - 1].text)
        elif (
            (word == "using" and behind == "=")
            or (word in ("struct", "class") and behind == ":")
            or (word in ("typename", "class") and behind in (",", ">", "="))  # those of a function have numbers
        ):
            aliases.add(tokens[i + 1].text)
    for directive in text.directives:
        words = directive.text.replace("#", " ", 1).split(None, 2)
        if len(words) > 2 and words[0] == "define":
            aliases.add(words[1])
    heads = ((d.scope.name, tokens[d.first : d.body]) for d in definitions if d.scope.is_class)
    converting = {name for name, head in heads if any(t.text == name for t in head)}
    return Related(frozenset(aliases), frozenset(converting))


def _connected(group: list[Overload], related: Related) -> list[list[Overload]]:
    """The functions of a name as sets that have nothing to do with each other."""
    alike: dict[object, list[Overload]] = {}  # what C++ takes for one function
    for overload in group:
        alike.setdefault((overload.types, overload.shape, overload.template), []).append(overload)
    sets: list[list[list[Overload]]] = []
    for a in alike.values():
        linked = [those for those in sets if any(_may_be_mistaken(a, b, related) for b in those)]
        sets = [those for those in sets if those not in linked] + [[*(b for those in linked for b in those), a]]
    order = {id(o): i for i, o in enumerate(group)}
    return [sorted((o for one in those for o in one), key=lambda o: order[id(o)]) for those in sets]


def _may_be_mistaken(a: list[Overload], b: list[Overload], related: Related) -> bool:
    """Whether C++ might take an overload of one kind for spaces that only the other kind is for."""
    return any(
        not _covers(taken, meant) and any(may_be_taken_for(x, y, related) for x in taken for y in meant)
        for taken, meant in ((a, b), (b, a))
    )


def _by_conditions(group: list[Overload]) -> list[list[Overload]]:
    """The functions that can be a set, whatever conditionals leave of them: those in the same branches.

    So can those that stand under more conditions, if the functions that choose are needed without them and can stand
    where all have been seen.
    """
    branches: dict[tuple[int, ...], list[Overload]] = {}
    for overload in group:
        branches.setdefault(overload.definition.branches, []).append(overload)
    outer = min(branches, key=len)
    kinds = {(o.types, o.shape, o.template) for o in branches[outer]}
    is_one = (
        all(inner[: len(outer)] == outer for inner in branches)
        and group[-1].definition.branches == outer
        and all((o.types, o.shape, o.template) in kinds for o in group)
        and not any(default_of(p) for o in group for p in o.parameters)
    )
    return [group] if len(branches) == 1 or is_one else list(branches.values())


def _covers(a: list[Overload], b: list[Overload]) -> bool:
    """Whether for all spaces of the overloads `b` there is one of `a`, too."""
    return all(any(all(s in ("", t) for s, t in zip(x.spaces, y.spaces, strict=False)) for x in a) for y in b)


def _is_set(text: Text, finder: Finder, group: list[Overload], elsewhere: _Elsewhere) -> bool:
    bodies = [o for o in group if text.tokens[o.definition.body].text == "{"]
    if len(bodies) < len(group):  # some are declared only, maybe here
        bodies += [o for o in elsewhere.of(group) if text.tokens[o.definition.body].text == "{"]
    kinds = {(o.types, o.spaces, o.shape, o.template) for o in bodies}
    if len({o.spaces for o in bodies}) < 2 or len(kinds) < len(bodies):
        return False
    words = [text.words(text.span(o.definition)) for o in bodies]
    if len({(o.types, o.template) for o in bodies}) == 1 and all(
        are_twins(w, words[0]) or does(o, w) == does(bodies[0], words[0]) for o, w in zip(bodies, words, strict=True)
    ):
        return False
    first, last = group[0].definition.first, group[-1].definition.first
    heads = (t.text for o in group for t in o.head)
    return finder.mean_the_same(heads, first, last)
