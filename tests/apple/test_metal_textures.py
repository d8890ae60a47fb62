"""What Metal wants of textures and samplers: storage, alignment, lifetimes, faults, older systems."""

import ctypes
import gc
import re
import time
from collections import Counter

import numpy as np
import pytest

import metalpy as mp
from metalpy._core.texture import PIXEL_FORMATS
from tests.helpers import abi, images
from tests.helpers.standin import Fault

FOREVER = 2**64 - 1
R32_FLOAT, RG8_UNORM, DEPTH_32 = 55, 30, 252

SOURCE = """
#include <metal_stdlib>
using namespace metal;
struct Bindings { texture2d<float> from; sampler how; texture2d<float, access::write> to; };
kernel void through(constant Bindings& b, uint2 at [[thread_position_in_grid]]) {
  b.to.write(b.from.sample(b.how, float2(at) + 0.5) * 2, at);
}
kernel void add(texture2d<float, access::read> a, texture2d<float, access::write> b,
                uint2 at [[thread_position_in_grid]]) {
  b.write(a.read(at) + 1, at);
}
"""


@pytest.fixture
def lib(standin, metal):
    gc.collect()
    mp.mps.synchronize()
    mp.mps.empty_cache()
    return mp.mps.compile_shader(SOURCE)


def description(**changed):
    facts = {"type": 2, "pixel_format": R32_FLOAT, "width": 8, "height": 4, "usage": 3}
    ones = dict.fromkeys(("depth", "array_length", "levels", "samples"), 1)
    return ctypes.byref(abi.TextureDesc(**(facts | ones | changed)))


@pytest.fixture
def make(table):
    """Makes textures by the driver's table."""
    made = []

    def create(buffer=None, offset=0, row=0, **changed):
        made.append(table.made("texture_create", table.device, description(**changed), buffer, offset, row))
        return made[-1]

    yield create
    for handle in made:
        table.driver.texture_release(handle)


def texels(table, name, handle, array, level=0, element=0, origin=(0, 0, 0)):
    """Calls texture_read or texture_replace for a (z, y, x) array."""
    planes, rows, columns = array.shape
    triple = ctypes.c_uint32 * 3
    size = triple(columns, rows, planes)
    region = abi.TextureRegion(level, element, triple(*origin), size, array.strides[1], array.strides[0])
    table.call(name, handle, ctypes.byref(region), array.ctypes.data)


@pytest.fixture
def buffer(table):
    handle = table.made("buffer_create", table.device, 4096, 0)
    yield handle
    table.driver.buffer_release(handle)


# ---- storage ----


def copies(standin):
    return Counter({name: standin.counter(name) for name in ("blit texels", "texture replace", "texture read")})


def test_depths_are_private_and_go_through_blits(standin, lib, rng):
    values = rng.uniform(size=(7, 11)).astype(np.float32)
    before = copies(standin)
    texture = mp.texture(values, "depth32Float")
    np.testing.assert_array_equal(texture.numpy(), values)
    texture.write(values[2:4, 3:] * 2, np.s_[1:3, 3:])
    expected = values.copy()
    expected[1:3, 3:] = values[2:4, 3:] * 2
    np.testing.assert_array_equal(texture.numpy(), expected)
    assert copies(standin) - before == {"blit texels": 4}


def test_other_textures_are_shared(standin, lib, rng):
    before = copies(standin)
    image = rng.integers(0, 256, (5, 6, 4), np.uint8)
    np.testing.assert_array_equal(mp.texture(image).numpy(), image)
    assert copies(standin) - before == {"texture replace": 1, "texture read": 1}


def test_private_memory_of_a_buffer(table, make, rng):
    """A linear texture over a private buffer: the host reaches it by blits, too."""
    secret = table.made("buffer_create", table.device, 1024, 1)
    texture = make(secret, 64, 48)
    values, back = rng.uniform(size=(1, 4, 8)).astype(np.float32), np.zeros((1, 4, 8), np.float32)
    texels(table, "texture_replace", texture, values)
    texels(table, "texture_read", texture, back)
    np.testing.assert_array_equal(back, values)
    table.driver.buffer_release(secret)  # the texture keeps it
    texels(table, "texture_read", texture, back)
    np.testing.assert_array_equal(back, values)


