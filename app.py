"""`python app.py`: start SFT Playground. `python app.py --help` lists the flags.

Everything is behind the guard: the sandbox's worker processes import this file again, and must not import Gradio.
"""

if __name__ == "__main__":
    from playground.ui.launch import main

    main()
