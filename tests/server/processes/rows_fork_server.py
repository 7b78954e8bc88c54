"""Forks processes that fetch rows from one that has the imports done, which take longer than all that they then do.

`python -m tests.server.processes.rows_fork_server SOCKET` forks; with a FOLDER it is one of them, as far as its pipes
go.
"""

import os
import socket
import sys
from pathlib import Path


def main(where: str) -> None:
    # In the order of fetch_rows.py: before the imports. A relative home is that of the folder which `main` changes to.
    os.environ.update(HF_HOME="cache", USE_TORCH="0", USE_TF="0", USE_JAX="0", HF_HUB_DISABLE_PROGRESS_BARS="1")
    from playground.server.processes import fetch_rows  # noqa: PLC0415

    server = socket.socket(socket.AF_UNIX)
    server.bind(where)
    server.listen()
    while True:
        line = server.accept()[0]
        folder, pipes, *_ = socket.recv_fds(line, 1000, 2)
        if os.fork() == 0:
            os.dup2(pipes[0], 0)
            os.dup2(pipes[1], 1)
            fetch_rows.main(Path(os.fsdecode(folder)))
        for pipe in (*pipes, line.detach()):
            os.close(pipe)


def be_forked(where: str, folder: str) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(where)
        socket.send_fds(line, [os.fsencode(folder)], [0, 1])
        line.recv(1)


if __name__ == "__main__":
    main(sys.argv[1]) if len(sys.argv) == 2 else be_forked(*sys.argv[1:])
