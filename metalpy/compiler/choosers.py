"""What is written for a set of overloads for address spaces: names of their own, and functions that choose (see
`overloads`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from .declarations import name_of, outside_brackets, spell, split_commas
from .lexer import Token, closing
from .overload_heads import SPACES, Overload, address_of, bare, default_of, is_pack, template_end, template_names
from .twins import Text

__all__ = ["OverloadSet", "Separated", "insert", "separate"]

_MARK = "__mp_overload_"  # what the names of overloads begin with
_OTHER = 7  # stands for every space that none of a set names, and for what is no pointer
_NOT_REPEATED = frozenset({"constexpr", "consteval", "explicit"})


@dataclass(frozen=True)
class OverloadSet:
    """What errors say of a set."""

    name: str
    offset: int  # of the first one's name in the program
    arguments: tuple[str, ...]  # what each question is about, by number
    expected: tuple[int, ...] = ()  # the answers that are right, where the questions only see to that (see `guards`)


@dataclass
class Separated:
    """A program whose twins are gone and whose overload sets are separated."""

    program: str
    insertions: dict[int, str] = field(default_factory=dict)  # by offset in the program
    sets: list[OverloadSet] = field(default_factory=list)


def insert(out: Separated, offset: int, text: str) -> None:
    if text:
        out.insertions[offset] = out.insertions.get(offset, "") + text


def separate(
    text: Text, overloads: list[Overload], elsewhere: Iterable[Overload], rewritten: str, out: Separated
) -> None:
    """Rename the overloads and write the functions that choose between them.

    `elsewhere` are those that are defined outside of the class that declares them, and declared to be its friends.
    """
    number = len(out.sets)
    width = max(len(o.spaces) for o in overloads)
    questions = [i for i in range(width) if len({_named(o, i) for o in overloads}) > 1]
    asked = _Set(f"{_MARK}{number}_0_", number, questions, overloads)
    marks: set[object] = set()
    for o in overloads:
        if o.is_constructor and o.definition.scope.path not in marks:
            marks.add(o.definition.scope.path)
            insert(out, text.span(o.definition)[0], f"struct {asked.name} {{}}; ")
        _rename(o, asked, out)
    for o in elsewhere:
        _rename(o, asked, out)
    is_cut = _have_different_defaults(overloads)
    counts = _counts(overloads, is_cut)
    outer = min((o.definition.branches for o in overloads), key=len)
    declared: set[object] = set()
    written: set[object] = set()
    choosers = []
    for o in overloads:
        branches = o.definition.branches
        for shown in _shown(o, counts[id(o)], is_cut):
            key = (len(shown.parameters), len(_template_parts(shown)), shown.types, shown.shape, shown.template)
            is_member = o.definition.scope.is_class
            if not is_member and (key, branches) not in declared:
                insert(out, text.span(o.definition)[0], _head(shown, rewritten, defaults=True) + "; ")
            declared.add((key, branches))
            if key in written or branches != outer:  # what stands under more conditions may not be there
                continue
            written.add(key)
            head = _head(shown, rewritten, defaults=is_member)
            if o.is_constructor:
                made = f"__mp_made_{number}_{len(written)}"
                head += f" : {o.token.text}({made}({_arguments(shown)})) {{}} "
                head += _head(shown, rewritten, defaults=False, name=made)
            choosers.append(f" {head} {{ {_choice(o, shown, asked)} }}")
    insert(out, max(text.span(o.definition)[1] for o in overloads), "".join(choosers))
    first = overloads[0]
    arguments = tuple("object" if i == 0 else f"argument {i}" for i in questions)
    out.sets.append(OverloadSet(first.name_text.replace(" ", ""), first.token.start, arguments))


@dataclass
class _Set:
    name: str  # what the names of its overloads begin with
    number: int
    questions: list[int]  # indices of the parameters that are asked about, from 1; 0: the object
    overloads: list[Overload]

    def spaces(self, overload: Overload) -> tuple[int, ...]:
        """The numbers of the spaces that an overload is for, by question; 0 for any.

        A method that names no space is for objects in those that no other method is for.
        """
        return tuple(SPACES.get(_named(overload, i), _OTHER if i == 0 else 0) for i in self.questions)

    def combinations(self) -> Iterator[tuple[int, ...]]:
        """What the answers may be, as far as that matters; the most particular ones first."""
        members = {self.spaces(o) for o in self.overloads}
        answers = [sorted({m[q] or _OTHER for m in members}) for q in range(len(self.questions))]
        found = [
            c for c in itertools.product(*answers)
            if any(all(s in (0, a) for s, a in zip(m, c, strict=True)) for m in members)
        ]  # fmt: skip
        return iter(sorted(found, key=lambda c: c.count(_OTHER)))


def _named(overload: Overload, i: int) -> str:
    return overload.spaces[i] if i < len(overload.spaces) else ""


def _code(spaces: Sequence[int]) -> int:
    """Answers or spaces as one number, of an octal digit each, as __mp::is_for compares them."""
    return sum(space << 3 * i for i, space in enumerate(spaces))


def _counts(overloads: list[Overload], is_cut: bool) -> dict[int, Iterable[int | None]]:
    """For how many arguments a chooser of each overload's type is needed; None: as many as it has, with its defaults.

    A function can have the defaults of one overload only. Where they differ, there is one for each number of arguments.
    """
    defaults: dict[object, list[str]] = {}  # what a declaration gives, its definition has
    keys = [(o.types, o.spaces, o.shape, o.template) for o in overloads]
    for o, key in zip(overloads, keys, strict=True):
        given = defaults.setdefault(key, [""] * len(o.parameters))
        for i, parameter in enumerate(o.parameters):
            given[i] = given[i] or " ".join(default_of(parameter))
    first, *others = defaults.values()
    if all(given == first for given in others) and not is_cut:
        return {id(o): (None,) for o in overloads}
    least = {key: next((i for i, d in enumerate(given) if d), len(given)) for key, given in defaults.items()}
    return {id(o): range(least[key], len(o.parameters) + 1) for o, key in zip(overloads, keys, strict=True)}


def _have_different_defaults(overloads: list[Overload]) -> bool:
    """Whether the parameters of templates do that are one to C++."""
    found: dict[object, list[str]] = {}
    for overload in overloads:
        parts = [[t.text for t in part] for part in _template_parts(overload)]
        plain = tuple(tuple(p[: p.index("=")]) if "=" in p else tuple(p) for p in parts)
        defaults = [" ".join(default_of(part)) for part in _template_parts(overload)]
        if found.setdefault((overload.types, plain), defaults) != defaults:
            return True
    return False


def _shown(overload: Overload, counts: Iterable[int | None], is_cut: bool) -> Iterator[Overload]:
    """The overload with each number of parameters; of those of its template, too, if it `is_cut`."""
    for count in counts:
        cut = _cut(overload, count)
        parts = _template_parts(cut)
        for template_count in range(_least(cut), len(parts) + 1) if is_cut and parts else (None,):
            yield _cut_template(cut, template_count)


def _least(overload: Overload) -> int:
    """How many parameters its template has at least: those without defaults, and those that the function names."""
    names = list(template_names(overload.head[: template_end(overload.head)]))
    used = {t.text for t in (*overload.returned, *overload.trailing, *(t for p in overload.parameters for t in p))}
    parts = _template_parts(overload)
    return max((i + 1 for i, part in enumerate(parts) if not default_of(part) or names[i] in used), default=0)


def _template_parts(overload: Overload) -> list[list[Token]]:
    template = overload.head[: template_end(overload.head)]
    return [part for part in split_commas(template[2 : closing(template, 1)]) if part] if template else []


def _cut_template(overload: Overload, count: int | None) -> Overload:
    """The overload with the first parameters of its template alone, and no defaults of these; None: as it is."""
    if count is None:
        return overload
    head = overload.head
    end = closing(head, 1)
    commas = [t for t in head[2:end] if t.text == ","]
    kept: list[Token] = []
    for i, part in enumerate(_template_parts(overload)[:count]):
        kept += [*commas[: i > 0], *(part[: len(part) - len(default_of(part)) - 1] if default_of(part) else part)]
    cut = [*head[:2], *kept, *head[end:]] if count else head[end + 1 :]
    shift = len(cut) - len(head)
    return replace(overload, head=cut, name=(overload.name[0] + shift, overload.name[1] + shift))


def _cut(overload: Overload, count: int | None) -> Overload:
    """The overload with so many parameters and no defaults; None: as it is."""
    if count is None:
        return overload
    kept = [p[: len(p) - len(default_of(p)) - 1] if default_of(p) else p for p in overload.parameters[:count]]
    return replace(overload, parameters=kept)


def _rename(overload: Overload, asked: _Set, out: Separated) -> None:
    """Give an overload the name and the parameter by which those that choose call it."""
    first, last = overload.name
    name = overload.head[first:last]
    end = closing(overload.head, last)
    behind = overload.head[end + len(overload.trailing)]
    tag = "unsigned long mp_s" + ", " * bool(overload.parameters)
    if not overload.parameters:
        for token in overload.head[last + 1 : end]:  # void
            out.program = out.program[: token.start] + " " * len(token.text) + out.program[token.end :]
    insert(out, behind.end, f' __attribute__((enable_if(__mp::is_for(mp_s, {_code(asked.spaces(overload))}), "")))')
    if overload.is_constructor:
        insert(out, overload.head[last].end, f"{asked.name}, {tag}")
        return
    insert(out, overload.head[last].end, tag)
    if name[0].text != "operator":
        insert(out, name[0].start, asked.name)
        return
    is_conversion = any(t.kind == "id" for t in name[1:])  # its type stays, as what is returned
    blanks = name[:1] if is_conversion else name
    for token in blanks:
        out.program = out.program[: token.start] + " " * len(token.text) + out.program[token.end :]
    insert(out, name[-1].end, f" {asked.name}operator")


def _cpp(tokens: Iterable[Token], rewritten: str) -> str:
    parts: list[str] = []
    end = 0
    for token in tokens:
        spelled = rewritten[token.start : token.end].strip()
        if spelled:
            parts += [" "] * (token.start != end) + [spelled]
            end = token.end
    return "".join(parts).strip()


def _head(overload: Overload, rewritten: str, *, defaults: bool, name: str = "") -> str:
    """The head of a function of an overload's type under the common name, its parameters named.

    With a `name`, that of a static function which makes what the constructor `overload` would.
    """
    head, (first, last) = overload.head, overload.name
    end = template_end(head)
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
        if not name_of(parameter):
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


def _choice(whole: Overload, shown: Overload, asked: _Set) -> str:
    """The body of the function that takes the place of the overloads that C++ cannot tell from `shown`.

    The type of what it returns is that of `whole`, the overload whose head it has.
    """
    parts = []
    is_asked = []
    for question, i in enumerate(asked.questions):
        answer = _question(shown, i, f"{asked.number}, {question}")
        is_asked.append(answer != "0")
        parts.append(f"[[maybe_unused]] const int mp_{question} = {answer};")
    # A lambda, so that a call which cannot be made is no error. Its result's type is found, not written: the overloads'
    # names would become part of its own.
    tried = "".join(f"if constexpr (requires {{ {call}; }}) return {call}; else " for call in _calls(shown, asked))
    parts.append(f"auto mp_call = [&]<class mp_t>(mp_t) -> decltype(auto) {{ {tried}return __mp::none(); }};")
    own = asked.spaces(whole)
    call = _calls(shown, asked, f"{_code([s or _OTHER for s in own])}ul")[0]
    parts.append(f"using mp_r = decltype({call});")
    for combination in asked.combinations():
        if any(a != _OTHER and not possible for a, possible in zip(combination, is_asked, strict=True)):
            continue
        tests = [f"mp_{q} == {a}" for q, a in enumerate(combination) if a != _OTHER]
        codes = [_code(combination)]
        if asked.questions[0] == 0 and combination[0] != _OTHER:
            codes.append(_code((_OTHER, *combination[1:])))
        tried = ", ".join(f"__mp::asked<{code}>()" for code in codes)
        chosen = f"__mp::chosen<mp_r, {asked.number}>(mp_call, {tried})"
        parts.append(f"if ({' && '.join(tests) or 'true'}) return {chosen};")
    parts.append(f"__mp_no_overload({asked.number}); __builtin_unreachable();")
    return " ".join(parts)


def _question(shown: Overload, i: int, numbers: str) -> str:
    """The C++ that asks for the space of an argument, or 0 where it is no address."""
    if i == 0:
        return f"__mp_space({numbers}, this)"
    if i > len(shown.parameters) or is_pack(shown.parameters[i - 1]):
        return "0"
    name = _names(shown)[i - 1]
    texts = [t.text for t in outside_brackets(bare(shown.parameters[i - 1]))]
    if {"&", "*", "["} & set(texts):
        return f"__mp_space({numbers}, {address_of(shown.parameters[i - 1], name)})"
    return f"__mp::space_of(__mp::question<{numbers}>{{}}, {name})"


def _calls(shown: Overload, asked: _Set, spaces: str = "mp_t::value") -> list[str]:
    """The calls that overload resolution is to choose by: those that can be made are tried in this order."""
    arguments = ", ".join(filter(None, (spaces, _arguments(shown))))
    if shown.is_constructor:
        return [f"{shown.token.text}({asked.name}(), {arguments})"]
    called = asked.name + shown.token.text
    template, is_needed = _template_arguments(shown)
    calls = [f"{called}<{', '.join(template)}>({arguments})"] if template else []
    return calls if is_needed else [*calls, f"{called}({arguments})"]


def _names(overload: Overload) -> list[str]:
    """Its parameters', as `_head` names them."""
    return [name_of(p) or f"mp_p{i}" for i, p in enumerate(overload.parameters)]


