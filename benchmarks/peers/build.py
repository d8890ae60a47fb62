"""What it costs to build kernels: from their source to all of them having run once, in a fresh process.

Each runs on a small grid, as runtimes compile at different times: some with the program, some with the first launch.
Interpreter, imports, opening the device and the arrays come before.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from time import perf_counter

from . import sides
from .turns import Contender, run
from .work import Launch, Side, Work

BENCHMARKS = Path(__file__).parent.parent
COMPILERS = ("metalpy", "Intel", "PoCL")
Makers = Sequence[Callable[[bool], Work]]


def joined(makers: Makers) -> Work:
    """All of it as one piece of work at small size: one program, a launch of each kernel."""
    works = {make.__name__: make(True) for make in makers}
    last = next(reversed(works))

    def renamed(name: str, launch: Launch) -> Launch:
        return replace(launch, args=tuple(f"{name}.{arg}" if isinstance(arg, str) else arg for arg in launch.args))

    return Work(
        arrays={f"{name}.{array}": values for name, work in works.items() for array, values in work.arrays.items()},
        launches=tuple(renamed(name, launch) for name, work in works.items() for launch in work.launches),
        result=f"{last}.{works[last].result}",
        expected=works[last].expected,
        tolerance=works[last].tolerance,
    )


def cold(makers: Makers, side: Side, small: bool) -> Contender | None:
    """With empty caches, but for what an installation has: Python's bytecode, and metalpy's precompiled headers, since
    other runtimes come with theirs.
    """

    def seconds() -> float:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(_warmed(side.name, "headers"), folder, dirs_exist_ok=True)
            return _in_fresh_process(side.name, folder)

    return _contender(makers, side, seconds)


def cached(makers: Makers, side: Side, small: bool) -> Contender | None:
    """Built before by another process; pyopencl keeps what the runtimes have compiled, and PoCL does by itself."""
    return _contender(makers, side, lambda: _in_fresh_process(side.name, _warmed(side.name, "all")))


def _contender(makers: Makers, side: Side, seconds: Callable[[], float]) -> Contender | None:
    if side.name not in COMPILERS:
        return None

    def check() -> None:
        work = joined(makers)
        session = side.session(work)
        run(session)
        work.check(side.name, session.result())

    return Contender(check, seconds)


@cache
def _warmed(side: str, what: str) -> str:
    """A folder of caches in which `what` has been built; it stays until exit."""
    folder = tempfile.mkdtemp(prefix="metalpy-peers-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _in_fresh_process(side, folder, what)
    return folder


def _in_fresh_process(side: str, caches: str, what: str = "all") -> float:
    environment = os.environ | {
        "METALPY_CACHE_DIR": f"{caches}/metalpy",
        "POCL_CACHE_DIR": f"{caches}/pocl",
        "XDG_CACHE_HOME": f"{caches}/xdg",  # pyopencl's
        "PYTHONPYCACHEPREFIX": f"{caches}/bytecode",  # as pip leaves an installed package
        "PYTHONPATH": os.pathsep.join([str(BENCHMARKS), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "peers.build", side, what]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if finished.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}:\n{finished.stderr}")
    return float(finished.stdout)


def main(name: str, what: str) -> None:
    """Print the seconds that it took; `what` is "all" kernels, or just one, which makes the "headers"."""
    from . import rows

    side = sides.open_side(name)
    work = joined(rows.NINE if what == "all" else [rows.full])
    start = perf_counter()
    run(side.session(work))
    print(perf_counter() - start)


if __name__ == "__main__":
    main(*sys.argv[1:])
