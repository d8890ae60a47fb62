"""Find the kernels of a program and what their attributes say, before clang sees it.

clang drops Metal's attributes, so they are read here from the tokens of the preprocessed text: which functions are
kernels, under which names the host knows them, how each parameter is bound, and the function constants. Types are
left to clang (`debuginfo`).
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ..errors import UnsupportedError
from .declarations import (
    ADDRESS_SPACES,
    base_name,
    declarator,
    is_kernel,
    name_of,
    outside_brackets,
    parameter_name,
    signature,
    spell,
    split_attributes,
    split_commas,
    string,
    type_name,
)
from .lexer import Token, closing, tokenize, without_bodies
from .parameter_structs import ParameterStructs
from .portability import doubt_of_kernel, doubt_of_variable
from .source import Misuse

__all__ = [
    "BUILTINS",
    "GRAPHICS",
    "Entry",
    "FunctionConstant",
    "GlobalInput",
    "Harvest",
    "Parameter",
    "Skipped",
    "harvest",
]

BUILTINS = frozenset(
    "thread_position_in_grid thread_position_in_threadgroup thread_index_in_threadgroup threadgroup_position_in_grid "
    "threads_per_grid threadgroups_per_grid threads_per_threadgroup dispatch_threads_per_threadgroup "
    "thread_index_in_simdgroup simdgroup_index_in_threadgroup simdgroups_per_threadgroup "
    "dispatch_simdgroups_per_threadgroup threads_per_simdgroup thread_execution_width thread_index_in_quadgroup "
    "quadgroup_index_in_threadgroup quadgroups_per_threadgroup dispatch_quadgroups_per_threadgroup "
    "grid_origin grid_size".split()
)
# What makes a function one of the graphics or ray tracing pipelines, as a keyword or an attribute.
GRAPHICS = frozenset({"vertex", "fragment", "object", "mesh", "intersection"})
_UNSUPPORTED_ATTRIBUTES = frozenset(
    "stage_in payload origin direction imageblock_data color position primitive_id instance_id vertex_id id "
    "user_instance_id render_target_array_index threads_per_object_threadgroup patch_id".split()
)
_IGNORED_ATTRIBUTES = frozenset(
    "maybe_unused buffer threadgroup texture sampler function_constant access user user_annotation clang "
    "raster_order_group".split()
)
_HANDLE = re.compile(
    r"(?:const )?(?:(?:metal::)?array<(?:const )?)?(?:metal::)?"
    r"(?:(?P<texture>(?:texture|depth)\w*)<|(?P<sampler>sampler)\b)"
)
_DECIMAL = re.compile(r"0|[1-9][0-9]*")
# Arguments by value that the host makes, in a buffer.
_BOUND_OBJECTS = frozenset({"visible_function_table", "tensor"})
# Arguments by value that are no inputs, by the type that names them.
_HOST_OBJECTS = {
    "intersection_function_table": "a table of intersection functions",
    "acceleration_structure": "an acceleration structure for ray tracing",
    "primitive_acceleration_structure": "an acceleration structure for ray tracing",
    "instance_acceleration_structure": "an acceleration structure for ray tracing",
    "imageblock": "an imageblock",
    "command_buffer": "an indirect command buffer",
    "compute_pipeline_state": "a pipeline state",
    "render_pipeline_state": "a pipeline state",
}
_LINE_MARK = re.compile(r'^[ \t]*#[ \t]*(?:line[ \t]+)?(\d+)[ \t]+"((?:\\.|[^"\\])*)"', re.MULTILINE)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel.

    `role` is ``"buffer"``, ``"threadgroup"``, ``"texture"``, ``"sampler"`` or the name of a builtin.
    """

    name: str
    role: str
    index: str | None = None  # C++ expression in the attribute; None: implicit numbering
    address_space: str = ""
    is_reference: bool = False
    gate: str | None = None  # function constant that decides whether the argument exists
    type_name: str = ""  # as the source spells it, without qualifiers
    is_object: bool = False  # a tensor or a table of functions: by value, what it consists of in a buffer
    place: int = 0  # of the function's parameter that it is, or is a part of
    path: tuple[str, ...] = ()  # the members that lead to it, where that parameter is a struct