def _arguments(overload: Overload) -> str:
    pairs = zip(_names(overload), overload.parameters, strict=True)
    return ", ".join(name + "..." * is_pack(p) for name, p in pairs)


def _template_arguments(overload: Overload) -> tuple[list[str], bool]:
    """The template's own parameters as arguments, and whether a call has to give them.

    If so, those behind the last one that must be given are left for overload resolution to find, as in the user's call;
    with all of them only templates of the same parameters can be called.
    """
    template = overload.head[: template_end(overload.head)]
    parts = split_commas(template[2:-1]) if template else []
    names = list(itertools.takewhile(bool, template_names(template)))
    found = _deduced(overload)
    given = [i for i, name in enumerate(names) if name not in found]
    is_needed = any("=" not in [t.text for t in parts[i]] for i in given)
    arguments = [name + "..." * ([t.text for t in p].count(".") >= 3) for name, p in zip(names, parts, strict=False)]
    return (arguments[: given[-1] + 1] if given else arguments), is_needed


def _deduced(overload: Overload) -> set[str]:
    """Names in the parameters' types from which the template's arguments can be deduced."""
    found = set()
    for parameter in overload.parameters:
        tokens = bare(parameter)
        if any(t.text in ("decltype", "enable_if_t", "enable_if") for t in tokens):
            continue
        for i, token in enumerate(tokens):
            if i + 1 == len(tokens) or tokens[i + 1].text != "::":
                found.add(token.text)
    return found
