"""The one change made to the user's text: what C++ does not know is blanked out or renamed at equal length.

Length-preserving edits on the unpreprocessed text (macro bodies included) keep every line and column, so clang's
messages point into the user's own source. Address-space keywords are macros (``__mp/keywords.h``); here only what
a macro cannot express:

* ``[[...]]`` attributes of Metal are blanked;
* ``threadgroup`` stays where it declares a variable (a storage class), whose initializer goes, and is blanked where
  it qualifies a pointer, a reference or a method;
* ``coherent`` and ``coherent(scope)`` are blanked: threads of the host see each other's writes;
* ``constant`` is blanked where it qualifies a constructor, which C++ cannot make ``const``;
* constructors that are all ``= default`` go: since C++20 they keep a class from being an aggregate; and so does what is
  ``= delete`` for objects in one address space;
* ``constant T x [[function_constant(n)]]`` becomes ``extern   T x``, to be defined when a kernel is specialised;
* ``T x [[thread_position_in_grid]]`` outside functions becomes ``threadgroup T x``, which `lowering` makes each
  thread's own;
* graphics functions are blanked: they need what only a graphics pipeline has;
* ``typedef T name __attribute__((ext_vector_type(8)))`` becomes ``typedef metal::vec<T,8> name``, and so do other such
  declarations: vectors are of a class here;
* ``1.0bf`` becomes ``1.0_b`` and ``1.0H`` becomes ``1.0h``, since clang's lexer refuses the former.
"""

from __future__ import annotations

import re

from .declarations import ADDRESS_SPACES
from .harvest import BUILTINS, GRAPHICS
from .lexer import Token, closing, places, tokenize
from .source import blanked

__all__ = ["blank_for_cpp"]

Edit = tuple[int, int, str]  # start, end, what to put there

# Attributes that clang knows and that mean the same there.
_CPP_ATTRIBUTES = frozenset(
    "maybe_unused nodiscard noreturn fallthrough likely unlikely deprecated no_unique_address carries_dependency "
    "assume".split()
)
_VECTOR_ATTRIBUTES = frozenset({"ext_vector_type", "__ext_vector_type__"})
_WORDS = _VECTOR_ATTRIBUTES | {"[[", "vertex", "fragment", "threadgroup", "coherent", "constant", "default", "delete"}
_BFLOAT_LITERAL = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(bf|BF)\Z")


def blank_for_cpp(text: str, lexed: list[Token] | None = None) -> str:
    """Metal source as C++ of the same length; see the module's text for what changes.

    Parameters
    ----------
    text : str
    lexed : list of Token, optional
        What `lexer.lex` makes of the text, if that is known.
    """
    tokens = tokenize(text, directives=False, lexed=lexed)
    edits: list[Edit] = []
    for i in places(tokens, _WORDS, "number"):
        token = tokens[i]
        if token.kind == "punct" and token.text == "[[":
            edits += _attribute_edits(text, tokens, i)
        elif token.kind == "id" and token.text in ("vertex", "fragment"):
            edits += _graphics_edits(text, tokens, i)
        elif token.kind == "id" and token.text == "threadgroup":
            if _declares_variable(text, tokens, i):
                edits += _initializer_edits(text, tokens, i)
            else:
                edits.append((token.start, token.end, " " * len(token.text)))
        elif token.kind == "id" and token.text == "coherent":
            end = closing(tokens, i + 1) if tokens[i + 1 : i + 2] and tokens[i + 1].text == "(" else i
            if end < len(tokens):
                edits.append((token.start, tokens[end].end, blanked(text[token.start : tokens[end].end])))
        elif token.kind == "id" and token.text == "constant" and _qualifies_constructor(tokens, i):
            edits.append((token.start, token.end, " " * len(token.text)))
        elif token.kind == "id" and token.text == "default" and tokens[i - 1].text == "=":
            edits += _defaulted_edits(text, tokens, i)
        elif token.kind == "id" and token.text == "delete" and tokens[i - 1].text == "=":
            edits += _deleted_edits(text, tokens, i)
        elif token.kind == "id" and token.text in _VECTOR_ATTRIBUTES:
            edits += _vector_edits(text, tokens, i)
        elif token.kind == "number" and token.text[-1] in "fF":
            match = _BFLOAT_LITERAL.match(token.text)
            if match:
                edits.append((token.start + match.start(1), token.end, "_b"))
        elif token.kind == "number" and token.text[-1] == "H" and token.text[:2] not in ("0x", "0X"):
            edits.append((token.end - 1, token.end, "h"))
    return _apply(text, edits)


