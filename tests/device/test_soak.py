"""The soak, in short: that it runs, and that it can fail."""

import pytest

from tests.helpers.process import python


@pytest.fixture(autouse=True)
def only_the_default(device):
    import metalpy as mp

    if device is not mp.device():
        pytest.skip("the soak runs on the default device")


def soak(*arguments, prelude=""):
    code = (
        f"import runpy, sys\n{prelude}\nsys.argv = ['soak.py', {', '.join(map(repr, arguments))}]\n"
        "sys.path.insert(0, 'tools')\nrunpy.run_path('tools/soak.py', run_name='__main__')"
    )
    return python(code, timeout=300)


def test_a_short_one_is_flat():
    room = ("--resident-tolerance", "100000000")  # caches still fill in so short a time
    done = soak("--operations", "3000", "--threads", "4", "--checkpoints", "3", *room)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\nflat\n")


def test_a_leak_is_found():
    leak = (
        "import metalpy as mp, metalpy.random\n"
        "kept, real = [], mp.full\n"
        "mp.full = lambda *given: kept.append(real(*given)) or kept[-1]\n"
    )
    done = soak("--operations", "3000", "--threads", "4", "--checkpoints", "3", prelude=leak)
    assert done.returncode == 1
    assert "NOT FLAT: live arrays took" in done.stdout


def test_a_wrong_result_is_found():
    wrong = "import metalpy as mp\nreal = mp.full\nmp.full = lambda n, v, *rest: real(n, v + (v == 5), *rest)\n"
    done = soak("--operations", "3000", "--threads", "2", "--checkpoints", "3", prelude=wrong)
    assert done.returncode == 1
    assert "a result is wrong" in done.stderr
