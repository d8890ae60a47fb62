"""LLVM IR of one function as objects: just enough of the language for what an optimised kernel consists of.

llvmlite reads IR but offers its instructions as text, so the text is what is parsed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = [
    "Block",
    "Function",
    "Instruction",
    "Unsupported",
    "Value",
    "components",
    "constant_parts",
    "member_span",
    "parse_function",
    "split_list",
    "vector_of",
    "without_metadata",
]


class Unsupported(Exception):
    """A construct that the vectoriser does not know; the message says which."""


@dataclass(frozen=True, slots=True)
class Value:
    """An operand: a local name such as ``%3`` or a constant, with its type.

    Attributes
    ----------
    attributes : str
        Of an argument: what changes how it is passed.
    """

    type: str
    text: str
    attributes: str = ""

    @property
    def is_local(self) -> bool:
        return self.text[0] == "%"


@dataclass(slots=True)
class Instruction:
    """One instruction.

    Attributes
    ----------
    op : str
        The opcode.
    result : str
        The name of the result, or '' if there is none.
    type : str
        The type of the result; for stores and the like 'void'.
    operands : list of Value
    flags : str
        Words between opcode and operands (``nuw nsw``, fast-math flags), or the predicate of a comparison.
    targets : list of str
        Blocks: where a terminator goes, where a phi's values come from.
    extra : str
        What only this opcode has: the source type of a getelementptr, the indices of extractvalue, a call's callee ...
    align : int
        Of a memory access or alloca; 0 if not said.
    """

    op: str
    result: str
    type: str
    operands: list[Value]
    flags: str = ""
    targets: list[str] = field(default_factory=list)
    extra: str = ""
    align: int = 0
    text: str = ""
    convention: str = ""  # of a call

    @property
    def callee(self) -> str:
        """The function that a call names, without '@'; '' if it is called through a pointer."""
        return self.extra[1:].strip('"') if self.extra.startswith("@") else ""


@dataclass(slots=True)
class Block:
    name: str
    phis: list[Instruction] = field(default_factory=list)
    body: list[Instruction] = field(default_factory=list)
    terminator: Instruction = field(default_factory=lambda: Instruction("ret", "", "void", []))

    @property
    def targets(self) -> list[str]:
        """Where it may go, each block once, in order."""
        return list(dict.fromkeys(self.terminator.targets))

    def instructions(self) -> Iterator[Instruction]:
        yield from self.phis
        yield from self.body
        yield self.terminator


@dataclass(slots=True)
class Function:
    name: str
    parameters: list[Value]
    blocks: dict[str, Block]  # the entry first

    def instructions(self) -> Iterator[Instruction]:
        for block in self.blocks.values():
            yield from block.instructions()


# ---- types ----


def components(type_: str) -> list[str]:
    """The scalar types that a first-class value consists of, in order."""
    if type_[0] == "<" and type_[1] != "{":
        count, element = _sequence(type_)
        return components(element) * count
    if type_[0] == "[":
        count, element = _sequence(type_)
        return components(element) * count
    if type_[0] == "{":
        return [c for member in split_list(type_[1:-1].strip()) for c in components(member)]
    if type_[0] == "%":
        raise Unsupported(f"a value of type {type_}")
    return [type_]


def _sequence(type_: str) -> tuple[int, str]:
    count, _, element = type_[1:-1].partition(" x ")
    return int(count), element.strip()


def vector_of(width: int, type_: str) -> str:
    return f"<{width} x {type_}>"


def constant_parts(value: Value) -> list[str]:
    """The components of a constant, as text."""
    types, text = components(value.type), value.text
    if len(types) == 1 and value.type[0] not in "<[{":
        return [text]
    if text in ("poison", "undef"):
        return [text] * len(types)
    if text == "zeroinitializer":
        return [_zero(type_) for type_ in types]
    if text.startswith("splat ("):
        return [_value(text[len("splat (") : -1]).text] * len(types)
    if text[0] in "<[{":
        inner = text[1:-1].strip()
        if inner.startswith("{"):
            inner = inner[1:-1].strip()
        return [part for member in split_list(inner) for part in constant_parts(_value(member))]
    raise Unsupported(f"the constant {text}")


def _zero(type_: str) -> str:
    return {"i": "0", "p": "null"}.get(type_[0], "0.0")


# ---- text ----

_OPEN, _CLOSE = "([{<", ")]}>"


def split_list(text: str) -> list[str]:
    """Parts of a list between commas that no bracket encloses."""
    parts, depth, start, quoted = [], 0, 0, False
    for i, c in enumerate(text):
        if c == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif c in _OPEN:
            depth += 1
        elif c in _CLOSE:
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    last = text[start:].strip()
    return [*parts, last] if last else parts


def _closing(text: str, at: int) -> int:
    """Where the bracket that opens at `at` closes."""
    depth = 0
    quoted = False
    for i in range(at, len(text)):
        c = text[i]
        if c == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif c in _OPEN:
            depth += 1
        elif c in _CLOSE:
            depth -= 1
            if depth == 0:
                return i
    raise Unsupported(f"unbalanced text: {text}")


_WORD_TYPE = re.compile(
    r"(?:i\d+|half|bfloat|float|double|ptr(?: addrspace\(\d+\))?|void|label|metadata|%(?:[\w.$-]+|\"[^\"]+\"))"
)


def _take_type(text: str) -> tuple[str, str]:
    """A type at the start of the text, and what follows it."""
    if text[0] in "<[{":
        end = _closing(text, 0) + 1
        return text[:end], text[end:].strip()
    match = _WORD_TYPE.match(text)
    if not match:
        raise Unsupported(f"a type in {text!r}")
    return match[0], text[match.end() :].strip()


_ATTRIBUTE = re.compile(
    r"(?:noundef|nonnull|noalias|nocapture|captures\([^)]*\)|readonly|readnone|writeonly|signext|zeroext|inreg|returned|"
    r"immarg|nofree|noext|dead_on_unwind|writable|dead_on_return|align \d+|align\(\d+\)|dereferenceable\(\d+\)|"
    r"dereferenceable_or_null\(\d+\)|range\([^)]*\)|nofpclass\([^)]*\)|initializes\((?:[^()]|\([^()]*\))*\))\s+"
)


def _value(text: str) -> Value:
    """``TYPE attributes VALUE``."""
    type_, rest = _take_type(text)
    while match := _ATTRIBUTE.match(rest):
        rest = rest[match.end() :]
    attributes = ""
    if rest.startswith(("byval(", "sret(", "inalloca(")):
        end = _closing(rest, rest.index("(")) + 1
        attributes, rest = rest[:end], rest[end:].strip()
        while match := _ATTRIBUTE.match(rest):
            if match[0].startswith("align"):
                attributes += f" {match[0].strip()}"
            rest = rest[match.end() :]
    return Value(type_, rest, attributes)


_METADATA = re.compile(r"(?:, ![\w.]+ !\d+|, ![\w.]+ !\{\}| #\d+)+$")
_ALIGN = re.compile(r", align (\d+)")
_LABEL = re.compile(r'^([\w.$-]+|"[^"]+"):')
_RESULT = re.compile(r'^(%(?:[\w.$-]+|"[^"]+")) = (.*)$')
_FLAGS = re.compile(
    r"^(?:nuw|nsw|exact|disjoint|nneg|samesign|inbounds|nusw|fast|reassoc|nnan|ninf|nsz|arcp|contract|afn|volatile|atomic|"
    r"inrange\([^)]*\))\b\s*"
)
_CAST = re.compile(r"(.*) to ([^()]+)$")
_BLOCK = re.compile(r'label %([\w.$-]+|"[^"]+")')
_ORDERING = re.compile(r"(?: syncscope\(\"[^\"]*\"\))?(?: (?:unordered|monotonic|acquire|release|acq_rel|seq_cst))+$")
_CALL_WORDS = re.compile(r"^(?:tail|musttail|notail)?\s*call\s+")
_CALL_CONVENTION = re.compile(r"^(?:fastcc|ccc|coldcc|x86_regcallcc|preserve_\w+cc|cc \d+|x86_64_sysvcc)\s+")

_BINARY = frozenset("add sub mul udiv sdiv urem srem shl lshr ashr and or xor fadd fsub fmul fdiv frem".split())
_CASTS = frozenset(
    "trunc zext sext fptrunc fpext fptoui fptosi uitofp sitofp ptrtoint ptrtoaddr inttoptr bitcast".split()
)


def parse_function(text: str, *, strict: bool = True) -> Function:
    """A function's definition, as LLVM prints it.

    Unless it is `strict`, an instruction that is not known here has no type, and all that it names are its operands.

    Raises
    ------
    Unsupported
        It holds an instruction that is not known here.
    """
    head, *lines = text.strip().split("\n")
    opening = head.index("(", head.index("@"))
    closing = _closing(head, opening)
    parameters = [_value(part) for part in split_list(head[opening + 1 : closing])]
    name = head[head.index("@") + 1 : opening].strip('"')
    # An unnamed entry block has the number that follows the parameters'.
    unnamed = sum(1 for p in parameters if re.fullmatch(r"%\d+", p.text))
    block = Block(str(unnamed))
    blocks: dict[str, Block] = {}
    pending = ""
    for line in lines:
        if line == "}":
            break
        label = _LABEL.match(line)
        if label:
            block = Block(label[1].strip('"'))
            blocks[block.name] = block
            continue
        line = line.strip()
        if not line or line[0] == ";":
            continue
        if pending or line.startswith("switch "):
            pending = f"{pending} {line}"
            if "]" not in line:
                continue
            line, pending = pending.strip(), ""
        if not blocks:
            blocks[block.name] = block
        try:
            instruction = _instruction(line)
        except Unsupported:
            if strict:
                raise
            instruction = _unknown(line)
        if instruction.op == "phi":
            block.phis.append(instruction)
        elif instruction.op in ("br", "switch", "ret", "unreachable"):
            block.terminator = instruction
        else:
            block.body.append(instruction)
    return Function(name, parameters, blocks)


def without_metadata(line: str) -> str:
    """An instruction's line as `Instruction.text` has it."""
    line = line.strip()
    comment = line.find("  ; ")
    return _METADATA.sub("", line if comment < 0 else line[:comment].rstrip())


