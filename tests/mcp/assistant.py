"""An assistant, by the mcp package's own client: started by test_mcp.py in the environment that has the package.

Prints as JSON what it saw: the server's capabilities, the tools, the answers to all CALLS, and two sessions' limits.
"""

import asyncio
import json
import sys
from contextlib import asynccontextmanager

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

CALLS = (
    ("models", {}),
    ("generate", {"prompt": "Hello", "max_new_tokens": 5}),
    ("next_token", {"prompt": "Hello", "n": 2}),
    ("layernorm", {"prompt": "Hello", "norm": "norm2"}),
    ("attribution", {"prompt": "Hello"}),
    ("calculate", {"emb_dim": 768, "n_layers": 12, "n_heads": 12}),
)
REFUSED = (
    ("generate", {"prompt": ""}),
    ("generate", {"prompt": "Hello", "max_new_tokens": "many"}),
    ("generate", {"prompt": "Hello", "length": 5}),
    ("calculate", {}),
)


@asynccontextmanager
async def introduced(address):
    """A session that is initialized, its id, and what the server said of itself."""
    async with streamable_http_client(address) as (read, write, session_id), ClientSession(read, write) as session:
        said = await session.initialize()
        yield session, session_id(), said


async def text(session, name, arguments):
    """Whether a call was refused, and the text of its answer."""
    result = await session.call_tool(name, arguments)
    (content,) = result.content
    return [result.isError, content.text]


async def crowd(session, n):
    """How many of n calls at once were refused."""
    calls = (text(session, "generate", {"prompt": "Hello", "max_new_tokens": 40}) for _ in range(n))
    return sum(is_error for is_error, _ in await asyncio.gather(*calls))


async def main(address):
    """Talk to the server; two sessions ask at once at the end."""
    async with introduced(address) as (one, first, said), introduced(address) as (two, second, _):
        tools = (await one.list_tools()).tools
        seen = {
            "capabilities": [name for name, value in said.capabilities.model_dump().items() if value is not None],
            "tools": {tool.name: [tool.description, tool.inputSchema] for tool in tools},
            "answers": {name: await text(one, name, arguments) for name, arguments in CALLS},
            "refused": [await text(one, name, arguments) for name, arguments in REFUSED],
            "sessions": [first, second],
            "refused_of_16_each": await asyncio.gather(crowd(one, 16), crowd(two, 16)),
            "refused_of_17": await crowd(one, 17),
        }
    print(json.dumps(seen))


async def stay(address):
    """Ask for a long text, say so, and wait for it."""
    async with introduced(address) as (session, *_):
        print("asking", flush=True)
        await text(session, "generate", {"prompt": "Hello", "max_new_tokens": 100_000})


asyncio.run({"talk": main, "stay": stay}[sys.argv[1]](sys.argv[2]))