@dataclass(frozen=True)
class Entry:
    """A kernel that the host can launch: a function or one instantiation of a template."""

    name: str
    scope: str  # the namespace around it, such as a::b; "" for the global one
    callee: str  # the function in that scope, such as f<float>
    parameters: tuple[Parameter, ...]
    file: str
    line: int
    signature: str | None = None  # its function type, where `callee` alone may mean several functions
    max_threads: str | None = None  # [[max_total_threads_per_threadgroup(n)]]

    def literal_indices(self, role: str) -> tuple[int, ...] | None:
        """The indices of the parameters of a role, where all that are given are plain numbers; else None.

        Parameters without an index get the lowest ones that are free, in the order of the source.
        """
        given = [p.index for p in self.parameters if p.role == role]
        if not given:
            return ()
        if not all(index is None or _DECIMAL.fullmatch(index) for index in given):
            return None
        if role in ("texture", "sampler") and None in given:  # arrays take several, and only clang knows which are some
            return None
        taken = {int(index) for index in given if index is not None}
        free = (i for i in itertools.count() if i not in taken)
        return tuple(next(free) if index is None else int(index) for index in given)

    def literal_limit(self, default: int) -> int | None:
        """The limit of threads per threadgroup, if it is a plain number."""
        if self.max_threads is None:
            return default
        return int(self.max_threads) if _DECIMAL.fullmatch(self.max_threads) else None


@dataclass(frozen=True)
class FunctionConstant:
    """``constant T name [[function_constant(index)]]``; `name` is qualified from the global namespace."""

    name: str
    index: str


@dataclass(frozen=True)
class GlobalInput:
    """``T name [[thread_position_in_grid]]`` outside functions; `name` is qualified from the global namespace."""

    name: str
    role: str


@dataclass(frozen=True)
class Skipped:
    """A graphics function, which the program is compiled without."""

    kind: str
    name: str
    file: str
    line: int


@dataclass
class Harvest:
    """What a program declares that concerns the host."""

    entries: list[Entry] = field(default_factory=list)
    constants: list[FunctionConstant] = field(default_factory=list)
    inputs: list[GlobalInput] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    doubts: list[tuple[str, str, int]] = field(default_factory=list)  # what Metal would say, file and line
    visible: list[str] = field(default_factory=list)  # [[visible]] functions, qualified from the global namespace


def harvest(text: str, name: str) -> Harvest:
    """Read the kernels of a preprocessed program.

    Parameters
    ----------
    text : str
        The program after macro expansion, with line marks, its Metal attributes and keywords still in place.
    name : str
        The file name for text before the first line mark.

    Raises
    ------
    Misuse
        A kernel that cannot be launched as declared (a parameter without a binding, two kernels of one name).
    UnsupportedError
        A kernel that needs something the software device does not have, named in the message.
    """
    return _Harvester(text, name).run()


