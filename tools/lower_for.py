"""Compile kernels for another architecture, by both executors, and say what cannot be: ``tools/lower_for.py FILES``.

Everything is as for this machine but LLVM's target. With ``-o`` the objects are written there, one for
each kernel and executor, ready for a linker; they import what ``metalpy_kernel.h`` declares, and libm.
"""

from __future__ import annotations

import argparse
import collections
import os
import re
import sys
import tempfile
from pathlib import Path

import llvmlite.binding as llvm

from metalpy.compiler import lowering
from metalpy.compiler.cache import Cache
from metalpy.compiler.compilation import Compilation, compile_source
from metalpy.compiler.executor import REFERENCE, SPMD
from metalpy.compiler.options import make_options
from metalpy.compiler.source import read_source
from metalpy.errors import MetalError


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--triple", default="aarch64-unknown-linux-gnu")
    parser.add_argument("--cpu", default="generic")
    parser.add_argument("-o", dest="folder", type=Path, help="folder for the shared objects")
    parser.add_argument("--registers", default=r"\bv\d+\.(?:4s|2d|8h|16b)", help="what counts as vector code")
    return parser.parse_args()


def main() -> int:
    given = parse()
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    lowering.initialize()
    machine = llvm.Target.from_triple(given.triple).create_target_machine(
        cpu=given.cpu, opt=2, reloc="pic", codemodel="default"
    )
    counts: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for file in given.files:
            try:
                compiled = compile_source(read_source(file.read_text(), str(file)), make_options(), Cache(Path(folder)))
            except (MetalError, OSError) as error:
                print(f"{file}: {str(error).splitlines()[0]}")
                counts["programs that do not compile"] += 1
                continue
            for name in compiled.kernels:
                lower(file, compiled, name, machine, given, counts)
    print(*(f"{count} {what}" for what, count in sorted(counts.items())), sep=", ")
    return 1 if counts["kernels failed"] else 0


def lower(
    file: Path,
    compiled: Compilation,
    name: str,
    machine: llvm.TargetMachine,
    given: argparse.Namespace,
    counts: collections.Counter[str],
) -> None:
    for executor in (SPMD, REFERENCE):
        os.environ["METALPY_EXECUTOR"] = executor
        seen: list[str] = []
        try:
            program = compiled._whole_program()
            made = lowering.lower(program, compiled.kernels.number(name), {}, machine=Noting(machine, seen))
        except MetalError as error:
            needs_constants = "needs a value for function constant" in str(error)
            counts["without constants" if needs_constants else "kernels failed"] += 1
            if not needs_constants:
                print(f"{file}: {name}: {executor}: {str(error).splitlines()[0]}")
            continue
        if executor == SPMD != made.executor:
            print(f"{file}: {name}: no vector program: {made.reason}")
        counts[f"{made.executor} kernels"] += 1
        counts[f"{made.executor} kernels with vector code"] += bool(re.search(given.registers, seen[-1]))
        if given.folder:
            given.folder.mkdir(parents=True, exist_ok=True)
            (given.folder / f"{file.stem}.{name.replace(':', '_')}.{executor}.so").write_bytes(made.code)


class Noting:
    """A target machine that keeps the assembly of what it emits."""

    def __init__(self, machine: llvm.TargetMachine, seen: list[str]) -> None:
        self._machine, self._seen = machine, seen

    def __getattr__(self, name: str) -> object:
        return getattr(self._machine, name)

    def emit_object(self, module: llvm.ModuleRef) -> bytes:
        self._seen.append(self._machine.emit_assembly(module))
        return bytes(self._machine.emit_object(module))


if __name__ == "__main__":
    sys.exit(main())
