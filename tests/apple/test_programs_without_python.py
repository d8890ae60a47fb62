"""Programs without Python: the stand-in minds what Metal's validation layer minds, and a long run leaves nothing."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

SINS = {
    "encode_after_end": "encoding after endEncoding",
    "commit_twice": "already committed",
    "commit_with_open_encoder": "uncommitted encoder",
    "two_encoders": "already encoding to this command buffer",
    "missing_end": "released without endEncoding",
    "unaligned_offset": "must be a multiple of 16 but was set to 4",
    "offset_outside": "offset(4096) must be <= [buffer length](1024)",
    "unset_argument": "missing Buffer binding at index 1 for y",
    "argument_too_short": "has space for 8 bytes, but argument has a length(16)",
    "too_many_bytes": "length(4097) must be from 1 to 4096",
    "index_too_high": "index(31) must be < 31",
    "oversized_group": "kernel threadgroup size limit",
    "empty_grid": "must be greater than zero",
    "no_pipeline": "pipeline state must be set",
    "odd_threadgroup_memory": "multiple of 16 bytes",
    "released_resource": "gone before its work is complete",
    "released_buffer": "has been released",
    "private_contents": "private storage has no contents",
    "empty_buffer": "zero length",
    "unaligned_pointer": "byte aligned",
    "unaligned_copy": "multiples of 4",
    "copy_outside": "beyond its buffer",
    "handler_after_commit": "after commit call",
    "event_inside_a_pass": "already encoding",
    "event_that_goes_back": "goes back from 5 to 4",
    "absent_pointer": "p in an argument buffer holds a resource that is not resident",
    "absent_texture": "t in an argument buffer holds a resource that is not resident",
    "unset_texture": "missing Texture binding at index 1 for w[0]",
    "unset_sampler": "missing Sampler binding at index 0 for s[0]",
    "wrong_texture_type": "incorrect type of texture (7) bound at Texture binding at index 0 (expect 2) for r",
    "wrong_pixel_format": "The pixel format (53) of the texture bound at index 0 is incompatible",
    "texture_not_for_reading": "doesn't specify MTLTextureUsageShaderRead",
    "texture_not_for_writing": "doesn't specify MTLTextureUsageShaderWrite",
    "format_not_for_both": "the pixel format (30) of texture (w[1]) cannot be read and written",
    "released_texture": "the texture has been released",
    "released_resident_texture": "gone before its work is complete",
    "texture_index_too_high": "index(128) must be < 128",
    "unknown_pixel_format": "Texture Descriptor Validation",
    "texture_too_wide": "width 16385",
    "shared_depths": "must be allocated with the MTLStorageModePrivate",
    "written_depths": "not a valid format for shader writes",
    "shared_samples": "must be allocated with the MTLStorageModePrivate",
    "atomics_of_floats": "not a valid format for atomics",
    "region_outside": "texels 0 to 5 along axis y lie outside",
    "rows_too_short": "bytesPerRow(31) must be >= (32)",
    "rows_of_a_line": "bytesPerRow(32) must be 0 for 1D textures",
    "planes_of_an_image": "bytesPerImage(128) must be 0",
    "slice_outside": "level 0 of element 1",
    "private_texels": "must not have MTLStorageModePrivate",
    "linear_offset": "offset(8) must be aligned to 16 bytes",
    "linear_rows": "bytesPerRow(40) must be aligned to 16 bytes",
    "linear_outside": "longer than the buffer's 1024 bytes",
    "linear_storage": "must be the buffer's",
    "linear_volume": "only 2D textures and texture buffers",
    "texture_buffer_rows": "bytesPerRow(48) must be aligned to 32 bytes",
    "mipmaps_of_one_level": "mipmapLevelCount(1) must be > 1",
    "mipmaps_of_integers": "not a color-renderable and filterable format",
    "blit_texels_unaligned": "offset(2) must be a multiple of the pixel's 4 bytes",
    "blit_texels_rows": "bytesPerRow(28) must be a multiple of the pixel's 4 bytes and >= 32",
    "blit_texels_outside": "the region is beyond the texture",
    "blit_texels_beyond_the_buffer": "the copy is beyond its buffer",
    "sampler_handle": "made without supportArgumentBuffers",
    "sampler_anisotropy": "maxAnisotropy(17) must be from 1 to 16",
    "waiting_without_commit": "never committed",
}


@pytest.fixture
def run(request, standin):
    folder = Path(request.config.getoption("--metal-standin")).parent

    def call(*arguments, program="test_misuse"):
        # Crash dumps would cost more time than all else here.
        command = ["sh", "-c", 'ulimit -c 0; exec "$@"', "sh", os.fspath(folder / program), *arguments]
        environment = os.environ | {"KERNEL": os.fspath(folder / "kernel.so")}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    return call


def test_every_sin_is_listed(run):
    assert run().stdout.split() == list(SINS)


def test_what_is_allowed(run):
    done = run("virtue")
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


@pytest.mark.parametrize("sin", SINS)
def test_sin(run, sin):
    done = run(sin)
    assert done.returncode == -signal.SIGABRT, done.stdout + done.stderr
    assert "failed assertion" in done.stderr and SINS[sin] in done.stderr


def test_many_launches_in_constant_memory(run):
    done = run("100000", program="test_soak")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "each element is 100000" in done.stdout and "left: 0 handles, 0 objects" in done.stdout
