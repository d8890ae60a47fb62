"""The C++ that stands behind the user's text: one entry point per kernel, and what reflection reads back.

For kernel number ``k`` the program gets

* ``__mp_thread_k(group, thread)``: run the kernel for one thread, parameters filled from the two records;
* ``__mp_function_k``: the kernel's address, whose debug information holds the parameters' types;
* ``__mp_buffers_k``, ``__mp_threadgroups_k``, ``__mp_textures_k``, ``__mp_samplers_k``: the argument indices after
  implicit numbering, unless they are plain numbers in the source;
* ``__mp_limit_k``: its ``max_total_threads_per_threadgroup``, unless that is a plain number.

and for function constant number ``k`` ``__mp_constant_k`` (its address) and ``__mp_constant_index_k``. All are plain
globals whose initialisers LLVM folds to literals. Inputs that the program declares outside functions are filled by
``__mp_thread_k``; ``__mp_input_k`` returns the address of number ``k``, which tells its symbol. A program may have
thousands of kernels, so each gets no more than it needs.
"""

from __future__ import annotations

import itertools

from .debuginfo import MAX_THREADS
from .harvest import Entry, FunctionConstant, GlobalInput, Harvest, Parameter
from .overload_heads import SPACES
from .source import line_mark

__all__ = ["ENTRIES_NAME", "defined_flags", "write_entries"]

_ROLES = ("buffer", "threadgroup", "texture", "sampler")

ENTRIES_NAME = "metalpy_entries"  # the "file" of generated code in compiler messages; never shown
# Names of __mp that the entry points use.
_NAMES = (
    "count fill from handles implicit_index indices input number parameter placed signature threadgroup_memory".split()
)


def write_entries(harvest: Harvest, part: int = 0, parts: int = 1, *, placed: bool = False) -> str:
    """The text to compile after the user's program: all of it, or one of several parts (see `parts`).

    If `placed`, the entry points say in which address space each argument is (see `spaces`).

    All that belongs to entry number ``k`` stands on line ``k + 1`` of "file" `ENTRIES_NAME`, so that messages about
    it can be told about the kernel; the rest is on lines behind them.
    """
    # The program ends here, so its macros can go where they would change what follows.
    roles = {p.role for e in harvest.entries for p in e.parameters} | {i.role for i in harvest.inputs}
    names = [*_NAMES, *sorted(roles)]
    pieces = [line_mark(len(harvest.entries) + 1, ENTRIES_NAME), *(f"#undef {name}\n" for name in names)]
    pieces += [_visible(harvest.visible)] * bool(harvest.visible)
    pieces += [
        line_mark(k + 1, ENTRIES_NAME) + _entry(k, e, harvest.inputs, placed) + "\n"
        for k, e in enumerate(harvest.entries)
        if k % parts == part
    ]
    pieces.append(line_mark(len(harvest.entries) + 1, ENTRIES_NAME))
    pieces += [f'extern "C" {{ {_constant(k, c)} }}\n' for k, c in enumerate(harvest.constants)]
    pieces += [
        f'extern "C" const void* __mp_input_{k}() {{ return &{i.name}; }}\n' for k, i in enumerate(harvest.inputs)
    ]
    return "".join(pieces)


def defined_flags(harvest: Harvest) -> str:
    """Declarations of what ``is_function_constant_defined(x)`` reads; to be compiled before the user's program."""
    names = sorted({c.name.rsplit("::", 1)[-1] for c in harvest.constants})
    return "".join(f'extern "C" bool __mp_defined_{name};\n' for name in names)


def _constant(k: int, constant: FunctionConstant) -> str:
    index = _literal(f"__mp_constant_index_{k}", constant.index)
    return f"auto* __mp_constant_{k} = &{constant.name}; {index}"


def _visible(functions: list[str]) -> str:
    """How a table calls the functions that it names by number; and the type of the tables that each may be in."""
    calls = (
        f"if constexpr (__is_same(decltype({name}), Of)) {{ if (number == {k}) return {name}(arguments...); }} "
        for k, name in enumerate(functions)
    )
    tables = (f"metal::visible_function_table<decltype({name})>* __mp_visible_{k};" for k, name in enumerate(functions))
    return (
        "namespace __mp { template <class Of, class R, class... A> "
        "inline __attribute__((always_inline)) R call_visible(visible_tag<Of, R>, int number, A... arguments) { "
        f"{''.join(calls)} __builtin_trap(); }} }} "
        f'extern "C" {{ {" ".join(tables)} }}\n'
    )


