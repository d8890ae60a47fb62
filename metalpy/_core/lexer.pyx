"""Tokens of Metal source, the hot part: `metalpy.compiler.lexer` has the rest, and says what it is for."""

from collections import namedtuple

from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND, PyUnicode_READ

cdef extern from "Python.h":
    object PyType_GenericAlloc(type kind, Py_ssize_t items)
    bint Py_UNICODE_ISSPACE(Py_UCS4 character)


class Token(namedtuple("Token", ("kind", "text", "start"))):
    """A token.

    `kind` is ``"id"``, ``"number"``, ``"string"``, ``"char"``, ``"punct"``, ``"directive"`` or ``"quote"``, which is
    one that nothing closes.
    """

    __slots__ = ()

    @property
    def end(self):
        return self.start + len(self.text)


cdef type _Token = Token
cdef str _ID = "id", _NUMBER = "number", _STRING = "string", _CHAR = "char", _PUNCT = "punct", _QUOTE = "quote"
cdef dict _PAIRS = {"(": ")", "[": "]", "{": "}", "[[": "]]"}


cdef enum:
    SKIP = 0  # what a character begins, unless more than one thing: white space
    NAME = 1
    DIGIT = 2
    OTHER = 3

cdef unsigned char _begins[128]


cdef void _begin(str characters, unsigned char what):
    cdef Py_UCS4 character
    for character in characters:
        _begins[character] = what


_begin("".join(map(chr, range(128))), OTHER)
_begin(" \t\r\f\v\n", SKIP)
_begin("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$", NAME)
_begin("0123456789", DIGIT)


cdef inline unsigned char _begun(Py_UCS4 character) noexcept:
    return _begins[character] if character < 128 else NAME


cdef class _Text:
    """A text and its characters; those behind its end are 0."""

    cdef str text
    cdef void *data
    cdef int kind
    cdef Py_ssize_t length

    def __cinit__(self, str text):
        self.text = text
        self.data = PyUnicode_DATA(text)
        self.kind = PyUnicode_KIND(text)
        self.length = PyUnicode_GET_LENGTH(text)

    cdef inline Py_UCS4 at(self, Py_ssize_t i) noexcept:
        return PyUnicode_READ(self.kind, self.data, i) if i < self.length else 0

    cdef inline bint in_name(self, Py_ssize_t i) noexcept:
        cdef unsigned char begun = _begun(self.at(i))
        return begun == NAME or begun == DIGIT

    cdef inline bint in_number(self, Py_ssize_t i) noexcept:
        cdef Py_UCS4 c = self.at(i)
        return c < 128 and c != c"$" and self.in_name(i)

    cdef Py_ssize_t name_end(self, Py_ssize_t i) noexcept:
        while self.in_name(i):
            i += 1
        return i

    cdef Py_ssize_t number_end(self, Py_ssize_t i) noexcept:
        """Behind a number whose first digit is before `i`."""
        cdef Py_UCS4 c
        while True:
            c = self.at(i)
            if c in (c"e", c"E", c"p", c"P") and self.at(i + 1) in (c"+", c"-"):
                i += 2
            elif c == c"." or self.in_number(i) or (c == c"'" and self.in_number(i + 1)):
                i += 1
            else:
                return i

    cdef Py_ssize_t quoted_end(self, Py_ssize_t i) noexcept:
        """Behind the literal whose quote is at `i`; 0 if its line, or the text, does not close it."""
        cdef Py_UCS4 quote = self.at(i), c
        i += 1
        while i < self.length:
            c = self.at(i)
            if c == quote:
                return i + 1
            if c == c"\n" or (c == c"\\" and i + 1 == self.length):
                return 0
            i += 2 if c == c"\\" else 1
        return 0

    cdef Py_ssize_t raw_end(self, Py_ssize_t i):
        """Behind the raw string whose quote is at `i`; 0 if it is none."""
        cdef Py_ssize_t begin = i + 1, end
        i = begin
        while i < self.length and self.at(i) not in (c"(", c")", c"\\") and not Py_UNICODE_ISSPACE(self.at(i)):
            i += 1
        if self.at(i) != c"(":
            return 0
        end = self.text.find(f'){self.text[begin:i]}"', i + 1)
        return 0 if end < 0 else end + (i - begin) + 2

    cdef Py_ssize_t prefix_end(self, Py_ssize_t i) noexcept:
        """Where the quote of a literal with a prefix would be, the R of a raw one counted as its name."""
        if self.at(i) == c"u" and self.at(i + 1) == c"8":
            return i + 2
        return i + 1 if self.at(i) in (c"u", c"U", c"L") else i

    cdef Py_ssize_t comment_end(self, Py_ssize_t i) noexcept:
        """Behind the comment whose first slash is at `i`; 0 if it is none."""
        if self.at(i + 1) == c"*":
            i += 2
            while i < self.length and not (self.at(i) == c"*" and self.at(i + 1) == c"/"):
                i += 1
            return min(i + 2, self.length)
        if self.at(i + 1) != c"/":
            return 0
        while i < self.length and self.at(i) != c"\n":
            i += 2 if self.at(i) == c"\\" and self.at(i + 1) == c"\n" else 1
        return i


cdef inline object _token(str kind, str text, Py_ssize_t start):
    """A Token, several times as fast as by calling its type."""
    cdef object token = PyType_GenericAlloc(_Token, 3), place = start
    Py_INCREF(kind)
    PyTuple_SET_ITEM(token, 0, kind)
    Py_INCREF(text)
    PyTuple_SET_ITEM(token, 1, text)
    Py_INCREF(place)
    PyTuple_SET_ITEM(token, 2, place)
    return token


