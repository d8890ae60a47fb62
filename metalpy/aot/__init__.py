"""Ahead-of-time packages: models in one file, and containers that run them from many threads."""

from metalpy.aot.packaging import package
from metalpy.aot.runner import ModelContainerRunner, register_runner

__all__ = ["ModelContainerRunner", "package", "register_runner"]
