"""The openai SDK's side: ``AsyncOpenAI``, over httpx2 or over the aiohttp that its documentation offers for speed."""

from __future__ import annotations

from typing import Any

import httpx2
from kit.side import Work, serve
from openai import AsyncOpenAI, DefaultAioHttpClient, DefaultAsyncHttpx2Client
from sides.client_work import Ask, ask_all


async def sdk(case: dict[str, Any]) -> Ask:
    made = DefaultAioHttpClient if case.get("aiohttp") else DefaultAsyncHttpx2Client
    count = case["connections"]
    limits = httpx2.Limits(max_connections=count, max_keepalive_connections=count)
    client = AsyncOpenAI(base_url=case["url"], api_key="x", http_client=made(limits=limits, timeout=120.0))

    async def ask(text: str) -> tuple[str, int]:
        found = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": text}], max_tokens=1, temperature=0.0
        )
        assert found.usage is not None
        return found.choices[0].message.content or "", found.usage.prompt_tokens

    return ask


def prepare(case: dict[str, Any]) -> Work:
    return ask_all(case, sdk)


if __name__ == "__main__":
    serve(prepare, packages=("openai", "httpx2", "aiohttp"))
