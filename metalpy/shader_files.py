"""Where metalpy's own kernels are."""

from __future__ import annotations

from pathlib import Path

__all__ = ["shader_folder"]


def shader_folder() -> Path:
    """Folder of metalpy's own kernels: inside the installed package, beside it in the source tree."""
    package = Path(__file__).parent
    inside = package / "shaders"
    return inside if inside.is_dir() else package.parent / "shaders"
