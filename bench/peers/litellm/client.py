"""litellm's side: ``acompletion`` with an OpenAI-compatible server, as its documentation has it."""

from __future__ import annotations

import os
from typing import Any

from kit.side import Work, serve
from sides.client_work import Ask, ask_all

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it asks the network at import
import litellm


async def completion(case: dict[str, Any]) -> Ask:
    litellm.suppress_debug_info = True
    litellm.telemetry = False

    async def ask(text: str) -> tuple[str, int]:
        message = {"role": "user", "content": text}
        found = await litellm.acompletion(
            "openai/m",
            messages=[message],
            api_base=case["url"],
            api_key="x",
            max_tokens=1,
            temperature=0.0,
        )
        return found.choices[0].message.content, found.usage.prompt_tokens

    return ask


def prepare(case: dict[str, Any]) -> Work:
    return ask_all(case, completion)


if __name__ == "__main__":
    serve(prepare, packages=("litellm", "openai", "aiohttp"))
