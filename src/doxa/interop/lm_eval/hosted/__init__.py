"""What the harness loads: doxa's subjects as its model ``doxa``."""

from doxa.interop.lm_eval.needed import need_lm_eval

need_lm_eval("doxa inside lm-evaluation-harness")
