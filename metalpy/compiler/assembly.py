"""LLVM assembly as text: which symbols a kernel reaches, and the part of a program that they make up.

A program of thousands of kernels has many megabytes of IR, of which one kernel needs a few pages. What is here works
on lines of text and needs no LLVM, so that lowering parses only what it will compile.
"""

from __future__ import annotations

import itertools
import operator
import re
from collections.abc import Container, Iterable, Mapping
from functools import cached_property

from .lines import UNIT, described_line, undescribed

__all__ = ["Assembly", "adapted", "inlining", "sealed"]

_SYMBOL = re.compile(r'@("[^"\n]+"|[-a-zA-Z$._0-9]+)')  # a set of ASCII characters is twice as fast as \w
_GLOBAL, _FUNCTION = re.compile("\n@"), re.compile("\nde(?:fine|clare) ")
_CALL = re.compile(rf"\bcall [^\n@]*{_SYMBOL.pattern}\(")
# The module's own lines: what all of it is made for, types, groups of definitions, attributes, named metadata.
_COMMON = re.compile(r"^(?:target |source_filename|%|\$|attributes |!llvm\.(?!dbg\.)[\w.]+ = )[^\n]*$", re.M)
_NODE = re.compile(r"^!(\d+) = [^\n]*$", re.M)
_REFERENCE = re.compile(r"!(\d+)")
_ELEMENT = re.compile(r", !(\d+)")
_BEGINNINGS = ("; ", "source_filename ", "target ")  # of what is printed, and of slices
_CONSTRUCTORS = "llvm.global_ctors"

# IR for any CPU: which one is decided when a kernel is lowered.
_TARGET_ATTRIBUTES = re.compile(r' "(?:target-cpu|target-features|tune-cpu|stack-protector-buffer-size)"="[^"]*"')
# `#pragma unroll` and its kin say what is good on a GPU; LLVM would print a warning wherever it cannot follow them.
_LOOP_HINTS = re.compile(r'!"llvm\.loop\.(?=(?:unroll|vectorize|interleave|distribute)\.(?:enable|full|count|width)")')
# A scalar is shifted by the low bits of the amount, as on a GPU; C++ leaves it open.
_SHIFT = re.compile(r"^( +%\S+ = (?:shl|lshr|ashr) i(8|16|32|64|128) [^,\n]+, )([^,\n]+)(.*)$", re.MULTILINE)

_HEADS = ("define ", "@")
_SEEN = "(?:(?:private|internal|linkonce|linkonce_odr|weak|weak_odr|dso_local|hidden|protected|default) )*"
_DEFINES = re.compile(rf"(define |@(?:\"[^\"\n]+\"|[\w.$-]+) = ){_SEEN}")
_COMDAT = re.compile(r",? comdat(?:\(\$[^)\n]*\))?(?=[ ,]|$)")
_GROUP = re.compile(r"^attributes #(\d+) = \{ ([^\n]*) \}$", re.M)
_GROUP_OF = re.compile(r" #(\d+)(?=[^()]*\{$)")