def _instruction(line: str) -> Instruction:
    text = without_metadata(line)
    match = _RESULT.match(text)
    result, rest = (match[1], match[2]) if match else ("", text)
    op, _, tail = rest.partition(" ")
    if op in ("tail", "musttail", "notail", "call"):
        made = _call(rest)
    elif op in _BINARY:
        made = _binary(op, tail)
    elif op in _CASTS:
        made = _cast(op, tail)
    else:
        reader = _READERS.get(op)
        if reader is None:
            raise Unsupported(f"the instruction '{op}'")
        made = reader(op, tail)
    made.result = result
    made.text = text
    return made


def _unknown(line: str) -> Instruction:
    text = without_metadata(line)
    match = _RESULT.match(text)
    result, rest = (match[1], match[2]) if match else ("", text)
    names = re.findall(r'%(?!"?(?:struct|class|union)\.)(?:[\w.$-]+|"[^"]+")', rest)
    op = rest.split(" ", 1)[0]
    indices = ",".join(re.findall(r", (\d+)", rest)) if op == "extractvalue" else ""
    return Instruction(op, result, "", [Value("ptr", name) for name in names], extra=indices, text=text)


def _take_flags(text: str) -> tuple[str, str]:
    flags = []
    while match := _FLAGS.match(text):
        flags.append(match[0].strip())
        text = text[match.end() :]
    return " ".join(flags), text