class _Harvester:
    def __init__(self, text: str, name: str) -> None:
        self._tokens = tokenize(without_bodies(text))
        self._text = text
        self._name = name
        self._result = Harvest()
        self._structs = ParameterStructs(BUILTINS | {"buffer", "texture", "sampler", "threadgroup", "id"})
        self._scope: list[str] = []  # names of the open namespaces, "" for a block such as extern "C" { }
        self._definitions: dict[str, list[tuple[Parameter, ...]]] = {}  # kernels by qualified name
        # In the order of the source, with the number of parameters that an instantiation spells out (None: none).
        self._found: list[tuple[Entry, bool, int | None]] = []
        self._line_ends = [match.start() for match in re.finditer("\n", text)]
        marks = list(_LINE_MARK.finditer(text))
        self._mark_starts = [match.start() for match in marks]
        # The file and line that begin at an offset.
        self._marks = [(re.sub(r"\\(.)", r"\1", m[2]), int(m[1]), text.find("\n", m.end()) + 1) for m in marks]

    def run(self) -> Harvest:
        i = 0
        while i < len(self._tokens):
            i = self._declaration(i)
        for entry, is_instantiation, count in self._found:
            self._result.entries.append(self._instantiated(entry, count) if is_instantiation else entry)
        self._reject_duplicates()
        return self._result

    # ---- declarations ----

    def _declaration(self, i: int) -> int:
        """Read the declaration that starts at token `i`; return where the next one starts."""
        tokens = self._tokens
        token = tokens[i]
        if token.kind == "directive" or token.text == ";":
            return i + 1
        if token.text == "}":
            if self._scope:
                self._scope.pop()
            return i + 1
        if token.text == "namespace" or (
            token.text == "inline" and tokens[i + 1 : i + 2] and tokens[i + 1].text == "namespace"
        ):
            return self._namespace(i)
        if (
            token.text == "extern"
            and i + 2 < len(tokens)
            and tokens[i + 1].kind == "string"
            and tokens[i + 2].text == "{"
        ):
            self._scope.append("")
            return i + 3
        body, end = self._extent(i)
        declaration = [t for t in tokens[i:body] if t.kind != "directive"]
        if is_kernel(declaration) or self._instantiates_kernel(declaration):
            self._kernel(declaration, is_definition=body < end and tokens[body].text == "{")
        elif any(t.text == "visible" for t in declaration) and "visible" in split_attributes(declaration)[0]:
            self._visible(declaration)
        elif not self._graphics(declaration):
            self._variable(declaration)
            self._doubt(doubt_of_variable(declaration), declaration)
        if any(t.text in ("struct", "class", "using", "typedef") for t in declaration):
            self._structs.note([t for t in tokens[i:end] if t.kind != "directive"])
        return end

    def _namespace(self, i: int) -> int:
        names = []
        while i < len(self._tokens) and self._tokens[i].text not in ("{", ";", "="):
            if self._tokens[i].kind == "id" and self._tokens[i].text not in ("namespace", "inline"):
                names.append(self._tokens[i].text)
            i += 1
        if i < len(self._tokens) and self._tokens[i].text == "{":
            self._scope.append("::".join(names))
            return i + 1
        while i < len(self._tokens) and self._tokens[i].text != ";":  # namespace alias
            i += 1
        return i + 1

    def _extent(self, i: int) -> tuple[int, int]:
        """(index of the declaration's first `{` or final `;`, index just behind the declaration)."""
        tokens = self._tokens
        body = None
        while i < len(tokens):
            text = tokens[i].text
            if (text == "<" and tokens[i - 1].text == "template") or text in ("(", "[", "[["):
                i = closing(tokens, i)
            elif text == ";":
                return (i if body is None else body), i + 1
            elif text == "}":  # not ours: unbalanced input, which clang will explain
                return (i if body is None else body), i
            elif text == "{":
                is_function = self._ends_function_head(i)
                body = i if body is None else body
                i = closing(tokens, i)
                if is_function:
                    return body, i + 1
            i += 1
        return (len(tokens) if body is None else body), len(tokens)

    def _ends_function_head(self, brace: int) -> bool:
        for i in range(brace - 1, -1, -1):
            token = self._tokens[i]
            if token.text == ")":
                return True
            if token.kind == "directive" or token.text in ADDRESS_SPACES or token.text in ("const", "noexcept"):
                continue
            return False
        return False

    # ---- kernels ----

    def _kernel(self, declaration: list[Token], *, is_definition: bool) -> None:
        attributes, plain = split_attributes(declaration)
        file, line = self._position(declaration[0])
        if not plain:
            return  # a lone `kernel`: clang will say what is missing
        is_template = plain[0].text == "template" and len(plain) > 1 and plain[1].text == "<"
        is_instantiation = plain[0].text == "template" and not is_template
        if is_template:
            # A specialisation is a kernel of its own where it has a name for the host.
            is_template = closing(plain, 1) > 2 or "host_name" not in attributes
            plain = plain[closing(plain, 1) + 1 :]
        found = declarator(plain)
        if found is None:
            return  # clang will say what is wrong
        return_type, name_tokens, parameter_tokens = found
        if is_definition and return_type != "void":
            raise Misuse(f"kernel '{spell(name_tokens)}' must return void, not {return_type}", file, line, return_type)
        host_name = string(attributes.get("host_name"))
        callee = spell(name_tokens)
        base = name_tokens[0].text if len(name_tokens) == 1 else base_name(name_tokens)
        if not is_instantiation and not is_definition:
            return  # a forward declaration
        parameters: tuple[Parameter, ...] = ()
        count = None
        if parameter_tokens is not None and is_definition:
            parameters = self._parameters(parameter_tokens, base)
        elif parameter_tokens is not None:
            count = len([part for part in split_commas(parameter_tokens) if part])
        limit = attributes.get("max_total_threads_per_threadgroup")
        self._doubt(doubt_of_kernel(declaration, [(p.role, p.type_name, p.name) for p in parameters]), declaration)
        scope = self._namespace_name()
        entry = Entry(
            name=host_name or "::".join(filter(None, (scope, callee))),
            scope=scope,
            callee=callee,
            parameters=parameters,
            signature=signature(parameter_tokens) if parameter_tokens is not None and not is_template else None,
            file=file,
            line=line,
            max_threads=spell(limit) if limit else None,
        )
        if not is_instantiation:
            self._definitions.setdefault(self._qualify(base), []).append(parameters)
        if not is_template:
            self._found.append((entry, is_instantiation, count))

    def _instantiates_kernel(self, declaration: list[Token]) -> bool:
        """Whether it instantiates a kernel and gives it a name for the host, without saying again what it is."""
        if not declaration or declaration[0].text != "template" or "host_name" not in [t.text for t in declaration]:
            return False
        attributes, plain = split_attributes(declaration)
        name = next((plain[i - 1].text for i in range(1, len(plain)) if plain[i].text == "<" and i > 1), "")
        return "host_name" in attributes and self._qualify(name) in self._definitions

    def _instantiated(self, entry: Entry, count: int | None) -> Entry:
        """An explicit instantiation with the bindings of its template's definition, of `count` parameters."""
        name = entry.callee.split("<", 1)[0]
        scopes = [part for part in entry.scope.split("::") if part]
        names = [name] if name.startswith("::") else ["::".join(["", *scopes, name]), "::" + name]
        candidates = next((self._definitions[n] for n in names if n in self._definitions), [])
        for parameters in candidates:
            if count is None or len({p.place for p in parameters}) == count:
                return replace(entry, parameters=parameters)
        raise Misuse(f"there is no kernel template '{name}' that this could instantiate", entry.file, entry.line, name)

    def _reject_duplicates(self) -> None:
        seen: dict[str, Entry] = {}
        for entry in self._result.entries:
            first = seen.setdefault(entry.name, entry)
            if first is not entry:
                message = f"two kernels have the name '{entry.name}'; the first is at {first.file}:{first.line}"
                raise Misuse(message, entry.file, entry.line, entry.name)

    # ---- parameters ----

    def _parameters(self, tokens: list[Token], kernel: str) -> tuple[Parameter, ...]:
        parts = [part for part in split_commas(tokens) if part and not (len(part) == 1 and part[0].text == "void")]
        found = [replace(p, place=place) for place, part in enumerate(parts) for p in self._spread(part, kernel, ())]
        if any(p.path for p in found):
            names = Counter(p.name for p in found)
            parameter_names = [name_of(part) for part in parts]
            found = [
                replace(p, name=".".join((parameter_names[p.place], *p.path))) if p.path and names[p.name] > 1 else p
                for p in found
            ]
        return tuple(found)

    def _spread(self, tokens: list[Token], kernel: str, path: tuple[str, ...]) -> Iterator[Parameter]:
        """The arguments that a parameter stands for: one, or those that a struct of resources holds."""
        attributes, plain = split_attributes(tokens)
        name = parameter_name(plain)
        members = None if attributes else self._structs.members(tokens, name)
        if members is None:
            yield replace(self._parameter(tokens, kernel), path=path)
            return
        for member in members:
            yield from self._spread(member, kernel, (*path, name_of(member)))

    def _parameter(self, tokens: list[Token], kernel: str) -> Parameter:
        attributes, plain = split_attributes(tokens)
        name = parameter_name(plain)
        spelled = spell(plain)
        meant = self._structs.meant(plain, name)
        outer = [t.text for t in outside_brackets(meant)]
        space = next((t for t in outer if t in ADDRESS_SPACES), "")
        file, line = self._position(tokens[0])
        self._reject_unsupported(attributes, spelled, kernel, file, line)
        builtins = [a for a in attributes if a in BUILTINS]
        if builtins:
            return Parameter(name, builtins[0], type_name=type_name(plain, name))
        gate = attributes.get("function_constant")
        handle = _handle_role(attributes, spell(meant))
        if handle:
            index = attributes.get(handle)
            return Parameter(
                name,
                handle,
                index=spell(index) if index else None,
                gate=spell(gate) if gate else None,
                type_name=type_name(plain, name),
            )
        by_value = not {"*", "&", "["} & set(outer)
        if by_value and any(t in _BOUND_OBJECTS for t in outer if t != name):
            index = attributes.get("buffer")
            return Parameter(
                name,
                "buffer",
                index=spell(index) if index else None,
                address_space="constant",
                gate=spell(gate) if gate else None,
                type_name=type_name(plain, name),
                is_object=True,
            )
        is_pointer = "*" in [t.text for t in meant] or "[" in outer
        is_reference = "&" in [t.text for t in meant] and "*" not in outer
        role = "threadgroup" if "threadgroup" in attributes or space == "threadgroup" else "buffer"
        if not (is_pointer or is_reference):
            host_object = next((_HOST_OBJECTS[t] for t in outer if t in _HOST_OBJECTS), None)
            if host_object:
                raise _unsupported(host_object, spelled, kernel, file, line)
            raise Misuse(
                f"argument '{name or spelled}' of kernel '{kernel}' is neither a pointer or reference in device, "
                "constant or threadgroup memory nor a texture, a sampler or an input such as "
                "[[thread_position_in_grid]]",
                file,
                line,
                name,
            )
        if space not in ("device", "constant", "threadgroup"):
            raise Misuse(
                f"argument '{name or spelled}' of kernel '{kernel}' needs an address space: "
                "device, constant or threadgroup",
                file,
                line,
                name,
            )
        index = attributes.get(role)
        return Parameter(
            name=name,
            role=role,
            index=spell(index) if index else None,
            address_space=space,
            is_reference=is_reference,
            gate=spell(gate) if gate else None,
            type_name=type_name(plain, name),
        )

    def _reject_unsupported(
        self, attributes: dict[str, list[Token]], spelled: str, kernel: str, file: str, line: int
    ) -> None:
        what = None
        for name in attributes:
            if name in _UNSUPPORTED_ATTRIBUTES:
                what = what or f"an argument with [[{name}]]"
            elif name not in BUILTINS and name not in _IGNORED_ATTRIBUTES:
                import difflib

                near = difflib.get_close_matches(name, [*BUILTINS, *_IGNORED_ATTRIBUTES], n=1)
                hint = f"; did you mean [[{near[0]}]]?" if near else ""
                raise Misuse(f"unknown attribute [[{name}]] in kernel '{kernel}'{hint}", file, line, name)
        if what:
            raise _unsupported(what, spelled, kernel, file, line)

    # ---- graphics functions ----

    def _graphics(self, declaration: list[Token]) -> bool:
        """Whether it is a graphics function or an instantiation of one; definitions and instantiations are noted."""
        attributes, plain = split_attributes(declaration)
        kinds = [t.text for t in plain if t.text in ("vertex", "fragment")] or [a for a in attributes if a in GRAPHICS]
        parameters = next((i for i, t in enumerate(plain) if t.text == "("), None)
        if not kinds or parameters is None:
            return False
        name = string(attributes.get("host_name")) or plain[parameters - 1].text
        self._result.skipped.append(Skipped(kinds[0], name, *self._position(declaration[0])))
        return True

    def _visible(self, declaration: list[Token]) -> None:
        """A function that tables may hold."""
        plain = outside_brackets(split_attributes(declaration)[1])
        at = next((i for i, t in enumerate(plain) if t.text == "("), 0)
        if at > 1 and plain[at - 1].kind == "id":
            name = self._qualify(plain[at - 1].text)
            self._result.visible += [name] * (name not in self._result.visible)

    # ---- variables ----

    def _variable(self, declaration: list[Token]) -> None:
        """A function constant, or an input outside functions."""
        if not any(t.text == "[[" for t in declaration):
            return
        attributes, plain = split_attributes(declaration)
        names = [t for t in plain if t.kind == "id"]
        if not names or plain[0].text == "template" or "(" in [t.text for t in plain]:
            return
        name = self._qualify(names[-1].text)
        index = attributes.get("function_constant")
        if index:
            self._result.constants.append(FunctionConstant(name, spell(index)))
        elif (role := next((a for a in attributes if a in BUILTINS), None)) is not None:
            self._result.inputs.append(GlobalInput(name, role))

    def _doubt(self, message: str | None, declaration: list[Token]) -> None:
        if message:
            self._result.doubts.append((message, *self._position(declaration[0])))

    # ---- places ----

    def _namespace_name(self) -> str:
        return "::".join(s for s in self._scope if s)

    def _qualify(self, name: str) -> str:
        return "::".join(["", *(s for s in self._scope if s), name])

    def _position(self, token: Token) -> tuple[str, int]:
        """The user's file and line of a token, by the last line mark before it."""
        at = bisect_right(self._mark_starts, token.start) - 1
        file, line, since = self._marks[at] if at >= 0 else (self._name, 1, 0)
        return file, line + bisect_left(self._line_ends, token.start) - bisect_left(self._line_ends, since)


def _unsupported(what: str, spelled: str, kernel: str, file: str, line: int) -> UnsupportedError:
    return UnsupportedError(
        f"{file}:{line}: kernel '{kernel}' takes {what} ('{spelled}'), which the software device does not support"
    )


def _handle_role(attributes: dict[str, list[Token]], spelled: str) -> str | None:
    """``"texture"`` or ``"sampler"`` for a parameter of such a type, or with such an attribute if its type is hidden
    behind a name.
    """
    for role in ("texture", "sampler"):
        if role in attributes:
            return role
    match = _HANDLE.match(spelled)
    return match.lastgroup if match else None