def test_linear_textures_are_the_buffers_memory(table, make, buffer):
    texture = make(buffer, 64, 48)
    ctypes.memset(table.driver.buffer_contents(buffer), 0, 4096)
    part = np.arange(1, 7, dtype=np.float32).reshape(1, 2, 3)
    texels(table, "texture_replace", texture, part, origin=(2, 1, 0))
    memory = np.frombuffer(ctypes.string_at(table.driver.buffer_contents(buffer), 4096), np.float32)
    expected = np.zeros((4, 12), np.float32)
    expected[1:3, 2:5] = part[0]
    np.testing.assert_array_equal(memory[16:64].reshape(4, 12), expected)
    assert (memory[:16] == 0).all() and (memory[64:] == 0).all()


@pytest.mark.parametrize(("arguments", "changed", "status", "message"), [
    ((0, 20), {}, abi.INVALID, "at least 32 bytes"),
    ((0, 40), {}, abi.INVALID, "multiple of 16 bytes.*rows of 40"),
    ((8, 32), {}, abi.INVALID, "multiple of 16 bytes.*start at 8"),
    ((16, 48), {"type": 9, "height": 1}, abi.INVALID, "multiple of 32 bytes"),
    ((4000, 32), {}, abi.INVALID, "does not lie at offset 4000"),
    ((2**63, 32), {}, abi.INVALID, "does not lie at offset"),
    ((0, 32), {"levels": 2}, abi.INVALID, "of one level"),
    ((0, 32), {"type": 7}, abi.INVALID, "it is 2D or a texture buffer"),
    ((0, 32), {"pixel_format": DEPTH_32, "usage": 1}, abi.INVALID, "not of depths"),
    ((0, 0), {}, abi.INVALID, "keeps the memory"),
    ((0, 0), {"pixel_format": 77}, abi.UNSUPPORTED, "pixel format 77"),
    ((0, 0), {"type": 12}, abi.UNSUPPORTED, "type 12"),
    ((0, 0), {"pixel_format": DEPTH_32}, abi.UNSUPPORTED, "depths that kernels write"),
    ((0, 0), {"type": 7, "pixel_format": DEPTH_32, "usage": 1}, abi.UNSUPPORTED, "no 3D textures of depths"),
    ((0, 0), {"type": 4, "samples": 4}, abi.UNSUPPORTED, "only by drawing"),
    ((0, 0), {"samples": 2}, abi.INVALID, "sample count 2"),
])  # fmt: skip
def test_what_the_driver_refuses(table, buffer, arguments, changed, status, message):
    found = table.fails("texture_create", table.device, description(**changed), buffer, *arguments,
                        ctypes.byref(ctypes.c_void_p()))  # fmt: skip
    assert found[0] == status
    assert re.search(message, found[1]), found[1]


def test_linear_textures_need_a_buffer(table):
    for changed, row in (({}, 32), ({"type": 9, "height": 1}, 0)):
        status, message = table.fails("texture_create", table.device, description(**changed), None, 0, row,
                                      ctypes.byref(ctypes.c_void_p()))  # fmt: skip
        assert status == abi.INVALID and "needs a buffer" in message


def test_sizes_that_the_driver_tells(table):
    size = ctypes.c_uint64(7)
    table.call("texture_size", table.device, description(), ctypes.byref(size))
    assert size.value == 0  # Metal keeps it
    table.call("texture_size", table.device, description(type=9, width=9, height=1), ctypes.byref(size))
    assert size.value == 64  # 36 bytes, rounded to what texture buffers want


def test_regions_that_lie_outside(table, make):
    texture = make(levels=2)
    values = np.zeros((1, 4, 8), np.float32)
    for changed, message in (
        ({"level": 2}, "has 2 levels"), ({"element": 1}, "1 elements"), ({"level": 1}, "texels 0 to 8 along axis x"),
        ({"origin": (0, 1, 0)}, "texels 1 to 5 along axis y"),
    ):  # fmt: skip
        with pytest.raises(AssertionError, match=message):
            texels(table, "texture_read", texture, values, **changed)
    narrow = np.lib.stride_tricks.as_strided(values, (1, 4, 8), (128, 28, 4))
    with pytest.raises(AssertionError, match="rows of 28 bytes cannot hold 8 texels of 4"):
        texels(table, "texture_replace", texture, narrow)