def _vector_edits(text: str, tokens: list[Token], at: int) -> list[Edit]:
    """Make a vector of our class of the type whose attribute is at `at`: in a typedef or behind ``using name =``."""
    first, end = at - 3, at + 6  # of __attribute__((ext_vector_type(N)))
    words = [t.text for t in tokens[first:end]]
    if words[:3] != ["__attribute__", "(", "("] or words[-3:] != [")", ")", ")"] or words[4] != "(":
        return []
    begin = first
    while begin > 0 and tokens[begin - 1].text not in (";", "{", "}", "=", "typedef"):
        begin -= 1
    is_last = tokens[end].text == ";" and tokens[begin - 1].text == "typedef"  # behind the name
    element = tokens[begin : first - is_last]
    if begin == 0 or tokens[begin - 1].text not in ("=", "typedef") or not element:
        return []
    start, stop = tokens[begin].start, tokens[end - 1].end
    made = f"metal::vec<{text[element[0].start : element[-1].end]},{tokens[at + 2].text}>"
    if is_last:
        made += f" {tokens[first - 1].text}"
    is_line = "\n" not in text[start:stop] and len(made) <= stop - start
    return [(start, stop, made.ljust(stop - start))] if is_line else []


def _apply(text: str, edits: list[Edit]) -> str:
    out: list[str] = []
    done = 0
    for start, end, replacement in sorted(edits):
        if start >= done:
            out += (text[done:start], replacement)
            done = end
    out.append(text[done:])
    return "".join(out)


def _attribute_edits(text: str, tokens: list[Token], at: int) -> list[Edit]:
    end = closing(tokens, at)
    if end == len(tokens):
        return []
    names = [t.text for t in tokens[at + 1 : end] if t.kind == "id"]
    if not names or names[0] in _CPP_ATTRIBUTES or names[0] in ("clang", "gnu"):
        return []
    if names[0] in GRAPHICS and not _in_parameters(tokens, at):
        return _graphics_edits(text, tokens, at)
    start, stop = tokens[at].start, tokens[end].end
    edits = [(start, stop, blanked(text[start:stop]))]
    if names[0] in BUILTINS and tokens[end + 1 : end + 2] and tokens[end + 1].text == ";":
        first = _first_of_declaration(text, tokens, at)
        if first < at and not _in_parameters(tokens, at) and not _in_class(tokens, first):
            declared = re.sub(r"\b(const|constant)\b", "", text[tokens[first].start : start])
            return [(tokens[first].start, stop, f"threadgroup {declared}".ljust(stop - tokens[first].start))]
    if "function_constant" in names and not _in_parameters(tokens, at):  # there it gates an argument
        edits += _storage_edits(text, tokens, at)
    return edits


def _first_of_declaration(text: str, tokens: list[Token], at: int) -> int:
    """Index of the first token of the declaration that the token at `at` belongs to."""
    first = at
    while first > 0 and tokens[first - 1].text not in (";", "{", "}"):
        if _in_directive(text, tokens[first].start, tokens[first - 1].start):
            break
        first -= 1
    return first


def _in_class(tokens: list[Token], at: int) -> bool:
    """Whether the token at `at` stands in the braces of a class, a kernel's argument then."""
    depth = 0
    i = at - 1
    while i >= 0 and (depth or tokens[i].text != "{"):
        depth += (tokens[i].text == "}") - (tokens[i].text == "{")
        i -= 1
    head = []
    while i > 0 and tokens[i - 1].text not in (";", "{", "}"):
        i -= 1
        head.append(tokens[i].text)
    return "struct" in head or "class" in head


def _graphics_edits(text: str, tokens: list[Token], at: int) -> list[Edit]:
    """Blank the function, or the instantiation of one, that the word or attribute at `at` makes a graphics function."""
    i = at
    while i < len(tokens) and tokens[i].text not in (";", "{"):
        i = closing(tokens, i) + 1 if tokens[i].text in ("(", "[[", "<") else i + 1
    end = closing(tokens, i) if i < len(tokens) and tokens[i].text == "{" else i
    if end >= len(tokens):
        return []
    start, stop = tokens[_first_of_declaration(text, tokens, at)].start, tokens[end].end
    return [(start, stop, blanked(text[start:stop]))]


def _storage_edits(text: str, tokens: list[Token], at: int) -> list[Edit]:
    """Make the declaration with an attribute at `at` an ``extern`` one: its value comes when a kernel is lowered.

    The word to replace is ``constant``, or a macro in front that stands for it.
    """
    words: list[Token] = []
    for i in range(at - 1, -1, -1):
        token = tokens[i]
        if token.text in (";", "{", "}") or _in_directive(text, tokens[at].start, token.start):
            break
        words.insert(0, token)
    storage = next((t for t in words if t.text == "constant"), words[0] if len(words) > 2 else None)
    if storage is None or storage.kind != "id" or len(storage.text) < len("extern"):
        return []
    edits = [(storage.start, storage.end, "extern".ljust(len(storage.text)))]
    for token in words:
        if token.text in ("static", "constexpr", "const", "inline") and token is not storage:
            edits.append((token.start, token.end, " " * len(token.text)))
    return edits


