"""The command line of the app: flags in, a running server out."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from functools import partial
from pathlib import Path
from types import FrameType

import gradio as gr

from playground import __version__
from playground.core.errors import PlaygroundError
from playground.server.backend import Backend
from playground.ui.page import build_page, launch_options


def main(arguments: list[str] | None = None) -> None:
    """Parse the flags and serve until interrupted. Gradio's GRADIO_SERVER_NAME and GRADIO_SERVER_PORT work."""
    flags = _parse(arguments)
    try:
        backend = _backend(flags.home, flags.model)
    except PlaygroundError as problem:
        sys.exit(str(problem))
    backend.start()
    try:
        page = build_page(backend, backend.browser_secret())
        for told in (signal.SIGTERM, signal.SIGINT):
            signal.signal(told, partial(_interrupt, page))
        page.queue(default_concurrency_limit=None)
        page.launch(
            **launch_options(),
            server_name=flags.host,
            server_port=flags.port,
            mcp_server=flags.mcp,
            share=flags.share,
        )
    finally:
        backend.close()


def _backend(home: Path, model: str | None) -> Backend:
    """Only here, at the operator's own command line, may a model be a folder."""
    if not model:
        return Backend(home)
    folder = Path(model).expanduser().resolve()
    if folder.is_dir():
        return Backend(home, local_models={folder.name: str(folder)})
    return Backend(home, default_model=model)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="app.py", description="See, train and compare: supervised fine-tuning.")
    parser.add_argument("--model", help="model to begin with: a Hub id, or a folder with a model (the only way to one)")
    parser.add_argument("--home", type=Path, default=default_home(), help="where runs are kept (default: %(default)s)")
    parser.add_argument("--host", help="address to listen on (default: GRADIO_SERVER_NAME or 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default: GRADIO_SERVER_PORT or from 7860)")
    parser.add_argument("--mcp", action="store_true", help="serve the API endpoints as MCP tools too")
    parser.add_argument("--share", action="store_true", help="make a public link through Gradio's relay")
    parser.add_argument("--version", action="version", version=__version__)
    return parser.parse_args(arguments)


def default_home() -> Path:
    """SFT_PLAYGROUND_HOME, or sft-playground in the user's data folder."""
    given = os.environ.get("SFT_PLAYGROUND_HOME")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "sft-playground"


def _interrupt(page: gr.Blocks, _: int, __: FrameType | None) -> None:
    """Let SIGTERM end the app as Ctrl-C does: workers are told, and a run in hand saves its adapter."""
    if page.server is not None:
        page.server.force_exit = True  # Or Gradio waits five seconds for pages that are open.
    raise KeyboardInterrupt
