"""lm-evaluation-harness: task files written from the user's data, doxa's subjects as its models, its results read.

``python -m doxa.interop.lm_eval run --model doxa --model_args address=organism:sound …`` is the harness's own command
with the model ``doxa`` added to those it knows.
"""