# ---- kernels ----


def assert_goes_to(look, expected):
    """The completion handler may still be at it when a wait returns."""
    deadline = time.monotonic() + 20
    while look() != expected and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert look() == expected


@pytest.fixture
def pipeline(table):
    """Makes a kernel of SOURCE, by the driver's table."""
    desc = abi.LibraryDesc(kind=1, data=ctypes.cast(SOURCE.encode(), ctypes.c_void_p), size=len(SOURCE))
    library = table.made("library_create", table.device, ctypes.byref(desc))
    made = []

    def make(name):
        made.append(table.made("pipeline_create", library, ctypes.byref(abi.PipelineDesc(name=name))))
        return made[-1]

    yield make
    for handle in made:
        table.driver.pipeline_release(handle)
    table.driver.library_release(library)


@pytest.fixture
def queue(table):
    made = table.made("queue_create", table.device)
    yield made
    table.driver.queue_release(made)


def launch(table, queue, pipeline, *arguments):
    given = (abi.Argument * len(arguments))(*arguments)
    dispatch = abi.Dispatch(pipeline, given, len(arguments), (8, 4, 1), (8, 4, 1))
    table.call("queue_dispatch", queue, ctypes.byref(dispatch), None)


def test_argument_buffers_keep_what_they_name(standin, table, make, pipeline, queue, rng):
    """Neither textures nor samplers may go before the kernel is done, though nobody else has them."""
    values, back = rng.uniform(size=(1, 4, 8)).astype(np.float32), np.empty((1, 4, 8), np.float32)
    target, event = make(), table.made("event_create", table.device)
    names = ("StandinTexture", "StandinSampler")
    before = [standin.live(name) for name in names]
    source = table.made("texture_create", table.device, description(), None, 0, 0)
    texels(table, "texture_replace", source, values)
    how = table.made("sampler_create", table.device, ctypes.byref(abi.SamplerDesc(lod_max_clamp=9)))
    addresses = (table.driver.texture_address(source), table.driver.sampler_address(how),
                 table.driver.texture_address(target))  # fmt: skip
    bindings = (ctypes.c_uint64 * 3)(*addresses)
    table.call("queue_wait_event", queue, event, 1, None)
    launch(
        table, queue, pipeline(b"through"),
        abi.Argument(kind=abi.ARGUMENT_BYTES, index=0, bytes=ctypes.addressof(bindings), size=24),
        abi.Argument(kind=abi.ARGUMENT_RESIDENT, texture=source), abi.Argument(kind=abi.ARGUMENT_RESIDENT, sampler=how),
        abi.Argument(kind=abi.ARGUMENT_RESIDENT, texture=target),
    )  # fmt: skip
    table.call("queue_commit", queue)
    table.driver.texture_release(source)
    table.driver.sampler_release(how)
    assert [standin.live(name) - count for name, count in zip(names, before, strict=True)] == [1, 1]
    table.call("event_signal", event, 1)
    table.call("queue_wait", queue, FOREVER, FOREVER)
    texels(table, "texture_read", target, back)
    np.testing.assert_array_equal(back, values * 2)
    assert_goes_to(lambda: [standin.live(name) - count for name, count in zip(names, before, strict=True)], [0, 0])
    table.driver.event_release(event)


def test_python_names_what_argument_buffers_hold(lib, rng):
    x = rng.uniform(size=(4, 4)).astype(np.float32)
    target = mp.texture((4, 4), "r32Float")
    bindings = {"from": mp.texture(x), "how": mp.Sampler(normalized_coordinates=False), "to": target}
    lib.through(bindings, threads=(4, 4))
    del bindings
    np.testing.assert_array_equal(target.numpy(), x * 2)