def _same_typed(text: str) -> list[Value]:
    """``TYPE A, B``."""
    type_, rest = _take_type(text)
    return [Value(type_, part) for part in split_list(rest)]


def _binary(op: str, text: str) -> Instruction:
    flags, text = _take_flags(text)
    operands = _same_typed(text)
    return Instruction(op, "", operands[0].type, operands, flags)


def _fneg(op: str, text: str) -> Instruction:
    flags, text = _take_flags(text)
    value = _value(text)
    return Instruction(op, "", value.type, [value], flags)


def _compare(op: str, text: str) -> Instruction:
    flags, text = _take_flags(text)
    predicate, _, rest = text.partition(" ")
    operands = _same_typed(rest)
    type_ = operands[0].type
    made = "i1" if type_[0] != "<" else vector_of(len(components(type_)), "i1")
    return Instruction(op, "", made, operands, f"{flags} {predicate}".strip())


def _cast(op: str, text: str) -> Instruction:
    flags, text = _take_flags(text)
    match = _CAST.match(text)
    if not match:
        raise Unsupported(f"the cast {text!r}")
    return Instruction(op, "", match[2].strip(), [_value(match[1])], flags)


def _select(op: str, text: str) -> Instruction:
    flags, text = _take_flags(text)
    operands = [_value(part) for part in split_list(text)]
    return Instruction(op, "", operands[1].type, operands, flags)


