"""httpx's side: one ``AsyncClient``, the body as JSON, the answer's text read from it."""

from __future__ import annotations

from typing import Any

import httpx
from kit.side import Work, serve
from sides.client_work import Ask, ask_all


async def plain(case: dict[str, Any]) -> Ask:
    count = case["connections"]
    limits = httpx.Limits(max_connections=count, max_keepalive_connections=count)
    client = httpx.AsyncClient(base_url=case["url"], limits=limits, timeout=120.0)

    async def ask(text: str) -> tuple[str, int]:
        message = {"role": "user", "content": text}
        body = {"model": "m", "messages": [message], "max_tokens": 1, "temperature": 0.0}
        found = (await client.post("/chat/completions", json=body)).json()
        return found["choices"][0]["message"]["content"], found["usage"]["prompt_tokens"]

    return ask


def prepare(case: dict[str, Any]) -> Work:
    return ask_all(case, plain)


if __name__ == "__main__":
    serve(prepare, packages=("httpx",))
