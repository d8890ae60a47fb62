"""Where Apple's device and the software device differ, test by test: the one list.

`tests/conftest.py` skips these on the device named, with the reason. Everything else passes on both.
"""

HARDWARE = "Apple's hardware decides"
COMPILER = "it is metalpy's own compiler, of the software device, that is tested"
TEXTURES = "Apple's driver has no textures yet"
LOGS = "of what kernels say Metal hands on os_log's level, names and text, no more; tests/apple tests that"
STANDIN = "the stand-in for Metal compiles with the software device's compiler"

# Test, or all of a file, without parameters in brackets or with them -> why it does not apply to the driver `metal`.
METAL = {
    "test_messages.py": LOGS,
    "test_message_delivery.py": LOGS,
    "test_bad_input.py::test_time_limit": f"{HARDWARE} how long a kernel may run",
    "test_compile_shader.py::test_code_that_was_evicted_before_it_is_loaded_is_made_again": COMPILER,
    "test_memory.py::test_functions_of_different_bodies_are_refused": COMPILER,
    "test_memory_use.py::test_the_leak_check_sees_leaks": "only the software device counts what no array owns",
    "test_memory_use.py::test_wrapped_memory_is_seen_by_both": "an Apple GPU shares whole pages only",
    "test_textures.py": TEXTURES,
    "test_texture_atomics.py": TEXTURES,
    "test_texture_objects.py": TEXTURES,
    "test_texture_programs.py": TEXTURES,
    "test_texture_types.py": TEXTURES,
    "test_examples.py::test_image_filter": TEXTURES,
    "test_profiler.py::test_compilation": COMPILER,
    "test_profiler.py::test_the_timeline": "traced commands start at once, so the host may have nothing to wait for",
    "test_programs.py::test_methods_that_do_not_forward_are_refused": COMPILER,
}

# Beyond those, what does not apply to the driver over the stand-in.
ON_STANDIN = {
    "test_backends.py::test_drivers": "a driver of tests is no part of the build",
    "test_bad_input.py::test_unsupported_feature": f"{STANDIN}, which knows no textures",
    "test_tensors.py": f"{STANDIN}, for Metal 3.2",
    "test_bad_input.py::test_recursion": f"{STANDIN}, which finds it when a pipeline is made",
    "test_bad_input.py::test_function_without_a_body": f"{STANDIN}, which finds it when a pipeline is made",
}


def difference(nodeid: str, has_standin: bool) -> str | None:
    """Why a test does not apply to the driver `metal`; None if it does."""
    name = nodeid.rsplit("/", 1)[-1]
    listed = METAL | (ON_STANDIN if has_standin else {})
    return listed.get(name) or listed.get(name.split("[", 1)[0]) or listed.get(name.split("::", 1)[0])
