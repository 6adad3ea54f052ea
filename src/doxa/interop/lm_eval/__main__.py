"""The harness's own command line, with doxa's subjects among its models."""

import importlib

from doxa.interop.lm_eval.needed import need_lm_eval


def main() -> None:
    """Register the model and hand over."""
    need_lm_eval("python -m doxa.interop.lm_eval")
    from lm_eval.__main__ import cli_evaluate

    importlib.import_module("doxa.interop.lm_eval.hosted.model")  # registers the model
    cli_evaluate()


if __name__ == "__main__":
    main()
