"""What an explicit mood does to a language model that is told of it: runs, their measures, findings and figures."""
