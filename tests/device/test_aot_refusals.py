"""Package files that are truncated, damaged or malicious are refused, with a reason."""

import contextlib
import copy
import hashlib
import json
import struct
import warnings
import zipfile

import numpy as np
import pytest

import metalpy as mp
from metalpy.aot.archive import read_package

CONSTANTS, MANIFEST = "constants.safetensors", "manifest.json"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A package as {member: bytes}, of a model with one of everything."""
    library = mp.mps.compile_shader(
        """constant float gain [[function_constant(0)]];
        kernel void scaled(device float* out, device const float* x, constant float& a, threadgroup float* t [[threadgroup(0)]],
                           uint i [[thread_position_in_grid]]) { t[0] = 0; out[i] = a * gain * x[i] + t[0]; }"""
    )
    kernel = library.scaled.specialize(gain=2.0)
    table = mp.array(np.arange(8, dtype=np.float32))

    def model(x):
        out = mp.zeros(8)
        kernel(out, x + table, float("inf"), threadgroup_memory={"t": 16})
        return {"out": out.copy()[::2]}

    path = tmp_path_factory.mktemp("aot") / "good.mpkg"
    with np.errstate(all="ignore"):
        mp.aot.package(path, model, (mp.ones(8),))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return path.read_bytes(), members


def write(path, members, stored=(CONSTANTS,)):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of names that are there twice
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members:
                archive.writestr(name, data, zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED)
    return path


def changed(good, change, rehash=True):
    """The members with a changed manifest; `change` gets it, and the members, and may return other members."""
    members = dict(good[1])
    head = json.loads(members[MANIFEST])
    result = change(head, members)
    if rehash:
        for name in head["members"]:
            if name in members:
                data = members[name]
                head["members"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    members[MANIFEST] = json.dumps(head).encode()
    return result(members) if callable(result) else list(members.items())


def open_package(path):
    return mp.aot.ModelContainerRunner(path)


def test_the_package_itself_is_good(good, tmp_path):
    path = write(tmp_path / "p", good[1].items())
    found = open_package(path).run([mp.ones(8)])
    assert np.isinf(found[0].numpy()).all()


def test_one_array_in_place_of_several(tmp_path):
    x = mp.ones((3, 4))
    with pytest.raises(TypeError, match=r"such as \(x,\); got Array"):
        mp.aot.package(tmp_path / "p.mpkg", lambda x: x + 1, x)
    mp.aot.package(tmp_path / "p.mpkg", lambda x: x + 1, (x,))
    with pytest.raises(mp.LaunchTypeError, match=r"such as \[x\]; got one Array"):
        mp.aot.ModelContainerRunner(tmp_path / "p.mpkg").run(x)


def test_files_cut_short(good, tmp_path):
    data = good[0]
    path = tmp_path / "p"
    for count in [0, 1, 20, *range(50, len(data), len(data) // 40), len(data) - 1]:
        path.write_bytes(data[:count])
        with pytest.raises(mp.PackageError, match="p: "):
            open_package(path)


def test_bytes_changed(good, tmp_path):
    """Every byte matters, but for those of dates, versions and rights, which nobody reads."""
    data = good[0]
    path = tmp_path / "p"
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.integers(0, len(data), 300):
        broken = bytearray(data)
        broken[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(broken)
        try:
            package = read_package(path)
        except mp.PackageError:
            refused += 1
        else:
            assert package.constants == good[1][CONSTANTS]
            assert all(good[1][name].decode() == text for name, text in package.sources.items())
    assert refused > 250


def test_no_package_at_all(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_package(tmp_path / "p")
    for data in (b"", b"hello", b"PK\x03\x04" * 100):
        (tmp_path / "p").write_bytes(data)
        with pytest.raises(mp.PackageError, match="no package, or truncated or damaged"):
            open_package(tmp_path / "p")
    with pytest.raises(mp.PackageError, match=r"no manifest\.json"):
        open_package(write(tmp_path / "p", [("a", b"")]))


def add(name, data=b"x"):
    return lambda head, members: lambda members: [*members.items(), (name, data)]


def drop(name):
    return lambda head, members: members.pop(name) and None


def program(text):
    def change(head, members):
        name = head["programs"][0]["source"]
        members[name] = text.encode() + members[name]

    return change


def at(*keys, value):
    """Sets an entry of the manifest."""

    def change(head, members):
        for key in keys[:-1]:
            head = head[key]
        head[keys[-1]] = value

    return change


def launch(**entries):
    """Changes the first launch of the own kernel, which has an infinite argument."""

    def change(head, members):
        number = next(n for n, k in enumerate(head["kernels"]) if k["name"] == "scaled")
        command = next(c for c in head["commands"] if c.get("kernel") == number and c["kind"] == "launch")
        command.update(entries)

    return change


def pickled(head, members):
    members["a.pkl"] = b"x"
    head["members"]["a.pkl"] = {}


def own_program(text):
    def change(head, members):
        kernel = next(k for k in head["kernels"] if k["name"] == "scaled")
        members[head["programs"][kernel["program"]]["source"]] = text.encode()

    return change


def own_kernel(**entries):
    return lambda head, members: next(k for k in head["kernels"] if k["name"] == "scaled").update(entries)


def library(data):
    def change(head, members):
        members["programs/evil.mtlp"] = data
        head["members"]["programs/evil.mtlp"] = {}
        own_kernel(library="programs/evil.mtlp")(head, members)

    return change


def argument(number, value):
    def change(head, members):
        kernel = next(n for n, k in enumerate(head["kernels"]) if k["name"] == "scaled")
        next(c for c in head["commands"] if c.get("kernel") == kernel)["values"][number] = value

    return change


def reference(buffer=0, offset=0, dtype="float32", shape=(8,), **more):
    return {"array": buffer, "offset": offset, "dtype": dtype, "shape": list(shape), **more}


def constant_written(head, members):
    number = next(n for n, b in enumerate(head["buffers"]) if b["kind"] == "constant")
    argument(0, reference(number))(head, members)


def safetensors(**arrays):
    from safetensors.numpy import save

    return lambda head, members: members.update({CONSTANTS: save(arrays)})


def deep(head, members):
    nested = []
    for _ in range(200):
        nested = [nested]
    argument(2, nested)(head, members)


def very_deep(head, members):
    return lambda members: (
        [*members.items(), (MANIFEST, b"")][:0]
        + [(name, b"[" * 200_000 if name == MANIFEST else data) for name, data in members.items()]
    )


def copied(**entries):
    return lambda head, members: next(c for c in head["commands"] if c["kind"] == "copy").update(entries)


def filled(**entries):
    return lambda head, members: next(c for c in head["commands"] if c["kind"] == "fill").update(entries)


REFUSED = {
    # members
    "absolute name": (add("/tmp/evil"), "'/tmp/evil' is no path inside it"),
    "parent folder": (add("../evil"), "'../evil' is no path inside it"),
    "nested parent": (add("programs/../../evil"), "is no path inside it"),
    "backslashes": (add("..\\evil"), "is no path inside it"),
    "drive": (add("C:evil"), "is no path inside it"),
    "folder": (add("programs/"), "is no path inside it"),
    "name twice": (add("programs/0.metal"), "is there twice"),
    "manifest twice": (add(MANIFEST), "is there twice"),
    "one more": (add("evil.py"), "are not those of its manifest: .'evil.py'"),
    "one less": (drop(CONSTANTS), "are not those of its manifest"),
    "unknown member": (pickled, "are not its programs and constants"),
    # manifest
    "format": (at("format", value=2), "format 2, and this metalpy reads format 1"),
    "no format": (at("format", value=None), "no format"),
    "members": (at("members", value=[]), "does not list its members"),
    "no commands": (at("commands", value=None), "no list of commands"),
    "deep values": (deep, "nested more than"),
    "very deep": (very_deep, "nested too deep"),
    "not a number": (at("format", value=float("nan")), "the number NaN"),
    "unknown entry": (at("buffers", 0, "evil", value=1), "a buffer of the manifest has a bad entry 'evil'"),
    "type": (at("buffers", 0, "nbytes", value="8"), "bad entry 'nbytes'"),
    "bool": (at("buffers", 0, "nbytes", value=True), "bad entry 'nbytes'"),
    "not complete": (at("buffers", 0, value={"kind": "input"}), "a buffer of the manifest is not complete"),
    "no object": (at("buffers", 0, value=3), "a int instead of an object"),
    "unused": (at("unused", value=[3]), "unused names"),
    # programs and kernels
    "syntax": (own_program("kernel void scaled("), "does not compile"),
    "other kernel": (own_kernel(name="evil"), "no kernel 'evil'"),
    "kernel's program": (own_kernel(program=99), "of a program that is not there"),
    "negative program": (own_kernel(program=-1), "of a program that is not there"),
    "function constant": (own_kernel(constants=[[7, 1.0]]), "cannot be specialised"),
    "function constants": (own_kernel(constants=[7]), "function constants of kernel 'scaled' are not valid"),
    "include": (program('#include "/etc/passwd"\n'), "includes a file"),
    "angled include": (program("#include </etc/passwd>\n"), "includes a file"),
    "parent include": (program("#include <../../../../../../../etc/passwd>\n"), "includes a file"),
    "include by macro": (program('#define F "/etc/passwd"\n#include F\n'), "includes a file"),
    "embed": (program('#embed "/etc/passwd"\n'), "includes a file"),
    "math mode": (at("programs", 0, "math_mode", value="wild"), "does not compile"),
    "define": (at("programs", 0, "defines", value=[["A B", "1"]]), "does not compile"),
    "defines": (at("programs", 0, "defines", value=[["A"]]), "defines of a program"),
    "library that is a source": (own_kernel(library="programs/0.metal"), "are not its programs and constants"),
    "library that is not there": (own_kernel(library="programs/9.mtlp"), "are not its programs and constants"),
    "damaged library": (library(b"\x93MTLP\r\n\x1a" + bytes(100)), r"evil\.mtlp is damaged: .* has format 0"),
    "no library": (library(b"\x7fELF"), r"evil\.mtlp is damaged: .* is not a metalpy library"),
    # buffers and constants
    "huge buffer": (at("buffers", -1, "nbytes", value=1 << 60), "has a buffer of 1152921504606846976 bytes"),
    "endless buffer": (at("buffers", -1, "nbytes", value=1 << 90), "has 12379400"),
    "negative size": (at("buffers", -1, "nbytes", value=-8), "has -8 bytes"),
    "buffer's kind": (at("buffers", 0, "kind", value="evil"), "unknown kind 'evil'"),
    "buffer's index": (at("buffers", 0, "index", value=5), "is of no input"),
    "input's size": (at("buffers", 0, "nbytes", value=64), "another size than its input"),
    "constant's type": (at("constants", 0, "dtype", value="object"), "'object' is no dtype"),
    "constant's shape": (at("constants", 0, "shape", value=[9]), "another size than its constant"),
    "constant's layout": (at("constants", 0, "shape", value=[2, 4]), "constant_0' is float32 of shape"),
    "constant's name": (at("constants", 0, "name", value="other"), "constants are not those of its manifest"),
    "other constants": (safetensors(constant_0=np.zeros(8, np.int32)), "is int32 of shape"),
    "no safetensors": (lambda head, members: members.update({CONSTANTS: b"\xff" * 64}), "cannot be read"),
    "wide constants": (safetensors(constant_0=np.zeros(8, np.float64)), "cannot be read"),
    # call spec
    "spec": (at("call_spec", 0, value={"array": 0}), "call spec is not valid"),
    "spec's arrays": (at("call_spec", 1, value={"tuple": []}), "call spec has other arrays"),
    "spec's kind": (at("call_spec", 1, value={"pickle": 0}), "unknown entry 'pickle'"),
    # commands
    "kernel": (launch(kernel=99), "kernel that is not there"),
    "command": (launch(kind="system"), "unknown kind 'system'"),
    "grid": (launch(threads=[8, 1]), "grid that is not valid"),
    "empty grid": (launch(threads=[0, 1, 1]), "grid that is not valid"),
    "huge grid": (launch(threads=[1 << 32, 1, 1]), "grid that is not valid"),
    "huge group": (launch(group_size=[1 << 30, 1, 1]), "cannot be: a threadgroup of"),
    "threadgroup memory": (launch(threadgroup_memory=[["t", 1 << 40]]), "cannot be: threadgroup memory"),
    "no threadgroup memory": (launch(threadgroup_memory=[]), "cannot be: kernel 'scaled' needs threadgroup memory"),
    "threadgroup names": (launch(threadgroup_memory=[[None, 8]]), "threadgroup memory that is not valid"),
    "casts": (launch(arg_casts={"array": 3}), "reference to an array"),
    "number of arguments": (launch(values=[]), "cannot be"),
    "argument's buffer": (argument(0, reference(99)), "buffer 99, which is not there"),
    "argument's offset": (argument(0, reference(0, 4)), "bytes 4 to 36 of a buffer of 32 bytes"),
    "argument's shape": (argument(0, reference(0, shape=(1 << 40,))), "of a buffer of 32 bytes"),
    "negative shape": (argument(0, reference(0, shape=(-8,))), "a shape is a list of sizes"),
    "negative offset": (argument(0, reference(0, -4)), "needs a buffer and an offset"),
    "no buffer": (argument(0, reference(None)), "must be in a buffer"),
    "argument's type": (argument(0, reference(0, dtype="int32")), "cannot be: argument 'out' of kernel 'scaled'"),
    "misaligned": (argument(0, reference(0, 2, shape=(7,))), "cannot be"),
    "strided": (argument(0, reference(0, shape=(4,), strides=[8])), "is not contiguous"),
    "value": (argument(2, {"eval": "1"}), "is no value of an argument"),
    "no base64": (argument(2, {"bytes": "%"}), "is not base64"),
    "numbers": (argument(2, {"numbers": "AAAA", "dtype": "float32", "shape": [3]}), "no numbers of shape"),
    "objects": (argument(2, {"numbers": "AAAA", "dtype": [["a", "|O"]], "shape": [3]}), "is no dtype"),
    "written constant": (constant_written, "may write to a constant"),
    "copy": (copied(source=reference(0, dtype="uint8", shape=(8,))), "differ in size"),
    "copy's end": (copied(target=reference(0, 8, dtype="uint8", shape=(32,))), "bytes 8 to 40"),
    "pattern": (filled(pattern={"bytes": "AAAA"}), "pattern that is not valid"),
    "outside": (at("outputs", 0, value=reference(0, 16, shape=(4,), strides=[-8])), "bytes -8 to 20"),
    "huge result": (at("outputs", 0, value=reference(0, shape=(1 << 50,), strides=[0])), "models need 4503"),
    "huge empty result": (at("outputs", 0, value=reference(None, shape=(0, 1 << 61))), "is too big"),
    "input's place": (at("inputs", 0, value=reference(0, 4, shape=(7,))), "another size than its input"),
    "input's layout": (at("inputs", 0, value=reference(0, shape=(8, 2), strides=[4, 0])), "input 0 is not contiguous"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(good, tmp_path, name):
    if name in ("damaged library", "no library") and mp.device().driver != "software":
        pytest.skip("other devices do not look at the software device's machine code")
    change, message = REFUSED[name]
    path = write(tmp_path / "evil.mpkg", changed(good, change))
    with pytest.raises(mp.PackageError, match=message) as caught:
        open_package(path)
    assert "evil.mpkg" in str(caught.value)


@pytest.mark.parametrize("member", ["programs/0.metal", CONSTANTS])
@pytest.mark.parametrize("what", ["size", "sha256"])
def test_sizes_and_hashes_are_checked(good, tmp_path, member, what):
    def change(head, members):
        data = members[member]
        members[member] = data + b" " if what == "size" else bytes([data[0] ^ 1]) + data[1:]

    with pytest.raises(mp.PackageError, match="manifest says" if what == "size" else "hash says"):
        open_package(write(tmp_path / "p", changed(good, change, rehash=False)))


def test_compressed_constants_are_refused(good, tmp_path):
    """Nothing small may become large: constants take as much room in the file as in memory."""
    with pytest.raises(mp.PackageError, match="is compressed, which it must not be"):
        open_package(write(tmp_path / "p", good[1].items(), stored=()))


def test_text_that_would_fill_the_memory(good, tmp_path):
    big = b" " * (1 << 26) + b"\n"
    for member in (MANIFEST, "programs/0.metal"):

        def change(head, members, member=member):
            members[member] = big

        members = changed(good, change) if member != MANIFEST else [*(good[1] | {MANIFEST: big}).items()]
        with pytest.raises(mp.PackageError, match=r"bytes, more than|have more than"):
            open_package(write(tmp_path / "p", members))


def test_a_member_that_lies_about_its_size(good, tmp_path):
    """The directory says that the manifest has few bytes; no more than these are unpacked."""
    path = write(tmp_path / "p", good[1].items())
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02", 0, data.rindex(MANIFEST.encode()))
    struct.pack_into("<I", data, place + 24, 10)
    path.write_bytes(data)
    with pytest.raises(mp.PackageError):
        open_package(path)


def test_encrypted_members(good, tmp_path):
    path = write(tmp_path / "p", good[1].items())
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(mp.PackageError, match="encrypted"):
        open_package(path)


def test_manifests_of_random_nonsense(good, tmp_path):
    """Entries that are replaced at random give a PackageError or a package that opens."""
    rng = np.random.default_rng(1)
    head = json.loads(good[1][MANIFEST])
    sections = [name for name in head if name not in ("members", "format")]
    junk = [None, True, -1, 0, 1, 2**70, 1.5, "x", "", [], {}, [0], {"array": 0}, {"dict": {}}, {"value": None}]
    path = tmp_path / "p"
    for _ in range(400):
        broken = copy.deepcopy(head)
        place, key = broken, sections[rng.integers(len(sections))]
        while isinstance(place[key], (list, dict)) and place[key] and rng.random() < 0.8:
            place = place[key]
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = keys[rng.integers(len(keys))]
        place[key] = junk[rng.integers(len(junk))]
        write(path, (good[1] | {MANIFEST: json.dumps(broken).encode()}).items())
        with contextlib.suppress(mp.PackageError):
            open_package(path)