class Assembly:
    """A module's text with an index of its symbols.

    Parameters
    ----------
    text : str
        What clang prints for ``-S -emit-llvm``; debug information in it is left out of every slice.

    Attributes
    ----------
    text : str
        The same, but for what it begins and ends with.
    surroundings : str
        All but the functions: types, globals, attributes, metadata.
    """

    def __init__(self, text: str) -> None:
        # LLVM prints types and globals, then functions, then attributes and metadata. Functions are most of it, and
        # regular expressions that look at every line of them would take seconds.
        # A line has an end and one before it; the text may be too large to copy for that.
        self.text = text if text.startswith(_BEGINNINGS) and text.endswith("\n") else f"\n{text}\n"
        first = self.text.find("\ndefine ")
        first = first if first >= 0 else len(self.text)
        declared = self.text.find("\ndeclare ", 0, first)
        begin = declared if declared >= 0 else first
        last = max(self.text.rfind("\n}\n"), begin)  # of the definitions
        ends = (self.text.find(start, last) for start in ("\nattributes #", "\n!"))
        end = min((stop for stop in ends if stop >= 0), default=len(self.text))
        self._functions = (begin, end)
        self.surroundings = self.text[:begin] + self.text[end:]

    @cached_property
    def _spans(self) -> dict[str, tuple[int, int]]:
        spans = {}
        begin, end = self._functions
        for next_start, first, last in ((_GLOBAL, 0, begin), (_FUNCTION, begin, end)):
            start = next_start.search(self.text, first, last)
            while start is not None:
                at = start.start()
                name = _SYMBOL.search(self.text, at)
                assert name is not None
                closing = "\n}\n" if start[0] == "\ndefine " else "\n"
                stop = self.text.index(closing, name.end()) + len(closing) - 1
                spans[name[1].strip('"')] = (at + 1, stop)
                start = next_start.search(self.text, stop, last)
        return spans

    @cached_property
    def _nodes(self) -> dict[str, str]:
        return {match[1]: match[0] for match in _NODE.finditer(self.surroundings)}

    @cached_property
    def _common(self) -> tuple[str, str]:
        """The lines that stand before and behind the symbols of every slice."""
        lines = [match[0] + "\n" for match in _COMMON.finditer(self.surroundings)]
        behind = [line.startswith(("attributes ", "!")) for line in lines]
        return "".join(itertools.compress(lines, map(operator.not_, behind))), "".join(
            itertools.compress(lines, behind)
        )

    @cached_property
    def _uses(self) -> dict[str, set[str]]:
        return {}

    def has(self, name: str) -> bool:
        """Whether the module mentions the symbol."""
        return name in self._spans

    def definition(self, name: str) -> str:
        """The text that defines or declares a symbol."""
        start, end = self._spans[name]
        return self.text[start:end]

    def is_declaration(self, name: str) -> bool:
        """Whether a function has no body here."""
        return self.text.startswith("declare ", self._spans[name][0])

    def is_function(self, name: str) -> bool:
        """Whether a symbol is a function."""
        return self.text[self._spans[name][0]] == "d"

    def variables(self) -> list[str]:
        """The symbols that are no functions."""
        return [name for name in self._spans if not self.is_function(name)]

    def uses(self, name: str) -> set[str]:
        """The symbols that the definition of `name` mentions; itself, if it does so besides saying its name."""
        if name not in self._uses:
            start, end = self._spans[name]
            found = {match.strip('"') for match in _SYMBOL.findall(self.text, start, end)[1:]}
            self._uses[name] = found & self._spans.keys()
        return self._uses[name]

    def calls(self, name: str) -> set[str]:
        """The functions that `name` calls by name."""
        found = {match.strip('"') for match in _CALL.findall(self.definition(name))}
        return found & self._spans.keys()

    def reachable(self, roots: Iterable[str], *, constructors: bool = True) -> list[str]:
        """All symbols that `roots` lead to, in the order of the text; with what runs before any kernel if asked."""
        waiting = [name for name in roots if name in self._spans]
        if constructors and _CONSTRUCTORS in self._spans:
            waiting.append(_CONSTRUCTORS)
        seen = set(waiting)
        while waiting:
            new = self.uses(waiting.pop()) - seen
            seen |= new
            waiting += new
        return sorted(seen, key=self._spans.__getitem__)

    def constructed(self) -> list[set[str]]:
        """For each global that is computed before any kernel runs: the globals that take part, itself included."""
        initializers = [name for name in self._spans if name.startswith("__cxx_global_var_init")]
        return [{used for used in self.uses(name) if not self.is_function(used)} for name in initializers]

    def pruned(self, roots: Iterable[str], *, lines: bool = False) -> str:
        """A module of what `roots` lead to, without debug information but, if asked for, lines."""
        return self._module(self._body(self.reachable(roots), lines), lines)

    def slice(
        self,
        roots: Iterable[str],
        renamed: Mapping[str, str] | None = None,
        given: Container[str] = (),
        *,
        lines: bool = False,
    ) -> str:
        """A module of what `roots` lead to, for lowering: without debug information, symbols renamed or left out.

        Parameters
        ----------
        roots : iterable of str
        renamed : mapping of str to str, optional
            New names of symbols that are defined here. What the new name was before is left out.
        given : container of str, optional
            Symbols that will be defined elsewhere; they are left out too.
        lines : bool
            With the lines of instructions, if the module has them.
        """
        renamed = renamed or {}
        names = [name for name in self.reachable(roots) if name not in renamed.values() and name not in given]
        body = self._body(names, lines)
        for old, new in renamed.items():
            body = [re.sub(rf"@{re.escape(old)}(?![\w.$-])", f"@{new}", text) for text in body]
        return self._module(body, lines)

    def _body(self, names: Iterable[str], lines: bool) -> list[str]:
        return [undescribed(self.definition(name), lines=lines) for name in names]

    def _module(self, body: list[str], lines: bool) -> str:
        before, behind = self._common
        if lines and (unit := UNIT.search(self.surroundings)):
            behind += unit[0]
        return "\n".join((f"{before}{body[0]}" if body else before, *body[1:], behind + self._metadata(*body, behind)))

    def _metadata(self, *texts: str) -> str:
        found: dict[str, str] = {}
        waiting = {number for text in texts for number in _REFERENCE.findall(text)}
        while waiting:
            new = {number: self._node(number) for number in waiting}
            found |= new
            waiting = {n for line in new.values() for n in _REFERENCE.findall(line)} - found.keys()
        numbers = sorted((n for n, line in found.items() if line), key=int)
        return "".join(f"{found[n]}\n" for n in numbers)

    def _node(self, number: str) -> str:
        """A node as slices have it: loops do not say where they are, which would lead to functions."""
        node = self._nodes.get(number, "")
        if "!{" in node:
            return _ELEMENT.sub(lambda e: "" if "!DILocation(" in self._nodes.get(e[1], "") else e[0], node)
        return described_line(node)


