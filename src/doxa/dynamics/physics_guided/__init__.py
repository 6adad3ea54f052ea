"""Learning where part of the dynamics is known: problems, their training and what comes of it (study ``pgdmm``)."""
