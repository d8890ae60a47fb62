"""Metal source with its own includes spliced in: one text that holds all there is to compile.

The text is what is hashed for the cache and what clang reads; ``#line`` marks keep every message in the user's own
files. Headers of the Metal standard library stay ``#include`` lines; metalpy's own ``<c10/metal/...>`` are spliced, but
for folders that have others of these names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from .._core.lexer import hash_line
from ..errors import CompileError, Diagnostic

__all__ = [
    "OWN_HEADERS",
    "PROGRAM_SOURCE",
    "STANDARD_HEADERS",
    "Misuse",
    "Source",
    "blanked",
    "is_own_file",
    "read_source",
]

PROGRAM_SOURCE = "program_source"  # Apple's name for source that has no file
STANDARD_HEADERS = Path(__file__).parent / "include"
# Of those, the ones written in Metal: they have kernels, so they are read as a user's.
SPLICED_HEADERS = ("c10/metal/",)
OWN_HEADERS = (*SPLICED_HEADERS, "metalpy/")  # those that no other Metal compiler has
MAX_INCLUDE_DEPTH = 200
BYTE_ORDER_MARK = "\ufeff"  # some editors' first character; clang knows it only as the first of all it reads

_DIRECTIVE = re.compile(
    r"[ \t]*\#[ \t]*(?P<directive>include|import|if|ifdef|ifndef|elif|elifdef|elifndef|else|endif|pragma[ \t]+once)\b"
    r"(?P<rest>(?:\\\n|[^\n])*)"
)
_NAME = re.compile(r'[ \t]*(?:"(?P<quoted>[^"\n]+)"|<(?P<angled>[^>\n]+)>)')
_BLANK = r"(?:\s|//[^\n]*+|(?>/\*.*?\*/))*+"  # never tried in another way: there are exponentially many
_GUARD = re.compile(
    rf"\A{_BLANK}\#[ \t]*ifndef[ \t]+(?P<name>\w+)[^\n]*\n{_BLANK}\#[ \t]*define[ \t]+(?P=name)\b", re.DOTALL
)
_ONCE = re.compile(r"^[ \t]*\#[ \t]*pragma[ \t]+once\b", re.MULTILINE)
# What else has come in place of a program, by how it starts.
_COMPILED = {
    "\udc93MTLP": "a library that metalpy has compiled: metalpy.load_library(path) opens it",
    "MTLB": "a library that Apple's tools have compiled: metalpy.mps.load_metallib(path) opens it on an Apple GPU",
}
_NO_TEXT = "something with zero bytes: a compiled file, or text that is not UTF-8"


# Another way to spell brackets, of the same length; but <:: are a bracket of templates and the global scope's `::`.
_DIGRAPHS = {"<:<:": "[[  ", ":>:>": "  ]]", "<%": "{ ", "%>": " }", "<:": "[ ", ":>": " ]", "%:": "# "}
_DIGRAPH_OR_TEXT = re.compile(
    r"//(?:\\\n|[^\n])*|/\*.*?(?:\*/|\Z)|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
    r"|::|<:<:|:>:>|<%|%>|<:(?!:[^:>])|:>|%:",
    re.DOTALL,
)


class Misuse(Exception):
    """Something that our own passes find wrong with a program, before it is told as a `CompileError`.

    `word` is what the caret should point at in the line.
    """

    def __init__(self, message: str, file: str, line: int, word: str = "") -> None:
        super().__init__(message)
        self.message, self.file, self.line, self.word = message, file, line, word


@dataclass(frozen=True)
class Source:
    """A program ready to compile.

    Attributes
    ----------
    text : str
        The program with its includes spliced in.
    name : str
        The file's path or `PROGRAM_SOURCE`.
    files : dict of str to str
        Every file that took part, by the name under which messages speak of it, with its own text.
    is_closed : bool
        False if some include can only be resolved by the preprocessor (``#include MACRO``), so that `text` alone
        does not determine the program.
    includers : dict of str to (str, int)
        For each included file, the file and line of the include that brought it in first.
    """

    text: str
    name: str
    files: dict[str, str]
    is_closed: bool
    includers: dict[str, tuple[str, int]] = field(default_factory=dict)

    def without_digraphs(self) -> Source:
        """With brackets in place of digraphs, which clang knows and our own passes do not."""
        if not any(digraph in self.text for digraph in _DIGRAPHS):
            return self
        return replace(self, text=_DIGRAPH_OR_TEXT.sub(lambda match: _DIGRAPHS.get(match[0], match[0]), self.text))

    def included_from(self, name: str) -> tuple[tuple[str, int], ...]:
        """Files and lines of the includes that led to a file, the nearest first."""
        stack: list[tuple[str, int]] = []
        while name in self.includers and len(stack) <= MAX_INCLUDE_DEPTH:
            stack.append(self.includers[name])
            name = stack[-1][0]
        return tuple(stack)


def read_source(
    text: str,
    name: str = PROGRAM_SOURCE,
    include_dirs: tuple[str, ...] = (),
    own_headers: tuple[str, ...] = SPLICED_HEADERS,
) -> Source:
    """Splice the includes of a program into it.

    Parameters
    ----------
    text : str
        The program.
    name : str
        Its path, or `PROGRAM_SOURCE` for a string; quoted includes are looked up beside the file first.
    include_dirs : tuple of str
        Folders searched next, in order, for quoted and angled includes.
    own_headers : tuple of str
        Folders of metalpy's headers that are spliced in, too: `OWN_HEADERS` for a compiler that is not metalpy's.

    Raises
    ------
    CompileError
        Includes that contain each other without an include guard; what is no text.
    """
    if "\0" in text:
        kind = next((kind for start, kind in _COMPILED.items() if text.startswith(start)), _NO_TEXT)
        message = f"this is no Metal source, but {kind}"
        raise CompileError(f"{shown(name)}:1:1: error: {message}", (Diagnostic("error", message, shown(name), 1, 1),))
    splicer = _Splicer(include_dirs, own_headers)
    spliced = splicer.splice(text.removeprefix(BYTE_ORDER_MARK), name)
    return Source(spliced, name, splicer.files, splicer.is_closed, splicer.includers)


def shown(name: str) -> str:
    """A file's name in messages, which are lines."""
    return name.replace("\n", "\\n").replace("\r", "\\r")


def is_own_file(name: str) -> bool:
    """Whether a file is one of metalpy's headers."""
    return name.startswith(str(STANDARD_HEADERS)) or name.endswith(("/metalpy_kernel.h", "/metalpy_format.h"))


def line_mark(line: int, name: str) -> str:
    """A ``#line`` directive, ended by a newline."""
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'#line {line} "{quoted}"\n'


def blanked(text: str) -> str:
    """Spaces of the same shape: line ends, and their continuations, stay."""
    return re.sub(r"[^\n\\]|\\(?!\n)", " ", text)


class _Splicer:
    def __init__(self, include_dirs: tuple[str, ...], own_headers: tuple[str, ...]) -> None:
        self._dirs = include_dirs
        self._own_headers = own_headers
        self._stack: list[str] = []
        # Guarded files that the text holds already wherever the preprocessor gets here: those of no branch of a
        # conditional, then those of each branch that is open.
        self._done: list[set[str]] = [set()]
        self.files: dict[str, str] = {}
        self.includers: dict[str, tuple[str, int]] = {}
        self.is_closed = True

    def splice(self, text: str, name: str) -> str:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        self.files[shown(name)] = text
        self._stack.append(name)
        out = [line_mark(1, shown(name))]
        done = 0
        # For each conditional whether something was spliced in. The include guard's own makes nothing conditional.
        conditionals: list[bool] = []
        guards = 1 if _is_guarded(text) else 0
        branches = len(self._done)
        for match in _directives(text):
            directive = match["directive"]
            if directive.startswith("pragma"):
                continue
            if directive in ("include", "import"):
                replacement = self._include(match["rest"], name, text, match.end())
                if replacement is not None:
                    out += (text[done : match.start()], replacement)
                    done = match.end()
                if replacement:
                    conditionals = [True] * len(conditionals)
                continue
            if directive.startswith("if"):
                conditionals.append(False)
            elif conditionals and conditionals[-1] and "/*" not in match["rest"]:
                # The marks in a branch that is skipped are not read.
                line = text.count("\n", 0, match.end()) + 1
                out += (text[done : match.end()], "\n" + line_mark(line + 1, shown(name)).rstrip("\n"))
                done = match.end()
            if len(conditionals) > guards:
                if not directive.startswith("if") and len(self._done) > branches:
                    self._done.pop()
                if directive != "endif":
                    self._done.append(set())
            if directive == "endif" and conditionals:
                conditionals.pop()
        del self._done[branches:]
        out.append(text[done:])
        self._stack.pop()
        if not out[-1].endswith("\n"):
            out.append("\n")
        if text.endswith(("\\", "\\\n")):  # which would take in what follows
            out.append("\n")
        return "".join(out)

    def _include(self, rest: str, includer: str, text: str, end: int) -> str | None:
        """The text in place of an include, without a final newline; None leaves the line to clang."""
        match = _NAME.match(rest)
        if match is None:
            self.is_closed = False
            return None
        path = self._resolve(match["quoted"] or match["angled"], includer)
        if path is None:
            return None
        line = text.count("\n", 0, end) + 1
        back = line_mark(line + 1, shown(includer)).rstrip("\n")
        content = _read(path)
        is_once = _ONCE.search(content) is not None
        is_guarded = is_once or _is_guarded(content)
        if is_guarded and (path in self._stack or any(path in done for done in self._done)):
            return ""
        if len(self._stack) > MAX_INCLUDE_DEPTH or self._stack.count(path) > 8:
            message = f"'{path}' includes itself without an include guard or '#pragma once'"
            where = Diagnostic("error", message, includer, line, 1)
            raise CompileError(f"{includer}:{line}:1: error: {message}", (where,))
        if is_guarded:
            self._done[-1].add(path)
        if shown(path) not in self.files:
            self.includers[shown(path)] = (shown(includer), line)
        body = self.splice(content, path)
        if is_once:
            guard = f"__metalpy_once_{list(self.files).index(path)}"
            body = f"#ifndef {guard}\n#define {guard}\n{_ONCE.sub('', body)}#endif\n"
        return body + back

    def _resolve(self, name: str, includer: str) -> str | None:
        if os.path.isabs(name):
            return name if os.path.isfile(name) else None
        beside = [os.path.dirname(includer)] if includer != PROGRAM_SOURCE else []
        for folder in (*beside, *self._dirs):
            path = os.path.normpath(os.path.join(folder, name))
            if os.path.isfile(path):
                return path
        if name.startswith(self._own_headers) and (STANDARD_HEADERS / name).is_file():
            return str(STANDARD_HEADERS / name)
        return None


def _directives(text: str) -> Iterator[re.Match[str]]:
    """Those preprocessor lines that concern includes, but for what is in comments and literals."""
    at = hash_line(text, 0)
    while at >= 0:
        match = _DIRECTIVE.match(text, at)
        if match is not None:
            yield match
        at = hash_line(text, match.end() if match else text.index("#", at) + 1)


@lru_cache(maxsize=256)
def _is_guarded(text: str) -> bool:
    """Whether an include guard holds all of a file: others begin with ``#ifndef`` and the default of a macro, too."""
    if _GUARD.match(text) is None:
        return False
    depth = 0
    for match in _directives(text):
        directive = match["directive"]
        depth += directive.startswith("if") - (directive == "endif")
        if directive == "endif" and depth == 0:
            return re.compile(rf"{_BLANK}\Z", re.DOTALL).match(text, match.end()) is not None
    return False


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape").removeprefix(BYTE_ORDER_MARK)
    except OSError as error:
        raise CompileError(f"cannot read {path}: {error.strerror}") from error
