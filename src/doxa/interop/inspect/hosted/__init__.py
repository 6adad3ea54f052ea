"""What Inspect loads: doxa's protocols as its tasks, and doxa's subjects as its provider ``doxa``."""

from doxa.interop.inspect.needed import need_inspect

need_inspect("doxa inside Inspect")
