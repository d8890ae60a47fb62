"""Several threads at the same thing at the same time."""

import threading


def together(count, work, timeout=120):
    """Results of ``work(number)`` from `count` threads that start as one; raises what the first of them raised."""
    start = threading.Barrier(count)
    results, failures = [None] * count, []

    def run(number):
        try:
            start.wait(timeout)
            results[number] = work(number)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout)
    assert not any(thread.is_alive() for thread in threads), "threads hang"
    if failures:
        raise failures[0]
    return results
