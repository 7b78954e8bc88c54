"""The far side of the sandbox: processes that fork the workers, and what a worker does.

    web process --- fork server (imports done)
                      +-- workers without a tokenizer
                      +-- fork server of a folder (its tokenizer loaded)
                            +-- workers

A worker is forked in about ten milliseconds and shares what its fork server has loaded: it takes a few megabytes of its
own, where a process that starts anew would take seconds and hundreds. A tokenizer comes from a stranger's repository,
so it is loaded in a process of its own, and whatever it does there befalls those who chose it.

Every process here is in one process group, which ends as a whole when the web process does.
"""

from __future__ import annotations

import gc
import os
import pickle
import resource
import signal
import sys
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle

if __name__ == "__main__":
    # Tokenizers and templates do without torch. transformers would import it: with it the imports take twice the time,
    # loading a tokenizer seven times, and a fork ten times, for three times the memory.
    sys.modules["torch"] = None  # type: ignore[assignment]

from playground.core.errors import LimitError, PlaygroundError, WorkerError, disk_is_full  # noqa: E402
from playground.core.i18n import say  # noqa: E402
from playground.server.sandbox import jobs  # noqa: E402
from playground.server.sandbox.requests import WarmUp  # noqa: E402

_LOADING_S = 60.0
"""Longest time that loading a tokenizer may take."""


def main() -> None:
    """`python -m playground.server.sandbox.fork_server DESCRIPTOR BYTES`: the first, until the other end is closed."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("700")  # When the machine runs out of memory, a worker is the one to go.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _raise(Connection(int(sys.argv[1])), "", int(sys.argv[2]))
    os.killpg(0, signal.SIGKILL)


def _raise(control: Connection, folder: str, memory: int) -> None:
    """Load the tokenizer in `folder`, then fork a process for each pair of a word and a descriptor that arrives.

    The word is "" for a worker, or the folder that a fork server is wanted for. `memory`: most bytes that loading may
    take.
    """
    _load(folder, memory)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody asks how they ended: the kernel buries them.
    gc.collect()
    gc.freeze()  # Or each worker's first collection would touch, and so copy, every page that it shares.
    control.send(True)
    while True:
        try:
            wanted = control.recv()
            line = Connection(recv_handle(control))
        except (EOFError, OSError):
            return
        if os.fork() == 0:
            try:
                control.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                if wanted:
                    _raise(line, wanted, memory)
                else:
                    _work(line)
            finally:
                os._exit(0)
        line.close()


def _load(folder: str, memory: int) -> None:
    """Errors are left to the first job, which meets them again and has somebody to tell."""
    _cap_memory(_address_space() + memory)
    signal.setitimer(signal.ITIMER_REAL, _LOADING_S)
    with suppress(Exception):
        jobs.do(WarmUp(folder))
    signal.setitimer(signal.ITIMER_REAL, 0)


def _work(line: Connection) -> None:
    """Do one job after another: (seconds, memory, pickled request) -> (pid, when it began), then pickled pairs:
    (False, how it comes on) as often as the job says so, and (True, its result).
    """
    jobs.tell = lambda news: line.send_bytes(pickle.dumps((False, news)))
    at_first = _address_space()
    # 50,000 rows are a million objects that stay: looking through them again and again took a tenth of the time.
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # Libraries that run out of memory write pages there as they die.
    while True:
        try:
            seconds, memory, payload = line.recv()
            line.send((os.getpid(), time.monotonic()))
            # Nobody catches SIGALRM, so at the deadline the kernel ends this process, whatever C code it is in.
            signal.setitimer(signal.ITIMER_REAL, seconds)
            _cap_memory(at_first + memory)
            answer = _answer(payload)
            signal.setitimer(signal.ITIMER_REAL, 0)
            line.send_bytes(answer)
        except (EOFError, OSError):
            return


def _answer(payload: bytes) -> bytes:
    try:
        return pickle.dumps((True, jobs.do(pickle.loads(payload))))
    except BaseException as problem:
        return pickle.dumps((True, _for_people(problem)))


def _for_people(problem: BaseException) -> PlaygroundError:
    """What a hostile input provokes, in words."""
    if isinstance(problem, PlaygroundError):
        return problem
    if isinstance(problem, MemoryError):
        return LimitError(
            say("This needed more memory than is allowed and was stopped."),
            fix=say("Shorten the input, or look for text that the template repeats again and again."),
        )
    if isinstance(problem, RecursionError):
        return LimitError(say("The input is nested too deeply."), fix=say("Flatten it and try again."))
    return disk_is_full(problem) or WorkerError(
        say("This input cannot be worked on ({kind}).", kind=type(problem).__name__),
        fix=say("Simplify it and try again; please report it if it looks right to you."),
    )


def _address_space() -> int:
    """Bytes of address space that this process has."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _cap_memory(limit: int) -> None:
    """Let the address space grow to `limit` bytes, or less where the operator allows less."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


if __name__ == "__main__":
    main()
