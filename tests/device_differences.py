"""Where Apple's device and the software device differ, test by test: the one list.

`tests/conftest.py` skips these on the device named, with the reason. Everything else passes on both.
"""

HARDWARE = "Apple's hardware decides"
COMPILER = "it is metalpy's own compiler, of the software device, that is tested"
LOGS = "of what kernels say Metal hands on os_log's level, names and text, no more"
SAMPLES = "an Apple GPU fills multisampled textures by drawing only, so the driver has none"
STANDIN = "the stand-in for Metal compiles with the software device's compiler"

# Test, or all of a file, without parameters in brackets or with them -> why it does not apply to the driver `metal`.
METAL = {
    "test_message_delivery.py::test_messages_have_all_fields": LOGS,
    "test_message_delivery.py::test_os_log_goes_to_logging": LOGS,
    "test_message_delivery.py::test_a_report_is_raised_once_with_all_that_is_known": LOGS,
    "test_message_delivery.py::test_the_thread_that_reported": LOGS,
    "test_message_delivery.py::test_undelivered_messages_keep_no_native_objects": LOGS,
    "test_messages.py::test_os_log_has_levels_subsystem_and_category": f"{LOGS}; tests/apple tests that",
    "test_messages.py::test_positions_in_three_dimensions": LOGS,
    "test_messages.py::test_kernels_with_barriers_and_divergent_code": LOGS,
    "test_messages.py::test_a_kernel_that_is_stopped_is_heard": f"{HARDWARE} how long a kernel may run",
    "test_messages.py::test_kernels_that_say_nothing_run_group_by_group": COMPILER,
    "test_texture_atomics.py::test_64_bits": "texels of 64 bits are the software device's alone",
    "test_texture_atomics.py::test_texels_of_64_bits": "texels of 64 bits are the software device's alone",
    "test_bound_objects.py": "Apple's driver binds neither tensors nor tables of functions yet",
    "test_convolution2d.py::test_into_memory": "Apple's driver binds neither tensors nor tables of functions yet",
    "test_bad_input.py::test_time_limit": f"{HARDWARE} how long a kernel may run",
    "test_compile_shader.py::test_code_that_was_evicted_before_it_is_loaded_is_made_again": COMPILER,
    "test_memory.py::test_what_cannot_be_told_of_address_spaces": COMPILER,
    "test_memory.py::test_errors_beside_overloads_have_their_own_place": COMPILER,
    "test_memory_use.py::test_the_leak_check_sees_leaks": "only the software device counts what no array owns",
    "test_memory_use.py::test_wrapped_memory_is_seen_by_both": "an Apple GPU shares whole pages only",
    "test_texture_types.py::test_samples": SAMPLES,
    "test_texture_programs.py::test_sizes": SAMPLES,
    "test_profiler.py::test_compilation": COMPILER,
    "test_profiler.py::test_the_timeline": "traced commands start at once, so the host may have nothing to wait for",
}

# Beyond those, what does not apply to the driver over the stand-in.
ON_STANDIN = {
    "test_backends.py::test_drivers": "a driver of tests is no part of the build",
    "test_tensors.py::test_tensors_bound_by_the_host_are_refused": f"{STANDIN}, and what that lacks is an error to it",
    "test_bad_input.py::test_unsupported_feature": f"{STANDIN}, and what that lacks is an error to it",
    "test_bad_input.py::test_recursion": f"{STANDIN}, which finds it when a pipeline is made",
    "test_bad_input.py::test_function_without_a_body": f"{STANDIN}, which finds it when a pipeline is made",
}


def difference(nodeid: str, has_standin: bool) -> str | None:
    """Why a test does not apply to the driver `metal`; None if it does."""
    name = nodeid.rsplit("/", 1)[-1]
    listed = METAL | (ON_STANDIN if has_standin else {})
    keys = (name, name.split("[", 1)[0], name.split("::", 1)[0])
    return next((listed[key] for key in keys if key in listed), None)