def lex(str text):
    """The tokens of `text`, comments and white space left out; ``]]`` is one token wherever it stands."""
    cdef _Text source = _Text(text)
    cdef bint raw = 'R"' in text
    cdef list tokens = []
    cdef Py_ssize_t i = 0, end, quote
    cdef Py_UCS4 c, following
    cdef str kind
    while i < source.length:
        c = source.at(i)
        if _begun(c) == SKIP:
            i += 1
            continue
        end = 0
        kind = _PUNCT
        if c in (c"u", c"U", c"L", c"R", c'"', c"'"):
            quote = source.prefix_end(i)
            if raw and source.at(quote) == c"R" and source.at(quote + 1) == c'"':
                kind, end = _STRING, source.raw_end(quote + 1)
            elif source.at(quote) in (c'"', c"'"):
                kind, end = _STRING if source.at(quote) == c'"' else _CHAR, source.quoted_end(quote)
        if end == 0:
            following = source.at(i + 1)
            end = i + 1
            if _begun(c) == NAME:
                kind, end = _ID, source.name_end(end)
            elif _begun(c) == DIGIT:
                kind, end = _NUMBER, source.number_end(end)
            elif c == c"." and c"0" <= following <= c"9":
                kind, end = _NUMBER, source.number_end(i + 2)
            elif c == c"/" and following in (c"/", c"*"):
                i = source.comment_end(i)
                continue
            elif c == c"\\" and following == c"\n":
                i += 2
                continue
            elif c in (c'"', c"'"):
                kind = _QUOTE
            elif (c == following and c in (c":", c"[", c"]")) or (c == c"-" and following == c">"):
                end = i + 2
        tokens.append(_token(kind, text[i:end], i))
        i = end
    return tokens


def hash_line(str text, Py_ssize_t start):
    """Offset from `start` on where a line begins whose first word is ``#``, not in a comment or literal; else -1."""
    cdef _Text source = _Text(text)
    cdef Py_ssize_t i = start, end
    cdef Py_UCS4 c
    while i < source.length:
        if i == 0 or source.at(i - 1) == c"\n":
            end = i
            while source.at(end) in (c" ", c"\t"):
                end += 1
            if source.at(end) == c"#":
                return i
        c = source.at(i)
        end = 0
        if c in (c'"', c"'"):
            end = source.quoted_end(i)
        elif c == c"/" and source.at(i + 1) in (c"/", c"*"):
            end = source.comment_end(i)
        i = end or i + 1
    return -1


def places(list tokens, words, str kind=None):
    """Indices of the tokens whose text is one of `words`, or that are of a kind."""
    cdef frozenset wanted = frozenset(words)
    cdef list found = []
    cdef Py_ssize_t i
    for i in range(len(tokens)):
        token = <tuple>tokens[i]
        if token[1] in wanted or (kind is not None and <str>token[0] == kind):
            found.append(i)
    return found


def with_subscripts(list tokens):
    """With each ``]]`` that closes no ``[[`` as the two tokens that it is."""
    cdef list brackets = [], out = []
    cdef Py_ssize_t done = 0, i
    cdef str word
    for i in range(len(tokens)):
        word = <str>(<tuple>tokens[i])[1]
        if word == "[" or word == "[[":
            brackets.append(word)
        elif word == "]]" and (not brackets or <str>brackets[len(brackets) - 1] != "[["):
            out += tokens[done:i]
            start = (<tuple>tokens[i])[2]
            out += (Token(_PUNCT, "]", start), Token(_PUNCT, "]", start + 1))
            done = i + 1
            del brackets[len(brackets) - 2 if len(brackets) > 2 else 0:]
        elif brackets and (word == "]" or word == "]]"):
            brackets.pop()
    return out + tokens[done:] if done else tokens


def closing(list tokens, Py_ssize_t at):
    """Index of the token that closes the bracket at index `at`; ``len(tokens)`` if none does.

    ``<`` is matched as a template argument list: brackets nest inside it and ``;`` or ``{`` give up on it.
    """
    cdef str opener = (<tuple>tokens[at])[1]
    return _closing_angle(tokens, at) if opener == "<" else _closing_bracket(tokens, at, opener)


cdef Py_ssize_t _closing_bracket(list tokens, Py_ssize_t at, str opener):
    cdef str closer = _PAIRS[opener], word
    cdef Py_ssize_t depth = 0, i
    for i in range(at, len(tokens)):
        token = <tuple>tokens[i]
        word = <str>token[1]
        if word == opener and <str>token[0] == _PUNCT:
            depth += 1
        elif word == closer and <str>token[0] == _PUNCT:
            depth -= 1
            if depth == 0:
                return i
    return len(tokens)


cdef Py_ssize_t _closing_angle(list tokens, Py_ssize_t at):
    cdef Py_ssize_t depth = 0, i = at
    cdef str word
    while i < len(tokens):
        token = <tuple>tokens[i]
        if <str>token[0] == _PUNCT:
            word = <str>token[1]
            if word == "<":
                depth += 1
            elif word == ">":
                depth -= 1
                if depth == 0:
                    return i
            elif word in ("(", "[", "[["):
                i = _closing_bracket(tokens, i, word)
            elif word in (";", "{", "}", ")"):
                return len(tokens)
        i += 1
    return len(tokens)