def test_untracked_memory_of_textures_has_barriers(standin, table, make, pipeline, queue):
    """Of a heap in which Metal orders no uses; a texture over it is no better."""
    heap = table.made("heap_create", table.device, 4096, 2)
    memory = table.made("heap_buffer_create", heap, 256)
    add = pipeline(b"add")
    ctypes.memset(table.driver.buffer_contents(memory), 0, 256)
    pair = [make(memory, 0, 32), make()]
    before = [standin.counter(name) for name in ("texture barrier", "fence")]
    for number in range(6):
        both = (abi.Argument(kind=abi.ARGUMENT_TEXTURE, index=i, texture=pair[(number + i) % 2]) for i in range(2))
        launch(table, queue, add, *both)
    table.call("queue_wait", queue, FOREVER, FOREVER)
    values = np.empty((1, 4, 8), np.float32)
    texels(table, "texture_read", pair[0], values)
    assert (values == 6).all()
    found = [standin.counter(name) for name in ("texture barrier", "fence")]
    assert [now - then for now, then in zip(found, before, strict=True)] == [5, 1]
    table.driver.buffer_release(memory)
    table.driver.heap_release(heap)


def test_mipmaps_are_blits(standin, lib, rng):
    image = rng.uniform(size=(8, 8)).astype(np.float32)
    before = standin.counter("mipmaps")
    mp.texture(image).generate_mipmaps()  # of one level: nothing to make, and Metal would mind
    texture = mp.texture(image, mipmap_level_count=None)
    texture.generate_mipmaps()
    np.testing.assert_allclose(texture.numpy(3), image.mean(), rtol=1e-6)
    assert standin.counter("mipmaps") - before == 1
    with pytest.raises(mp.LaunchValueError, match="of depths"):
        mp.texture(image, "depth32Float", mipmap_level_count=2).generate_mipmaps()


def test_formats_of_atomic_functions(table, make):
    """Their usage may be asked for with no other format, which the stand-in minds."""
    for number in (53, 54, R32_FLOAT, RG8_UNORM):
        make(pixel_format=number)


def test_every_format_has_its_size(table):
    """The driver's own table against Python's."""
    size = ctypes.c_uint64()
    for format in PIXEL_FORMATS.values():
        if not format.is_depth:
            facts = description(type=9, pixel_format=format.value, width=32, height=1)
            table.call("texture_size", table.device, facts, ctypes.byref(size))
            assert size.value == 32 * format.texel_bytes, format.name


def test_volumes_and_depths_of_every_size(lib, rng):
    for name in ("rgba8Unorm", "rg32Float", "r8Snorm"):
        raw = images.Format(name).random(rng, (6, 4, 8))
        made = mp.texture(raw, name, texture_type="3d")
        np.testing.assert_array_equal(made.numpy(), raw)
        made.write(raw[1:3, 2:, 3:4], np.s_[4:, :2, 5:6])
        raw[4:, :2, 5:6] = raw[1:3, 2:, 3:4].copy()
        np.testing.assert_array_equal(made.numpy(), raw)
    for name in ("depth16Unorm", "depth32Float"):
        raw = images.Format(name).random(rng, (6, 4, 4))
        np.testing.assert_array_equal(mp.texture(raw, name, texture_type="cube").numpy(), raw)


# ---- faults and older systems ----


def test_a_texture_that_comes_at_the_second_attempt(standin, lib):
    standin.inject(Fault.TEXTURE, 1)  # the pool gives back what it keeps, and asks again
    assert mp.texture(np.ones((4, 4), np.float32)).numpy().sum() == 16


def test_textures_that_are_refused(standin, lib):
    array = mp.zeros((4, 4))
    for make in (
        lambda: mp.texture((4, 4), "r32Float"),
        lambda: mp.texture(array, copy=False),
        lambda: mp.texture((9,), "r8Unorm", texture_type="buffer"),
        mp.Sampler,
    ):
        standin.inject(Fault.TEXTURE, 2)
        with pytest.raises(mp.OutOfMemoryError, match=r"no memory for a texture|makes no texture|makes no sampler"):
            make()
        standin.inject(Fault.TEXTURE, 0)
        make()


