from collections import deque
from collections.abc import Callable
from typing import Any

pending: deque[tuple[Any, ...]]

def set_delivery(function: Callable[[], object]) -> None: ...
def placed(file: str | None, line: int | None, text: str) -> tuple[str | None, int | None, str]: ...
