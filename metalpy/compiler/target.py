"""LLVM's view of the processor that kernels are compiled for."""

from __future__ import annotations

from functools import cache

import llvmlite.binding as llvm

from .processor import NATIVE, chosen_cpu

__all__ = ["aim", "initialize", "plain_machine", "processor", "target_machine"]


@cache
def initialize() -> None:
    """Make LLVM ready."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def processor() -> tuple[str, str]:
    """LLVM's name of the processor that METALPY_CPU names, or of this machine's, and what that one can do."""
    cpu = chosen_cpu()
    return _native() if cpu == NATIVE else (cpu, "")


@cache
def _native() -> tuple[str, str]:
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def target_machine() -> llvm.TargetMachine:
    """The processor that METALPY_CPU names, or this machine's."""
    cpu, features = processor()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(cpu=cpu, features=features, opt=2, reloc="pic", codemodel="default")


def aim(module: llvm.ModuleRef, machine: llvm.TargetMachine) -> None:
    """Make a module, which clang wrote for its own target, one for `machine`. Types are laid out alike."""
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)


def plain_machine(machine: llvm.TargetMachine) -> llvm.TargetMachine:
    """A processor of the same kind that gives the optimiser no reason to unroll loops for it."""
    return llvm.Target.from_triple(machine.triple).create_target_machine(opt=2, reloc="pic")