def _literal(name: str, expression: str) -> str:
    """A constant that LLVM IR shows as a number; declared first, since C++ would drop a constant that is local."""
    return f"extern const unsigned {name}; constexpr unsigned {name} = ({expression});"


def _entry(k: int, entry: Entry, inputs: list[GlobalInput], placed: bool) -> str:
    position = dict.fromkeys(_ROLES, 0)
    known = {role: entry.literal_indices(role) for role in position}
    arguments = [_argument(k, parameter, position, known) for parameter in entry.parameters]
    if placed:
        arguments = [_placed(p, a) for p, a in zip(entry.parameters, arguments, strict=True)]
    # Where the name alone may be that of several functions the type is spelled out. The name stands here once: a
    # template with many arguments takes clang a millisecond wherever it is named. `auto`: the pragma that leaves
    # functions undescribed would take a pointer to one that is declared as such for one of them.
    address = f"&{entry.callee}"
    if entry.signature:
        address = f"static_cast<{entry.signature.replace('void(', 'void (*)(', 1)}>({address})"
    parts = [
        f"namespace {entry.scope} {{" if entry.scope else "",
        f'extern "C" {{ extern constexpr auto* __mp_function_{k} = {address};',
        *(part for role in known if known[role] is None for part in _indices(k, role, entry)),
        _literal(f"__mp_limit_{k}", entry.max_threads or "") if entry.literal_limit(MAX_THREADS) is None else "",
        f"void __mp_thread_{k}(const mp_group* __mp_g, const mp_thread* __mp_t) {{",
        f"(void)__mp_g, (void)__mp_t; using __mp_s = __mp::signature<decltype(__mp_function_{k})>;",
        *(f"__mp::fill({i.name}, __mp::{i.role}(__mp_g, __mp_t));" for i in inputs),
        f"__mp_function_{k}({', '.join(_gathered(list(zip(entry.parameters, arguments, strict=True))))}); }}",
        "} }" if entry.scope else "}",
    ]
    return " ".join(parts)


def _indices(k: int, role: str, entry: Entry) -> list[str]:
    those = [p for p in entry.parameters if p.role == role]
    given = [f"int({p.index})" if p.index else "__mp::implicit_index" for p in those]
    counts = ["1"] * len(those)
    if role in ("texture", "sampler"):  # an array of them takes several
        signature = f"__mp::signature<decltype(__mp_function_{k})>"
        counts = [f"__mp::handles<{_type(p.place, p.path, signature)}>::count" for p in those]
    count = len(those)
    name = f"__mp_{role}s_{k}"
    return [
        f"extern const __mp::indices<{count}> {name};",
        f"constexpr __mp::indices<{count}> {name} = __mp::number<{count}>({{{{{', '.join(given)}}}}}, "
        f"{{{{{', '.join(counts)}}}}});",
    ]


def _type(place: int, path: tuple[str, ...], signature: str = "__mp_s") -> str:
    """The C++ type of a parameter, or of what the path leads to in it."""
    spelled = f"{signature}::parameter<{place}>"
    for member in path:
        spelled = f"decltype({spelled}::{member})"
    return spelled


def _gathered(arguments: list[tuple[Parameter, str]], path: tuple[str, ...] = ()) -> list[str]:
    """The arguments, those of structs put together."""
    out = []
    depth = len(path)
    for key, group in itertools.groupby(arguments, key=lambda a: (a[0].place, a[0].path[:depth])):
        those = list(group)
        parameter = those[0][0]
        if len(parameter.path) == depth:
            out += [argument for _, argument in those]
            continue
        members = []
        for _, inner in itertools.groupby(those, key=lambda a: a[0].path[depth]):
            members += _gathered(list(inner), (*path, ""))
        out.append(f"{_type(key[0], key[1])}{{{', '.join(members)}}}")
    return out


def _argument(k: int, parameter: Parameter, position: dict[str, int], known: dict[str, tuple[int, ...] | None]) -> str:
    parameter_type = _type(parameter.place, parameter.path)
    if parameter.role not in position:
        return f"__mp::input<{parameter_type}>::from(__mp::{parameter.role}(__mp_g, __mp_t))"
    at = position[parameter.role]
    position[parameter.role] += 1
    source = "threadgroup_memory" if parameter.role == "threadgroup" else parameter.role
    numbers = known[parameter.role]
    index = f"__mp_{parameter.role}s_{k}[{at}]" if numbers is None else str(numbers[at])
    return f"__mp::{source}<{parameter_type}>(__mp_g, {index})"


def _placed(parameter: Parameter, argument: str) -> str:
    space = SPACES.get(parameter.address_space)
    return f"__mp::placed<{space}>({argument})" if space and not parameter.is_object else argument
