"""Processes that can be killed, for whatever comes from strangers: files, templates, conversations.

Jinja's sandbox stops attribute escapes, not time and memory; `"a" * 300_000_000` is folded while compiling. So every
job runs in a pool of worker processes (Pebble) with a deadline and a cap on memory: a job that goes too far costs its
own worker, and a fresh one is forked in milliseconds from a server that has the imports done.

transformers keeps the state of a render on the compiled template, which is not thread-safe: one job at a time in each
worker.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import pickle
import resource
import signal
import threading
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from playground.errors import LimitError, PlaygroundError, WorkerError, disk_is_full
from playground.settings import Limits
from playground.words import say
from playground.workers.child import ROOT

_JOBS = "playground.workers.jobs"
_PREPARATION_S = 60.0
"""Longest time that loading a tokenizer may take: it is ours, so it does not count as the job's."""


class Sandbox:
    """A pool of killable workers. `run` blocks the calling thread, never the others."""

    def __init__(self, limits: Limits, workers: int = 2) -> None:
        self._limits = limits
        self._workers = workers
        self._pool: ProcessPool | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the workers. Their imports happen over there, so this returns at once."""
        with self._lock:
            self._pool = self._open_pool()

    def _open_pool(self) -> ProcessPool:
        # The fork server preloads without this process's sys.path, and says nothing when it finds no module: started
        # from another folder, every worker would import transformers anew, inside its own memory cap.
        known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        if str(ROOT) not in known:
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), *known]))
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([_JOBS])
        return ProcessPool(
            max_workers=self._workers,
            context=context,
            initializer=_cap_memory,
            initargs=[self._limits.sandbox_bytes],
        )

    def close(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()
            pool.join()

    def run(self, job: str, folder: str, *arguments: Any, seconds: float) -> Any:
        """The result of the job of that name in jobs.py, which this process never imports: it needs transformers.

        `folder` holds the tokenizer that the job uses, or is "". `seconds` count from when that is loaded.

        Raises the job's own PlaygroundError; LimitError when it took more than `seconds` or too much memory;
        WorkerError when its process died otherwise.
        """
        try:
            # Here and not in the pool's own thread: what cannot be pickled there breaks the pool for everyone.
            payload = pickle.dumps(arguments)
        except RecursionError:
            raise _nested_too_deeply() from None
        future = self._schedule([job, folder, seconds, payload], seconds + _PREPARATION_S)
        try:
            return future.result()
        except (FutureTimeoutError, ProcessExpired, CancelledError) as end:
            if isinstance(end, FutureTimeoutError) or getattr(end, "exitcode", None) == -signal.SIGALRM:
                raise LimitError(
                    say("This took longer than {seconds} seconds and was stopped.", seconds=f"{seconds:g}"),
                    fix=say("Shorten the input, or look for an endless loop in the template."),
                ) from None
            raise WorkerError(
                say("The process that worked on this died; a new one has taken its place."),
                fix=say("If it happens again with the same input, the input is too large or harmful."),
            ) from None

    def _schedule(self, arguments: list[Any], seconds: float) -> ProcessFuture:
        with self._lock:
            if self._pool is None:
                raise WorkerError(say("The sandbox is not running."), fix=say("Start the app again."))
            try:
                return self._pool.schedule(_guarded, args=arguments, timeout=seconds)
            except RuntimeError:
                # Pebble closes the whole pool when a worker dies while it has nothing to do, as the kernel may have it
                # when memory is short.
                self._pool.stop()
                self._pool.join()
                self._pool = self._open_pool()
                return self._pool.schedule(_guarded, args=arguments, timeout=seconds)


def _nested_too_deeply() -> LimitError:
    return LimitError(say("The input is nested too deeply."), fix=say("Flatten it and try again."))


def _guarded(job: str, folder: str, seconds: float, payload: bytes) -> Any:
    """Run in the worker: keep to the deadline, and turn what a hostile input provokes into an error for people.

    Nobody catches SIGALRM, so at the deadline the kernel ends the process, whatever C code it is in.
    """
    try:
        jobs = importlib.import_module(_JOBS)
        jobs.warm_up(folder)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        return getattr(jobs, job)(folder, *pickle.loads(payload))
    except MemoryError:
        raise LimitError(
            say("This needed more memory than is allowed and was stopped."),
            fix=say("Shorten the input, or look for text that the template repeats again and again."),
        ) from None
    except RecursionError:
        raise _nested_too_deeply() from None
    except PlaygroundError:
        raise
    except Exception as problem:
        if full := disk_is_full(problem):
            raise full from None
        raise WorkerError(
            say("This input cannot be worked on ({kind}).", kind=type(problem).__name__),
            fix=say("Simplify it and try again; please report it if it looks right to you."),
        ) from problem
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _cap_memory(extra: int) -> None:
    """Let the worker's address space grow by `extra` bytes beyond what its imports took, and no further."""
    with open("/proc/self/statm") as statm:
        now = int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (now + extra, now + extra))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
