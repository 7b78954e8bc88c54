"""The processes: the sandbox pool, the chat process, the train process, the fetch process, and how to talk to them."""