def _phi(op: str, text: str) -> Instruction:
    _, text = _take_flags(text)
    type_, rest = _take_type(text)
    found = [part[1:-1].rsplit(",", 1) for part in split_list(rest)]
    values = [Value(type_, value.strip()) for value, _ in found]
    return Instruction(op, "", type_, values, targets=[block.strip()[1:].strip('"') for _, block in found])


def _branch(op: str, text: str) -> Instruction:
    targets = _blocks(text)
    operands = [_value(split_list(text)[0])] if len(targets) == 2 else []
    return Instruction(op, "", "void", operands, targets=targets)


def _switch(op: str, text: str) -> Instruction:
    head, _, cases = text.partition("[")
    value = _value(split_list(head)[0])
    found = re.findall(r"i\d+ (-?\d+|true|false), label", cases)
    operands = [value, *(Value(value.type, number) for number in found)]
    return Instruction(op, "", "void", operands, targets=[*_blocks(head), *_blocks(cases)])


def _blocks(text: str) -> list[str]:
    """The names of blocks behind `label`, without the quotes that those of lambdas have."""
    return [name.strip('"') for name in _BLOCK.findall(text)]


def _end(op: str, text: str) -> Instruction:
    if op == "ret" and text != "void":
        return Instruction(op, "", "void", [_value(text)])
    return Instruction(op, "", "void", [])


def _align(text: str) -> tuple[str, int]:
    match = _ALIGN.search(text)
    return (text[: match.start()], int(match[1])) if match else (text, 0)


def _load(op: str, text: str) -> Instruction:
    flags, text = _take_flags(text)
    text, align = _align(text)
    type_, _, pointer = _ORDERING.sub("", text).partition(", ") if text[0] not in "<[{" else _load_type(text)
    return Instruction(op, "", type_, [_value(_ORDERING.sub("", pointer))], flags, align=align, extra=_ordering(text))


def _load_type(text: str) -> tuple[str, str, str]:
    type_, rest = _take_type(text)
    return type_, ",", rest[1:].strip()


def _ordering(text: str) -> str:
    match = _ORDERING.search(text)
    return match[0].strip() if match else ""


def _store(op: str, text: str) -> Instruction:
    flags, text = _take_flags(text)
    text, align = _align(text)
    ordering = _ordering(text)
    value, pointer = split_list(_ORDERING.sub("", text))
    return Instruction(op, "", "void", [_value(value), _value(pointer)], flags, align=align, extra=ordering)


def _gep(op: str, text: str) -> Instruction:
    flags, text = _take_flags(text)
    source, *operands = split_list(text)
    return Instruction(op, "", "ptr", [_value(part) for part in operands], flags, extra=source)


def _alloca(op: str, text: str) -> Instruction:
    text, align = _align(text)
    type_, *count = split_list(text)
    if count:
        raise Unsupported("a variable whose size is not constant")
    return Instruction(op, "", "ptr", [], extra=type_, align=align)


def _extract(op: str, text: str) -> Instruction:
    vector, index = (_value(part) for part in split_list(text))
    return Instruction(op, "", components(vector.type)[0], [vector, index])


def _insert(op: str, text: str) -> Instruction:
    operands = [_value(part) for part in split_list(text)]
    return Instruction(op, "", operands[0].type, operands)