@pytest.mark.parametrize(("fault", "value", "error", "message"), [
    (Fault.ALLOCATION, 1, mp.OutOfMemoryError, "no memory to copy 64 bytes of texels"),
    (Fault.COMMAND_BUFFER, 3, mp.KernelFaultError, "copying texels failed on the GPU: Injected error 3"),
    (Fault.COMMAND_BUFFER_NIL, 1, mp.OutOfMemoryError, "makes no command buffer"),
])  # fmt: skip
def test_copies_that_fail(standin, lib, fault, value, error, message):
    values = np.arange(16, dtype=np.float32).reshape(4, 4) / 16
    texture = mp.texture(values, "depth32Float")
    for copy in (texture.numpy, lambda: texture.write(values)):
        standin.inject(fault, value)
        with pytest.raises(error, match=message):
            copy()
        standin.inject(fault, 0)
    np.testing.assert_array_equal(texture.numpy(), values)


def test_macos_12_has_no_handles(standin, lib):
    bindings = {"from": mp.texture(np.ones((4, 4), np.float32)), "how": mp.Sampler(),
                "to": mp.texture((4, 4), "r32Float")}  # fmt: skip
    array = mp.zeros(4)
    standin.inject(Fault.MACOS_12)
    with pytest.raises(mp.UnsupportedError, match="textures in argument buffers need macOS 13"):
        lib.through(bindings, threads=(4, 4))
    pointers = mp.mps.compile_shader("struct P { device float* x; }; kernel void k(constant P& p) { *p.x = 3; }").k
    with pytest.raises(mp.UnsupportedError, match="addresses of arrays need macOS 13"):
        pointers({"x": array}, threads=1)
    standin.inject(Fault.MACOS_12, 0)
    pointers({"x": array}, threads=1)
    assert array.tolist() == [3, 0, 0, 0]


def test_a_gpu_that_is_none_of_apples(standin, lib, rng):
    """Its textures are private, it reads and writes three formats, and filters no 32-bit floats."""
    image = rng.integers(0, 256, (5, 6, 4), np.uint8)
    turn = mp.mps.compile_shader(
        "#include <metal_stdlib>\nusing namespace metal;\nkernel void turn(texture2d<float, access::read_write> t, "
        "uint2 at [[thread_position_in_grid]]) { t.write(t.read(at).wzyx, at); }"
    ).turn
    turn(mp.texture(image))
    mp.mps.synchronize()
    standin.inject(Fault.MAC_GPU)
    before = copies(standin)
    texture, floats = mp.texture(image), mp.texture(np.ones((4, 4), np.float32), mipmap_level_count=None)
    np.testing.assert_array_equal(texture.numpy(), image)
    assert copies(standin) - before == {"blit texels": 3}
    with pytest.raises(mp.UnsupportedError, match=r"it can with r32Float, r32Uint, r32Sint$"):
        turn(texture)
    turn(floats)
    assert (floats.numpy() == 1).all()
    with pytest.raises(mp.UnsupportedError, match="does not filter 32-bit floats"):
        floats.generate_mipmaps()


def test_nothing_is_left(standin, lib, table, rng):
    names = ("StandinTexture", "StandinSampler", "StandinBuffer")

    def round_of_work():
        a = mp.texture(rng.uniform(size=(8, 8)).astype(np.float32), mipmap_level_count=None)
        b, depth = mp.texture((8, 8), "r32Float"), mp.texture(np.ones((4, 4), np.float32), "depth32Float")
        a.generate_mipmaps()
        lib.add(a, b)
        lib.through({"from": a, "how": mp.Sampler(normalized_coordinates=False), "to": b}, threads=(8, 8))
        assert b.numpy().shape == (8, 8) and (depth.numpy() == 1).all()
        mp.mps.synchronize()

    def left():
        mp.mps.synchronize()
        mp.mps.empty_cache()
        gc.collect()
        return [standin.live(name) for name in names] + [standin.handles()]

    round_of_work()
    before = left()
    for _ in range(3):
        round_of_work()
    assert_goes_to(lambda: [now <= then for now, then in zip(left(), before, strict=True)], [True] * 4)