def _defaulted_edits(text: str, tokens: list[Token], at: int) -> list[Edit]:
    """Blank the constructor whose ``default`` is at `at`, unless its class has one that does something."""
    first = _first_of_declaration(text, tokens, at)
    first = max((i + 1 for i in range(first, at) if tokens[i].text == ":"), default=first)  # behind `public:`
    opening, depth = first - 1, 0
    while opening > 0 and (depth or tokens[opening].text != "{"):
        depth += (tokens[opening].text == "}") - (tokens[opening].text == "{")
        opening -= 1
    class_words = [t.text for t in tokens[max(opening - 8, 0) : opening] if t.kind == "id"]
    name = next((t.text for t in tokens[first:at] if t.text in class_words), None)
    if name is None or tokens[at + 1].text != ";":
        return []
    i, end = opening + 1, closing(tokens, opening)
    while i < end:
        if tokens[i].text == name and tokens[i - 1].text != "~":
            j = closing(tokens, i + 1) + 1 if tokens[i + 1].text == "<" else i + 1
            if tokens[j].text == "(":
                while j < end and tokens[j].text not in (";", "{", ":"):
                    j += 1
                if tokens[j - 1].text != "default" and not _is_deleted_for_space(tokens, j - 1):
                    return []
        i = closing(tokens, i) + 1 if tokens[i].text in ("{", "(") else i + 1
    start, stop = tokens[first].start, tokens[at + 1].end
    return [(start, stop, blanked(text[start:stop]))]


def _deleted_edits(text: str, tokens: list[Token], at: int) -> list[Edit]:
    """Blank what is deleted for objects in one space: to C++ it would be deleted for those in others."""
    if not _is_deleted_for_space(tokens, at):
        return []
    first = _first_of_declaration(text, tokens, at)
    first = max((i + 1 for i in range(first, at) if tokens[i].text == ":"), default=first)
    start, stop = tokens[first].start, tokens[at + 1].end
    return [(start, stop, blanked(text[start:stop]))]


def _is_deleted_for_space(tokens: list[Token], at: int) -> bool:
    words = [t.text for t in tokens[at - 2 : at + 1]]
    return len(words) == 3 and words[0] in ADDRESS_SPACES and words[1:] == ["=", "delete"]


def _initializer_edits(text: str, tokens: list[Token], at: int) -> list[Edit]:
    """Blank the initializers of the ``threadgroup`` variables declared at `at`, which Metal ignores."""
    edits: list[Edit] = []
    i = at
    while i < len(tokens) and tokens[i].text != ";" and tokens[i].kind != "directive":
        if tokens[i].text == "=":
            start = i
            while i < len(tokens) and tokens[i].text not in (",", ";"):
                i = closing(tokens, i) + 1 if tokens[i].text in ("{", "(") else i + 1
            end = tokens[min(i, len(tokens)) - 1].end
            edits.append((tokens[start].start, end, blanked(text[tokens[start].start : end])))
        elif tokens[i].text in ("(", "[", "<", "{"):
            i = closing(tokens, i) + 1
        else:
            i += 1
    return edits


def _declares_variable(text: str, tokens: list[Token], at: int) -> bool:
    """Whether ``threadgroup`` at `at` declares a variable: ``threadgroup T name`` and then ``[ ; = ,``."""
    if at > 0 and tokens[at - 1].text in ("<", ","):
        return False  # tensor<threadgroup T, ...>, f<3, threadgroup T>(x)
    words = 0
    i = at + 1
    while i < len(tokens):
        token = tokens[i]
        if "\n" in text[tokens[i - 1].end : token.start] and _in_directive(text, token.start, tokens[at].start):
            return words >= 2  # a macro body that ends before the declarator's end
        if token.kind == "id":
            words += 1
        elif (
            token.text == "<"
            or token.text == "[["
            or (token.text == "(" and tokens[i - 1].text in ("alignas", "decltype", "__attribute__", "typeof"))
        ):
            i = closing(tokens, i)
        elif token.text in ("[", ";", "=") or token.text == ",":
            return words >= 1 and not _in_parameters(tokens, at)
        elif token.text not in ("::", "#"):
            return False
        i += 1
    return words >= 2


def _in_directive(text: str, here: int, since: int) -> bool:
    """Whether `since` lies in a preprocessor line that has ended before `here`."""
    start = text.rfind("\n", 0, since) + 1
    while start > 1 and text[start - 2] == "\\":
        start = text.rfind("\n", 0, start - 1) + 1
    if not text[start:since].lstrip().startswith("#"):
        return False
    return re.search(r"(?<!\\)\n", text[since:here]) is not None


def _in_parameters(tokens: list[Token], at: int) -> bool:
    """Whether the token at `at` lies in parentheses or a template argument list of the same statement."""
    depth = 0
    for i in range(at - 1, -1, -1):
        token = tokens[i]
        if token.text in (";", "{", "}"):
            return False
        if token.text in (")", "]"):
            depth += 1
        elif token.text in ("(", "["):
            if depth == 0:
                return True
            depth -= 1
    return False


def _qualifies_constructor(tokens: list[Token], at: int) -> bool:
    """Whether the qualifier at `at` stands behind a constructor: ``Name(...) constant`` without a return type."""
    if at == 0 or tokens[at - 1].text != ")":
        return False
    depth = 0
    for i in range(at - 1, 0, -1):
        depth += (tokens[i].text == ")") - (tokens[i].text == "(")
        if depth == 0:
            before = tokens[i - 2].text if i > 1 else ";"
            return tokens[i - 1].kind == "id" and (
                before in (";", "{", "}", ":", ">", "]]", "constexpr", "inline", "explicit", "METAL_FUNC")
            )
    return False