def adapted(ir: str) -> str:
    """A slice as Metal means it, for any CPU: shifts by the low bits of the amount, no hints about a GPU's loops."""
    start = max(ir.find("\nattributes #"), 0)  # attributes and metadata stand behind the functions
    behind = _LOOP_HINTS.sub('!"mp.', _TARGET_ATTRIBUTES.sub("", ir[start:]))
    number = itertools.count()

    def mask(match: re.Match[str]) -> str:
        start, width, amount, rest = match.groups()
        if amount.isdecimal():
            return f"{start}{int(amount) % int(width)}{rest}"
        masked = f"%mp.shift.{next(number)}"
        return f"  {masked} = and i{width} {amount}, {int(width) - 1}\n{start}{masked}{rest}"

    return _SHIFT.sub(mask, ir[:start]) + behind


def sealed(ir: str, exported: Container[str]) -> str:
    """A module's text in which nothing but the `exported` symbols, which no group holds, can be seen from outside."""

    def seal(line: str) -> str:
        name = _SYMBOL.search(line)
        assert name is not None
        if name[1].strip('"') in exported or name[1].startswith("llvm.") or " = external " in line:
            return line
        return _COMDAT.sub("", _DEFINES.sub(r"\1internal ", line, count=1))

    lines = (line for line in ir.split("\n") if not line.startswith("$"))
    return "\n".join([seal(line) if line.startswith(_HEADS) else line for line in lines])


def inlining(ir: str, entry: str, meeting: re.Pattern[str]) -> str:
    """A sealed module's text that says that everything is inlined into `entry`, but for functions that are not to be.

    Of these, such that lead to a function whose name matches `meeting` are inlined all the same: lanes that call one
    from different places must not meet inside it.
    """
    apart = {group for group, words in _GROUP.findall(ir) if "noinline" in words.split()}
    assembly = Assembly(ir) if apart else None

    def mark(line: str) -> str:
        name, group = _SYMBOL.search(line), _GROUP_OF.search(line)
        assert name is not None
        if name[1] == entry or group is None:
            return line
        if group[1] not in apart:
            return f"{line[: group.start()]} alwaysinline{line[group.start() :]}"
        assert assembly is not None
        reached = assembly.reachable([name[1].strip('"')], constructors=False)
        meets = any(meeting.fullmatch(other) for other in reached)
        return f"{line[: group.start()]} alwaysinline{line[group.end() :]}" if meets else line

    return "\n".join([mark(line) if line.startswith("define ") else line for line in ir.split("\n")])
