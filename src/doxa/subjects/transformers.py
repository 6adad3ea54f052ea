"""The ``hf:`` subject: any causal language model in transformers format, from a folder or the hub."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from doxa.canonical import digest
from doxa.errors import ContextError, InputError
from doxa.streams import stream
from doxa.subjects.alterations import alterations
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Tool, require
from doxa.subjects.scoring import Asked, Limits
from doxa.subjects.scoring_forward import Scorer, Sharing
from doxa.subjects.transformers_files import (
    files_digest,
    find_folder,
    form_of,
    identity,
    identity_of,
)
from doxa.subjects.transformers_loading import content_digest, load, undisturbed
from doxa.subjects.transformers_rendering import Renderer
from doxa.subjects.transformers_reply import Writer

__all__ = ["TransformersSubject", "form_of", "identity_of"]

BATCH_TOKENS = {"cpu": 4096, "cuda": 32768}

TOKENISED_AT_ONCE = 256
"""How many prompts exist as text and token lists at once while a tree grows."""


class TransformersSubject:
    """A causal language model whose weights are open.

    Scores are exact for options of several tokens, whatever the batch: shared prefixes are computed once
    (``sharing`` says whether this model allows it), and fp32 results equal one-by-one scoring to 2e-5 nats.
    With ``exact=True`` each option and each reply is computed alone, so that its bits do not depend on what else
    is asked. Nothing of the model changes: weights, modes, hooks, generation config, global generators.

    Attributes:
        model: the model, for those who look inside it.
        tokenizer: its tokenizer.
        batch_independent: whether answers are the same bits whatever else is in the call.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        address: str = "hf:(in memory)",
        content: Callable[[], str] | None = None,
        batch_tokens: int | None = None,
        exact: bool = False,
        template: str = "auto",
        dtype: str = "auto",
    ) -> None:
        """Wrap a model in memory; ``content`` returns the digest of what it is, by default of what it holds now."""
        if batch_tokens is not None and batch_tokens < 1:
            raise InputError(f"batch_tokens={batch_tokens}: must be >= 1")
        self.model = model
        self.tokenizer = tokenizer
        self.batch_independent = exact
        self._address = address
        self._dtype = dtype
        self._content = content or (lambda: content_digest(model, tokenizer))
        self._renderer = Renderer(tokenizer, template)
        size = batch_tokens or BATCH_TOKENS.get(model.device.type, 4096)
        self._scorer = Scorer(model, Limits(batch_tokens=size, row_tokens=min(size, 2048)), exact)
        self._writer = Writer(model, self._renderer, 4 * size, exact)

    @classmethod
    def fixed(cls, model: Any, tokenizer: Any, address: str) -> TransformersSubject:
        """Wrap a model that is not to be changed any more: its digest is taken once, here."""
        content = content_digest(model, tokenizer)
        return cls(model, tokenizer, address=address, content=lambda: content)

    @classmethod
    def open(
        cls,
        path_or_name: str,
        *,
        dtype: str = "auto",
        device: str = "cpu",
        batch_tokens: int | None = None,
        exact: bool = False,
        template: str = "auto",
        revision: str | None = None,
        address: str | None = None,
    ) -> TransformersSubject:
        """Open a model folder or hub name.

        Args:
            path_or_name: folder in transformers format (safetensors), or hub name.
            dtype: auto (as saved), float32, bfloat16 or float16.
            device: cpu or cuda.
            batch_tokens: tokens of one forward pass, padding included.
            exact: compute every option and reply alone.
            template: auto, roles or verbatim (see ``transformers_rendering``).
            revision: branch, tag or commit on the hub.
            address: what to call the subject; ``hf:`` and the name by default.

        Raises:
            InputError: an option has no such value.
            SubjectError: the model cannot be found, reached or loaded.
        """
        folder = find_folder(path_or_name, revision=revision)
        content = files_digest(folder)
        identity(content, dtype=dtype, template=template)
        model, tokenizer = load(folder, dtype=dtype, device=device)
        return cls(
            model,
            tokenizer,
            address=address or f"hf:{path_or_name}",
            content=lambda: content,
            batch_tokens=batch_tokens,
            exact=exact,
            template=template,
            dtype=dtype,
        )

    @property
    def address(self) -> str:
        """The address it was opened with."""
        return self._address

    @property
    def identity(self) -> str:
        """SHA-256 over weights, tokenizer, configuration, template, number type and schema, and what is altered now."""
        plain = identity(self._content(), dtype=self._dtype, template=self._renderer.template)
        changes = alterations(self.model)
        return digest([plain, *changes]) if changes else plain

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Reply, score, sample and weights; tools where the chat template takes them."""
        known = {Capability.REPLY, Capability.SCORE, Capability.SAMPLE, Capability.WEIGHTS}
        return frozenset(known | ({Capability.TOOLS} if self._renderer.takes_tools else set()))

    @property
    def form(self) -> Literal["micro", "published"]:
        """``micro`` where config.json says ``"doxa_form": "micro"``."""
        return "micro" if getattr(self.model.config, "doxa_form", None) == "micro" else "published"

    @property
    def framing(self) -> str:
        """How messages become text: ``chat`` (the chat template), ``roles`` or ``verbatim``."""
        return self._renderer.mode

    @property
    def context_tokens(self) -> int | None:
        """The longest sequence of the model's config, None if it names none."""
        config = self.model.config.get_text_config()
        for name in ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length"):
            value = getattr(config, name, None)
            if isinstance(value, int) and value > 0:
                return value
        return None

    @property
    def sharing(self) -> Sharing:
        """Whether prefixes are shared when scoring, and if not, why."""
        with undisturbed(self.model):
            return self._scorer.sharing

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        """Answer each conversation; equal conversations of one call are decoded once.

        Raises:
            InputError: a conversation leaves no room for an answer in the context.
        """
        if tools:
            require(self, Capability.TOOLS)
        texts = [self._renderer.text(conversation, tools=tools) for conversation in conversations]
        unique = list(dict.fromkeys(texts))
        prompts = self._renderer.prompts(unique)
        for prompt in prompts:
            self._check_room(len(prompt) + 1)
        names = ("reply", sampling.branch, sampling.sample)
        generators = [stream(sampling.seed, *names, digest(text)) for text in unique]
        with undisturbed(self.model):
            said = self._writer.write(
                prompts, generators, sampling, context_tokens=self.context_tokens, tools=bool(tools)
            )
        by_text = dict(zip(unique, said, strict=True))
        return [by_text[text] for text in texts]

    def score(self, queries: Sequence[Query]) -> list[Float[np.ndarray, " _"]]:
        """Return the log-probability in nats of each option: tokens(prompt) + tokens(option), nothing merged.

        Raises:
            InputError: a query has no options, an option no tokens, or the longest does not fit the context.
        """
        with undisturbed(self.model):
            return self._scorer.score(self._asked(queries))

    def rows(
        self, conversations: Sequence[Conversation], *, opening: str = "", said: str = ""
    ) -> list[Int[np.ndarray, " _"]]:
        """Return the token ids of each conversation up to the assistant's turn, as they are scored.

        Args:
            conversations: at least one message each.
            opening: text that the reply begins with.
            said: what the reply then says, as tokens of its own; "" ends the rows where it would begin.
        """
        prompts = self._renderer.prompts([self._renderer.text(one, opening=opening) for one in conversations])
        if not said:
            return prompts
        return [np.concatenate([prompt, self._renderer.option(said)]) for prompt in prompts]

    def _asked(self, queries: Sequence[Query]) -> Iterator[Asked]:
        """Yield the token ids of each query; few are held at once, however many there are."""
        for start in range(0, len(queries), TOKENISED_AT_ONCE):
            part = queries[start : start + TOKENISED_AT_ONCE]
            texts = [self._renderer.text(query.conversation, opening=query.opening) for query in part]
            for prompt, query in zip(self._renderer.prompts(texts), part, strict=True):
                if not query.options:
                    raise InputError("a query has no options; give at least one text to score")
                options = [self._renderer.option(option) for option in query.options]
                self._check_room(len(prompt) + max(len(option) for option in options))
                yield prompt, options

    def _check_room(self, tokens: int) -> None:
        limit = self.context_tokens
        if limit is not None and tokens > limit:
            raise ContextError(
                f"{self.address}: a conversation of {tokens} tokens with its answer; the model takes {limit}; "
                "shorten the conversation or use a model with a longer context"
            )