def _shuffle(op: str, text: str) -> Instruction:
    a, b, mask = (_value(part) for part in split_list(text))
    count = _sequence(mask.type)[0]
    return Instruction(op, "", vector_of(count, components(a.type)[0]), [a, b, mask])


def _extract_value(op: str, text: str) -> Instruction:
    aggregate, *indices = split_list(text)
    value = _value(aggregate)
    type_ = value.type
    for index in indices:
        type_ = _members(type_)[int(index)]
    return Instruction(op, "", type_, [value], extra=",".join(indices))


def _insert_value(op: str, text: str) -> Instruction:
    aggregate, element, *indices = split_list(text)
    value = _value(aggregate)
    return Instruction(op, "", value.type, [value, _value(element)], extra=",".join(indices))


def _members(type_: str) -> list[str]:
    if type_[0] == "{":
        return split_list(type_[1:-1].strip())
    if type_[0] == "[":
        count, element = _sequence(type_)
        return [element] * count
    raise Unsupported(f"a member of {type_}")


def member_span(type_: str, indices: str) -> tuple[int, int]:
    """Where the components of a member are among the components of the whole: first and end."""
    first = 0
    for index in indices.split(","):
        members = _members(type_)
        first += sum(len(components(member)) for member in members[: int(index)])
        type_ = members[int(index)]
    return first, first + len(components(type_))


def _atomicrmw(op: str, text: str) -> Instruction:
    flags, text = _take_flags(text)
    text, align = _align(text)
    ordering = _ordering(text)
    operation, _, rest = _ORDERING.sub("", text).partition(" ")
    pointer, value = (_value(part) for part in split_list(rest))
    return Instruction(
        op, "", value.type, [pointer, value], f"{flags} {operation}".strip(), align=align, extra=ordering
    )


def _cmpxchg(op: str, text: str) -> Instruction:
    weak = text.startswith("weak ")
    _, text = _take_flags(text.removeprefix("weak "))
    text, align = _align(text)
    ordering = _ordering(text)
    operands = [_value(part) for part in split_list(_ORDERING.sub("", text))]
    made = f"{{ {operands[1].type}, i1 }}"
    return Instruction(op, "", made, operands, "weak" if weak else "", align=align, extra=ordering)


def _fence(op: str, text: str) -> Instruction:
    return Instruction(op, "", "void", [], extra=text)


def _freeze(op: str, text: str) -> Instruction:
    value = _value(text)
    return Instruction(op, "", value.type, [value])


def _call(text: str) -> Instruction:
    text = text[_CALL_WORDS.match(text).end() :]  # type: ignore[union-attr]
    flags, text = _take_flags(text)
    convention = ""
    while (match := _CALL_CONVENTION.match(text) or _ATTRIBUTE.match(text)) is not None:
        if _CALL_CONVENTION.match(text):
            convention = match[0].strip()
        text = text[match.end() :]
    type_, rest = _take_type(text)
    if rest.startswith("("):  # the whole type of a variadic function
        rest = rest[_closing(rest, 0) + 1 :].strip()
    name = re.match(r'[@%](?:"[^"]+"|[\w.$-]+)|asm\b', rest)
    if name is None or name[0] == "asm":
        raise Unsupported("inline assembly" if name else f"the call {text!r}")
    at = name.end()
    end = _closing(rest, at)
    operands = [_value(part) for part in split_list(rest[at + 1 : end])]
    return Instruction("call", "", type_, operands, flags, extra=name[0], convention=convention)


_READERS = {
    "fneg": _fneg, "icmp": _compare, "fcmp": _compare, "select": _select, "phi": _phi, "br": _branch,
    "switch": _switch, "ret": _end, "unreachable": _end, "load": _load, "store": _store, "getelementptr": _gep,
    "alloca": _alloca, "extractelement": _extract, "insertelement": _insert, "shufflevector": _shuffle,
    "extractvalue": _extract_value, "insertvalue": _insert_value, "atomicrmw": _atomicrmw, "cmpxchg": _cmpxchg,
    "fence": _fence, "freeze": _freeze,
}  # fmt: skip
