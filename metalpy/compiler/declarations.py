"""Declarations as tokens: their attributes, names, parameters and types, as far as they can be told without C++."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from .lexer import Token, closing

__all__ = [
    "ADDRESS_SPACES",
    "QUALIFIERS",
    "SCALAR",
    "VECTOR",
    "base_name",
    "declarator",
    "is_kernel",
    "name_of",
    "number_kind",
    "outside_brackets",
    "parameter_name",
    "signature",
    "spell",
    "split_attributes",
    "split_commas",
    "string",
    "type_name",
]

ADDRESS_SPACES = frozenset({"device", "constant", "threadgroup", "thread"})
QUALIFIERS = ADDRESS_SPACES | {"const", "volatile", "restrict", "__restrict", "coherent", "struct", "typename"}

SCALAR, VECTOR = "a scalar", "a vector"
_SCALARS = frozenset(
    "bool char uchar short ushort int uint long ulong half bfloat float size_t int8_t uint8_t int16_t uint16_t int32_t "
    "uint32_t int64_t uint64_t".split()
)


def number_kind(type_words: Sequence[str]) -> str | None:
    """`SCALAR`, which converts to any scalar or vector, or `VECTOR`, for the words of a type; None for others."""
    words = [word for word in type_words if word not in ("metal", "::")]
    if len(words) != 1:
        return "a scalar" if words in (["unsigned", "int"], ["unsigned", "char"], ["unsigned", "short"]) else None
    if words[0] in _SCALARS or words[0] == "unsigned":
        return SCALAR
    return VECTOR if words[0][-1] in "234" and words[0][:-1] in _SCALARS else None


def is_kernel(declaration: list[Token]) -> bool:
    return "kernel" in [text for _, text, _ in declaration] and "kernel" in split_attributes(declaration)[0]


def split_attributes(tokens: list[Token]) -> tuple[dict[str, list[Token]], list[Token]]:
    """The attributes by name with the tokens of their arguments, and the tokens outside attributes.

    ``kernel`` as a keyword counts as an attribute, so that both spellings read alike.
    """
    attributes: dict[str, list[Token]] = {}
    plain: list[Token] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if token.text == "[[":
            end = closing(tokens, i)
            for part in split_commas(tokens[i + 1 : end]):
                has_arguments = len(part) > 2 and part[1].text == "("
                if part:
                    attributes[part[0].text] = part[2:-1] if has_arguments else []
            i = end
        elif token.text == "kernel":
            attributes["kernel"] = []
        elif token.text == "(":  # a parameter list keeps the attributes of its parameters
            end = min(closing(tokens, i), len(tokens) - 1)
            plain += tokens[i : end + 1]
            i = end
        else:
            plain.append(token)
        i += 1
    return attributes, plain


def split_commas(tokens: list[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    i = 0
    while i < len(tokens):
        text = tokens[i].text
        if text in ("(", "[", "{", "[[", "<"):
            end = min(closing(tokens, i), len(tokens) - 1)
            if text == "<" and end == len(tokens) - 1 and tokens[end].text != ">":
                end = i  # a comparison
            parts[-1] += tokens[i : end + 1]
            i = end
        elif text == ",":
            parts.append([])
        else:
            parts[-1].append(tokens[i])
        i += 1
    return parts


def declarator(tokens: list[Token]) -> tuple[str, list[Token], list[Token] | None] | None:
    """(return type, tokens of the function's name, tokens of its parameters or None) of a declaration."""
    i = 0
    while i < len(tokens) and tokens[i].text in (
        "template",
        "static",
        "inline",
        "extern",
        "constexpr",
        "__attribute__",
    ):
        i += 1
        if i < len(tokens) and tokens[i].text == "(":
            i = closing(tokens, i) + 1
        elif i < len(tokens) and tokens[i].kind == "string":  # extern "C"
            i += 1
    begin = i
    if i + 1 < len(tokens) and tokens[i].text == "decltype":
        i = closing(tokens, i + 1) + 1
    else:  # `void` or the name of a function type, maybe qualified or a template-id
        i += 1
        while i < len(tokens) and tokens[i].text in ("::", "<") and tokens[begin].text != "void":
            i = closing(tokens, i) + 1 if tokens[i].text == "<" else i + 2
    type_end = i
    while i + 1 < len(tokens) and tokens[i].text == "__attribute__":
        i = closing(tokens, i + 1) + 1
    start = i
    while i < len(tokens) and tokens[i].text not in ("(", ";", "{"):
        i = closing(tokens, i) + 1 if tokens[i].text == "<" else i + 1
    name = tokens[start:i]
    if not name:
        return None
    parameters = tokens[i + 1 : closing(tokens, i)] if i < len(tokens) and tokens[i].text == "(" else None
    return spell(tokens[begin:type_end]), name, parameters


def signature(parameters: list[Token]) -> str:
    """The function type with these parameters, for C++: attributes, defaults and what `rewrite` blanks left out."""
    spelled = []
    for part in split_commas(parameters):
        plain = without_coherent(split_attributes(part)[1])
        texts = [t.text for t in plain]
        end = texts.index("=") if "=" in texts else len(texts)
        spelled.append(spell([t for t in plain[:end] if t.text != "threadgroup"]))
    return f"void({', '.join(spelled)})"


def without_coherent(tokens: list[Token]) -> list[Token]:
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        if tokens[i].text != "coherent":
            out.append(tokens[i])
        elif tokens[i + 1].text == "(":
            i = closing(tokens, i + 1)
        i += 1
    return out


def base_name(tokens: list[Token]) -> str:
    texts = [t.text for t in tokens]
    return "".join(texts[: texts.index("<")]) if "<" in texts else "".join(texts)


def outside_brackets(tokens: list[Token]) -> list[Token]:
    """The tokens not inside <...>, (...) or {...}; array brackets themselves stay, their contents do not."""
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        out.append(tokens[i])
        if tokens[i].text in ("<", "(", "[", "{"):
            end = closing(tokens, i)
            i = end if end < len(tokens) else i
        i += 1
    return out


def name_of(parameter: list[Token]) -> str:
    """A parameter's name, whatever attributes it has; "" if it has none."""
    return parameter_name(split_attributes(parameter)[1])


def parameter_name(tokens: list[Token]) -> str:
    texts = [t.text for t in tokens]
    if "=" in texts:
        tokens = tokens[: texts.index("=")]
    for i, token in enumerate(tokens):  # T (&name)[n]
        if (
            token.text == "("
            and i + 2 < len(tokens)
            and tokens[i + 1].text in ("&", "*")
            and tokens[i + 2].kind == "id"
        ):
            return tokens[i + 2].text
    outer = outside_brackets(tokens)
    while outer and outer[-1].text == "[":
        outer.pop()
    if not outer or outer[-1].kind != "id" or outer[-1].text in QUALIFIERS:
        return ""
    before = [t.text for t in outer[:-1] if t.text not in QUALIFIERS]
    return outer[-1].text if before and before[-1] != "::" else ""


def type_name(tokens: list[Token], name: str) -> str:
    end = max((i for i, token in enumerate(tokens) if token.text == name), default=len(tokens)) if name else len(tokens)
    plain = [token for token in tokens[:end] if token.text not in QUALIFIERS]
    while plain and plain[-1].text in ("*", "&", "("):
        plain.pop()
    return spell(plain)


def string(tokens: list[Token] | None) -> str | None:
    if not tokens or any(t.kind != "string" for t in tokens):
        return None
    return "".join(ast.literal_eval(t.text) if "\\" in t.text or t.text[0] != '"' else t.text[1:-1] for t in tokens)


def spell(tokens: list[Token]) -> str:
    out: list[str] = []
    for token in tokens:
        is_word = token.kind in ("id", "number")
        if out and is_word and re.match(r"[\w$>&*]", out[-1][-1]):
            out.append(" ")
        out.append(token.text)
    return "".join(out)
