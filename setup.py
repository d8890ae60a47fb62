"""Build of metalpy's extension modules; everything else is in pyproject.toml.

METALPY_DEBUG_BUILD=1 compiles with -O0 -g and asserts, METALPY_ANNOTATE=1 writes Cython's annotated HTML.
"""

import os
import sys
from glob import glob
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Distribution, Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

DEBUG = os.environ.get("METALPY_DEBUG_BUILD", "0") != "0"
COMPILE_ARGS = ["-std=gnu11", "-fvisibility=hidden", "-Wall", "-pthread"]
COMPILE_ARGS += ["-O0", "-g", "-UNDEBUG"] if DEBUG else ["-O2", "-g0"]

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "embedsignature": True,
}


class BuildExtensions(build_ext):
    """Keeps what `pip install -e` compiles in build/, too, where the next `build_ext --inplace` looks for it."""

    def run(self):
        super().run()
        if self.editable_mode:
            build = Distribution().get_command_obj("build")
            build.ensure_finalized()
            for made in self.get_output_mapping():
                kept = Path(build.build_platlib, os.path.relpath(made, self.build_lib))
                self.mkpath(str(kept.parent))
                self.copy_file(made, str(kept))


class BuildPackage(build_py):
    """Puts metalpy's own kernels into the package; an editable one finds them in the source tree."""

    def run(self):
        super().run()
        for source, target in self.shaders():
            self.mkpath(str(target.parent))
            self.copy_file(str(source), str(target))

    def shaders(self):
        if getattr(self, "editable_mode", False):
            return []
        files = [path for path in sorted(Path("shaders").iterdir()) if path.suffix in (".h", ".metal")]
        return [(path, Path(self.build_lib, "metalpy", path)) for path in files]

    def get_outputs(self, include_bytecode=1):
        return super().get_outputs(include_bytecode) + [str(target) for _, target in self.shaders()]


def extension(name, sources=(), libraries=(), macros=(), link_args=()):
    return Extension(
        f"metalpy._core.{name}",
        [f"metalpy/_core/{name}.pyx", *sources],
        include_dirs=["metalpy/include"],
        depends=sorted(glob("metalpy/include/*.h") + glob("metalpy/cpu/*.h") + glob("objc/*.h")),
        libraries=list(libraries),
        define_macros=[
            ("MPY_BUILD_FLAGS", '"' + " ".join([*COMPILE_ARGS, os.environ.get("CFLAGS", "")]).strip() + '"'),
            *macros,
        ],
        extra_compile_args=COMPILE_ARGS,
        extra_link_args=["-pthread", *link_args],
    )


# Only `driver` links the devices: a second copy would have device tables and threads of its own.
def driver():
    """The driver extension with the device of this system: Metal on macOS, the software device elsewhere."""
    if sys.platform != "darwin":
        return extension("driver", sorted(glob("metalpy/cpu/*.c")), ["dl", "m"], [("MPY_SOFTWARE", "1")])
    frameworks = ("Foundation", "Metal", "MetalPerformanceShaders", "IOKit")
    link_args = [part for name in frameworks for part in ("-framework", name)]
    return extension("driver", sorted(glob("objc/*.m")), ["objc"], [("MPY_METAL", "1")], link_args)


EXTENSIONS = [
    extension("check"),
    extension("facts"),
    extension("message"),
    extension("trace"),
    extension("lexer"),
    driver(),
    extension("registry"),
    extension("library"),
    extension("stream"),
    extension("observer"),
    extension("memory"),
    extension("reserve"),
    extension("pool"),
    extension("graph"),
    extension("array"),
    extension("dlpack"),
    extension("texture"),
    extension("plan"),
    extension("number"),
    extension("validation"),
    extension("encode"),
    extension("grid"),
    extension("dispatch"),
    extension("prepared"),
    extension("views"),
]

setup(
    ext_modules=cythonize(
        EXTENSIONS, compiler_directives=DIRECTIVES, annotate=os.environ.get("METALPY_ANNOTATE", "0") != "0"
    ),
    cmdclass={"build_ext": BuildExtensions, "build_py": BuildPackage},
    options={"build_ext": {"parallel": True}},  # modules side by side
)
